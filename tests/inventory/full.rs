//! `inventory/full.yml` has every key of the schema at the place where the schema has it, and each of its `or:` is valid.

use std::collections::BTreeSet;

use cowhand::inventory::schema;
use serde_json::{Value, json};

use crate::{file, read};

fn text() -> String {
    String::from_utf8(file("inventory/full.yml")).unwrap()
}

/// One way to follow an `or:` of the file: what is set there, and what goes because it excludes that.
struct Other {
    /// What stands behind `or: ` in exactly one line.
    said: &'static str,
    set: Vec<(&'static str, Value)>,
    without: &'static [&'static str],
}

fn other(said: &'static str, set: &[(&'static str, Value)], without: &'static [&'static str]) -> Other {
    Other { said, set: set.to_vec(), without }
}

const TLS_FILES: &[&str] = &["/rancher/tls/acme", "/rancher/tls/ca", "/rancher/tls/also_trust"];
const ACME: &[&str] = &["/rancher/tls/acme"];
const TRAEFIK: &[&str] = &["/ingress/chart", "/ingress/values"];

/// Every `or:` of the file, in its order.
fn others() -> Vec<Other> {
    let ca = json!("./tls/ca.pem");
    vec![
        other("[first, second]; an empty list", &[("/ssh/jump", json!(["first", "second"]))], &[]),
        other("[first, second]; an empty list", &[("/ssh/jump", json!([]))], &[]),
        other("PreferNoSchedule, NoExecute", &[("/nodes/3/taints/0/effect", json!("PreferNoSchedule"))], &[]),
        other("PreferNoSchedule, NoExecute", &[("/nodes/3/taints/0/effect", json!("NoExecute"))], &[]),
        other("download, or a path", &[("/engine/rke/binary", json!("download")), ("/helm", json!("download"))], &[]),
        other("download, or a path", &[("/engine/rke/binary", json!("/opt/rke")), ("/helm", json!("/opt/helm"))], &[]),
        other(
            "RancherOnK8S",
            &[
                ("/engine/existing", json!({"kubeconfig": "~/.kube/config", "context": "prod"})),
                ("/ingress/provider", json!("existing")),
                ("/rancher/delivery", json!("helm")),
            ],
            &["/engine/rke", "/nodes", "/ssh", "/ingress/chart", "/ingress/values"],
        ),
        other(
            "nginx (RKE's own",
            &[("/ingress/provider", json!("nginx")), ("/ingress/class", json!("nginx"))],
            TRAEFIK,
        ),
        other("nginx (RKE's own", &[("/ingress/provider", json!("existing"))], TRAEFIK),
        other("path: ./charts/traefik", &[("/ingress/chart", json!({"path": "./charts/traefik"}))], &[]),
        other(
            "never (",
            &[("/cert_manager/install", json!("never"))],
            &["/cert_manager/chart", "/cert_manager/values"],
        ),
        other("helm", &[("/rancher/delivery", json!("helm"))], &[]),
        other(
            "passphrase: ./secrets",
            &[("/backup/passphrase", json!("./secrets/passphrase"))],
            &["/backup/recipients"],
        ),
        other(
            "external (at a load balancer)",
            &[("/rancher/tls/mode", json!("external")), ("/rancher/tls/issuer", json!("blank"))],
            ACME,
        ),
        other(
            "external (at a load balancer)",
            &[
                ("/rancher/tls/mode", json!("rancher")),
                ("/rancher/version", json!("2.11.5")),
                ("/rancher/chart/version", json!("2.11.5")),
            ],
            &[],
        ),
        other("ca (yours, or a made one)", &[("/rancher/tls/issuer", json!("ca"))], TLS_FILES),
        other("ca (yours, or a made one)", &[("/rancher/tls/issuer", json!("blank"))], TLS_FILES),
        other(
            "environment: staging",
            &[("/rancher/tls/acme/environment", json!("staging"))],
            &["/rancher/tls/acme/server", "/rancher/tls/acme/server_ca"],
        ),
        other(
            "ca_key: ./tls/ca-key.pem",
            &[
                ("/rancher/tls/issuer", json!("ca")),
                ("/rancher/tls/ca_key", json!("./tls/ca-key.pem")),
                ("/rancher/tls/ca", ca),
            ],
            ACME,
        ),
        other("certificate: ./tls/chain.pem", &files(), ACME),
        other("key: ./tls/key.pem", &files(), ACME),
        other(
            "system-store;",
            &[("/rancher/tls/agent_tls_mode", json!("system-store"))],
            &["/rancher/tls/ca", "/rancher/tls/also_trust"],
        ),
    ]
}

