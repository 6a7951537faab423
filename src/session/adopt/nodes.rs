//! A cluster that is taken over from its nodes alone: the state that it keeps of itself, and the cluster.yml in that.

use std::path::Path;

use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use super::sources::{StateText, kept_on};
use super::{Place, Sources};
use crate::engine::rke::adopt::{Given, RancherPart, adopt, from_state};
use crate::failure::{Exit, Failure};
use crate::inventory::{Foreign, Inventory, defaults};
use crate::report::Pauser;
use crate::session::machines::Machines;
use crate::session::recover::fetch;
use crate::session::{Connect, Context};

/// How the nodes are reached.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Some nodes of the cluster; one is enough.
    pub nodes: Vec<String>,
    pub user: String,
    pub key: Option<String>,
    pub port: Option<u16>,
    /// File with their host keys.
    pub known_hosts: Option<String>,
}

/// Brings state, cluster.yml and kubeconfig from the first node that can give them.
pub async fn bring(
    (context, connect, screen): (&Context, &Connect, Pauser),
    way: &Way,
    place: &Place,
) -> Result<Sources, Failure> {
    let inventory = inventory(way, place)?;
    let machines = Machines::connect(&inventory, connect, context, Some(screen)).await;
    let fetched = fetch(&machines).await;
    machines.disconnect().await;
    let (text, node) = fetched?;
    sources(&text, &node, way)
}

/// Of the state's text, as the node gave it.
fn sources(text: &Zeroizing<String>, node: &str, way: &Way) -> Result<Sources, Failure> {
    let name = kept_on(node);
    let state = StateText::parse(name.clone(), text.clone())?;
    let (mut foreign, named) = from_state(&state.parsed)
        .map_err(|error| Failure::with_cause(Exit::ChecksFailed, format!("{name} has no cluster.yml in it"), &error))?;
    reached(&mut foreign, way);
    let kubeconfig = state.kubeconfig();
    Ok(Sources { name, foreign, named, state: Some(state), kubeconfig, known_hosts: None })
}

/// The nodes as they are reached from here; whoever built the cluster may have had another way.
fn reached(foreign: &mut Foreign, way: &Way) {
    for key in ["ssh_key_path", "ssh_cert_path", "ssh_agent_auth", "bastion_host"] {
        foreign.config.shift_remove(key);
    }
    let (key, value) = way.key.as_ref().map_or(("ssh_agent_auth", json!(true)), |key| ("ssh_key_path", json!(key)));
    foreign.config.insert(key.into(), value);
    let nodes = foreign.config.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten();
    for node in nodes.filter_map(Value::as_object_mut) {
        for key in ["ssh_key", "ssh_key_path", "ssh_cert", "ssh_cert_path", "ssh_agent_auth"] {
            node.shift_remove(key);
        }
        node.insert("user".into(), json!(way.user));
        node.extend(way.port.map(|port| ("port".to_owned(), json!(port.to_string()))));
    }
}

/// As if the named nodes were the cluster.
fn inventory(way: &Way, place: &Place) -> Result<Inventory, Failure> {
    let node = |address: &String| json!({"address": address, "role": ["controlplane", "etcd", "worker"], "user": "x"});
    let nodes: Vec<Value> = way.nodes.iter().map(node).collect();
    let config = json!({"nodes": nodes}).as_object().cloned().unwrap_or_default();
    let mut foreign = Foreign { config, unknown: Vec::new() };
    reached(&mut foreign, way);
    let kubernetes = Some(defaults::KUBERNETES_VERSION);
    let given = Given {
        file: &foreign,
        kubernetes,
        folder: "",
        rancher: RancherPart::default(),
        known_hosts: way.known_hosts.as_deref(),
    };
    let adopted = adopt(&given).map_err(|error| {
        Failure::with_cause(Exit::Usage, "these nodes cannot be reached so", &error)
            .hint("give --node, --user and --key as ssh takes them; nothing was written")
    })?;
    Ok(place.project(&adopted.filled)?.inventory)
}

/// A file's path for an inventory in another folder.
pub fn absolute(key: &str) -> String {
    match key.starts_with(['/', '~', '$']) {
        true => key.to_owned(),
        false => std::path::absolute(Path::new(key)).map_or_else(|_| key.to_owned(), |path| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(key: Option<&str>) -> Way {
        Way {
            nodes: vec!["10.0.0.12".into()],
            user: "me".into(),
            key: key.map(str::to_owned),
            port: Some(2222),
            known_hosts: Some("/k/hosts".into()),
        }
    }

    #[test]
    fn the_named_nodes_are_asked_by_the_named_way() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&folder.path().join("inventory.yml"), None).unwrap();
        let inventory = inventory(&way(Some("/k/id")), &place).unwrap();
        let [node] = inventory.nodes.as_slice() else { panic!("{:?}", inventory.nodes) };
        assert_eq!((node.address.as_str(), node.ssh.user.as_deref()), ("10.0.0.12", Some("me")));
        assert_eq!(node.ssh.known_hosts.as_deref(), Some(Path::new("/k/hosts")));
        assert_eq!((node.ssh.port, node.ssh.identity_file.as_deref()), (Some(2222), Some(Path::new("/k/id"))));
    }

    #[test]
    fn whoever_built_it_may_have_had_another_way() {
        let node = |address: &str| json!({"address": address, "user": "builder", "port": "22", "role": ["etcd"], "sshKeyPath": "/gone", "sshKey": "CANARY"});
        let config = json!({
            "clusterName": "local", "kubernetesVersion": "v1.32.2-rancher1-1", "sshKeyPath": "/gone",
            "bastionHost": {"address": "10.0.0.1", "user": "gone"}, "nodes": [node("10.0.0.11"), node("10.0.0.12")],
        });
        let ca = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
        let half = json!({"rkeConfig": config, "certificatesBundle": ca});
        let text = Zeroizing::new(json!({"desiredState": half, "currentState": half}).to_string());
        for (key, top) in [(Some("/k/id"), ("ssh_key_path", json!("/k/id"))), (None, ("ssh_agent_auth", json!(true)))] {
            let found = sources(&text, "10.0.0.12", &way(key)).unwrap().foreign.config;
            assert_eq!(found[top.0], top.1);
            assert_eq!(
                found["nodes"][1],
                json!({"address": "10.0.0.12", "user": "me", "port": "2222", "role": ["etcd"]})
            );
            assert!(!found.contains_key("bastion_host"), "{:?}", found.keys());
        }
        let failure = sources(&Zeroizing::new("{}".into()), "n1", &way(None)).err().unwrap();
        assert!(failure.error.contains("the state that the cluster keeps of itself (n1)"), "{failure:?}");
    }
}
