//! Clusters that plain rke built: from the shapes of cluster.yml that people have to inventories, and back.

use std::collections::BTreeMap;

use cowhand::engine::rke::adopt::{Adopted, Fate, Given, RancherPart, adopt, in_addons};
use cowhand::engine::rke::cluster_yml::{Additions, cluster_yml};
use cowhand::inventory::{BucketCa, Engine, Inventory, read_cluster_yml};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::{file, read};

const SHAPES: [&str; 12] = [
    "howto",
    "internal-addresses",
    "dotted-names",
    "roles-apart",
    "bastion",
    "registries-and-bucket",
    "rke-config",
    "old-and-weave",
    "dual-stack",
    "inline-keys",
    "unknown-and-old-keys",
    "addon-rancher",
];

fn text(name: &str) -> String {
    file(&format!("tests/data/adopt/{name}.yml"))
}

/// As `adopt --offline` does it, with the cluster.yml in a folder beside the inventory's.
fn offline(name: &str) -> Adopted {
    let foreign = read_cluster_yml(&text(name)).unwrap();
    let addons = foreign.config.get("addons").and_then(Value::as_str);
    let rancher = addons.and_then(in_addons).unwrap_or_default();
    adopt(&Given { file: &foreign, kubernetes: None, folder: "../old/", rancher, known_hosts: None }).unwrap()
}

/// With everything known.
fn whole(name: &str) -> Adopted {
    let foreign = read_cluster_yml(&text(name)).unwrap();
    let tls = json!({"mode": "ingress", "issuer": "blank"}).as_object().cloned();
    let rancher = RancherPart {
        hostname: Some("rancher.example.com".into()),
        version: Some("2.11.3".into()),
        tls,
        ingress_class: Some("traefik".into()),
        ..RancherPart::default()
    };
    adopt(&Given { file: &foreign, kubernetes: None, folder: "../old/", rancher, known_hosts: None }).unwrap()
}

fn told(adopted: &Adopted) -> String {
    let mut told = adopted.inventory.clone();
    told += "\n# --- named ---\n";
    for one in &adopted.named {
        told += &format!("# {}: {}: {}\n", one.fate.word(), one.key, one.why);
    }
    for (what, lines) in [("open", &adopted.open), ("warning", &adopted.warnings)] {
        lines.iter().for_each(|line| told += &format!("# {what}: {line}\n"));
    }
    for secret in &adopted.secrets {
        told += &format!("# file: {}\n", secret.path.display());
    }
    told
}

/// The cluster.yml that is made of what was adopted.
fn again(adopted: &Adopted) -> (Inventory, Map<String, Value>) {
    let inventory = read(&adopted.inventory);
    let Engine::Rke(rke) = &inventory.engine else { panic!("{:?}", inventory.engine) };
    let texts: BTreeMap<String, &str> = adopted
        .secrets
        .iter()
        .map(|one| (format!("/srv/prod/{}", one.path.display()), one.text.expose_secret()))
        .collect();
    let value = |path: &str| match path.ends_with(".json") {
        true => serde_json::from_str(texts[path]).unwrap(),
        false => json!(texts[path]),
    };
    let files = rke.files.iter().map(|one| (one.key.clone(), value(one.file.to_str().unwrap()))).collect();
    let bucket_ca = match &rke.bucket_ca {
        Some(BucketCa::Text(text)) => Some(text.clone()),
        Some(BucketCa::File(_)) | None => None,
    };
    let config = cluster_yml(&inventory, rke, &Additions { files, bucket_ca, ..Additions::default() });
    (inventory, config)
}

/// Every leaf with its key.
fn leaves(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(&at, value, found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(&format!("{path}[{index}]"), item, found));
        }
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

/// What rke takes where nothing is said, and an inventory does not say either.
fn is_default(key: &str, value: &str, all: &[(String, String)]) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    let address = key.strip_suffix("internal_address").map(|node| format!("{node}address"));
    let same = address.is_some_and(|address| all.contains(&(address, value.to_owned())));
    let off = ["ssh_agent_auth", "ignore_proxy_env_vars", "restore", "rotate_encryption_key", "rotate_certificates"];
    same || (last, value) == ("port", "22")
        || (last, value) == ("docker_socket", "/var/run/docker.sock")
        || (value == "false" && key.split('.').any(|part| off.contains(&part)))
}

#[test]
fn each_shape_has_its_inventory_and_says_what_became_of_each_key() {
    for name in SHAPES {
        insta::assert_snapshot!(format!("adopted_{name}"), told(&offline(name)));
    }
}

#[test]
fn every_key_is_there_again_or_named() {
    for name in SHAPES {
        let adopted = whole(name);
        let version = read_cluster_yml(&text(name)).unwrap().config.contains_key("kubernetes_version");
        assert_eq!((adopted.digest.is_some(), &adopted.digest), (version, &offline(name).digest), "{name}");
        assert_eq!(adopted.open, Vec::<String>::new(), "{name}");
        let (_, config) = again(&adopted);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves("", &Value::Object(read_cluster_yml(&text(name)).unwrap().config), &mut before);
        leaves("", &Value::Object(config), &mut after);
        let elsewhere: Vec<&str> = adopted
            .named
            .iter()
            .filter(|one| matches!(one.fate, Fate::Moved | Fate::Left) || one.key.starts_with("nodes["))
            .map(|one| one.key.as_str())
            .collect();
        for (key, value) in &before {
            let named = elsewhere
                .iter()
                .any(|one| key.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])));
            // Roles have no order.
            let at = |key: &str| key.split(".role[").next().unwrap_or(key).to_owned();
            let same = |there: &str| if key.contains(".role[") { at(there) == at(key) } else { there == key };
            let there = after.iter().any(|(there, is)| same(there) && is.eq_ignore_ascii_case(value));
            assert!(there || named || is_default(key, value, &before), "{name}: {key} = {value} is lost\n{after:#?}");
        }
        assert!(before.len() > 5, "{name} says nothing");
    }
}

#[test]
fn an_adopted_cluster_gets_no_default_of_cowhands() {
    let (inventory, config) = again(&whole("howto"));
    assert!(inventory.is_adopted());
    for key in ["enable_cri_dockerd", "addon_job_timeout"] {
        assert!(!config.contains_key(key), "{key}");
    }
    assert_eq!(
        config["services"],
        json!({"etcd": {"snapshot": true, "backup_config": {"interval_hours": 6, "retention": 4}}})
    );
    assert_eq!(config["ingress"], json!({"provider": "nginx", "options": {"use-forwarded-headers": "true"}}));
}

#[test]
fn no_secret_is_in_the_inventory_or_in_what_is_said() {
    for name in SHAPES {
        let adopted = offline(name);
        assert!(!told(&adopted).contains("CANARY") && !told(&adopted).contains("Q0FOQVJZ"), "{name}");
        let written: String = adopted.secrets.iter().map(|one| one.text.expose_secret()).collect();
        let secrets = text(name).matches("CANARY").count();
        assert!(secrets == 0 || written.matches("CANARY").count() == secrets, "{name}: {}", adopted.secrets.len());
    }
}
