//! The law of planning: what a plan brings about, planned again, needs no change.

use std::collections::BTreeMap;

use cowhand::engine::change::lines;
use cowhand::engine::rke::state::State;
use serde_json::{Map, Value, json};

use crate::stages::set_ups;
use crate::world::{Cluster, Given, World};
use crate::{by_helm, changing, file, inventory};

/// Maps whose keys are the user's or Kubernetes' own, which RKE keeps as they are.
const FREE: [&str; 9] = [
    "labels",
    "options",
    "extra_args",
    "extra_args_array",
    "node_selector",
    "stubdomains",
    "update_strategy",
    "policy",
    "tolerations",
];

/// `cluster.rkestate` after a whole `rke up` with this cluster.yml: RKE's names, and what RKE adds by itself
/// (rancher/rke v1.8.0 `cluster/defaults.go`), with the front's bastion and key.
pub fn state(config: &Map<String, Value>) -> State {
    let names = file("tests/plans/rke_names.txt");
    let names: BTreeMap<&str, &str> = names.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut applied = renamed(&Value::Object(config.clone()), &names);
    for node in applied["nodes"].as_array_mut().unwrap() {
        let node = node.as_object_mut().unwrap();
        let address = node["address"].clone();
        node.entry("internalAddress").or_insert(address);
        node.entry("port").or_insert(json!("22"));
        node.insert("sshKeyPath".into(), json!("/run/front/key"));
        let small = node["hostnameOverride"].as_str().unwrap().to_lowercase();
        node.insert("hostnameOverride".into(), json!(small));
    }
    applied["bastionHost"] =
        json!({"address": "127.0.0.1", "port": "4711", "user": "cowhand", "sshKeyPath": "/run/front/key"});
    for (key, value) in [
        ("sshKeyPath", json!("/run/front/key")),
        ("prefixPath", json!("/")),
        ("authorization", json!({"mode": "rbac"})),
        ("authentication", json!({"strategy": "x509"})),
        ("monitoring", json!({"provider": "metrics-server"})),
        ("restore", json!({})),
    ] {
        applied.as_object_mut().unwrap().entry(key).or_insert(value);
    }
    applied["services"]["etcd"]["backupConfig"]["timeout"] = json!(300);
    applied["services"]["kubelet"]["clusterDomain"] = json!("cluster.local");
    parsed(&applied)
}

fn parsed(applied: &Value) -> State {
    let certificates = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
    let half = json!({"rkeConfig": applied, "certificatesBundle": certificates});
    State::parse(&json!({"desiredState": half, "currentState": half}).to_string()).ok().unwrap()
}

fn renamed(value: &Value, names: &BTreeMap<&str, &str>) -> Value {
    match value {
        Value::Object(map) => {
            let keep = |key: &str| FREE.contains(&key);
            map.iter()
                .map(|(key, value)| {
                    let name = names.get(key.as_str()).map_or(key.clone(), |name| (*name).to_owned());
                    (name, if keep(key) { value.clone() } else { renamed(value, names) })
                })
                .collect()
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, names)).collect(),
        scalar => scalar.clone(),
    }
}

/// What a plan says that rke would be run for.
pub fn differences(state: &State, wanted: &Map<String, Value>) -> Vec<String> {
    lines(&state.changes(wanted, &[]))
}

const NONE: [String; 0] = [];

#[test]
fn a_cluster_that_has_everything_needs_no_changing_step() {
    for (name, inventory, given) in set_ups() {
        let world = World::new(&inventory, given);
        let cluster = Cluster::after(&world);
        assert!(world.plan(&Cluster::default()).iter().any(|plan| !changing(plan).is_empty()), "{name}");
        for plan in world.plan(&cluster) {
            assert_eq!(changing(&plan), NONE, "{name}, {}", plan.stage.name());
        }
    }
}

#[test]
fn a_run_stopped_after_any_step_goes_on_with_exactly_the_rest() {
    for (name, inventory, given) in set_ups() {
        let world = World::new(&inventory, given);
        let whole: Vec<_> = world.plan(&Cluster::default()).into_iter().flat_map(|plan| plan.steps).collect();
        for done in 0..=whole.len() {
            let mut cluster = Cluster::default();
            whole[..done].iter().for_each(|step| cluster.carry_out(&world, step.clone()));
            let rest: Vec<String> =
                whole[done..].iter().filter(|step| step.changes()).map(ToString::to_string).collect();
            let planned: Vec<String> = world.plan(&cluster).iter().flat_map(changing).collect();
            assert_eq!(planned, rest, "{name}, stopped after {done} steps");
        }
    }
}

