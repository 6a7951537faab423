use std::path::Path;

use super::*;
use crate::cluster::{Access, Cluster, Route};

/// A program that counts how often it is asked, and gives this status.
fn counting(folder: &Path, status: &str) -> ExecConfig {
    let script = format!(
        "echo asked >>'{}'; echo '{{\"kind\": \"ExecCredential\", \"status\": {status}}}'",
        folder.join("asked").display()
    );
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "sh",
        "args": ["-c", script]});
    serde_json::from_value(exec).unwrap()
}

fn asked_so_often(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("asked")).unwrap_or_default().lines().count()
}

fn access(exec: &ExecConfig) -> Access {
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": exec}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
    Access::from_yaml(&kubeconfig.to_string()).unwrap()
}

fn in_hours(hours: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn the_client_and_each_helm_share_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let exec = counting(folder.path(), &format!(r#"{{"token": "canary", "expirationTimestamp": "{}"}}"#, in_hours(1)));
    let access = access(&exec);
    let _cluster = Cluster::open(&access, Route::Direct).await.unwrap();
    for _ in 0..3 {
        let made = access.clone().helm_kubeconfig(Route::Direct, folder.path()).await.unwrap();
        let text = std::fs::read_to_string(made.path()).unwrap();
        assert!(text.contains("token: canary") && !text.contains("exec"), "{text}");
        assert!(made.lasts());
    }
    assert_eq!(asked_so_often(folder.path()), 1);
}

#[tokio::test]
async fn what_is_about_to_end_is_asked_for_anew() {
    let folder = tempfile::tempdir().unwrap();
    let soon = Timestamp::now() + SignedDuration::from_secs(30);
    let exec = counting(folder.path(), &format!(r#"{{"token": "canary", "expirationTimestamp": "{soon}"}}"#));
    let access = access(&exec);
    let made = access.helm_kubeconfig(Route::Direct, folder.path()).await.unwrap();
    assert!(!made.lasts());
    access.helm_kubeconfig(Route::Direct, folder.path()).await.unwrap();
    assert_eq!(asked_so_often(folder.path()), 2);
}

#[tokio::test]
async fn a_certificate_stands_in_the_place_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let exec = counting(folder.path(), r#"{"clientCertificateData": "CERT", "clientKeyData": "KEY"}"#);
    let made = access(&exec).helm_kubeconfig(Route::Direct, folder.path()).await.unwrap();
    let text = std::fs::read_to_string(made.path()).unwrap();
    let of = |pem: &str| BASE64.encode(pem.as_bytes());
    assert!(text.contains(&format!("client-certificate-data: {}", of("CERT"))), "{text}");
    assert!(text.contains(&format!("client-key-data: {}", of("KEY"))) && !text.contains("exec"), "{text}");
}

#[tokio::test]
async fn an_answer_without_credentials_is_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    for status in ["{}", r#"{"clientCertificateData": "CERT"}"#, "no"] {
        let error = Proofs::default().current(&counting(folder.path(), status)).await.err().unwrap();
        assert_eq!(error, NOTHING, "{status}");
    }
}

#[test]
fn what_the_kubeconfig_holds_itself_goes_before_the_program() {
    let user = |more: Value| {
        let mut user = json!({"exec": {"command": "sh"}});
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<AuthInfo>(user).unwrap()
    };
    assert!(asked(&user(json!({}))).is_some());
    assert!(asked(&user(json!({"token": "x"}))).is_none());
    assert!(asked(&user(json!({"tokenFile": "x"}))).is_none());
    assert!(asked(&user(json!({"username": "x", "password": "y"}))).is_none());
}
