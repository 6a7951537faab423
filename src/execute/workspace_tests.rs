use super::*;
use crate::execute::StateFile;

fn workspace() -> (tempfile::TempDir, Workspace) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    workspace.prepare().unwrap();
    (folder, workspace)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn state(n: u32) -> String {
    format!(r#"{{"desiredState": {{"n": {n}}}, "currentState": {{}}}}"#)
}

#[test]
fn files_are_written_whole_with_their_mode() {
    let (_folder, workspace) = workspace();
    workspace.write(&workspace.cluster_yml(), b"nodes: []\n", Secrecy::Open).unwrap();
    workspace.write(&workspace.cluster_state(), b"{}", Secrecy::Private).unwrap();
    assert_eq!((mode(&workspace.cluster_yml()), mode(&workspace.cluster_state())), (0o644, 0o600));
    assert_eq!(mode(&workspace.inside()), 0o700);
    let error = workspace.write(&workspace.folder().join("none/x"), b"", Secrecy::Open).unwrap_err().to_string();
    assert!(error.ends_with("none/x cannot be written"), "{error}");
    let left: Vec<_> = fs::read_dir(workspace.folder()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn keys_open_to_others_are_closed_and_told() {
    let (_folder, workspace) = workspace();
    fs::write(workspace.cluster_state(), state(1)).unwrap();
    fs::set_permissions(workspace.cluster_state(), Permissions::from_mode(0o644)).unwrap();
    workspace.write(&workspace.secrets().join("ca-key.pem"), b"k", Secrecy::Private).unwrap();
    let told = workspace.guard_keys().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("cluster.rkestate holds keys and was open to others (644)"), "{told:?}");
    assert_eq!(mode(&workspace.cluster_state()), 0o600);
    assert!(workspace.guard_keys().unwrap().is_empty());
}

#[test]
fn the_state_is_kept_aside_once_for_each_change() {
    let (_folder, workspace) = workspace();
    assert_eq!(workspace.keep_state_aside().unwrap(), None);
    fs::write(workspace.cluster_state(), state(0)).unwrap();
    let aside = workspace.keep_state_aside().unwrap().unwrap();
    assert_eq!((fs::read_to_string(&aside).unwrap(), mode(&aside)), (state(0), 0o600));
    assert_eq!(workspace.keep_state_aside().unwrap(), None);
    for n in 1..=25 {
        fs::write(workspace.cluster_state(), state(n)).unwrap();
        workspace.keep_state_aside().unwrap().unwrap();
    }
    let kept = workspace.kept_states().unwrap();
    assert_eq!(kept.len(), KEPT);
    assert_eq!(fs::read_to_string(kept.last().unwrap()).unwrap(), state(25));
}

#[test]
fn a_cut_off_state_is_mended_from_the_newest_copy() {
    let (_folder, workspace) = workspace();
    assert_eq!(workspace.state_file().unwrap(), StateFile::Absent);
    fs::write(workspace.cluster_state(), state(1)).unwrap();
    assert_eq!(workspace.state_file().unwrap(), StateFile::Whole);
    assert_eq!(workspace.mend_state().unwrap(), None);
    workspace.keep_state_aside().unwrap();
    fs::write(workspace.cluster_state(), &state(2)[..20]).unwrap();
    assert_eq!(workspace.keep_state_aside().unwrap(), None, "a broken one is not worth keeping");
    let told = workspace.mend_state().unwrap().unwrap();
    assert!(told.contains("was cut off") && told.contains("was put back"), "{told}");
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), state(1));
}

#[test]
fn a_cut_off_state_is_looked_at_as_it_will_be_mended() {
    let (_folder, workspace) = workspace();
    assert_eq!(workspace.state_bytes().unwrap(), None);
    fs::write(workspace.cluster_state(), state(1)).unwrap();
    workspace.keep_state_aside().unwrap();
    fs::write(workspace.cluster_state(), &state(2)[..9]).unwrap();
    assert_eq!(*workspace.state_bytes().unwrap().unwrap(), state(1).as_bytes());
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), state(2)[..9], "nothing was written");
}

