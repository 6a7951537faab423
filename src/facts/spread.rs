//! How Rancher's replicas are spread over the nodes.

use serde_json::Value;

use super::cluster::rancher;
use crate::cluster::{Cluster, ClusterError};

/// Where Rancher's replicas are, and where they could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// How many replicas are asked for.
    pub wanted: usize,
    /// Name of the node of each ready replica of the Deployment as it is now, sorted.
    pub on: Vec<String>,
    /// How many nodes are Ready and take Rancher's pods.
    pub able: usize,
}

impl Spread {
    /// On how many nodes they are.
    pub fn nodes(&self) -> Vec<&str> {
        let mut nodes: Vec<&str> = self.on.iter().map(String::as_str).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The node that all replicas are on although another one takes some too. The chart only prefers other nodes, and
    /// nobody moves a pod later (rancher/rancher: chart/templates/deployment.yaml). While some are not ready they may
    /// still come up elsewhere.
    pub fn crowded(&self) -> Option<&str> {
        match self.nodes()[..] {
            [only] if self.wanted > 1 && self.on.len() >= self.wanted && self.able > 1 => Some(only),
            _ => None,
        }
    }
}

/// Looks at Rancher's pods and at all nodes; `None` when there is no Deployment of Rancher.
pub async fn spread(cluster: &Cluster, wanted: usize) -> Result<Option<Spread>, ClusterError> {
    let Some(seen) = rancher(cluster).await? else { return Ok(None) };
    let nodes = cluster.list("v1", "Node", None, None).await?;
    let able = nodes.iter().filter(|node| takes_pods(node)).count();
    Ok(Some(Spread { wanted, on: seen.nodes, able }))
}

/// Ready, not closed, and without a taint that keeps Rancher's pods off: RKE and others set one on nodes that are no
/// workers, and the chart tolerates its own only (rancher/rancher: chart/templates/deployment.yaml).
fn takes_pods(node: &Value) -> bool {
    let list = |pointer: &str| node.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let ready = list("/status/conditions").any(|one| one["type"] == "Ready" && one["status"] == "True");
    let closed = node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false);
    let keeps_off = |taint: &Value| taint["effect"] != "PreferNoSchedule" && taint["key"] != "cattle.io/os";
    ready && !closed && !list("/spec/taints").any(keeps_off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_that_takes_no_pods_of_rancher_is_not_counted_on() {
        let node = |spec: Value, ready: &str| {
            takes_pods(&json!({"spec": spec, "status": {"conditions": [{"type": "Ready", "status": ready}]}}))
        };
        let taint = |key: &str, effect: &str| json!({"taints": [{"key": key, "effect": effect}]});
        assert!(node(json!({}), "True"));
        assert!(node(taint("x", "PreferNoSchedule"), "True") && node(taint("cattle.io/os", "NoSchedule"), "True"));
        assert!(!node(json!({}), "False") && !node(json!({"unschedulable": true}), "True"));
        assert!(!node(taint("node-role.kubernetes.io/control-plane", "NoSchedule"), "True"));
        assert!(!node(taint("node-role.kubernetes.io/etcd", "NoExecute"), "True"));
    }

    #[test]
    fn all_on_one_node_is_crowded_only_while_another_one_takes_pods() {
        let crowded = |wanted: usize, on: &[&str], able: usize| {
            let on = on.iter().map(|node| (*node).to_owned()).collect();
            Spread { wanted, on, able }.crowded().map(str::to_owned)
        };
        assert_eq!(crowded(3, &["n2", "n2", "n2"], 3).as_deref(), Some("n2"));
        assert_eq!(crowded(3, &["n2", "n2", "n2"], 2).as_deref(), Some("n2"));
        assert_eq!(crowded(3, &["n2", "n2", "n2"], 1), None, "there is no other node");
        assert_eq!(crowded(3, &["n2", "n2"], 3), None, "the third may still come up elsewhere");
        assert_eq!(crowded(3, &["n1", "n2", "n2"], 3), None);
        assert_eq!(crowded(1, &["n2"], 3), None, "one replica is on one node");
        assert_eq!(crowded(3, &[], 3), None);
    }
}
