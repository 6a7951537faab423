use super::*;
use serde_json::json;

fn state(config: Value) -> State {
    let ca = json!({"kube-ca": {"certificatePEM": "PEM"}});
    let text = json!({
        "desiredState": {"certificatesBundle": ca}, "currentState": {"rkeConfig": config, "certificatesBundle": ca}
    });
    State::parse(&text.to_string()).ok().unwrap()
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
        applied.unsupported(&wanted(config))
    };
    assert!(asked("lab", "v1.32.2-rancher1-1", "flannel", "N1").is_empty());
    assert!(asked("lab", "v1.32.10-rancher1-1", "flannel", "n1").is_empty());
    assert_eq!(
        asked("prod", "v1.31.6-rancher1-1", "canal", "n9"),
        [
            "kubernetes v1.32.2-rancher1-1 runs, and v1.31.6-rancher1-1 is older",
            "the network plugin flannel carries the pods, and canal is asked for",
            "the cluster is called lab, and the inventory says prod",
            "the node at 10.0.0.1 is called n1, and the inventory says n9",
        ]
    );
    // A run that was cut off before anything was applied binds nobody.
    assert!(
        State::parse(r#"{"desiredState": {"certificatesBundle": {"kube-ca": {"certificatePEM": "PEM"}}}}"#)
            .ok()
            .unwrap()
            .unsupported(&wanted(json!({"cluster_name": "other"})))
            .is_empty()
    );
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
    assert_eq!(state(applied).differences(&wanted), Vec::<String>::new());
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
        state(applied).differences(&wanted),
        [
            "kubernetes_version: v1.31.1 -> v1.32.2",
            r#"nodes[10.0.0.1].role: ["etcd"] -> ["etcd","worker"]"#,
            "nodes[10.0.0.2]: new",
            "services.etcd.backup_config.retention: 6 -> 28",
            "nodes: 10.0.0.9 applied, no longer wanted",
            "addons: applied, no longer wanted",
        ]
    );
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
        state(applied).differences(&wanted),
        [
            "private_registries[0].password: another value than before",
            "proxy: http://a:***@p -> http://a:***@p",
            r#"more: (unset) -> {"token":"***"}"#,
        ]
    );
}

#[test]
fn a_run_that_never_finished_a_control_plane_is_a_difference() {
    let text = r#"{"desiredState":{"certificatesBundle":{"kube-ca":{"certificatePEM":"PEM"}}},"currentState":{}}"#;
    let state = State::parse(text).ok().unwrap();
    assert_eq!(state.differences(&Map::new()).len(), 1);
}

#[test]
fn a_state_file_cut_short_is_told_from_one_without_a_ca() {
    assert_eq!(State::parse(" \n").err(), Some(StateError::Empty));
    assert!(matches!(State::parse("{\"desiredState\": {").err(), Some(StateError::Unreadable(_))));
    assert_eq!(State::parse("{}").err(), Some(StateError::NoCa));
}
