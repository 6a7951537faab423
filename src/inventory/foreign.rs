//! A cluster.yml that somebody else wrote, read as rke reads it: YAML 1.1's truths where a truth is wanted, the written
//! text where a text is, and unknown keys told apart (rke parses with yaml.v2 into Go types: rancher/rke v1.8.0,
//! cluster/cluster.go, ParseConfig).

use serde_json::{Map, Value, json};

use super::path::KeyPath;
use super::rke_keys::{self, kinds};
use super::tree::{Content, Entry, Place, Tree};
use super::{Values, schema};
use crate::failure::Hint;

/// What a foreign cluster.yml says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Foreign {
    /// What says something: null, empty texts, lists and maps, and zeros that mean none are left out.
    pub config: Values,
    /// Keys that no rke knows; it passes over them without a word.
    pub unknown: Vec<String>,
}

/// Why a file is no cluster.yml that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    #[error("line {}, column {}: {message}", place.line, place.column)]
    NoYaml { place: Place, message: String },
    #[error("line {}: {key} stands here a second time; the first is in line {first}", place.line)]
    Twice { place: Place, key: String, first: u64 },
    #[error("line {}: {key} is {seen}, and rke wants {wanted}", place.line)]
    Kind { place: Place, key: String, seen: &'static str, wanted: &'static str },
    #[error("it is empty")]
    Empty,
    #[error("it is not a map of keys")]
    NoMap,
}

impl Hint for NotRead {
    fn hint(&self) -> Option<String> {
        Some("give the cluster.yml that `rke up` was run with; nothing was written".into())
    }
}

/// Reads a cluster.yml. Nothing of a value is ever in an error.
pub fn read_cluster_yml(text: &str) -> Result<Foreign, NotRead> {
    let tree = Tree::read(text).map_err(|error| NotRead::NoYaml {
        place: error.place,
        message: error.message.replace("an inventory", "a cluster.yml"),
    })?;
    match &tree.content {
        Content::Null => return Err(NotRead::Empty),
        Content::Map(_) => {}
        Content::Bool(..) | Content::Number(..) | Content::Text { .. } | Content::List(_) => {
            return Err(NotRead::NoMap);
        }
    }
    let mut foreign = Foreign::default();
    let mut top = rke_keys::cluster();
    own(&mut top);
    if let Some(Value::Object(config)) = value(&tree, Some(&top), &KeyPath::default(), &mut foreign.unknown)? {
        foreign.config = config;
    }
    Ok(foreign)
}

/// Reads a configuration with other spellings of its keys, as RKE's state has one. `spelled` tells how the keys of a
/// cluster.yml are spelled there; free keys (labels, extra_args) are the same in both.
pub fn read_as_cluster_yml(config: &Value, spelled: &dyn Fn(&str) -> String) -> Result<Foreign, NotRead> {
    let mut top = rke_keys::cluster();
    own(&mut top);
    // JSON is YAML.
    read_cluster_yml(&respelled(config, Some(&top), spelled).to_string())
}