#[test]
fn what_rke_applied_is_no_difference_in_its_own_words() {
    for (path, given) in [
        ("inventory/ha.yml", Given::CA),
        ("inventory/full.yml", Given::OWN_ACME),
        ("inventory/lab.yml", Given::CA),
        ("inventory/vagrant.yml", Given::CA),
    ] {
        let config = World::new(&file(path), given).cluster_yml().0;
        assert_eq!(differences(&state(&config), &config), NONE, "{path}");
    }
    for (name, inventory, given) in set_ups().into_iter().filter(|(_, inventory, _)| inventory.contains("rke:")) {
        let config = World::new(&inventory, given).cluster_yml().0;
        assert_eq!(differences(&state(&config), &config), NONE, "{name}");
    }
}

/// Keys whose names in cluster.yml and in the state differ most, each in a place of its own.
const KEYS: &str = "
      addons_include: [https://example.com/a.yml]
      private_registries: [{url: registry.example.com, user: reader, is_default: true}]
      authentication: {strategy: x509, sans: [api.example.com], webhook: {cache_timeout: 5s}}
      cloud_provider: {name: external, useInstanceMetadataHostname: true}
      cri_dockerd_stream_server_address: 127.0.0.1
      monitoring: {provider: metrics-server, node_selector: {a-b: c_d}, metrics_server_priority_class_name: high}
      dns:
        provider: coredns
        upstreamnameservers: [10.0.0.2]
        reversecidrs: [10.0.0.0/8]
        stubdomains: {corp.example.com: [10.0.0.3]}
        nodelocal: {ip_address: 169.254.20.10}
        linear_autoscaler_params: {cores_per_replica: 0.5, nodes_per_replica: 4, prevent_single_point_failure: true}
      network:
        plugin: calico
        calico_network_provider: {cloudprovider: none}
        options: {calico_flex_volume_plugin_dir: /opt/flex}
      ingress: {network_mode: hostPort, http_port: 80, default_backend: false, extra_envs: [{name: TZ, value: UTC}]}
      upgrade_strategy: {drain: true, node_drain_input: {ignore_daemonsets: true, grace_period: -1}}
      system_images: {calico_flexvol: r/f:1, canal_flexvol: r/f:2, ingress_webhook: r/w:1}
      services:
        kube-api:
          service_node_port_range: 30000-32767
          secrets_encryption_config: {enabled: true}
          audit_log: {enabled: true, configuration: {max_age: 5, path: /var/log/audit.log}}
        kube-controller: {extra_args_array: {feature-gates: [A=true]}}
        kubelet: {fail_swap_on: false, generate_serving_certificate: true}
        etcd:
          backup_config: {safe_timestamp: true, s3backupconfig: {bucket_name: etcd, endpoint: s3.example.com}}
";

#[test]
fn every_key_is_found_under_the_name_that_rke_gives_it() {
    let text = inventory("mode: ingress, issuer: ca", "").replace(
        "engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n",
        &format!("engine:\n  rke:\n    kubernetes: v1.32.2-rancher1-1\n    cluster:{KEYS}"),
    );
    let config = World::new(&text, Given::CA).cluster_yml().0;
    assert_eq!(differences(&state(&config), &config), NONE);
}

#[test]
fn what_is_taken_out_of_the_inventory_is_noticed_by_either_delivery() {
    let nodes = "nodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n";
    let engine = "engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n";
    let more = "engine: {rke: {kubernetes: v1.32.2-rancher1-1, cluster: {services: {kubelet: {extra_args: {max-pods: \"50\"}}}}}}\n";
    let taken_out = [
        (nodes, "nodes: [{address: 10.0.0.11, labels: {disk: ssd}}, 10.0.0.12, 10.0.0.13]\n"),
        (
            nodes,
            "nodes: [{address: 10.0.0.11, taints: [{key: a, value: b, effect: NoSchedule}]}, 10.0.0.12, 10.0.0.13]\n",
        ),
        (engine, more),
    ];
    let tls = "mode: ingress, issuer: ca";
    for now in [inventory(tls, ""), by_helm(tls, "")] {
        let config = |text: &str| World::new(text, Given::CA).cluster_yml().0;
        for (less, more) in taken_out {
            assert!(now.contains(less), "{less} is not in\n{now}");
            let (before, after) = (config(&now.replace(less, more)), config(&now));
            let applied = state(&before);
            assert_eq!(differences(&applied, &before), NONE, "{more}");
            assert_eq!(
                differences(&applied, &after),
                ["the inventory no longer sets something that it set before"],
                "{more}"
            );
            assert_eq!(differences(&state(&after), &after), NONE);
        }
    }
}

#[test]
fn a_cluster_that_was_built_without_the_note_gets_it_once() {
    let config = World::new(&by_helm("mode: ingress, issuer: ca", ""), Given::CA).cluster_yml().0;
    let mut plain = config.clone();
    plain.shift_remove("network");
    assert_eq!(differences(&state(&plain), &config), ["cluster.rkestate does not yet say what the inventory asks for"]);
}
