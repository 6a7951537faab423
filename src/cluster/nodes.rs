//! The nodes as Kubernetes sees them.

use serde_json::Value;

use super::drain::CLOSED_BY;
use super::{Cluster, ClusterError};

/// One node of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct NodeSeen {
    pub name: String,
    pub ready: bool,
    /// Why it is not ready, in the kubelet's words, e.g. `cni config uninitialized`; its last words when ready.
    pub message: String,
    /// Of the kubelet, e.g. `v1.32.2`.
    pub version: String,
    /// Each with its type: `InternalIP`, `ExternalIP`, `Hostname`.
    pub addresses: Vec<(String, String)>,
    /// From labels `node-role.kubernetes.io/…`.
    pub roles: Vec<String>,
    /// Closed for new pods (cordoned).
    pub unschedulable: bool,
    /// Who closed it, where cowhand did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// What keeps pods away that do not tolerate it.
    pub taints: Vec<Taint>,
}

/// A taint of a node that keeps pods away: `NoSchedule` or `NoExecute`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "{}:{}", self.key, self.effect),
            value => write!(f, "{}={value}:{}", self.key, self.effect),
        }
    }
}

impl Taint {
    /// What kubelet and cordon set for a while is told by the node's state already.
    fn read(taint: &Value) -> Option<Self> {
        let taint = Taint::any(taint)?;
        let keeps_away = ["NoSchedule", "NoExecute"].contains(&taint.effect.as_str());
        (keeps_away && !taint.key.starts_with("node.kubernetes.io/")).then_some(taint)
    }

    /// Every taint, whatever it is for.
    pub fn any(taint: &Value) -> Option<Self> {
        let text = |key: &str| taint[key].as_str().unwrap_or_default().to_owned();
        Some(Taint { key: taint["key"].as_str()?.to_owned(), value: text("value"), effect: text("effect") })
    }

    /// Whether a pod with this toleration may come (kubernetes.io: concepts/scheduling-eviction/taint-and-toleration).
    pub fn tolerated_by(&self, toleration: &Value) -> bool {
        let text = |key: &str| toleration[key].as_str().unwrap_or_default();
        let any_value = text("operator") == "Exists";
        let key = text("key") == self.key || any_value && text("key").is_empty();
        let effect = text("effect").is_empty() || text("effect") == self.effect;
        key && effect && (any_value || text("value") == self.value)
    }
}

impl NodeSeen {
    pub(super) fn read(node: &Value) -> Self {
        let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let ready = condition(node, "Ready");
        let said = |key: &str| ready.and_then(|found| found[key].as_str()).unwrap_or_default();
        let message = [said("message"), said("reason"), "the kubelet has not reported yet"];
        let addresses = node.pointer("/status/addresses").and_then(Value::as_array).into_iter().flatten();
        let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flat_map(|labels| labels.keys());
        let mut roles: Vec<String> =
            labels.filter_map(|label| label.strip_prefix("node-role.kubernetes.io/")).map(str::to_owned).collect();
        roles.sort();
        NodeSeen {
            name: text("/metadata/name"),
            ready: said("status") == "True",
            message: message.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned(),
            version: text("/status/nodeInfo/kubeletVersion"),
            addresses: addresses
                .map(|one| {
                    (
                        one["type"].as_str().unwrap_or_default().into(),
                        one["address"].as_str().unwrap_or_default().into(),
                    )
                })
                .collect(),
            roles,
            unschedulable: node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false),
            closed_by: closed_by(node),
            taints: node
                .pointer("/spec/taints")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Taint::read)
                .collect(),
        }
    }
}

/// The mark of whoever closed the node, as long as it is closed.
fn closed_by(node: &Value) -> Option<String> {
    let closed = node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false);
    node["metadata"]["annotations"][CLOSED_BY].as_str().filter(|_| closed).map(str::to_owned)
}

/// The entry of `status.conditions` with this type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

impl Cluster {
    /// All nodes, by name.
    pub async fn nodes(&self) -> Result<Vec<NodeSeen>, ClusterError> {
        let mut nodes: Vec<_> = self.list("v1", "Node", None, None).await?.iter().map(NodeSeen::read).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_says_why_it_is_not_ready() {
        let node = json!({
            "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/worker": "true", "node-role.kubernetes.io/etcd": "true"}},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady",
                "message": "container runtime network not ready: cni config uninitialized"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "nodeInfo": {"kubeletVersion": "v1.32.2"}}});
        let seen = NodeSeen::read(&node);
        assert!(!seen.ready);
        assert_eq!(seen.message, "container runtime network not ready: cni config uninitialized");
        assert_eq!(seen.roles, ["etcd", "worker"]);
        assert_eq!(seen.addresses, [("InternalIP".into(), "10.0.0.1".into())]);
        assert_eq!(NodeSeen::read(&json!({})).message, "the kubelet has not reported yet");
    }

    #[test]
    fn a_taint_keeps_away_who_does_not_tolerate_it() {
        let node = json!({"spec": {"taints": [
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
            {"key": "spot", "value": "yes", "effect": "PreferNoSchedule"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
            {"key": "team", "value": "db", "effect": "NoExecute"}]}});
        let taints = NodeSeen::read(&node).taints;
        let told: Vec<String> = taints.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["node-role.kubernetes.io/control-plane:NoSchedule", "team=db:NoExecute"]);
        let db = |toleration: Value| taints[1].tolerated_by(&toleration);
        assert!(db(json!({"operator": "Exists"})));
        assert!(db(json!({"key": "team", "operator": "Exists", "effect": "NoExecute"})));
        assert!(db(json!({"key": "team", "value": "db"})));
        assert!(!db(json!({"key": "team", "value": "web"})));
        assert!(!db(json!({"key": "team", "operator": "Exists", "effect": "NoSchedule"})));
        assert!(!db(json!({"key": "other", "operator": "Exists"})) && !db(json!({})));
    }
}
