use super::*;

fn workspace() -> (tempfile::TempDir, Workspace) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    workspace.prepare().unwrap();
    (folder, workspace)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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
    fs::write(workspace.cluster_state(), "{}").unwrap();
    fs::set_permissions(workspace.cluster_state(), Permissions::from_mode(0o644)).unwrap();
    workspace.write(&workspace.secrets().join("ca-key.pem"), b"k", Secrecy::Private).unwrap();
    let told = workspace.guard_keys().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("cluster.rkestate holds keys and was open to others (644)"), "{told:?}");
    assert_eq!(mode(&workspace.cluster_state()), 0o600);
    assert!(workspace.guard_keys().unwrap().is_empty());
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
fn copies_of_a_name_do_not_pile_up_and_what_a_cluster_may_live_by_stays() {
    let (_folder, workspace) = workspace();
    for day in 1..=28 {
        for name in ["cluster.yml", "cluster.yml.mine", "ca-key.pem"] {
            fs::write(workspace.backups().join(format!("{name}.202601{day:02}T000000.000000Z")), "old").unwrap();
        }
    }
    fs::write(workspace.backups().join("cluster.yml.notes"), "mine").unwrap();
    let key = workspace.secrets().join("ca-key.pem");
    for path in [workspace.cluster_yml(), key] {
        fs::write(&path, "new").unwrap();
        workspace.keep_aside(&path).unwrap().unwrap();
    }
    let count = |begin: &str| {
        let names = fs::read_dir(workspace.backups()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(begin)).count()
    };
    // Of this month the new one, of January the newest nineteen.
    assert_eq!((count("cluster.yml.20"), count("cluster.yml.mine"), count("cluster.yml.notes")), (20, 28, 1));
    assert_eq!(count("ca-key.pem"), 29);
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

#[test]
fn what_a_killed_run_left_goes_and_what_a_living_one_holds_stays() {
    let (_folder, workspace) = workspace();
    workspace.prepare().unwrap();
    let left = [
        workspace.inside().join("kubeconfig-a1b2c3"),
        workspace.rke_folder().join("front-a1b2c3.key"),
        workspace.folder().join(".cowhand-writing-a1b2c3"),
        workspace.secrets().join(".cowhand-writing-a1b2c3"),
    ];
    let kept = [
        workspace.inside().join("kubeconfig-living"),
        workspace.folder().join("kubeconfig-mine"),
        workspace.folder().join("front-door.key"),
        workspace.folder().join(".cowhand-notes"),
        workspace.cluster_state(),
    ];
    for path in left.iter().chain(&kept) {
        fs::write(path, "key").unwrap();
    }
    let living = File::open(&kept[0]).unwrap();
    living.lock().unwrap();
    workspace.clear_up().unwrap();
    assert!(left.iter().all(|path| !path.exists()), "{left:?}");
    assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
    drop(living);
    workspace.clear_up().unwrap();
    assert!(!kept[0].exists());
}
