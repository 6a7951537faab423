//! `cluster.yml` for the real rke, from the inventory alone: same inventory, same bytes.
//!
//! Key names: rancher/rke v1.8.0 `types/rke_types.go`.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::inventory::{IngressProvider, Inventory, Node, Rke, Roles, Taint};
use crate::inventory::{merge, put};
use data_encoding::HEXLOWER;

/// RKE's limit in seconds for each addon job; its own default of 45 is the best known cause of failed first runs.
const ADDON_JOB_TIMEOUT: u32 = 300;

/// What the other rooms put into cluster.yml beside the inventory.
#[derive(Debug, Clone, Default)]
pub struct Additions {
    /// Text of the `addons` key: Rancher's rendered objects, without secrets.
    pub addon: String,
    /// `ingress.options` for RKE's own nginx.
    pub nginx_options: Map<String, Value>,
    /// `ingress.extra_args` for RKE's own nginx.
    pub nginx_arguments: Map<String, Value>,
    /// `custom_ca` of the bucket for snapshots: PEM.
    pub bucket_ca: Option<String>,
    /// Keys whose values lie in files of their own, with those values.
    pub files: Vec<(String, Value)>,
}

/// The cluster.yml that people keep: usable by hand with plain `rke up`, without cowhand's front.
pub fn cluster_yml(inventory: &Inventory, rke: &Rke, additions: &Additions) -> Map<String, Value> {
    let mut root = Map::new();
    root.insert("cluster_name".into(), json!(inventory.name));
    root.insert("kubernetes_version".into(), json!(rke.kubernetes));
    if !rke.adopted {
        root.insert("enable_cri_dockerd".into(), json!(true));
        root.insert("addon_job_timeout".into(), json!(ADDON_JOB_TIMEOUT));
    }
    root.insert("nodes".into(), inventory.nodes.iter().map(node).collect());
    // In an adopted cluster what runs wins: its nginx has the options that the inventory names.
    let none = Additions::default();
    root.insert("ingress".into(), ingress(inventory, if rke.adopted { &none } else { additions }));
    if !rke.adopted {
        root.insert("services".into(), services());
    }
    merge(&mut root, &rke.cluster);
    for (key, value) in &additions.files {
        // The inventory's rules have tried whether the key leads somewhere.
        let _ = put(&mut root, key, value.clone());
    }
    if let Some(bucket) = root.get_mut("services").and_then(|services| services.pointer_mut(BUCKET)) {
        bucket_ca(bucket, additions);
    }
    by_hand(&mut root, inventory);
    let digest = digest(&root);
    if additions.addon.is_empty() {
        note_digest(&mut root, &digest);
    } else {
        root.insert("addons".into(), json!(format!("{DIGEST} {digest}\n{}", additions.addon)));
    }
    root
}

const BUCKET: &str = "/etcd/backup_config/s3backupconfig";

fn bucket_ca(bucket: &mut Value, additions: &Additions) {
    if let (Some(bucket), Some(text)) = (bucket.as_object_mut(), &additions.bucket_ca) {
        bucket.insert("custom_ca".into(), json!(text));
    }
}

/// Without an addon the digest stands among the network's options: RKE keeps all of them in its state as they are, and
/// reads only those that it knows (rancher/rke v1.8.0: cluster/network.go).
fn note_digest(root: &mut Map<String, Value>, digest: &str) {
    let network = root.entry("network").or_insert_with(|| json!({}));
    let Some(network) = network.as_object_mut() else { return };
    let options = network.entry("options").or_insert_with(|| json!({}));
    if let Some(options) = options.as_object_mut() {
        options.insert(DIGEST_OPTION.into(), json!(digest));
    }
}

/// The cluster.yml as it was before [`note_digest`].
pub fn without_digest(config: &Map<String, Value>) -> Map<String, Value> {
    let mut config = config.clone();
    let Some(network) = config.get_mut("network").and_then(Value::as_object_mut) else { return config };
    if let Some(options) = network.get_mut("options").and_then(Value::as_object_mut) {
        options.shift_remove(DIGEST_OPTION);
        if options.is_empty() {
            network.shift_remove("options");
        }
    }
    if network.is_empty() {
        config.shift_remove("network");
    }
    config
}

