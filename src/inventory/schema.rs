//! The JSON Schema of an inventory: what `cowhand schema` prints, and what every inventory is read against.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::raw::RawInventory;
use super::rke_keys;

static SCHEMA: LazyLock<Value> = LazyLock::new(build);

/// The JSON Schema (draft 2020-12) with a description for every key.
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The same, to be looked into.
pub(super) fn shared() -> &'static Value {
    &SCHEMA
}

fn build() -> Value {
    let generated = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawInventory>();
    let mut schema = generated.to_value();
    tidy(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.insert("RkeCluster".into(), rke_keys::cluster());
        definitions.insert("RancherValues".into(), rke_keys::rancher_values());
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
