//! The keys of cluster.yml that are not its nodes.

use serde_json::Value;

use super::model::{Fate, Named};
use crate::inventory::Values;

/// Orders of one moment, and what has no effect in the file (rancher/rke v1.8.0: cmd/common.go, types/rke_types.go).
const WITHOUT_EFFECT: [(&str, &str); 4] = [
    ("restore", "it belongs to a restore, not to a description of the cluster"),
    ("rotate_certificates", "it is an order of one moment, not a description of the cluster"),
    ("rotate_encryption_key", "it is an order of one moment, not a description of the cluster"),
    ("ignore_docker_version", "it has no effect in the file: rke's command line overwrites it"),
];

const SERVICES: [&str; 6] = ["etcd", "kube-api", "kube-controller", "scheduler", "kubelet", "kubeproxy"];

/// Takes a text out.
pub(super) fn text(config: &mut Values, key: &str) -> Option<String> {
    match config.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    }
}

/// Leaves out what describes no cluster.
pub(super) fn orders(config: &mut Values, named: &mut Vec<Named>) {
    for (key, why) in WITHOUT_EFFECT {
        if config.shift_remove(key).is_some_and(|value| !is_off(&value)) {
            named.push(Named { key: key.into(), fate: Fate::Left, why: why.into() });
        }
    }
    for service in SERVICES {
        let map = config.get_mut("services").and_then(|services| services.get_mut(service)?.as_object_mut());
        if map.is_some_and(|map| map.shift_remove("image").is_some()) {
            let why = "rke ignores it: system_images says which image runs".into();
            named.push(Named { key: format!("services.{service}.image"), fate: Fate::Left, why });
        }
    }
    for (key, map) in config.iter_mut() {
        dropped(map, key, named);
    }
    prune(config);
}

/// What Kubernetes spells so, and rke drops without a word (rancher/rke v1.8.0: types/rke_types.go, read by yaml.v2).
fn dropped(value: &mut Value, path: &str, named: &mut Vec<Named>) {
    const SPELT: &str = "tolerationSeconds";
    match value {
        Value::Object(map) => {
            if map.shift_remove(SPELT).is_some() {
                let why = "rke drops this spelling without a word; to it, the key is tolerationseconds".into();
                named.push(Named { key: format!("{path}.{SPELT}"), fate: Fate::Left, why });
            }
            map.iter_mut().for_each(|(key, inner)| dropped(inner, &format!("{path}.{key}"), named));
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(at, item)| dropped(item, &format!("{path}[{at}]"), named));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Written by `rke config`, and no order at all.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.values().all(is_off),
        Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// Takes out the maps that are empty now; one for the rights of a registry's own says something when it is empty.
fn prune(config: &mut Values) {
    for key in config.keys().cloned().collect::<Vec<_>>() {
        let Some(Value::Object(map)) = config.get_mut(&key) else { continue };
        prune(map);
        if map.is_empty() {
            config.shift_remove(&key);
        }
    }
}

/// Whether RKE's own nginx is the ingress; takes the key out, which the inventory says elsewhere.
pub(super) fn is_nginx(config: &mut Values) -> bool {
    let Some(Value::Object(ingress)) = config.get_mut("ingress") else { return true };
    let provider = text(ingress, "provider");
    if ingress.is_empty() {
        config.shift_remove("ingress");
    }
    provider.is_none_or(|provider| provider == "nginx")
}

/// Files of `addons_include` lie where cluster.yml lies, and rke is run elsewhere from now on.
pub(super) fn includes(config: &mut Values, folder: &str, named: &mut Vec<Named>) {
    let Some(Value::Array(items)) = config.get_mut("addons_include") else { return };
    for (index, item) in items.iter_mut().enumerate() {
        let Some(text) = item.as_str() else { continue };
        if text.contains("://") || text.starts_with('/') {
            continue;
        }
        let path = format!("{folder}{text}");
        let why = format!("rke reads it from where it is run, which is another folder now; it is {path} there");
        named.push(Named { key: format!("addons_include[{index}]"), fate: Fate::Moved, why });
        *item = Value::String(path);
    }
}

/// Moves the value of a key, or of the nearest key above it that is there, from one map to the other; a list goes whole.
/// Gives the key that was moved.
pub(super) fn keep(from: &mut Values, to: &mut Values, key: &str) -> Option<String> {
    let whole = key.split('[').next().unwrap_or(key);
    let mut parts: Vec<&str> = whole.split('.').collect();
    while !parts.is_empty() {
        if let Some(value) = remove(from, &parts) {
            insert(to, &parts, value);
            prune(from);
            return Some(parts.join("."));
        }
        parts.pop();
    }
    None
}

fn remove(map: &mut Values, parts: &[&str]) -> Option<Value> {
    match parts {
        [] => None,
        [last] => map.shift_remove(*last),
        [first, rest @ ..] => remove(map.get_mut(*first)?.as_object_mut()?, rest),
    }
}

fn insert(map: &mut Values, parts: &[&str], value: Value) {
    match parts {
        [] => {}
        [last] => {
            let over = Values::from_iter([((*last).to_owned(), value)]);
            crate::inventory::merge(map, &over);
        }
        [first, rest @ ..] => {
            let inner = map.entry(*first).or_insert_with(|| Value::Object(Values::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_kept_leaves_nothing_behind() {
        let mut from = json!({"network": {"plugin": "weave", "mtu": 1}, "dns": {"tolerations": [{"key": "a"}]}})
            .as_object()
            .unwrap()
            .clone();
        let mut to = Values::new();
        assert_eq!(keep(&mut from, &mut to, "network.plugin").as_deref(), Some("network.plugin"));
        assert_eq!(
            keep(&mut from, &mut to, "dns.tolerations[0].tolerationSeconds").as_deref(),
            Some("dns.tolerations")
        );
        assert_eq!(keep(&mut from, &mut to, "network.options.missing").as_deref(), Some("network"));
        assert_eq!(keep(&mut from, &mut to, "other"), None);
        assert_eq!(Value::Object(from), json!({}));
        assert_eq!(
            Value::Object(to),
            json!({"network": {"plugin": "weave", "mtu": 1}, "dns": {"tolerations": [{"key": "a"}]}})
        );
    }
}
