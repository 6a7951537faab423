//! The way to the API: through a port with the certificate checked against the real name.

use std::time::Duration;

use cowhand::cluster::{Cluster, ClusterError, Condition, Route, WaitError};
use cowhand::failure::Hint;

use crate::api::{FAR_ADDRESS, alone, api};

#[tokio::test]
async fn through_a_port_the_certificate_is_checked_against_the_real_address() {
    let api = api();
    assert_eq!(api.cluster().await.version().await.unwrap(), "v1.32.2");
    let elsewhere = api.far.replace(FAR_ADDRESS, "10.77.0.2");
    let error = Cluster::connect(&elsewhere, api.route()).await.unwrap().version().await.unwrap_err();
    let told = "https://10.77.0.2:6443 (through ssh) is not trusted: its certificate is for another name: certificate is only valid for";
    assert!(error.to_string().starts_with(told), "{error}");
}

fn nodes() -> Condition {
    Condition::NodesReady { names: Vec::new() }
}

#[tokio::test]
async fn a_new_ca_is_named_and_not_waited_for() {
    let api = api();
    let cluster = Cluster::connect(&api.strange, api.route()).await.unwrap();
    let error = cluster.version().await.unwrap_err();
    assert!(matches!(error, ClusterError::NotTrusted { .. }), "{error}");
    assert!(error.to_string().ends_with("its certificate is not signed by the CA of the kubeconfig"), "{error}");
    assert!(error.hint().unwrap().contains("new CA"));
    let error = cluster.wait(&nodes(), Duration::from_secs(600), |_| ()).await.unwrap_err();
    assert!(matches!(error, WaitError::Unseen { .. }), "{error}");
}

#[tokio::test]
async fn an_api_that_is_gone_is_waited_for_and_then_told() {
    let cluster = Cluster::connect(&api().far, Route::Through { port: 1 }).await.unwrap();
    let mut sights = Vec::new();
    let error = cluster.wait(&nodes(), Duration::from_secs(5), |seen| sights.push(seen.to_owned())).await;
    let told = "no answer from https://10.77.0.1:6443 (through ssh): connection refused";
    assert_eq!(sights, [told]);
    assert_eq!(error.unwrap_err().to_string(), format!("the nodes not ready after 5s; last seen: {told}"));
}

#[tokio::test]
async fn there_are_no_nodes_here() {
    let _nobody_makes_one = alone().await;
    assert_eq!(api().cluster().await.nodes().await.unwrap(), []);
}
