use serde_json::json;

use super::*;

fn not_yet(seen: Seen) -> String {
    match seen {
        Seen::NotYet(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deployment_is_ready_only_in_its_newest_shape() {
    let shape = |observed: i64, updated: i64, available: i64, total: i64| {
        deployment(&json!({"metadata": {"generation": 2}, "spec": {"replicas": 3},
            "status": {"observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available, "replicas": total}}))
    };
    assert_eq!(shape(2, 3, 3, 3), Seen::Met("3 of 3 ready".into()));
    assert_eq!(not_yet(shape(1, 3, 3, 3)), "its controller has not acted on the latest change yet");
    assert_eq!(not_yet(shape(2, 1, 3, 4)), "1 of 3 updated");
    assert_eq!(not_yet(shape(2, 3, 3, 4)), "old pods still running: 1");
    assert_eq!(not_yet(shape(2, 3, 2, 3)), "2 of 3 ready");
    assert_eq!(
        not_yet(deployment(&json!({"metadata": {"generation": 1}}))),
        "its controller has not acted on the latest change yet"
    );
}

#[test]
fn a_daemonset_without_nodes_is_not_ready() {
    let shape = |wanted: i64, updated: i64, available: i64| daemon_set(&daemon_set_with(wanted, updated, available), 0);
    assert_eq!(not_yet(shape(0, 0, 0)), "no node matches its node selector and tolerations");
    assert_eq!(not_yet(shape(3, 2, 3)), "2 of 3 updated");
    assert_eq!(not_yet(shape(3, 3, 2)), "2 of 3 ready");
    assert!(matches!(shape(3, 3, 3), Seen::Met(_)));
}

fn daemon_set_with(wanted: i64, updated: i64, available: i64) -> Value {
    json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "desiredNumberScheduled": wanted,
        "updatedNumberScheduled": updated, "numberAvailable": available}})
}

#[test]
fn on_a_node_that_is_down_no_pod_of_a_daemonset_is_awaited() {
    let shape = |available: i64, down: usize| daemon_set(&daemon_set_with(3, 3, available), down);
    assert_eq!(shape(2, 1), Seen::Met("2 of 2 ready".into()));
    assert_eq!(not_yet(shape(1, 1)), "1 of 2 ready");
    assert_eq!(not_yet(shape(0, 3)), "no node matches its node selector and tolerations");
}

#[test]
fn endpoints_need_a_ready_address() {
    assert_eq!(not_yet(endpoints(&json!({}))), "no pod behind it");
    let waiting = json!({"subsets": [{"notReadyAddresses": [{"ip": "10.1.1.1"}]}]});
    assert_eq!(not_yet(endpoints(&waiting)), "1 pods behind it, none ready");
    assert!(matches!(endpoints(&json!({"subsets": [{"addresses": [{"ip": "10.1.1.1"}]}]})), Seen::Met(_)));
}

#[test]
fn a_webhook_needs_its_ca_everywhere() {
    let half = json!({"webhooks": [{"clientConfig": {"caBundle": "Zm9v"}}, {"clientConfig": {}}]});
    assert_eq!(not_yet(webhook(&half)), "1 of 2 webhooks have the CA");
    assert_eq!(not_yet(webhook(&json!({"webhooks": []}))), "0 of 0 webhooks have the CA");
    assert!(matches!(webhook(&json!({"webhooks": [{"clientConfig": {"caBundle": "Zm9v"}}]})), Seen::Met(_)));
}

#[test]
fn what_holds_a_removal_is_said() {
    let object = ObjectRef::new("v1", "Namespace", None, "a");
    assert!(matches!(gone(&object, None), Seen::Met(_)));
    assert_eq!(not_yet(gone(&object, Some(&json!({"metadata": {}})))), "namespace a is not being removed");
    let held = json!({"metadata": {"deletionTimestamp": "x", "finalizers": ["controller.cattle.io/node"]}});
    assert_eq!(not_yet(gone(&object, Some(&held))), "held by controller.cattle.io/node");
}

#[test]
fn nodes_are_ready_when_all_named_ones_are() {
    let node = |name: &str, ready: bool| NodeSeen {
        name: name.into(),
        ready,
        message: "cni config uninitialized".into(),
        version: "v1.32.2".into(),
        addresses: Vec::new(),
        roles: Vec::new(),
        unschedulable: false,
        closed_by: None,
        taints: vec![],
    };
    let names = ["n1".to_owned(), "n2".to_owned()];
    assert_eq!(not_yet(nodes(&names, &[node("n1", true)])), "n2 not there yet");
    let half = [node("n1", true), node("n2", false)];
    assert_eq!(not_yet(nodes(&names, &half)), "1 of 2 Ready · n2 cni config uninitialized");
    assert!(matches!(nodes(&names, &[node("n1", true), node("n2", true), node("n3", false)]), Seen::Met(_)));
    assert_eq!(not_yet(nodes(&[], &[])), "no node there yet");
}
