//! The real rke: found, judging a cluster.yml, writing through our links.

use std::fs;
use std::path::PathBuf;

use cowhand::engine::rke::StateFile;
use cowhand::engine::rke::log::Trouble;
use cowhand::engine::rke::run::{Rke, RkeError, RkeOutcome, Verb};
use cowhand::failure::Hint;
use cowhand::inventory::Tool;
use cowhand::local::Workspace;
use cowhand::local::tool::{Sources, ToolKind, Toolbox};
use tokio_util::sync::CancellationToken;

fn cluster_yml(role: &str, key: &str) -> String {
    format!(
        "cluster_name: t\nkubernetes_version: v1.32.2-rancher1-1\nssh_key_path: {key}\n\
         nodes:\n- {{address: 127.0.0.1, port: \"1\", user: x, role: [{role}]}}\n"
    )
}

async fn run(workspace: &Workspace, verb: Verb, cluster_yml: &str) -> RkeOutcome {
    let binary = crate::program("rke");
    let kept = serde_json::Map::new();
    let rke = Rke { binary: &binary, workspace, names: Vec::new(), ignore_docker_version: false, kept: &kept };
    rke.run(verb, cluster_yml, &CancellationToken::new(), |_| ()).await.unwrap()
}

#[tokio::test]
async fn rke_tells_its_version() {
    let nowhere = Sources { rke: "http://127.0.0.1:1".into(), helm: "http://127.0.0.1:1".into() };
    let find = Toolbox::new(PathBuf::from("/nowhere"), nowhere, Vec::new());
    let path = Tool::Path(crate::program("rke"));
    assert_eq!(find.find(ToolKind::Rke, &path, "v1.8.0", |_, _| ()).await.unwrap().version, "v1.8.0");
    let error = find.find(ToolKind::Rke, &path, "v1.7.2", |_, _| ()).await.unwrap_err().to_string();
    assert!(error.ends_with("is rke v1.8.0, but v1.7.2 is wanted"), "{error}");
    let helm = Tool::Path(crate::program("helm"));
    assert!(find.find(ToolKind::Helm, &helm, "v3.0.0", |_, _| ()).await.unwrap().version.starts_with("v3."));
}

#[tokio::test]
async fn rke_writes_its_state_through_our_links() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    let yml = cluster_yml("controlplane, etcd, worker", "none");
    // No machine answers there; the state is written before rke looks for one.
    let outcome = run(&workspace, Verb::Up, &yml).await;
    assert_eq!(workspace.state_file().unwrap(), StateFile::Whole);
    assert_eq!(workspace.kept_states().unwrap().len(), 1);
    let link = fs::symlink_metadata(workspace.rke_folder().join("cluster.rkestate")).unwrap();
    assert!(link.is_symlink(), "rke replaced the link");
    let ca = |workspace: &Workspace| {
        let state: serde_json::Value = serde_json::from_slice(&fs::read(workspace.cluster_state()).unwrap()).unwrap();
        state.pointer("/desiredState/certificatesBundle/kube-ca/certificatePEM").unwrap().clone()
    };
    let first = ca(&workspace);
    run(&workspace, Verb::Up, &yml).await;
    assert_eq!(ca(&workspace), first, "the same CA on every run");
    let log = fs::read_to_string(outcome.log).unwrap();
    assert!(log.contains("Generating CA kubernetes certificates") && !log.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn what_rke_refuses_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    let error = run(&workspace, Verb::Up, &cluster_yml("nonsense", "none")).await.success().unwrap_err();
    assert!(matches!(error, RkeError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("Failed to recognize host [127.0.0.1] role nonsense"), "{error}");
    assert!(error.hint().unwrap().contains("engine.rke.cluster"));
    let unknown = cluster_yml("controlplane, etcd, worker", "none").replace("v1.32.2-", "v1.99.0-");
    let error = run(&workspace, Verb::Up, &unknown).await.success().unwrap_err();
    assert!(error.to_string().contains("v1.99.0"), "{error}");
}

#[tokio::test]
async fn hosts_that_cannot_be_reached_are_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    let outcome = run(&workspace, Verb::Up, &cluster_yml("controlplane, etcd, worker", "none")).await;
    assert!(outcome.troubles.contains(&Trouble::Dropped { host: "127.0.0.1".into() }), "{:?}", outcome.troubles);
    let error = outcome.success().unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("cowhand check")), "{error}");
    let state = workspace.state_file().unwrap();
    let removal = run(&workspace, Verb::Remove, &cluster_yml("controlplane, etcd, worker", "none")).await;
    assert!(removal.success().is_err());
    assert_eq!(workspace.state_file().unwrap(), state, "a failed removal keeps the state");
}
