use std::os::unix::fs::PermissionsExt;

use super::*;

/// A program in rke's place that behaves as its source does at one point.
fn stand_in(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("rke-stand-in");
    fs::write(&path, format!("#!/bin/sh\nset -e\nwhile [ $# -gt 1 ]; do [ \"$1\" = --config ] && config=$2; shift; done\ndir=$(dirname \"$config\")\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

const STATE: &str = r#"{"desiredState": {"certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}}}, "currentState": {}}"#;
const FINISHED: &str = r#"echo 'time="x" level=info msg="Finished building Kubernetes cluster successfully"'"#;

async fn run(folder: &Path, verb: Verb, script: &str) -> (Workspace, Result<RkeOutcome, RkeError>, Vec<News>) {
    let binary = stand_in(folder, script);
    let workspace = Workspace::at(folder.join("w"));
    fs::create_dir_all(workspace.folder()).unwrap();
    let kept = json!({"ssh_key_path": "/mine"}).as_object().unwrap().clone();
    let rke =
        Rke { binary: &binary, workspace: &workspace, names: Vec::new(), ignore_docker_version: false, kept: &kept };
    let mut news = Vec::new();
    let outcome = rke.run(verb, "nodes: []\n", &CancellationToken::new(), |one| news.push(one)).await;
    (workspace, outcome, news)
}

#[tokio::test]
async fn what_rke_writes_lands_in_the_workspace_and_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "printf '%s' '{STATE}' > $dir/cluster.rkestate\n\
         echo 'time=\"x\" level=info msg=\"Successfully Deployed state file at [x]\"'\n\
         echo k > $dir/kube_config_cluster.yml\n{FINISHED}"
    );
    let (workspace, outcome, news) = run(folder.path(), Verb::Up, &script).await;
    let outcome = outcome.unwrap();
    outcome.success().unwrap();
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), STATE);
    assert_eq!(fs::read_to_string(workspace.kubeconfig()).unwrap(), "k\n");
    assert_eq!(workspace.kept_states().unwrap().len(), 1);
    let mode = fs::metadata(workspace.kubeconfig()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "rke's own mode does not matter");
    assert!(matches!(news.last(), Some(News::Progress(progress)) if progress.text == "done"));
    assert!(fs::read_to_string(outcome.log).unwrap().contains("Finished building"));
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_write_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "printf '%s' '{STATE}' > $dir/cluster.rkestate\n\
         echo 'time=\"x\" level=info msg=\"Successfully Deployed state file at [x]\"'\n\
         sleep 1\nprintf '{{\"desi' > $dir/cluster.rkestate\nkill -KILL $$"
    );
    let (workspace, outcome, _) = run(folder.path(), Verb::Up, &script).await;
    let error = outcome.unwrap().success().unwrap_err().to_string();
    assert!(error.starts_with("rke up failed with killed by signal 9"), "{error}");
    let (_, refused, _) = run(folder.path(), Verb::Up, "true").await;
    assert!(matches!(refused, Err(RkeError::BrokenState { .. })));
    workspace.mend_state().unwrap().unwrap();
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), STATE);
}

#[tokio::test]
async fn rke_is_stopped_as_soon_as_its_state_can_no_longer_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "printf '%s' '{STATE}' > $dir/cluster.rkestate\nrm -r $dir/../state\n\
         echo 'time=\"x\" level=info msg=\"Successfully Deployed state file at [x]\"'\n\
         sleep 600\nprintf '' > $dir/cluster.rkestate"
    );
    let (workspace, outcome, _) = run(folder.path(), Verb::Up, &script).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, RkeError::Unwritten { .. }), "{error}");
    assert!(error.to_string().starts_with("rke up was stopped"), "{error}");
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), STATE);
}

#[tokio::test]
async fn exit_0_is_not_success() {
    let folder = tempfile::tempdir().unwrap();
    let (_, unfinished, _) = run(folder.path(), Verb::Up, "exit 0").await;
    let error = unfinished.unwrap().success().unwrap_err().to_string();
    assert!(error.starts_with("rke up failed with exit code 0: it did not say why"), "{error}");
    let script = format!(
        "echo 'time=\"x\" level=warning msg=\"Failed to deploy addon execute job [rke-user-addon]: no\"'\n\
         echo 'time=\"x\" level=warning msg=\"Removing host [10.0.0.2] from node lists\"'\n{FINISHED}"
    );
    let (_, outcome, _) = run(folder.path(), Verb::Up, &script).await;
    let outcome = outcome.unwrap();
    let error = outcome.success().unwrap_err().to_string();
    assert!(
        error.contains("ended without an error, but addon rke-user-addon failed: no; 10.0.0.2 was left out"),
        "{error}"
    );
}

