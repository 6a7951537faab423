//! The cluster.yml in RKE's state. The state has it with every default written out, in camel case.

use serde_json::{Value, json};

use super::model::{Fate, Named};
use crate::engine::rke::changes::camel;
use crate::engine::rke::cluster_yml::without_digest;
use crate::engine::rke::state::State;
use crate::failure::Hint;
use crate::inventory::{Foreign, NotRead, Values, read_as_cluster_yml};

/// What rke itself writes where the file says nothing (rancher/rke v1.8.0: cluster/defaults.go).
const DEFAULTS: [(&str, &str); 27] = [
    ("addon_job_timeout", "45"),
    ("authentication.strategy", "x509"),
    ("authorization.mode", "rbac"),
    ("dns.provider", "coredns"),
    ("ingress.default_backend", "true"),
    ("ingress.http_port", "80"),
    ("ingress.https_port", "443"),
    ("ingress.network_mode", "hostPort"),
    ("ingress.provider", "nginx"),
    ("ingress.default_ingress_class", "true"),
    ("ingress.default_http_backend_priority_class_name", ""),
    ("monitoring.provider", "metrics-server"),
    ("network.plugin", "canal"),
    ("prefix_path", "/"),
    ("services.etcd.creation", "12h"),
    ("services.etcd.retention", "72h"),
    ("services.etcd.snapshot", "true"),
    ("services.kube-api.service_cluster_ip_range", "10.43.0.0/16"),
    ("services.kube-api.service_node_port_range", "30000-32767"),
    ("services.kube-controller.cluster_cidr", "10.42.0.0/16"),
    ("services.kube-controller.service_cluster_ip_range", "10.43.0.0/16"),
    ("services.kubelet.cluster_dns_server", "10.43.0.10"),
    ("services.kubelet.cluster_domain", "cluster.local"),
    ("upgrade_strategy.max_unavailable_controlplane", "1"),
    ("upgrade_strategy.max_unavailable_worker", "10%"),
    ("network.options.flannel_backend_type", "vxlan"),
    ("network.options.canal_flannel_backend_type", "vxlan"),
];

