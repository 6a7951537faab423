use super::*;

#[test]
fn what_keeps_a_run_out_ends_with_nothing_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::of_test(folder.path());
    let enter = || enter(&project, "up", &mut Keeping::new().1);
    project.workspace.prepare().unwrap();
    let held = Lock::take(&project.workspace.lock(), "down").unwrap();
    let refused = enter().err().unwrap();
    assert!(refused.exit == Exit::ChecksFailed && refused.error.contains("cowhand down"), "{refused:?}");
    drop(held);
    std::fs::create_dir(project.workspace.journal()).unwrap();
    assert_eq!(enter().err().unwrap().exit, Exit::ChecksFailed, "a journal that cannot be opened");
}

#[test]
fn a_state_that_a_killed_run_left_is_pointed_home() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::of_test(folder.path());
    let front = r#"{"address": "127.0.0.1", "port": "4711"}"#;
    let half = format!(r#"{{"rkeConfig": {{"sshKeyPath": "/gone.key", "bastionHost": {front}}}}}"#);
    std::fs::write(project.workspace.cluster_state(), format!(r#"{{"desiredState": {half}, "currentState": {half}}}"#))
        .unwrap();
    let rke = project.inventory.engine.rke_settings().unwrap();
    let config = crate::engine::rke::cluster_yml::cluster_yml(&project.inventory, rke, &Additions::default());
    point_state(&project, &config).unwrap();
    let home = std::fs::read_to_string(project.workspace.cluster_state()).unwrap();
    assert!(!home.contains("/gone.key") && !home.contains("4711") && home.contains("sshAgentAuth"), "{home}");
    // What is at home already is not written again.
    let written = std::fs::metadata(project.workspace.cluster_state()).unwrap();
    point_state(&project, &config).unwrap();
    let still = std::fs::metadata(project.workspace.cluster_state()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&written), std::os::unix::fs::MetadataExt::ino(&still));
}
