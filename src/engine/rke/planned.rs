//! What RKE's state says of a container and of a node: as much of RKE's own plan as is kept (rancher/rke v1.8.0:
//! cluster/plan.go, cluster/hosts.go).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::state::State;

/// What the state says of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    pub image: Option<String>,
    pub arguments: BTreeMap<String, String>,
    /// Arguments whose values are never shown.
    pub hidden: Vec<String>,
}

type Service = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The container, its service in the state, that service in cluster.yml, and arguments that follow from the service's keys.
const SERVICES: [Service; 6] = [
    ("etcd", "etcd", "etcd", &[]),
    (
        "kube-apiserver",
        "kubeApi",
        "kube-api",
        &[("service-cluster-ip-range", "serviceClusterIpRange"), ("service-node-port-range", "serviceNodePortRange")],
    ),
    (
        "kube-controller-manager",
        "kubeController",
        "kube-controller",
        &[("cluster-cidr", "clusterCidr"), ("service-cluster-ip-range", "serviceClusterIpRange")],
    ),
    ("kube-scheduler", "scheduler", "scheduler", &[]),
    ("kubelet", "kubelet", "kubelet", &[("cluster-dns", "clusterDnsServer"), ("cluster-domain", "clusterDomain")]),
    ("kube-proxy", "kubeproxy", "kubeproxy", &[]),
];

impl State {
    /// `None` for one that RKE does not keep running, or before it has applied anything.
    pub fn planned(&self, container: &str) -> Option<Planned> {
        let applied = self.applied()?;
        if container == "nginx-proxy" {
            let image = applied.get("systemImages").and_then(|images| text(images.get("nginxProxy")?));
            return Some(Planned { image, ..Planned::default() });
        }
        let (_, key, spelled, derived) = SERVICES.iter().find(|(name, ..)| *name == container)?;
        let service = applied.get("services")?.get(*key)?;
        let mut arguments: BTreeMap<String, String> = derived
            .iter()
            .filter_map(|(argument, key)| Some(((*argument).to_owned(), text(service.get(*key)?)?)))
            .collect();
        let extra = service.get("extraArgs").and_then(Value::as_object).into_iter().flatten();
        // An empty value is a flag; RKE writes it as `--name=` all the same.
        arguments.extend(extra.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
        let arrays = service.get("extraArgsArray").and_then(Value::as_object).into_iter().flatten();
        for (name, values) in arrays {
            let values: Vec<&str> = values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            arguments.insert(name.clone(), values.join(","));
        }
        let prefix = format!("services.{spelled}.extra_args");
        let hidden = self.hidden.iter().filter_map(|key| key.strip_prefix(&prefix)?.strip_prefix('.'));
        Some(Planned { image: text(service.get("image")?), arguments, hidden: hidden.map(str::to_owned).collect() })
    }

    /// The nodes that RKE applied last.
    pub fn applied_nodes(&self) -> Vec<&Map<String, Value>> {
        let nodes = self.applied().and_then(|config| config.get("nodes")?.as_array());
        nodes.into_iter().flatten().filter_map(Value::as_object).collect()
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(services: Value) -> State {
        let ca = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
        let config =
            json!({"services": services, "systemImages": {"nginxProxy": "tools:1"}, "nodes": [{"address": "a"}]});
        let half = json!({"rkeConfig": config, "certificatesBundle": ca});
        State::parse(&json!({"desiredState": half, "currentState": half}).to_string()).unwrap()
    }

    #[test]
    fn a_container_is_planned_by_its_service() {
        let state = state(json!({
            "kubeApi": {
                "image": "hyperkube:1", "serviceClusterIpRange": "10.43.0.0/16", "serviceNodePortRange": "",
                "extraArgs": {"v": "4", "secret-thing": "x"}, "extraArgsArray": {"a": ["1", "2"]},
            },
            "kubelet": {"image": "hyperkube:1", "clusterDomain": "cluster.local", "extraArgs": {"cluster-domain": "mine"}},
        }))
        .hiding(vec!["services.kube-api.extra_args.secret-thing".into(), "services.kubelet.extra_env[0]".into()]);
        let api = state.planned("kube-apiserver").unwrap();
        let told: Vec<String> = api.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["a=1,2", "secret-thing=x", "service-cluster-ip-range=10.43.0.0/16", "v=4"]);
        assert_eq!(
            (api.image.as_deref(), api.hidden.as_slice()),
            (Some("hyperkube:1"), &["secret-thing".to_owned()][..])
        );
        assert_eq!(state.planned("kubelet").unwrap().arguments["cluster-domain"], "mine");
        assert_eq!(state.planned("nginx-proxy").unwrap().image.as_deref(), Some("tools:1"));
        assert!(state.planned("service-sidekick").is_none() && state.planned("etcd").is_none());
        assert_eq!(state.applied_nodes().len(), 1);
    }
}
