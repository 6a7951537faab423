//! Server-side apply, differences and secrets against a real API.

use std::collections::BTreeMap;
use std::time::Duration;

use cowhand::cluster::{Apply, Change, ClusterError, ObjectRef, SecretDigest};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};

use crate::api::{api, namespace};

fn into(namespace: &str) -> Apply {
    Apply { namespace: namespace.into(), ..Apply::default() }
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "none.test/x:1"}]}}}})
}

#[tokio::test]
async fn applied_once_there_is_nothing_more_to_do() {
    let cluster = api().cluster().await;
    namespace(&cluster, "diff").await;
    let how = into("diff");
    let wanted = [
        deployment("a", 2),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}),
    ];
    let missing = cluster.diff(&wanted, &how).await.unwrap();
    assert!(missing.len() == 2 && missing.iter().all(|one| one.change == Change::Missing), "{missing:?}");
    let applied = cluster.apply(&wanted, &how, |_| ()).await.unwrap();
    assert_eq!(applied[0].to_string(), "deployment diff/a");
    assert_eq!(cluster.diff(&wanted, &how).await.unwrap(), []);
    let changed = cluster.diff(&[deployment("a", 3)], &how).await.unwrap();
    assert_eq!(changed[0].change, Change::Differs { fields: vec!["spec.replicas".into()] });
    let listed = cluster.list("apps/v1", "Deployment", Some("diff"), None).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].pointer("/spec/replicas"), Some(&json!(2)), "a difference was looked for, not made");
}

#[tokio::test]
async fn a_kind_is_used_as_soon_as_it_is_defined() {
    let cluster = api().cluster().await;
    namespace(&cluster, "crd").await;
    let how = into("crd");
    let thing = json!({"apiVersion": "cow.test/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"a": 1}});
    let unknown = cluster.dry_run_apply(&thing, &how).await.unwrap_err();
    assert_eq!(unknown.to_string(), "apply thing t: the cluster knows no Thing of cow.test/v1");
    assert_eq!(cluster.diff(std::slice::from_ref(&thing), &how).await.unwrap()[0].change, Change::Missing);
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.cow.test"},
        "spec": {"group": "cow.test", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
    cluster.apply(&[definition, thing.clone()], &how, |_| ()).await.unwrap();
    assert_eq!(cluster.diff(&[thing], &how).await.unwrap(), []);
}

#[tokio::test]
async fn fields_of_somebody_else_are_taken_over() {
    let cluster = api().cluster().await;
    namespace(&cluster, "force").await;
    let client = kube_client().await;
    let others: kube::Api<k8s_openapi::api::core::v1::ConfigMap> = kube::Api::namespaced(client, "force");
    let map =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": value}});
    let params = kube::api::PatchParams::apply("somebody");
    others.patch("c", &params, &kube::api::Patch::Apply(map("theirs"))).await.unwrap();
    cluster.apply(&[map("ours")], &into("force"), |_| ()).await.unwrap();
    let object = ObjectRef::new("v1", "ConfigMap", Some("force"), "c");
    assert_eq!(cluster.get(&object).await.unwrap().unwrap()["data"]["k"], "ours");
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_waited_for_then_told() {
    let cluster = api().cluster().await;
    let how = Apply { limit: Duration::from_secs(2), ..into("nowhere") };
    let mut tries = 0;
    let error = cluster.apply(&[deployment("a", 1)], &how, |_| tries += 1).await.unwrap_err();
    assert!(tries > 0 && error.to_string().contains("namespaces \"nowhere\" not found"), "{tries} {error}");
}

#[tokio::test]
async fn a_secret_is_compared_without_being_shown() {
    let cluster = api().cluster().await;
    namespace(&cluster, "secret").await;
    let data = |pairs: &[(&str, &str)]| -> BTreeMap<String, SecretSlice<u8>> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), SecretSlice::from(value.as_bytes().to_vec()))).collect()
    };
    assert_eq!(cluster.secret_digest("secret", "s").await.unwrap(), None);
    let first = data(&[("a", "CANARY"), ("b", "x")]);
    cluster.apply_secret("secret", "s", "Opaque", &first).await.unwrap();
    assert_eq!(cluster.secret_digest("secret", "s").await.unwrap(), Some(SecretDigest::of("Opaque", &first)));
    let second = data(&[("a", "CANARY")]);
    cluster.apply_secret("secret", "s", "Opaque", &second).await.unwrap();
    let read = cluster.read_secret("secret", "s").await.unwrap().unwrap();
    assert_eq!(read.keys().collect::<Vec<_>>(), ["a"], "a key that is no longer wanted is gone");
    assert_eq!(read["a"].expose_secret(), b"CANARY");
    let error = cluster.apply_secret("secret", "s", "kubernetes.io/tls", &second).await.unwrap_err();
    assert!(matches!(error, ClusterError::Refused { code: 422, .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("CANARY"));
}

#[tokio::test]
async fn deleting_says_whether_there_was_something() {
    let cluster = api().cluster().await;
    namespace(&cluster, "delete").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    cluster.apply(&[map], &into("delete"), |_| ()).await.unwrap();
    let object = ObjectRef::new("v1", "ConfigMap", Some("delete"), "c");
    assert!(cluster.delete(&object).await.unwrap());
    assert!(!cluster.delete(&object).await.unwrap());
    assert!(!cluster.delete(&ObjectRef::new("no.such/v1", "Thing", None, "x")).await.unwrap());
}

/// A client of its own, in another owner's place.
pub async fn kube_client() -> kube::Client {
    let api = api();
    let near = api.far.replace("https://10.77.0.1:6443", &format!("https://127.0.0.1:{}", api.port));
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&near).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    kube::Client::try_from(config.unwrap()).unwrap()
}