fn files() -> Vec<(&'static str, Value)> {
    vec![
        ("/rancher/tls/issuer", json!("blank")),
        ("/rancher/tls/certificate", json!("./tls/chain.pem")),
        ("/rancher/tls/key", json!("./tls/key.pem")),
    ]
}

/// Puts a value where it belongs; everything above it is there.
fn put(document: &mut Value, place: &str, value: Value) {
    let (above, key) = place.rsplit_once('/').unwrap();
    match document.pointer_mut(above).unwrap_or_else(|| panic!("{above} is not in the file")) {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        Value::Object(map) => drop(map.insert(key.to_owned(), value)),
        other => panic!("{above} is {other}"),
    }
}

fn take(document: &mut Value, place: &str) {
    let (above, key) = place.rsplit_once('/').unwrap();
    let map = document.pointer_mut(above).and_then(Value::as_object_mut).unwrap();
    assert!(map.remove(key).is_some(), "{place} is not in the file");
}

/// The file as it stands, and once for each `or:`.
fn documents() -> Vec<(&'static str, Value)> {
    let plain: Value = serde_yaml::from_str(&text()).unwrap();
    let changed = others().into_iter().map(|other| {
        let mut document = plain.clone();
        other.without.iter().for_each(|place| take(&mut document, place));
        other.set.into_iter().for_each(|(place, value)| put(&mut document, place, value));
        (other.said, document)
    });
    [("as it stands", plain.clone())].into_iter().chain(changed).collect()
}

#[test]
fn each_other_way_that_it_names_is_valid() {
    // JSON is YAML.
    let judged = documents().into_iter().map(|(said, document)| (said, read(document.to_string().as_bytes())));
    let refused: Vec<String> = judged.filter_map(|(said, read)| Some(format!("or: {said}\n{}", read.err()?))).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn each_or_of_the_file_is_tried_here() {
    let text = text();
    // The second line says what such a comment is.
    let lines = text.lines().filter(|line| !line.contains("beginning with"));
    let said: Vec<&str> =
        lines.filter_map(|line| line.split_once('#')?.1.split_once("or: ").map(|(_, rest)| rest)).collect();
    let others = others();
    for line in &said {
        assert!(others.iter().any(|other| line.starts_with(other.said)), "nobody tries `or: {line}`");
    }
    for other in &others {
        assert!(said.iter().any(|line| line.starts_with(other.said)), "`or: {}` is not in the file", other.said);
    }
    // What an `or:` names in words is one of the values that are set for it.
    for words in [
        "or: external (at a load balancer), rancher (in its pods; from 2.11.5)",
        "or: ca (yours, or a made one), blank",
        "or: nginx (RKE's own, default with rke), existing",
    ] {
        assert!(text.contains(words), "`{words}` has changed: change what is tried with it");
    }
}

/// Notes which keys of which definition of the schema stand in the document, each at the place where the schema has it.
fn walk(root: &Value, schema: &Value, definition: &str, document: &Value, seen: &mut BTreeSet<(String, String)>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return walk(root, &root["$defs"][name], name, document, seen);
    }
    for one in ["anyOf", "oneOf", "allOf"].iter().filter_map(|kind| schema[kind].as_array()).flatten() {
        walk(root, one, definition, document, seen);
    }
    match document {
        Value::Array(list) => list.iter().for_each(|one| walk(root, &schema["items"], definition, one, seen)),
        Value::Object(map) => {
            for (key, value) in map {
                if let Some(within) = schema["properties"].get(key) {
                    seen.insert((definition.to_owned(), key.clone()));
                    walk(root, within, definition, value, seen);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn no_key_of_the_schema_is_missing() {
    let schema = schema();
    let mut wanted = BTreeSet::new();
    let definitions = schema["$defs"].as_object().unwrap().iter().map(|(name, definition)| (name.as_str(), definition));
    for (name, definition) in definitions.chain([("the inventory", &schema)]) {
        // RKE's own keys are RKE's to describe; those that Rancher's values may not have have no place here.
        if !matches!(name, "RkeCluster" | "RancherValues") {
            let keys = definition["properties"].as_object().into_iter().flatten();
            wanted.extend(keys.map(|(key, _)| (name.to_owned(), key.clone())));
        }
    }
    let mut seen = BTreeSet::new();
    for (_, document) in documents() {
        walk(&schema, &schema, "the inventory", &document, &mut seen);
    }
    let missing: Vec<_> = wanted.difference(&seen).collect();
    assert!(wanted.len() > 50 && missing.is_empty(), "not in inventory/full.yml where it belongs: {missing:?}");
}
