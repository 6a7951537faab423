//! Who belongs to the cluster: as RKE's state names its nodes, as the API lists them, and as etcd lists its members.

use serde::Deserialize;

use super::{EtcdAsked, Fact, Unseen};
use crate::cluster::NodeSeen;
use crate::inventory::Roles;

/// A node of the cluster as RKE's state names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateNode {
    /// `hostnameOverride`, which is the Node's name in the API and, after `etcd-`, the member's in etcd.
    pub name: String,
    pub address: String,
    /// The address again when the state gives no other.
    pub internal_address: String,
    pub roles: Roles,
}

impl StateNode {
    /// Whether the node is reached, from outside or from its neighbours, at this address.
    pub fn is_at(&self, address: &str) -> bool {
        self.address == address || self.internal_address == address
    }
}

/// The nodes of both halves of RKE's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateNodes {
    /// Of `currentState`: `None` until rke has finished a control plane.
    pub applied: Option<Vec<StateNode>>,
    /// Of `desiredState`: a run that was killed may have got no further.
    pub desired: Vec<StateNode>,
}

impl StateNodes {
    /// Both halves together, each address once.
    pub fn all(&self) -> Vec<&StateNode> {
        let mut all: Vec<&StateNode> = Vec::new();
        for node in self.applied.iter().flatten().chain(&self.desired) {
            if !all.iter().any(|known| known.address == node.address) {
                all.push(node);
            }
        }
        all
    }
}

/// The nodes of an `rkeConfig` in RKE's state, and nothing else of it: it holds secrets too (rancher/rke v1.8.0,
/// types/rke_types.go: RKEConfigNode).
#[derive(Deserialize)]
pub(super) struct NodesOnly {
    nodes: Option<Vec<NodeLine>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeLine {
    address: Option<String>,
    internal_address: Option<String>,
    hostname_override: Option<String>,
    role: Option<Vec<String>>,
}

impl From<NodesOnly> for Vec<StateNode> {
    fn from(config: NodesOnly) -> Vec<StateNode> {
        config.nodes.into_iter().flatten().filter_map(state_node).collect()
    }
}

fn state_node(line: NodeLine) -> Option<StateNode> {
    let full = |text: Option<String>| text.filter(|text| !text.is_empty());
    let address = full(line.address)?;
    let roles = line.role.unwrap_or_default();
    let has = |role: &str| roles.iter().any(|one| one == role);
    Some(StateNode {
        name: full(line.hostname_override).unwrap_or_else(|| address.clone()).to_lowercase(),
        internal_address: full(line.internal_address).unwrap_or_else(|| address.clone()),
        roles: Roles { controlplane: has("controlplane"), etcd: has("etcd"), worker: has("worker") },
        address,
    })
}

/// What the cluster itself said of its members.
#[derive(Debug, Clone)]
pub struct MembersSeen {
    /// The Nodes of the API.
    pub api: Fact<Vec<NodeSeen>>,
    /// What each reached node of the inventory said of RKE's containers on it and of etcd.
    pub etcd: Vec<EtcdAsked>,
}

impl MembersSeen {
    /// Nobody was asked, for this reason.
    pub fn unasked(why: &str) -> MembersSeen {
        MembersSeen { api: Err(Unseen(why.to_owned())), etcd: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn nodes_of(config: Value) -> Vec<StateNode> {
        serde_json::from_value::<NodesOnly>(config).unwrap().into()
    }

    #[test]
    fn nodes_are_read_by_the_states_own_names() {
        let config = json!({"nodes": [
            {"address": "10.0.0.1", "port": "22", "internalAddress": "", "role": ["controlplane", "etcd"], "hostnameOverride": "N1"},
            {"address": "b.example.com", "internalAddress": "192.168.0.2", "role": ["worker"]},
            {"hostnameOverride": "nowhere"},
        ]});
        let nodes = nodes_of(config);
        let roles = |controlplane, etcd, worker| Roles { controlplane, etcd, worker };
        let node = |name: &str, address: &str, internal: &str, roles| StateNode {
            name: name.into(),
            address: address.into(),
            internal_address: internal.into(),
            roles,
        };
        assert_eq!(
            nodes,
            [
                node("n1", "10.0.0.1", "10.0.0.1", roles(true, true, false)),
                node("b.example.com", "b.example.com", "192.168.0.2", roles(false, false, true)),
            ]
        );
        assert!(nodes[1].is_at("192.168.0.2") && !nodes[1].is_at("10.0.0.1"));
    }

    #[test]
    fn both_halves_count_and_each_node_once() {
        let nodes = |addresses: &[&str]| {
            let nodes: Vec<Value> = addresses.iter().map(|address| json!({"address": address})).collect();
            nodes_of(json!({ "nodes": nodes }))
        };
        let state = StateNodes { applied: Some(nodes(&["a", "b"])), desired: nodes(&["b", "c"]) };
        assert_eq!(state.all().iter().map(|node| node.address.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(StateNodes { applied: None, desired: nodes(&["c"]) }.all().len(), 1);
    }
}
