//! Secrets of a cluster.yml, each into a file of its own; and the addons' text, in which people keep Secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::model::{Fate, Named, SecretFile};
use crate::inventory::{Values, is_secret, masked};

/// Keys below which all of it is secret: configurations with passwords in a form of their own.
const WHOLE: [&str; 7] = [
    "customCloudProvider",
    "harvesterCloudProvider",
    "aci_network_provider",
    "custom_config",
    "config_file",
    "aws_access_key_id",
    "addons",
];

/// Stands in a list where a value was taken out, so that the others keep their places.
const TAKEN: &str = "in engine.rke.files";

/// Takes every secret out. Gives the inventory's `files`.
pub(super) fn take_out(
    config: &mut Values,
    files: &mut Vec<SecretFile>,
    named: &mut Vec<Named>,
) -> BTreeMap<String, String> {
    let mut taken = Vec::new();
    map(config, "", &mut taken);
    let mut keys = BTreeMap::new();
    for (key, value) in taken {
        let (path, text) = match value {
            Value::String(text) => (file_of(&key, "addons", ".yml"), text),
            // Whoever reads it has to know that it is no plain text.
            other => (format!("secrets/{}.json", plain(&key)), other.to_string()),
        };
        named.push(Named { key: key.clone(), fate: Fate::InFile, why: format!("its value lies in {path}") });
        files.push(SecretFile { path: PathBuf::from(&path), text: SecretString::from(text) });
        keys.insert(key, format!("./{path}"));
    }
    keys
}

fn file_of(key: &str, special: &str, end: &str) -> String {
    format!("secrets/{}{}", plain(key), if key == special { end } else { "" })
}

/// A key as a file's name: `private-registries-0-password`.
pub(super) fn plain(key: &str) -> String {
    let dashes: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    dashes.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Whether a key can be said in dots.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.contains(['.', '[', ']'])
}

fn map(config: &mut Values, path: &str, taken: &mut Vec<(String, Value)>) {
    let keys: Vec<String> = config.keys().cloned().collect();
    for key in keys {
        let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let Some(value) = config.get_mut(&key) else { continue };
        // A secret below a key that dots cannot say is taken out with what is around it.
        if WHOLE.contains(&key.as_str()) || is_secret_leaf(&key, value) || unsayable(value) {
            taken.extend(config.shift_remove(&key).map(|value| (at, value)));
            continue;
        }
        match value {
            Value::Object(inner) => {
                map(inner, &at, taken);
                // An empty credential map says that the nodes have rights of their own.
                if inner.is_empty() && key != "ecr_credential_plugin" {
                    config.shift_remove(&key);
                }
            }
            Value::Array(items) => list(items, &at, taken),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn list(items: &mut [Value], path: &str, taken: &mut Vec<(String, Value)>) {
    for (index, item) in items.iter_mut().enumerate() {
        let at = format!("{path}[{index}]");
        match item {
            Value::Object(inner) => map(inner, &at, taken),
            Value::Array(items) => list(items, &at, taken),
            Value::String(_) if is_secret_leaf("", item) => taken.push((at, std::mem::replace(item, json!(TAKEN)))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn is_secret_leaf(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let variable = text.split_once('=').is_some_and(|(name, rest)| !rest.is_empty() && is_secret(name));
            is_secret(key) || text.contains("PRIVATE KEY") || masked(text) != *text || variable
        }
        Value::Number(_) => is_secret(key),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether something secret is below a key that cannot be said in dots (an address, say).
fn unsayable(value: &Value) -> bool {
    fn secret_in(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.iter().any(|(key, value)| is_secret_leaf(key, value) || secret_in(value)),
            Value::Array(items) => items.iter().any(|item| is_secret_leaf("", item) || secret_in(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    let Value::Object(map) = value else { return false };
    map.iter().any(|(key, value)| !is_plain(key) && (is_secret_leaf(key, value) || secret_in(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn every_secret_has_a_file_and_the_rest_stays() {
        let mut config = json!({
            "private_registries": [{"url": "r.example.com", "user": "me", "password": "CANARY1"}],
            "services": {
                "etcd": {"backup_config": {"s3backupconfig": {"access_key": "CANARY2", "secret_key": "CANARY3", "bucket_name": "b"}}},
                "kube-api": {"extra_env": ["A=b", "DB_PASSWORD=CANARY4", "HTTPS_PROXY=http://me:CANARY5@p"],
                    "secrets_encryption_config": {"enabled": true, "custom_config": {"a": "CANARY6"}}},
            },
            "cloud_provider": {"name": "vsphere", "vsphereCloudProvider": {"virtual_center": {"10.0.0.1": {"user": "u", "password": "CANARY7"}}}},
            "addons": "kind: Secret\nstringData: {x: CANARY8}\n",
        })
        .as_object()
        .unwrap()
        .clone();
        let whole = Value::Object(config.clone());
        let (mut files, mut named) = (Vec::new(), Vec::new());
        let keys = take_out(&mut config, &mut files, &mut named);
        let left = Value::Object(config.clone()).to_string();
        assert!(!left.contains("CANARY") && !format!("{named:?}{files:?}").contains("CANARY"), "{left}");
        assert_eq!((files.len(), keys.len(), named.len()), (8, 8, 8));
        assert_eq!(
            keys["cloud_provider.vsphereCloudProvider.virtual_center"],
            "./secrets/cloud-provider-vspherecloudprovider-virtual-center.json"
        );
        // Put back, they are what was there.
        for (key, file) in &keys {
            let text =
                files.iter().find(|one| format!("./{}", one.path.display()) == *file).unwrap().text.expose_secret();
            let value = if file.ends_with(".json") { serde_json::from_str(text).unwrap() } else { json!(text) };
            crate::inventory::put(&mut config, key, value).unwrap();
        }
        assert_eq!(Value::Object(config), whole);
    }
}