#[tokio::test]
async fn a_failure_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo 'time=\"x\" level=fatal msg=\"Unsupported Docker version found [29.1.0] on host [n1], supported versions are [1.13.x]\"'; exit 1";
    let (_, outcome, _) = run(folder.path(), Verb::Up, script).await;
    let error = outcome.unwrap().success().unwrap_err();
    assert!(error.to_string().contains("exit code 1: Unsupported Docker version found [29.1.0] on host [n1]"));
    assert!(error.hint().unwrap().contains("install a Docker version"));
}

#[tokio::test]
async fn a_removal_leaves_the_state_until_the_nodes_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path().join("w"));
    fs::create_dir_all(workspace.folder()).unwrap();
    fs::write(workspace.cluster_state(), STATE).unwrap();
    // rke removes what it was given, which are our links.
    let remove = "rm $dir/cluster.rkestate $dir/kube_config_cluster.yml\n";
    let dropped = format!(
        "{remove}echo 'time=\"x\" level=warning msg=\"Removing host [a] from node lists\"'\necho 'time=\"x\" level=info msg=\"Cluster removed successfully\"'"
    );
    let (workspace, outcome, _) = run(workspace.folder().parent().unwrap(), Verb::Remove, &dropped).await;
    assert!(outcome.unwrap().success().is_err());
    assert_eq!(workspace.state_file().unwrap(), StateFile::Whole, "a node was left out: the state is still needed");
    let whole = format!("{remove}echo 'time=\"x\" level=info msg=\"Cluster removed successfully\"'");
    let (workspace, outcome, _) = run(folder.path(), Verb::Remove, &whole).await;
    outcome.unwrap().success().unwrap();
    assert_eq!(workspace.state_file().unwrap(), StateFile::Whole, "without it nobody knows whose the rest is");
}

#[tokio::test]
async fn a_skipped_docker_version_is_told_to_rke() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("rke-stand-in");
    fs::write(&binary, "#!/bin/sh\necho \"$*\" > words\n").unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let workspace = Workspace::at(folder.path());
    let kept = Map::new();
    for ignore_docker_version in [false, true] {
        let rke = Rke { binary: &binary, workspace: &workspace, names: Vec::new(), ignore_docker_version, kept: &kept };
        rke.run(Verb::Up, "nodes: []\n", &CancellationToken::new(), |_| ()).await.unwrap();
        let words = fs::read_to_string(folder.path().join("words")).unwrap();
        assert_eq!(words.contains("--ignore-docker-version"), ignore_docker_version, "{words}");
    }
}

#[tokio::test]
async fn copies_do_not_lead_to_a_front_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path().join("w"));
    fs::create_dir_all(workspace.folder()).unwrap();
    let through = |serial: u32| {
        let rke =
            json!({"sshKeyPath": "/gone.key", "bastionHost": {"address": "127.0.0.1", "port": "4711"}, "n": serial});
        let bundle = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
        json!({"desiredState": {"rkeConfig": rke, "certificatesBundle": bundle}, "currentState": {"rkeConfig": rke}})
            .to_string()
    };
    // As it is when rke starts: pointed at the front already; then rke writes it anew.
    fs::write(workspace.cluster_state(), through(1)).unwrap();
    let script = format!(
        "printf '%s' '{}' > $dir/cluster.rkestate\n\
         echo 'time=\"x\" level=info msg=\"Successfully Deployed state file at [x]\"'\n{FINISHED}",
        through(2)
    );
    let (workspace, outcome, _) = run(folder.path(), Verb::Up, &script).await;
    outcome.unwrap().success().unwrap();
    let copies = workspace.kept_states().unwrap();
    assert_eq!(copies.len(), 2);
    for copy in copies {
        let text = fs::read_to_string(copy).unwrap();
        assert!(text.contains("/mine") && !text.contains("/gone.key") && !text.contains("4711"), "{text}");
    }
}

#[test]
fn the_front_is_the_only_way() {
    let cluster = json!({
        "ssh_key_path": "~/.ssh/id", "ssh_agent_auth": true, "bastion_host": {"address": "jump"},
        "nodes": [{"address": "10.0.0.1", "user": "rancher", "ssh_key_path": "~/.ssh/other", "port": "2222"}],
    });
    let front = Front { port: 4711, user: "cowhand".into(), key: "/run/key".into() };
    let changed = through_front(cluster.as_object().unwrap(), &front);
    let expected = json!({
        "bastion_host": {"address": "127.0.0.1", "port": "4711", "user": "cowhand", "ssh_key_path": "/run/key",
            "ignore_proxy_env_vars": true},
        "nodes": [{"address": "10.0.0.1", "user": "rancher", "port": "2222"}],
        "ssh_key_path": "/run/key",
    });
    assert_eq!(Value::Object(changed), expected);
}
