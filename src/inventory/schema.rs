//! The JSON Schema of an inventory: what `cowhand schema` prints, and what every inventory is read against.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::raw::RawInventory;
use super::{rancher_keys, rke_keys};

static SCHEMA: LazyLock<Value> = LazyLock::new(build);

/// The JSON Schema (draft 2020-12) with a description for every key.
pub fn schema() -> Value {
    let mut schema = SCHEMA.clone();
    as_read(&mut schema);
    schema
}

/// Where text is wanted, the reader takes a number and a truth as they are written (`labels: {rack: 7}`): an editor shall
/// not refuse them.
fn as_read(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let closed = map.contains_key("enum") || map.contains_key("const");
            if map.get("type") == Some(&json!("string")) && !closed {
                map.insert("type".into(), json!(["string", "number", "boolean"]));
            }
            map.values_mut().for_each(as_read);
        }
        Value::Array(items) => items.iter_mut().for_each(as_read),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The same, to be looked into.
pub(super) fn shared() -> &'static Value {
    &SCHEMA
}

/// The schema of another file that is read as an inventory is, with every definition in its place.
pub fn schema_of<Raw: schemars::JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Raw>().to_value();
    tidy(&mut schema);
    schema
}

fn build() -> Value {
    let generated = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawInventory>();
    let mut schema = generated.to_value();
    tidy(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.insert("RkeCluster".into(), rke_keys::cluster());
        definitions.insert("RancherValues".into(), rancher_keys::rancher_values());
    }
    schema
}

/// Takes away what follows from the Rust types and says nothing about the file: null for what is optional, defaults of
/// nothing, number formats.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("default");
            map.remove("format");
            without_null(map);
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_null(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let [Value::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            map.remove("anyOf");
            map.extend(only);
        }
    }
}

/// The words that a schema of a closed choice allows, in order; `None` for any other schema.
pub(super) fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let choices = schema.get("oneOf").and_then(Value::as_array)?;
    Some(
        choices
            .iter()
            .flat_map(|choice| words(choice).or(Some(vec![choice.get("const")?.as_str()?])))
            .flatten()
            .collect(),
    )
}

/// A schema, with the definition that it refers to in its place.
pub(super) fn resolve(schema: &Value) -> &Value {
    let definition = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
    match definition.and_then(|name| shared().get("$defs")?.get(name)) {
        Some(definition) => definition,
        None => schema,
    }
}

/// Every key that the schema knows, with the keys above it, e.g. `["rancher", "tls"]` for `issuer`.
pub(super) fn known_keys() -> &'static [(Vec<String>, String)] {
    static KEYS: LazyLock<Vec<(Vec<String>, String)>> = LazyLock::new(|| {
        let mut keys = Vec::new();
        collect_keys(shared(), &mut Vec::new(), &mut keys);
        keys
    });
    &KEYS
}

fn collect_keys(schema: &Value, above: &mut Vec<String>, keys: &mut Vec<(Vec<String>, String)>) {
    let schema = resolve(schema);
    for choice in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect_keys(choice, above, keys);
    }
    if let Some(items) = schema.get("items") {
        collect_keys(items, above, keys);
    }
    for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if inner.get("not").is_some() {
            continue;
        }
        keys.push((above.clone(), key.clone()));
        above.push(key.clone());
        collect_keys(inner, above, keys);
        above.pop();
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{AgentTlsMode, TlsIssuer, TlsMode};

    #[test]
    fn every_key_is_described_or_explains_itself() {
        let silent: Vec<_> = known_keys()
            .iter()
            .filter(|(above, _)| !above.iter().any(|key| key == "cluster" || key == "values" || key == "taints"))
            .filter(|(above, key)| description(above, key).is_none())
            .collect();
        assert!(silent.is_empty(), "without a description: {silent:?}");
    }

    fn description<'a>(above: &[String], key: &str) -> Option<&'a str> {
        let mut schema = shared();
        for step in above.iter().map(String::as_str).chain([key]) {
            schema = resolve(schema);
            if let Some(items) = schema.get("items") {
                schema = resolve(items).get("anyOf").map_or(resolve(items), |choices| resolve(&choices[1]));
            }
            schema = &schema["properties"][step];
        }
        schema.get("description").and_then(Value::as_str)
    }

    /// A JSON Schema's word for what a scalar is.
    fn kind(value: &Value) -> &'static str {
        match value {
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Null | Value::Array(_) | Value::Object(_) => "other",
        }
    }

    #[test]
    fn a_label_is_taken_or_refused_by_schema_and_reader_alike() {
        let schema = schema();
        let of_label = &schema["$defs"]["RawNodeMap"]["properties"]["labels"]["additionalProperties"];
        let types = of_label["type"].as_array().expect("several types");
        for (written, value) in [
            ("7", json!(7)),
            ("1.10", json!(1.10)),
            ("true", json!(true)),
            ("r7", json!("r7")),
            ("[7]", json!([7])),
            ("{a: 7}", json!({"a": 7})),
        ] {
            let text = format!(
                "name: prod\nnodes: [10.0.0.1, 10.0.0.2, {{address: 10.0.0.3, labels: {{rack: {written}}}}}]\n\
                 engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
                 rancher: {{hostname: r.example.com, version: 2.11.3, tls: {{mode: ingress, issuer: ca}}}}\n"
            );
            let nowhere = crate::inventory::Environment { home: None, folder: "/".into(), variable: &|_| None };
            let read = crate::inventory::parse(&text, std::path::Path::new("i.yml"), &nowhere);
            assert_eq!(read.is_ok(), types.contains(&kind(&value).into()), "{written}: {read:?}");
            if let Ok(read) = read {
                assert_eq!(read.nodes[2].labels["rack"], written, "as it was written");
            }
        }
    }

    #[test]
    fn nothing_of_rust_is_left_in_it() {
        let text = shared().to_string();
        assert!(!text.contains("\"null\"") && !text.contains("uint8"), "{text}");
        let modes = [TlsMode::Ingress, TlsMode::External, TlsMode::Rancher].map(TlsMode::word);
        assert_eq!(words(resolve(&shared()["$defs"]["TlsMode"])).unwrap(), modes);
        let issuers = [TlsIssuer::Blank, TlsIssuer::Ca, TlsIssuer::Acme].map(TlsIssuer::word);
        assert_eq!(words(resolve(&shared()["$defs"]["TlsIssuer"])).unwrap(), issuers);
        let agents = [AgentTlsMode::Strict, AgentTlsMode::SystemStore].map(AgentTlsMode::word);
        assert_eq!(words(resolve(&shared()["$defs"]["AgentTlsMode"])).unwrap(), agents);
        assert_eq!(words(resolve(&shared()["$defs"]["Delivery"])).unwrap(), ["addon", "helm"]);
    }
}