/// The digest that stands among the network's options, if there is one.
pub fn noted_digest(config: &Map<String, Value>) -> Option<&str> {
    config.get("network")?.get("options")?.get(DIGEST_OPTION)?.as_str()
}

/// The file's text: a header that says from what it was made, then the keys in a stable order.
pub fn text(
    cluster_yml: &Map<String, Value>,
    inventory: &Inventory,
    inventory_file: &str,
    rke_version: &str,
) -> String {
    // Serialising a JSON map cannot fail: every key is a string and every value is finite.
    let body = serde_yaml::to_string(cluster_yml).unwrap_or_default();
    format!(
        "# Made by cowhand from {inventory_file} for rke {rke_version}. Change the inventory, not this file: the next\n\
         # `cowhand up` writes it anew. It works by hand as well: `rke up --config cluster.yml`, beside cluster.rkestate.\n\
         {}{body}",
        lacking(inventory)
    )
}

/// What somebody has to know who runs rke by hand: it does not read what ssh and cowhand read.
fn lacking(inventory: &Inventory) -> &'static str {
    let elsewhere = |node: &Node| {
        let jumps = node.ssh.jump.as_ref().map_or(0, Vec::len);
        node.ssh.user.is_none() || node.ssh.host.is_some() || node.ssh.config.is_some() || jumps > 1
    };
    match inventory.nodes.iter().any(elsewhere) {
        true => {
            "# By hand, rke reads no ssh configuration, goes to `address`, and takes one jump host for all nodes: look through\n\
             # user, port and bastion_host below. What `ssh:` in the inventory does not say, stands there as root, 22 and none.\n"
        }
        false => "",
    }
}

/// Keys that only say how a plain rke reaches the nodes; cowhand goes its own way, and the cluster is the same by any.
pub const WAYS: [&str; 3] = ["ssh_key_path", "ssh_agent_auth", "bastion_host"];

/// What a plain rke needs to reach the nodes, as far as the inventory says it and rke can do it: key files, and one
/// jump host for all.
fn by_hand(root: &mut Map<String, Value>, inventory: &Inventory) {
    let Some(first) = inventory.nodes.first() else { return };
    let same_key = inventory.nodes.iter().all(|node| node.ssh.identity_file == first.ssh.identity_file);
    match (&first.ssh.identity_file, same_key) {
        (Some(key), true) => drop(root.insert("ssh_key_path".into(), json!(key))),
        // Without a file named, ssh's usual source is the agent.
        (None, true) => drop(root.insert("ssh_agent_auth".into(), json!(true))),
        (_, false) => {
            let nodes = root.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten();
            for (map, node) in nodes.filter_map(Value::as_object_mut).zip(&inventory.nodes) {
                if let Some(key) = &node.ssh.identity_file {
                    map.insert("ssh_key_path".into(), json!(key));
                }
            }
        }
    }
    let same_way = inventory.nodes.iter().all(|node| node.ssh.jump == first.ssh.jump);
    if let (true, Some([jump])) = (same_way, first.ssh.jump.as_deref()) {
        root.insert("bastion_host".into(), bastion(jump, first));
    }
}

/// `[user@]host[:port]` in rke's words.
fn bastion(jump: &str, node: &Node) -> Value {
    let (user, place) = jump.split_once('@').map_or((None, jump), |(user, place)| (Some(user), place));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => (host, port),
        Some(_) | None => (place, "22"),
    };
    let user = user.or(node.ssh.user.as_deref()).unwrap_or("root");
    let mut map = Map::new();
    map.insert("address".into(), json!(host));
    map.insert("port".into(), json!(port));
    map.insert("user".into(), json!(user));
    match &node.ssh.identity_file {
        Some(key) => map.insert("ssh_key_path".into(), json!(key)),
        None => map.insert("ssh_agent_auth".into(), json!(true)),
    };
    Value::Object(map)
}

/// The option's name; see [`note_digest`].
const DIGEST_OPTION: &str = "cowhand_configuration";

/// Begins the addon's first line.
const DIGEST: &str = "# for the cluster configuration";

