use super::*;
use crate::engine::change::lines;
use crate::engine::rules::{Refusal, refusals};
use serde_json::json;

fn state(config: Value) -> State {
    let ca = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
    let text = json!({
        "desiredState": {"certificatesBundle": ca}, "currentState": {"rkeConfig": config, "certificatesBundle": ca}
    });
    State::parse(&text.to_string()).ok().unwrap()
}

/// The lines that a plan shows.
fn told(state: &State, wanted: &Map<String, Value>) -> Vec<String> {
    lines(&state.changes(wanted, &[]))
}

fn wanted(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn what_a_living_cluster_cannot_become_is_named() {
    let applied = state(json!({
        "clusterName": "lab", "kubernetesVersion": "v1.32.2-rancher1-1", "network": {"plugin": "flannel"},
        "nodes": [{"address": "10.0.0.1", "hostnameOverride": "n1"}, {"address": "10.0.0.2", "hostnameOverride": "n2"}],
    }));
    let asked = |name: &str, version: &str, plugin: &str, node: &str| {
        let nodes = json!([{"address": "10.0.0.1", "hostname_override": node}, {"address": "10.0.0.3", "hostname_override": "n3"}]);
        let config =
            json!({"cluster_name": name, "kubernetes_version": version, "network": {"plugin": plugin}, "nodes": nodes});
        refusals(&applied.changes(&wanted(config), &[]), &[]).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(asked("lab", "v1.32.2-rancher1-1", "flannel", "N1").is_empty());
    assert!(asked("lab", "v1.32.10-rancher1-1", "flannel", "n1").is_empty());
    assert_eq!(
        asked("prod", "v1.31.6-rancher1-1", "canal", "n9"),
        [
            "the cluster is called lab, and the inventory says prod",
            "kubernetes v1.32.2-rancher1-1 runs, and v1.31.6-rancher1-1 is older",
            "the network plugin flannel carries the pods, and canal is asked for",
            "the node at 10.0.0.1 is called n1, and the inventory says n9",
        ]
    );
    // A run that was cut off before anything was applied binds nobody.
    assert!(
        State::parse(
            r#"{"desiredState": {"certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}}}}"#
        )
        .ok()
        .unwrap()
        .changes(&wanted(json!({"cluster_name": "other"})), &[])
        .iter()
        .all(|change| matches!(change, Change::Unknown { .. }))
    );
}

#[test]
fn an_older_kubernetes_is_judged_by_what_runs_and_not_by_a_label() {
    let image = |version: &str| json!({"kubernetes": format!("r:5000/hyperkube:v{version}-rancher1")});
    let asked = |label: &str, applied_image: &str, wanted_version: &str, kubelets: &[&str]| {
        let applied = state(json!({"kubernetesVersion": label, "systemImages": image(applied_image)}));
        let config = json!({"kubernetes_version": format!("v{wanted_version}-rancher1-1"), "system_images": image(wanted_version)});
        let kubelets: Vec<String> = kubelets.iter().map(|text| (*text).to_owned()).collect();
        refusals(&applied.changes(&wanted(config), &kubelets), &[])
    };
    // The label was raised, the pinned image was not: the way back is no way down.
    assert_eq!(asked("v1.32.9-rancher1-1", "1.32.2", "1.32.2", &[]), []);
    assert_eq!(asked("v1.32.9-rancher1-1", "1.32.9", "1.32.2", &["v1.32.2", "v1.32.2"]), []);
    let older = |there: &str| [Refusal::OlderKubernetes { there: there.into(), asked: "v1.32.2-rancher1-1".into() }];
    assert_eq!(asked("v1.32.2-rancher1-1", "1.32.9", "1.32.2", &[]), older("v1.32.9"));
    assert_eq!(asked("v1.32.2-rancher1-1", "1.32.2", "1.32.2", &["v1.32.2", "v1.32.9"]), older("v1.32.9"));
}

#[test]
fn what_rke_filled_in_by_itself_is_no_difference() {
    let applied = json!({
        "clusterName": "lab", "enableCriDockerd": true, "addonJobTimeout": 300, "sshKeyPath": "~/.ssh/id_rsa",
        "bastionHost": {"address": "127.0.0.1", "port": "4711"},
        "nodes": [{"address": "10.0.0.1", "port": "22", "role": ["etcd"], "user": "u", "hostnameOverride": "n1"}],
        "services": {"etcd": {"snapshot": true, "backupConfig": {"intervalHours": 6, "retention": 28, "timeout": 300}},
                     "kubeproxy": {"extraArgs": {"conntrack-max-per-core": "0"}}},
    });
    let wanted = wanted(json!({
        "cluster_name": "lab", "enable_cri_dockerd": true, "addon_job_timeout": 300,
        "nodes": [{"address": "10.0.0.1", "user": "u", "role": ["etcd"], "hostname_override": "n1"}],
        "services": {"etcd": {"snapshot": true, "backup_config": {"interval_hours": 6, "retention": 28}},
                     "kubeproxy": {"extra_args": {"conntrack-max-per-core": "0"}}},
    }));
    assert_eq!(told(&state(applied), &wanted), Vec::<String>::new());
}

#[test]
fn each_difference_is_named_with_both_values() {
    let applied = json!({
        "kubernetesVersion": "v1.31.1", "addons": "old",
        "nodes": [{"address": "10.0.0.1", "role": ["etcd"]}, {"address": "10.0.0.9"}],
        "services": {"etcd": {"backupConfig": {"retention": 6}}},
    });
    let wanted = wanted(json!({
        "kubernetes_version": "v1.32.2",
        "nodes": [{"address": "10.0.0.1", "role": ["etcd", "worker"]}, {"address": "10.0.0.2"}],
        "services": {"etcd": {"backup_config": {"retention": 28}}},
    }));
    assert_eq!(
        told(&state(applied), &wanted),
        [
            "kubernetes_version: v1.31.1 -> v1.32.2",
            r#"nodes[10.0.0.1].role: ["etcd"] -> ["etcd","worker"]"#,
            "nodes[10.0.0.2]: new",
            "services.etcd.backup_config.retention: 6 -> 28",
            "nodes: 10.0.0.9 is a node for RKE, and not in the inventory",
            "addons: RKE has them, and the inventory no longer asks for any",
        ]
    );
}

#[test]
fn a_node_that_only_a_cut_off_run_asked_for_is_forgotten_too() {
    let ca = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
    let config = |addresses: &[&str]| {
        let nodes: Vec<Value> = addresses.iter().map(|address| json!({"address": address})).collect();
        json!({ "nodes": nodes })
    };
    let text = json!({
        "desiredState": {"rkeConfig": config(&["10.0.0.1", "10.0.0.2"]), "certificatesBundle": ca},
        "currentState": {"rkeConfig": config(&["10.0.0.1"]), "certificatesBundle": ca},
    });
    let state = State::parse(&text.to_string()).ok().unwrap();
    let said = told(&state, &wanted(config(&["10.0.0.1"])));
    assert_eq!(said[0], "nodes: 10.0.0.2 is a node for RKE, and not in the inventory", "{said:?}");
}

#[test]
fn secrets_in_what_differs_are_not_shown() {
    let applied =
        json!({"privateRegistries": [{"url": "r.test", "password": "CANARY1"}], "proxy": "http://a:CANARY2@p"});
    let wanted = wanted(json!({
        "private_registries": [{"url": "r.test", "password": "CANARY3"}], "proxy": "http://a:CANARY4@p",
        "more": {"token": "CANARY5"},
    }));
    assert_eq!(
        told(&state(applied), &wanted),
        [
            "private_registries[0].password: another value than before",
            "proxy: http://a:***@p -> http://a:***@p",
            r#"more: (unset) -> {"token":"***"}"#,
        ]
    );
}

#[test]
fn a_run_that_never_finished_a_control_plane_is_a_difference() {
    let text = r#"{"desiredState":{"certificatesBundle":{"kube-ca":{"certificatePEM":"PEM","keyPEM":"KEY"}}},"currentState":{}}"#;
    let state = State::parse(text).ok().unwrap();
    assert_eq!(told(&state, &Map::new()).len(), 1);
}

#[test]
fn who_comes_under_the_name_of_one_that_goes_takes_its_place() {
    let node = |address: &str, internal: &str| json!({"address": address, "internalAddress": internal, "hostnameOverride": "n3", "role": ["etcd"]});
    let applied = |internal: &str| state(json!({"nodes": [node("10.0.0.3", internal)]}));
    let wanted = wanted(
        json!({"nodes": [{"address": "10.0.0.9", "internal_address": "192.168.0.3", "hostname_override": "N3", "role": ["etcd"]}]}),
    );
    let kind = |internal: &str| match applied(internal).changes(&wanted, &[]).as_slice() {
        [Change::Replace { leaves, joins }] => format!("{} for {}", joins.address, leaves.address),
        [Change::Readdress { from, to }] => format!("{} is {} now", from.address, to.address),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind("192.168.0.7"), "10.0.0.9 for 10.0.0.3");
    assert_eq!(kind("192.168.0.3"), "10.0.0.3 is 10.0.0.9 now");
    let two = ["nodes[10.0.0.9]: new", "nodes: 10.0.0.3 is a node for RKE, and not in the inventory"];
    assert_eq!(told(&applied("192.168.0.3"), &wanted), two);
}

#[test]
fn networks_that_are_taken_out_of_the_inventory_are_refused_as_others_are() {
    let applied = || {
        state(json!({"network": {"plugin": "flannel"}, "services": {
            "kubeController": {"clusterCidr": "10.50.0.0/16", "serviceClusterIpRange": "10.43.0.0/16"}}}))
    };
    let said = |config: Value| -> Vec<String> {
        refusals(&applied().changes(&wanted(config), &[]), &[]).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        said(json!({})),
        [
            "the network plugin flannel carries the pods, and canal is asked for",
            "services.kube-controller.cluster_cidr is 10.50.0.0/16, and 10.42.0.0/16 is asked for",
        ]
    );
    let cidr = |range: &str| json!({"network": {"plugin": "flannel"}, "services": {"kube-controller": {"cluster_cidr": range}}});
    assert_eq!(said(cidr("10.50.0.0/16")), [""; 0]);
    assert_eq!(said(cidr("10.60.0.0/16")).len(), 1);
}

#[test]
fn a_role_is_compared_as_a_whole() {
    let applied = state(json!({"nodes": [{"address": "10.0.0.1", "role": ["etcd"]}]}));
    let wanted = wanted(json!({"nodes": [{"address": "10.0.0.1", "role": ["worker"]}]}));
    assert_eq!(told(&applied, &wanted), [r#"nodes[10.0.0.1].role: ["etcd"] -> ["worker"]"#]);
}

#[test]
fn a_cluster_taken_over_as_it_runs_differs_in_nothing_until_something_else_is_wanted() {
    let applied = json!({
        "nodes": [{"address": "10.0.0.1", "role": ["controlplane", "worker", "etcd"]}],
        "services": {"etcd": {"snapshot": true, "creation": "6h", "retention": "24h", "backupConfig": null}},
    });
    let wanted = |retention: u64, digest: &str| {
        let config = json!({
            "nodes": [{"address": "10.0.0.1", "role": ["controlplane", "etcd", "worker"]}],
            "services": {"etcd": {"snapshot": true, "backup_config": {"interval_hours": 6, "retention": retention}}},
            "network": {"options": {"cowhand_configuration": digest}},
        });
        config.as_object().unwrap().clone()
    };
    let taken = |digest: Option<&str>| state(applied.clone()).taken_over_as(digest.map(str::to_owned));
    assert_eq!(told(&taken(Some("d1")), &wanted(4, "d1")), Vec::<String>::new());
    assert_eq!(
        told(&taken(Some("d1")), &wanted(4, "d2")),
        ["the inventory no longer sets something that it set before"]
    );
    assert_eq!(told(&taken(None), &wanted(4, "d1")), ["cluster.rkestate does not yet say what the inventory asks for"]);
    assert_eq!(told(&taken(Some("d1")), &wanted(5, "d2")), ["services.etcd.backup_config.retention: 4 -> 5"]);
}

#[test]
fn a_value_from_a_file_is_never_shown() {
    let applied = json!({
        "services": {"kubeApi": {"extraEnv": ["A=CANARY1", "B=1"]}}, "kubeletX": {"plain": "CANARY2"},
    });
    let hidden = ["services.kube-api.extra_env[0]", "kubelet_x"].map(str::to_owned).to_vec();
    let state = state(applied).hiding(hidden);
    let config =
        |env: Value| wanted(json!({"services": {"kube-api": {"extra_env": env}}, "kubelet_x": {"plain": "CANARY3"}}));
    for env in [json!(["A=CANARY4", "B=1"]), json!(["A=CANARY4", "B=1", "C=1"])] {
        let told = told(&state, &config(env));
        assert!(told.len() == 2 && !told.join("\n").contains("CANARY"), "{told:?}");
    }
}
