//! A node emptied against a real API: what goes, what a budget holds, and who closed the node.

use std::time::Duration;

use cowhand::cluster::{Apply, CLOSED_BY, Cluster, Eviction, Fate, ObjectRef};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::api::{alone, api, namespace};
use crate::applying::kube_client;

const NODE: &str = "emptied";

async fn put(cluster: &Cluster, manifest: Value) {
    let how = Apply { namespace: "draining".into(), ..Apply::default() };
    cluster.apply(&[manifest], &how, |_| ()).await.unwrap();
}

/// A pod that runs and is ready, as its kubelet would say.
async fn running(cluster: &Cluster, name: &str) {
    put(
        cluster,
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "shop"}},
            "spec": {"nodeName": NODE, "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "none.test/w:1"}]}}),
    )
    .await;
    let pods: kube::Api<Pod> = kube::Api::namespaced(kube_client().await, "draining");
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pods.patch_status(name, &kube::api::PatchParams::default(), &kube::api::Patch::Merge(status)).await.unwrap();
}

async fn node(cluster: &Cluster) -> Value {
    cluster.get(&ObjectRef::new("v1", "Node", None, NODE)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_node_is_closed_emptied_as_budgets_allow_and_opened_again() {
    let _only_node = alone().await;
    let cluster = api().cluster().await;
    namespace(&cluster, "draining").await;
    put(&cluster, json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})).await;
    cluster.close_node(NODE, Some("root on laptop")).await.unwrap();
    let closed = node(&cluster).await;
    assert_eq!(closed["spec"]["unschedulable"], true);
    assert_eq!(closed["metadata"]["annotations"][CLOSED_BY], "root on laptop");

    running(&cluster, "free").await;
    let pods = cluster.pods_on(NODE).await.unwrap();
    let [free] = pods.as_slice() else { panic!("{pods:?}") };
    assert_eq!((free.name.as_str(), free.fate), ("free", Fate::Unmanaged));
    assert_eq!(cluster.evict(free, true).await.unwrap(), Eviction::Accepted);
    let there = cluster.get(&ObjectRef::new("v1", "Pod", Some("draining"), "free")).await.unwrap().unwrap();
    assert!(there["metadata"].get("deletionTimestamp").is_none(), "a dry run evicts nothing: {there}");

    let budget = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "shop"}}});
    put(
        &cluster,
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "shop"}, "spec": budget}),
    )
    .await;
    let held = async {
        loop {
            match cluster.evict(free, true).await.unwrap() {
                Eviction::Held(why) => break why,
                // Until the budget's controller has seen the pod.
                Eviction::Accepted | Eviction::Gone => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    let held = tokio::time::timeout(Duration::from_secs(60), held).await.unwrap();
    assert!(held.contains("disruption budget"), "{held}");

    let budget = ObjectRef::new("policy/v1", "PodDisruptionBudget", Some("draining"), "shop");
    assert!(cluster.delete(&budget).await.unwrap());
    let evicted = async {
        while cluster.evict(free, false).await.unwrap() != Eviction::Accepted {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), evicted).await.unwrap();

    cluster.close_node(NODE, None).await.unwrap();
    let open = node(&cluster).await;
    assert!(
        open["spec"].get("unschedulable").is_none() && open["metadata"]["annotations"].get(CLOSED_BY).is_none(),
        "{open}"
    );
    assert!(cluster.delete(&ObjectRef::new("v1", "Node", None, NODE)).await.unwrap());
}