#[test]
fn a_broken_state_without_copy_is_moved_never_deleted() {
    let (_folder, workspace) = workspace();
    fs::write(workspace.cluster_state(), "").unwrap();
    let told = workspace.mend_state().unwrap().unwrap();
    assert!(told.contains("was empty and no whole copy was kept"), "{told}");
    assert_eq!(workspace.state_file().unwrap(), StateFile::Absent);
    assert_eq!(fs::read_dir(workspace.states()).unwrap().count(), 1);
}

#[test]
fn a_forgotten_cluster_leaves_its_state_aside_and_is_never_put_back() {
    let (_folder, workspace) = workspace();
    fs::write(workspace.cluster_state(), state(1)).unwrap();
    workspace.keep_state_aside().unwrap();
    fs::write(workspace.cluster_state(), state(2)).unwrap();
    workspace.forget_cluster().unwrap();
    assert_eq!(workspace.state_file().unwrap(), StateFile::Absent);
    assert_eq!((workspace.kept_states().unwrap().len(), workspace.removed_states().unwrap().len()), (0, 2));
    let newest = workspace.removed_states().unwrap().pop().unwrap();
    assert_eq!((fs::read_to_string(&newest).unwrap(), mode(&newest)), (state(2), 0o600));
    workspace.forget_cluster().unwrap();
    // The next cluster's first write is cut off: the removed one's CA is not its own.
    fs::write(workspace.cluster_state(), &state(3)[..9]).unwrap();
    assert_eq!(*workspace.state_bytes().unwrap().unwrap(), state(3).as_bytes()[..9]);
    let told = workspace.mend_state().unwrap().unwrap();
    assert!(told.contains("no whole copy was kept"), "{told}");
    assert_eq!(workspace.state_file().unwrap(), StateFile::Absent);
}

#[test]
fn a_copy_is_written_as_it_is_wanted() {
    let (_folder, workspace) = workspace();
    fs::write(workspace.cluster_state(), state(1)).unwrap();
    let aside = workspace.keep_state_aside_as(|_| Some(state(7))).unwrap().unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), state(7));
    assert_eq!(workspace.keep_state_aside_as(|_| Some(state(7))).unwrap(), None);
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), state(1));
}

#[test]
fn a_file_that_is_replaced_stays_in_the_backups() {
    let (_folder, workspace) = workspace();
    assert_eq!(workspace.keep_aside(&workspace.kubeconfig()).unwrap(), None);
    fs::write(workspace.kubeconfig(), "mine").unwrap();
    let aside = workspace.keep_aside(&workspace.kubeconfig()).unwrap().unwrap();
    assert_eq!((fs::read_to_string(&aside).unwrap(), mode(&aside)), ("mine".into(), 0o600));
}

#[test]
fn logs_are_closed_to_others_and_only_the_newest_stay() {
    let (_folder, workspace) = workspace();
    for number in 0..25 {
        for name in [format!("rke-20260101T0000{number:02}.log"), format!("20260101T0000{number:02}-up.log")] {
            fs::write(workspace.logs().join(name), "old").unwrap();
        }
    }
    let (path, _file) = workspace.run_log("down").unwrap();
    assert!(path.to_string_lossy().ends_with("-down.log"), "{path:?}");
    assert_eq!(mode(&path), 0o600);
    let names: Vec<String> = fs::read_dir(workspace.logs())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let of_rke = names.iter().filter(|name| name.starts_with("rke-")).count();
    assert_eq!((of_rke, names.len() - of_rke), (20, 20), "{names:?}");
    assert!(
        names.contains(&"20260101T000024-up.log".to_owned()) && !names.contains(&"20260101T000005-up.log".to_owned())
    );
}

#[test]
fn folders_that_others_could_read_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    for open in [workspace.helm_home(), workspace.values()] {
        fs::create_dir_all(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    }
    workspace.prepare().unwrap();
    for closed in [workspace.helm_home(), workspace.values(), workspace.inside(), workspace.logs()] {
        assert_eq!(mode(&closed), 0o700, "{closed:?}");
    }
}
