//! Whether Rancher's replicas stand as they should.

use serde_json::Value;

use crate::check::outside::{REPLICAS, finding, judge_replicas};
use crate::check::{Finding, Verdict};
use crate::cluster::ClusterError;
use crate::commands::site::Site;
use crate::commands::world::Reached;
use crate::facts::cluster::rancher;
use crate::report::{Exit, Failure};

/// Three replicas on three nodes: as many nodes as replicas, while there are enough nodes.
pub(super) async fn replicas(site: &Site, reached: &Reached) -> Result<Finding, Failure> {
    let failed = |error: ClusterError| {
        Failure::with_cause(Exit::NotVerified, "Rancher's pods cannot be looked at", &error).maybe_hint(error.hint())
    };
    let Some(seen) = rancher(&reached.cluster).await.map_err(failed)? else {
        return Ok(finding(REPLICAS, "rancher".into(), (Verdict::Fail, "there is no deployment rancher".into())));
    };
    let nodes = reached.cluster.list("v1", "Node", None, None).await.map_err(failed)?;
    let able = nodes.iter().filter(|node| takes_pods(node)).count();
    Ok(judge_replicas(usize::from(site.inventory.rancher.replicas), &seen.nodes, able))
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
}