fn respelled(config: &Value, of: Option<&Value>, spelled: &dyn Fn(&str) -> String) -> Value {
    let of = of.map(schema::resolve);
    let part = |name: &str| of.and_then(|of| of.get(name));
    match config {
        Value::Object(map) => {
            let known = part("properties").and_then(Value::as_object);
            let one = |(key, value): (&String, &Value)| {
                let found =
                    known.and_then(|known| known.iter().find(|(name, _)| *name == key || spelled(name) == *key));
                let (name, of) = found.map_or((key, part("additionalProperties")), |(name, of)| (name, Some(of)));
                (name.clone(), respelled(value, of, spelled))
            };
            Value::Object(map.iter().map(one).collect())
        }
        Value::Array(items) => items.iter().map(|item| respelled(item, part("items"), spelled)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => config.clone(),
    }
}

/// Types of the keys that an inventory refuses in `engine.rke.cluster`, and so does not describe.
fn own(top: &mut Value) {
    use kinds::{flag, list, map, text, text_map, texts};
    let taint = map([("key", text()), ("value", text()), ("effect", text()), ("timeAdded", text())]);
    let ssh = || {
        vec![
            ("address", text()),
            ("port", text()),
            ("user", text()),
            ("ssh_agent_auth", flag()),
            ("ssh_key", text()),
            ("ssh_key_path", text()),
            ("ssh_cert", text()),
            ("ssh_cert_path", text()),
        ]
    };
    let node = ssh().into_iter().chain([
        ("nodeName", text()),
        ("internal_address", text()),
        ("role", texts()),
        ("hostname_override", text()),
        ("docker_socket", text()),
        ("labels", text_map()),
        ("taints", list(taint)),
    ]);
    let types = [
        ("nodes", list(map(node))),
        ("bastion_host", map(ssh().into_iter().chain([("ignore_proxy_env_vars", flag())]))),
        ("ssh_agent_auth", flag()),
        ("ignore_docker_version", flag()),
        ("rotate_encryption_key", flag()),
        ("restore", map([("restore", flag()), ("snapshot_name", text())])),
    ];
    let texts = ["addons", "cluster_name", "kubernetes_version", "ssh_key_path", "ssh_cert_path", "win_prefix_path"];
    for (key, of) in types.into_iter().chain(texts.map(|key| (key, text()))) {
        top["properties"][key] = of;
    }
    top["properties"]["ingress"]["properties"]["provider"] = text();
}

/// `None` for what says nothing.
fn value(tree: &Tree, of: Option<&Value>, path: &KeyPath, unknown: &mut Vec<String>) -> Result<Option<Value>, NotRead> {
    let of = of.map(schema::resolve);
    let kind = of.and_then(|of| of.get("type")).and_then(Value::as_str);
    let wrong = |seen, wanted| NotRead::Kind { place: tree.place, key: path.to_string(), seen, wanted };
    let read = match (&tree.content, kind) {
        (Content::Null, _) => return Ok(None),
        (Content::Map(_), Some("array")) => return Err(wrong("a map", "a list")),
        (Content::Map(_), Some("string" | "boolean" | "integer" | "number")) => {
            return Err(wrong("a map", "one value"));
        }
        (Content::Map(entries), _) => return map(entries, of, path, unknown),
        (Content::List(_), Some("object")) => return Err(wrong("a list", "a map")),
        (Content::List(_), Some("string" | "boolean" | "integer" | "number")) => {
            return Err(wrong("a list", "one value"));
        }
        (Content::List(items), _) => return list(items, of, path, unknown),
        (Content::Bool(..) | Content::Number(..) | Content::Text { .. }, Some("object")) => {
            return blank(tree).then_some(None).ok_or(wrong("one value", "a map"));
        }
        (Content::Bool(..) | Content::Number(..) | Content::Text { .. }, Some("array")) => {
            return blank(tree).then_some(None).ok_or(wrong("one value", "a list"));
        }
        (Content::Bool(_, written) | Content::Number(_, written), Some("string")) => Value::String(written.clone()),
        (Content::Bool(flag, _), _) => json!(flag),
        (Content::Number(number, _), _) => Value::Number(number.clone()),
        (Content::Text { text, plain: true }, None | Some("boolean")) if truth(text).is_some() => json!(truth(text)),
        (Content::Text { text, .. }, _) => Value::String(text.clone()),
    };
    let unset = of.is_some_and(|of| of.get("default") == Some(&json!(0)) && read == json!(0));
    Ok((!unset && read != json!("")).then_some(read))
}

fn blank(tree: &Tree) -> bool {
    matches!(&tree.content, Content::Text { text, .. } if text.is_empty())
}

/// yaml.v2's words (go-yaml/yaml v2: resolve.go).
fn truth(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn map(
    entries: &[Entry],
    of: Option<&Value>,
    path: &KeyPath,
    unknown: &mut Vec<String>,
) -> Result<Option<Value>, NotRead> {
    let known = of.and_then(|of| of.get("properties")).and_then(Value::as_object);
    let others = of.and_then(|of| of.get("additionalProperties"));
    let mut read = Map::new();
    for (position, entry) in entries.iter().enumerate() {
        let path = path.key(&entry.key);
        if let Some(first) = entries[..position].iter().find(|earlier| earlier.key == entry.key) {
            return Err(NotRead::Twice { place: entry.place, key: path.to_string(), first: first.place.line });
        }
        let kind = match (known.and_then(|known| known.get(&entry.key)), others) {
            // What is refused in an inventory has no type of its own.
            (Some(kind), _) => Some(kind).filter(|kind| kind.get("not").is_none()),
            (None, Some(Value::Bool(false))) => {
                unknown.push(path.to_string());
                continue;
            }
            (None, others) => others.filter(|others| others.is_object()),
        };
        let refused = known.and_then(|known| known.get(&entry.key)).is_some_and(|kind| kind.get("not").is_some());
        // In a map of free keys (extra_args), an empty value is a value.
        let free = known.is_none();
        match value(&entry.value, kind, &path, unknown)? {
            // As the inventory's reader has it: no, to what cannot be asked for, asks for nothing.
            Some(Value::Bool(false)) if refused => {}
            Some(value) => drop(read.insert(entry.key.clone(), value)),
            None if free && blank(&entry.value) => drop(read.insert(entry.key.clone(), json!(""))),
            None => {}
        }
    }
    let even_empty = of.is_some_and(|of| of.get("minProperties").is_some());
    Ok((even_empty || !read.is_empty()).then_some(Value::Object(read)))
}

fn list(
    items: &[Tree],
    of: Option<&Value>,
    path: &KeyPath,
    unknown: &mut Vec<String>,
) -> Result<Option<Value>, NotRead> {
    let of = of.and_then(|of| of.get("items"));
    let mut read = Vec::new();
    for (index, item) in items.iter().enumerate() {
        read.extend(value(item, of, &path.index(index), unknown)?);
    }
    Ok((!read.is_empty()).then_some(Value::Array(read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        Value::Object(read_cluster_yml(text).unwrap().config)
    }

    #[test]
    fn truths_and_texts_are_those_of_rke() {
        let text = "ssh_agent_auth: yes\nservices: {kube-api: {always_pull_images: On, extra_args: {v: 2, a: yes, b: ''}}}\n\
                    nodes: [{address: 1.2.3.4, port: 22, role: [etcd]}]\nkubernetes_version: v1.32.2-rancher1-1\n\
                    services2: {a: 1}\nnetwork: {plugin: canal, mtu: 0, iface: x}\n";
        let found = read_cluster_yml(text).unwrap();
        assert_eq!(
            Value::Object(found.config),
            json!({
                "ssh_agent_auth": true,
                "services": {"kube-api": {"always_pull_images": true, "extra_args": {"v": "2", "a": "yes", "b": ""}}},
                "nodes": [{"address": "1.2.3.4", "port": "22", "role": ["etcd"]}],
                "kubernetes_version": "v1.32.2-rancher1-1", "network": {"plugin": "canal"},
            })
        );
        assert_eq!(found.unknown, ["services2", "network.iface"]);
    }

    #[test]
    fn anchors_are_followed_and_what_says_nothing_is_left_out() {
        let text = "x: &n {user: me, role: [etcd]}\nnodes:\n  - <<: *n\n    address: a\n  - {<<: *n, address: b, port: ''}\n\
                    dns: null\nmonitoring: {provider: '', options: {}}\naddons_include: []\n";
        let node = |address: &str| json!({"user": "me", "role": ["etcd"], "address": address});
        let found = read(text);
        assert_eq!(found["nodes"].as_array().unwrap().len(), 2);
        for (index, address) in ["a", "b"].into_iter().enumerate() {
            assert_eq!(found["nodes"][index], node(address));
        }
        assert_eq!(found.as_object().unwrap().len(), 1, "{found}");
        assert_eq!(
            read("private_registries: [{url: a, ecr_credential_plugin: {}}]")["private_registries"][0]
                .as_object()
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn what_rke_could_not_read_either_is_said_without_its_value() {
        for (text, part) in [
            ("", "empty"),
            ("- a", "not a map"),
            ("nodes: {a: CANARY}", "nodes is a map, and rke wants a list"),
            ("services: CANARY", "services is one value"),
            ("cluster_name: [CANARY]", "cluster_name is a list"),
            ("a: 1\naddons: CANARY\naddons: b", "line 3: addons stands here a second time"),
            ("a: [CANARY", "not YAML"),
        ] {
            let error = read_cluster_yml(text).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("CANARY"), "{text}: {error}");
        }
    }
}
