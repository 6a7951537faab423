//! cluster.yml, made from inventories.

use crate::world::{Given, World};
use crate::{file, inventory};

const EXTERNAL: &str = "mode: external, issuer: blank";

const NODES: &str = "name: prod
nodes:
  - name: one
    address: one.example.com
    internal_address: 192.168.7.11
    ssh: {user: admin, port: 2222}
    labels: {example.com/rack: a, disk: ssd}
    taints: [{key: dedicated, value: rancher, effect: NoSchedule}]
  - {address: 10.0.0.12, internal_address: \"fd00::12\", docker_socket: /run/user/1000/docker.sock}
  - 10.0.0.13
  - {name: n4, address: 10.0.0.14, roles: [worker]}
engine:
  rke:
    kubernetes: v1.31.6-rancher1-1
    cluster:
      addon_job_timeout: 600
      network: {plugin: calico, mtu: 1400}
      services:
        etcd: {backup_config: {retention: 4}, extra_args: {quota-backend-bytes: \"4294967296\"}}
        kubelet: {extra_args: {max-pods: \"200\"}}
rancher:
  hostname: rancher.example.com
  version: 2.11.3
  tls: {mode: ingress, issuer: ca}
";

fn external() -> String {
    inventory(EXTERNAL, "load_balancers: [10.0.0.5, \"2001:db8::5\"]\n")
}

/// Name of the snapshot, the inventory, and the TLS files it needs.
fn cases() -> Vec<(&'static str, String, Given)> {
    let own_acme = Given::OWN_ACME;
    vec![
        ("ha", file("inventory/ha.yml"), Given::CA),
        ("full", file("inventory/full.yml"), own_acme),
        ("lab", file("inventory/lab.yml"), Given::CA),
        ("vagrant", file("inventory/vagrant.yml"), Given::CA),
        ("external", external(), Given::NOTHING),
        ("nodes", NODES.to_owned(), Given::CA),
        ("helm", crate::by_helm("mode: ingress, issuer: ca", ""), Given::CA),
    ]
}

#[test]
fn each_inventory_has_its_cluster_yml() {
    for (name, text, given) in cases() {
        insta::assert_snapshot!(format!("cluster_{name}"), World::new(&text, given).cluster_yml().1);
    }
}

#[test]
fn made_twice_it_is_the_same_to_the_byte() {
    for (name, text, given) in cases() {
        let made = || World::new(&text, given).cluster_yml().1;
        assert_eq!(made(), made(), "{name}");
    }
}

#[test]
fn the_order_of_labels_in_the_inventory_does_not_matter() {
    let swapped = NODES.replace("{example.com/rack: a, disk: ssd}", "{disk: ssd, example.com/rack: a}");
    assert_ne!(swapped, NODES);
    assert_eq!(World::new(&swapped, Given::CA).cluster_yml().1, World::new(NODES, Given::CA).cluster_yml().1);
}

#[test]
fn keys_come_in_the_same_order_whatever_is_laid_over() {
    let order = |text: &str| -> Vec<String> { World::new(text, Given::CA).cluster_yml().0.keys().cloned().collect() };
    let plain = order(&file("inventory/ha.yml"));
    assert_eq!(
        plain,
        [
            "cluster_name",
            "kubernetes_version",
            "enable_cri_dockerd",
            "addon_job_timeout",
            "nodes",
            "ingress",
            "services",
            "ssh_agent_auth",
            "addons"
        ]
    );
    let (keys, own) = (order(NODES), ["network"]);
    let known: Vec<&String> = keys.iter().filter(|key| !own.contains(&key.as_str())).collect();
    assert_eq!(known, plain.iter().collect::<Vec<_>>());
}

#[test]
fn what_is_written_is_what_was_planned() {
    for (name, text, given) in cases() {
        let (config, text) = World::new(&text, given).cluster_yml();
        let read: serde_json::Map<String, serde_json::Value> = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read, config, "{name}");
    }
}