/// Parts an addon's text into its digest line, if it has one, and the rest.
pub fn addon_digest(text: &str) -> (Option<&str>, &str) {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with(DIGEST) => (Some(first), rest),
        _ => (None, text),
    }
}

/// What [`cluster_yml`] notes of this one: the digest of all that stands beside it.
pub fn configuration_digest(config: &Map<String, Value>) -> String {
    let mut root = without_digest(config);
    let addon = root.get("addons").and_then(Value::as_str).is_some_and(|text| addon_digest(text).0.is_some());
    if addon {
        root.shift_remove("addons");
    }
    digest(&root)
}

/// Notes another digest where one stands, in cluster.yml or in RKE's state.
pub fn set_digest(config: &mut Map<String, Value>, digest: &str) {
    let addon = config.get("addons").and_then(Value::as_str).unwrap_or_default();
    if let (Some(_), rest) = addon_digest(addon) {
        let text = format!("{DIGEST} {digest}\n{rest}");
        config.insert("addons".into(), json!(text));
    } else if noted_digest(config).is_some() {
        note_digest(config, digest);
    }
}

/// SHA-256 of all that stands beside the addon. In RKE's state it shows what no comparison of values can: that
/// something was asked for earlier and no longer is.
fn digest(root: &Map<String, Value>) -> String {
    let mut root = root.clone();
    root.retain(|key, _| !WAYS.contains(&key.as_str()));
    if let Some(Value::Array(nodes)) = root.get_mut("nodes") {
        for node in nodes.iter_mut().filter_map(Value::as_object_mut) {
            node.retain(|key, _| !WAYS.contains(&key.as_str()));
        }
        // Their order means nothing to a cluster that stands.
        nodes.sort_by_key(|node| node["address"].as_str().unwrap_or_default().to_string());
    }
    HEXLOWER.encode(&Sha256::digest(Value::Object(root).to_string())[..8])
}

fn node(node: &Node) -> Value {
    let mut map = Map::new();
    map.insert("address".into(), json!(node.address));
    if let Some(internal) = node.internal_address {
        map.insert("internal_address".into(), json!(internal.to_string()));
    }
    if let Some(port) = node.ssh.port.filter(|port| *port != 22) {
        map.insert("port".into(), json!(port.to_string()));
    }
    // RKE refuses a node without a user even when the front makes it meaningless.
    map.insert("user".into(), json!(node.ssh.user.as_deref().unwrap_or("root")));
    map.insert("role".into(), roles(node.roles));
    map.insert("hostname_override".into(), json!(node.name));
    if node.docker_socket != "/var/run/docker.sock" {
        map.insert("docker_socket".into(), json!(node.docker_socket));
    }
    if !node.labels.is_empty() {
        map.insert("labels".into(), json!(node.labels));
    }
    if !node.taints.is_empty() {
        map.insert("taints".into(), node.taints.iter().map(taint).collect());
    }
    Value::Object(map)
}

fn roles(roles: Roles) -> Value {
    [(roles.controlplane, "controlplane"), (roles.etcd, "etcd"), (roles.worker, "worker")]
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, name)| json!(name))
        .collect()
}

fn taint(taint: &Taint) -> Value {
    json!({"key": taint.key, "value": taint.value, "effect": taint.effect})
}

fn ingress(inventory: &Inventory, additions: &Additions) -> Value {
    match inventory.ingress.provider {
        IngressProvider::Traefik | IngressProvider::Existing => json!({"provider": "none"}),
        IngressProvider::Nginx => {
            let mut map = Map::new();
            map.insert("provider".into(), json!("nginx"));
            if !additions.nginx_options.is_empty() {
                map.insert("options".into(), Value::Object(additions.nginx_options.clone()));
            }
            if !additions.nginx_arguments.is_empty() {
                map.insert("extra_args".into(), Value::Object(additions.nginx_arguments.clone()));
            }
            Value::Object(map)
        }
    }
}

fn services() -> Value {
    // A snapshot each 6 hours, kept for a week: the seed's own rhythm (creation 6h), and enough to notice a bad one.
    json!({"etcd": {"snapshot": true, "backup_config": {"interval_hours": 6, "retention": 28}}})
}
