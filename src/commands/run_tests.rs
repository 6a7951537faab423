use super::*;

#[test]
fn what_keeps_a_run_out_ends_with_nothing_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::of_test(folder.path());
    let enter = || enter(&site, "up", &mut Keeping::new().1);
    site.workspace.prepare().unwrap();
    let held = Lock::take(&site.workspace.lock(), "down").unwrap();
    let refused = enter().err().unwrap();
    assert!(refused.exit == Exit::ChecksFailed && refused.error.contains("cowhand down"), "{refused:?}");
    drop(held);
    std::fs::create_dir(site.workspace.journal()).unwrap();
    assert_eq!(enter().err().unwrap().exit, Exit::ChecksFailed, "a journal that cannot be opened");
}

#[test]
fn a_state_that_a_killed_run_left_is_pointed_home() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::of_test(folder.path());
    let front = r#"{"address": "127.0.0.1", "port": "4711"}"#;
    let half = format!(r#"{{"rkeConfig": {{"sshKeyPath": "/gone.key", "bastionHost": {front}}}}}"#);
    std::fs::write(site.workspace.cluster_state(), format!(r#"{{"desiredState": {half}, "currentState": {half}}}"#))
        .unwrap();
    let rke = site.rke().unwrap();
    let config = crate::plan::rke::cluster_yml(&site.inventory, rke, &Additions::default());
    point_state(&site, &config).unwrap();
    let home = std::fs::read_to_string(site.workspace.cluster_state()).unwrap();
    assert!(!home.contains("/gone.key") && !home.contains("4711") && home.contains("sshAgentAuth"), "{home}");
    // What is at home already is not written again.
    let written = std::fs::metadata(site.workspace.cluster_state()).unwrap();
    point_state(&site, &config).unwrap();
    let still = std::fs::metadata(site.workspace.cluster_state()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&written), std::os::unix::fs::MetadataExt::ino(&still));
}
