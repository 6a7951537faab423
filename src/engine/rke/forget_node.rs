//! A node that has left, taken out of RKE's state: rke dials the nodes of its last run before it does anything else, and one
//! that is gone holds it up or stops it (rancher/rke v1.8.0: cluster/state.go, GetClusterState; cluster/reconcile.go).

use serde_json::Value;

/// The state without the node at this address, in both halves; everything else stays. `None` when the text is no state, or
/// has no such node.
pub fn without_node(state: &str, address: &str) -> Option<String> {
    let before: Value = serde_json::from_str(state).ok()?;
    let mut after = before.clone();
    for half in ["desiredState", "currentState"] {
        let nodes = after.pointer_mut(&format!("/{half}/rkeConfig/nodes")).and_then(Value::as_array_mut);
        nodes.into_iter().for_each(|nodes| nodes.retain(|node| node["address"] != address));
    }
    (after != before).then(|| format!("{after:#}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_that_node_goes_and_from_both_halves() {
        let half = |names: &[&str]| {
            let nodes: Vec<Value> = names.iter().map(|name| json!({"address": name, "user": "u"})).collect();
            json!({"rkeConfig": {"clusterName": "lab", "nodes": nodes}, "certificatesBundle": {"kube-ca": {"keyPEM": "KEY"}}})
        };
        let state = json!({"desiredState": half(&["a", "b", "c"]), "currentState": half(&["a", "b"])}).to_string();
        let text = without_node(&state, "b").unwrap();
        let after: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(after, json!({"desiredState": half(&["a", "c"]), "currentState": half(&["a"])}));
        assert_eq!(without_node(&text, "b"), None);
        assert_eq!(without_node("", "b"), None);
        assert_eq!(without_node("{\"desiredState\": {}, \"currentState\": {}}", "b"), None);
    }
}
