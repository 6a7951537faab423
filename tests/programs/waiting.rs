//! Waits against a real API: they end, and say why.

use std::time::Duration;

use cowhand::cluster::{Apply, Condition, ObjectRef, Seen, WaitError};
use cowhand::failure::Hint;
use serde_json::{Value, json};

use crate::api::{api, namespace};
use crate::applying::kube_client;

fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "w"}},
        "template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn into(namespace: &str) -> Apply {
    Apply { namespace: namespace.into(), ..Apply::default() }
}

/// Writes the status of the only pod, as its kubelet would.
async fn say_of_the_pod(namespace: &str, status: Value) {
    use k8s_openapi::api::core::v1::Pod;
    let pods: kube::Api<Pod> = kube::Api::namespaced(kube_client().await, namespace);
    let name = loop {
        let found = pods.list(&kube::api::ListParams::default()).await.unwrap();
        match found.items.into_iter().next().and_then(|pod| pod.metadata.name) {
            Some(name) => break name,
            None => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    let patch = kube::api::Patch::Merge(json!({"status": status}));
    pods.patch_status(&name, &kube::api::PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_deployment_that_does_not_come_up_says_what_its_pods_wait_for() {
    let cluster = api().cluster().await;
    namespace(&cluster, "wait").await;
    cluster.apply(&[deployment("none.test/w:1")], &into("wait"), |_| ()).await.unwrap();
    let waiting = json!({"reason": "ImagePullBackOff", "message": "Back-off pulling image \"none.test/w:1\""});
    let container = json!({"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": waiting}});
    say_of_the_pod("wait", json!({"containerStatuses": [container]})).await;
    let what = Condition::DeploymentReady { namespace: "wait".into(), name: "w".into() };
    let mut sights = Vec::new();
    let error = cluster.wait(&what, Duration::from_secs(6), |seen| sights.push(seen.to_owned())).await.unwrap_err();
    let WaitError::NotInTime { seen, why, .. } = &error else { panic!("{error}") };
    assert!(seen.starts_with("0 of 1 ready · image none.test/w:1 cannot be pulled for w-"), "{seen}");
    assert!(seen.contains(": Back-off pulling image"), "{seen}");
    assert!(why[0].contains("ImagePullBackOff") && error.hint().is_some(), "{error}");
    assert_eq!(sights.last(), Some(seen));
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_ends_a_wait_within_a_minute() {
    let cluster = api().cluster().await;
    namespace(&cluster, "pull").await;
    cluster.apply(&[deployment("none.test/w:typo")], &into("pull"), |_| ()).await.unwrap();
    let waiting = json!({"reason": "ErrImagePull", "message": "manifest for none.test/w:typo not found"});
    let container = json!({"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": waiting}});
    say_of_the_pod("pull", json!({"containerStatuses": [container]})).await;
    let what = Condition::DeploymentReady { namespace: "pull".into(), name: "w".into() };
    let began = std::time::Instant::now();
    let error = cluster.wait(&what, Duration::from_secs(600), |_| ()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let WaitError::Failed { seen, .. } = &error else { panic!("{error}") };
    assert!(seen.starts_with("image none.test/w:typo cannot be pulled for w-"), "{seen}");
    assert!(seen.ends_with(": manifest for none.test/w:typo not found") && error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn a_deployment_whose_pods_are_ready_is_ready() {
    let cluster = api().cluster().await;
    namespace(&cluster, "ready").await;
    let what = Condition::DeploymentReady { namespace: "ready".into(), name: "w".into() };
    assert_eq!(cluster.look(&what).await.unwrap(), Seen::NotYet("not there yet".into()));
    cluster.apply(&[deployment("none.test/w:1")], &into("ready"), |_| ()).await.unwrap();
    let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    say_of_the_pod("ready", json!({"phase": "Running", "conditions": ready})).await;
    let seen = cluster.wait(&what, Duration::from_secs(60), |_| ()).await.unwrap();
    assert_eq!(seen, "1 of 1 ready");
}

#[tokio::test]
async fn a_removed_namespace_is_gone_with_what_was_in_it() {
    let cluster = api().cluster().await;
    namespace(&cluster, "going").await;
    let object = ObjectRef::new("v1", "Namespace", None, "going");
    let held =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["cow.test/held"]}});
    cluster.apply(&[held], &into("going"), |_| ()).await.unwrap();
    assert!(cluster.delete(&object).await.unwrap());
    let what = Condition::Gone(object);
    let error = cluster.wait(&what, Duration::from_secs(8), |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("configmaps. has 1 resource instances"), "{error}");
    let free = json!({"metadata": {"finalizers": null}});
    let maps: kube::Api<k8s_openapi::api::core::v1::ConfigMap> = kube::Api::namespaced(kube_client().await, "going");
    maps.patch("c", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(free)).await.unwrap();
    assert_eq!(cluster.wait(&what, Duration::from_secs(120), |_| ()).await.unwrap(), "gone");
}

#[tokio::test]
async fn a_trial_is_accepted_as_soon_as_its_kind_is_there() {
    let cluster = api().cluster().await;
    namespace(&cluster, "trial").await;
    let trial =
        json!({"apiVersion": "trial.test/v1", "kind": "Trial", "metadata": {"name": "t", "namespace": "trial"}});
    let what = Condition::DryRunAccepted { manifest: trial.clone() };
    let define = async {
        let schema = json!({"type": "object"});
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "trials.trial.test"},
            "spec": {"group": "trial.test", "scope": "Namespaced", "names": {"kind": "Trial", "plural": "trials"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.apply(&[definition], &Apply::default(), |_| ()).await.unwrap();
        let established = Condition::CrdEstablished { name: "trials.trial.test".into() };
        cluster.wait(&established, Duration::from_secs(60), |_| ()).await.unwrap();
    };
    let mut sights = Vec::new();
    let wait = cluster.wait(&what, Duration::from_secs(120), |seen| sights.push(seen.to_owned()));
    let (seen, ()) = tokio::join!(wait, define);
    assert_eq!(seen.unwrap(), "accepted");
    assert!(sights[0].contains("knows no Trial of trial.test/v1"), "{sights:?}");
    let object = ObjectRef::of(&trial).unwrap();
    assert_eq!(cluster.get(&object).await.unwrap(), None, "a trial leaves nothing");
}

#[tokio::test]
async fn one_limit_holds_for_all_and_names_the_one_that_failed() {
    let cluster = api().cluster().await;
    let all = [
        Condition::EndpointsNonEmpty { namespace: "default".into(), service: "kubernetes".into() },
        Condition::DaemonSetReady { namespace: "default".into(), name: "none".into(), without: Vec::new() },
    ];
    let error = cluster.wait_all(&all, Duration::from_secs(4), |_| ()).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "daemonset default/none not ready after 4s; last seen: not there yet\n  daemonset default/none does not exist"
    );
}