/// False says something here, and nothing anywhere else.
const TELLING_FALSE: [&str; 3] = ["snapshot", "enabled", "default_backend"];

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum NoConfiguration {
    #[error("rke never asked anything of a cluster with it")]
    Absent,
    #[error("it cannot be read")]
    Unreadable(#[source] NotRead),
}

impl Hint for NoConfiguration {}

/// The cluster.yml that says the same, and what was left out of it with the reason.
///
/// # Errors
/// When the state was never used, or is none of rke's.
pub fn from_state(state: &State) -> Result<(Foreign, Vec<Named>), NoConfiguration> {
    let applied = state.applied().or(state.asked()).ok_or(NoConfiguration::Absent)?;
    let mut foreign =
        read_as_cluster_yml(&Value::Object(applied.clone()), &camel).map_err(NoConfiguration::Unreadable)?;
    foreign.unknown.clear();
    foreign.config = without_digest(&foreign.config);
    let mut left = Vec::new();
    silent(&mut foreign.config);
    for (key, default) in DEFAULTS {
        if take(&mut foreign.config, key, &|value| is(value, default)) {
            left.push(key);
        }
    }
    left.extend(images(&mut foreign.config));
    let why = "rke itself sets it where the file says nothing".to_owned();
    let named = (!left.is_empty()).then(|| Named { key: left.join(", "), fate: Fate::Left, why });
    prune(&mut foreign.config);
    Ok((foreign, named.into_iter().collect()))
}

fn is(value: &Value, default: &str) -> bool {
    match value {
        Value::String(text) => text == default || (text.ends_with("0m0s") && text.trim_end_matches("0m0s") == default),
        Value::Number(number) => number.to_string() == default,
        Value::Bool(flag) => flag.to_string() == default,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The system images that are rke's own of that version: in the file they would hold every later version back.
fn images(config: &mut Values) -> Option<&'static str> {
    let registries = config.get("private_registries").and_then(Value::as_array).into_iter().flatten();
    let default = registries.filter(|one| one["is_default"] == true).find_map(|one| one["url"].as_str());
    let prefix = default.map(|url| format!("{url}/")).unwrap_or_default();
    let own = |value: &Value| {
        let image = value.as_str().unwrap_or_default();
        let image = image.strip_prefix(prefix.as_str()).unwrap_or(image);
        ["rancher/", "noiro/"].iter().any(|maker| image.starts_with(maker))
    };
    // The kubelet's key follows from the list.
    let pause = config.get("system_images").and_then(|images| images.get("pod_infra_container")).cloned();
    take(config, "services.kubelet.infra_container_image", &|value| Some(value) == pause.as_ref() || own(value));
    let Some(Value::Object(images)) = config.get_mut("system_images") else { return None };
    let all = images.len();
    images.retain(|_, image| !own(image));
    (images.len() < all).then_some("system_images of rke's own")
}

/// Takes a value out, if it is there and so.
fn take(config: &mut Values, key: &str, so: &dyn Fn(&Value) -> bool) -> bool {
    let mut map = config;
    let mut parts: Vec<&str> = key.split('.').collect();
    let Some(last) = parts.pop() else { return false };
    for part in parts {
        let Some(Value::Object(inner)) = map.get_mut(part) else { return false };
        map = inner;
    }
    map.get(last).is_some_and(so) && map.shift_remove(last).is_some()
}

/// Takes out what Go writes for nothing: false, and what is empty then.
fn silent(map: &mut Values) {
    map.retain(|key, value| {
        match value {
            Value::Object(inner) => silent(inner),
            Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(silent),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        *value != json!(false) || TELLING_FALSE.contains(&key.as_str())
    });
}

fn prune(map: &mut Values) {
    map.retain(|_, value| match value {
        Value::Object(inner) => {
            prune(inner);
            !inner.is_empty()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(config: &Value) -> State {
        let ca = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
        let half = json!({"rkeConfig": config, "certificatesBundle": ca});
        State::parse(&json!({"desiredState": half, "currentState": half}).to_string()).ok().unwrap()
    }

    #[test]
    fn what_somebody_asked_for_comes_out_and_rkes_own_does_not() {
        let config = json!({
            "clusterName": "local", "kubernetesVersion": "v1.32.2-rancher1-1", "addonJobTimeout": 45, "prefixPath": "/",
            "nodes": [{
                "nodeName": "", "address": "10.0.0.1", "port": "22", "internalAddress": "10.0.0.1", "role": ["etcd"],
                "hostnameOverride": "n1", "user": "rancher", "dockerSocket": "/var/run/docker.sock",
                "sshKeyPath": "~/.ssh/id_rsa", "labels": {"aB": "c"}, "taints": null,
            }],
            "services": {
                "etcd": {"snapshot": true, "retention": "72h", "creation": "12h", "backupConfig": {
                    "intervalHours": 6, "retention": 4, "enabled": true, "s3BackupConfig": null, "timeout": 300}},
                "kubeApi": {"serviceClusterIpRange": "10.43.0.0/16", "podSecurityPolicy": false, "extraArgs": {"v": "2"}},
                "kubelet": {"infraContainerImage": "rancher/mirrored-pause:3.7", "clusterDomain": "own.local", "failSwapOn": false},
            },
            "systemImages": {"etcd": "rancher/mirrored-coreos-etcd:v3.5.9"},
            "network": {"plugin": "canal", "options": {"canal_flannel_backend_type": "vxlan"}},
            "ingress": {"provider": "nginx", "options": {"use-forwarded-headers": "true"}, "defaultBackend": true},
        });
        let (foreign, named) = from_state(&state(&config)).unwrap();
        assert_eq!(
            Value::Object(foreign.config),
            json!({
                "cluster_name": "local", "kubernetes_version": "v1.32.2-rancher1-1",
                "nodes": [{
                    "address": "10.0.0.1", "port": "22", "internal_address": "10.0.0.1", "role": ["etcd"],
                    "hostname_override": "n1", "user": "rancher", "docker_socket": "/var/run/docker.sock",
                    "ssh_key_path": "~/.ssh/id_rsa", "labels": {"aB": "c"},
                }],
                "services": {
                    "etcd": {"backup_config": {"interval_hours": 6, "retention": 4, "enabled": true, "timeout": 300}},
                    "kube-api": {"extra_args": {"v": "2"}}, "kubelet": {"cluster_domain": "own.local"},
                },
                "ingress": {"options": {"use-forwarded-headers": "true"}},
            })
        );
        assert!(
            named.len() == 1 && named[0].key.contains("system_images of") && named[0].key.contains("network.plugin")
        );
        let mirrored = json!({"nodes": [], "systemImages": {"etcd": "own.example.com/etcd:1"}});
        assert!(from_state(&state(&mirrored)).unwrap().0.config.contains_key("system_images"));
        assert!(matches!(from_state(&state(&Value::Null)), Err(NoConfiguration::Absent)));
    }
}
