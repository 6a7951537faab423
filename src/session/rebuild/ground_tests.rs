use std::os::unix::fs::PermissionsExt;

use secrecy::zeroize::Zeroizing;

use super::*;
use crate::backup::Entry;
use crate::backup::sample::{Harm, Sample, keys, made};

fn opened(folder: &Path, sample: Sample) -> OpenBackup {
    let (key, recipients) = keys();
    let path = made(folder, sample, &Harm::None, &recipients);
    OpenBackup::open(&path, &key).unwrap()
}

fn with(mut open: OpenBackup, name: &str, what: &str, path: &str, text: &str) -> OpenBackup {
    let entry = Entry {
        name: name.into(),
        what: what.into(),
        path: Some(path.into()),
        length: text.len() as u64,
        sha256: String::new(),
    };
    open.parts.push((entry, Zeroizing::new(text.as_bytes().to_vec())));
    open
}

#[test]
fn another_cluster_is_refused_and_other_machines_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::of_test(folder.path());
    assert_eq!(refuse(&project, &opened(folder.path(), Sample::default())), Ok(()));
    let told = |sample: Sample| {
        let failure = refuse(&project, &opened(folder.path(), sample)).unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        format!("{}\n{}\n{}", failure.error, failure.because.join("\n"), failure.hint.unwrap_or_default())
    };
    insta::assert_snapshot!(told(Sample { name: "other", ..Sample::default() }), @r#"
    the backup is of cluster `other`, and the inventory is of `prod`

    `name: other` in the inventory, if that cluster is to be rebuilt on these machines; nothing was touched
    "#);
    let newer = Sample { kubernetes: "v1.31.6-rancher1-1", api: "v1.31.6", ..Sample::default() };
    insta::assert_snapshot!(told(newer), @r#"
    the inventory asks for another cluster than the one in the backup
    kubernetes_version: v1.31.6-rancher1-1 -> v1.32.2-rancher1-1
    set engine.rke.kubernetes to the version of the backup; change it with `cowhand up` when the cluster stands; nothing was touched
    "#);
}

#[test]
fn what_the_folder_lacks_is_laid_out_for_its_owner_alone_and_what_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let backups = tempfile::tempdir().unwrap();
    let project = Project::of_test(folder.path());
    let open = opened(backups.path(), Sample::default());
    let open = with(open, "files/01", CA, "ca.pem", "CA");
    let open = with(open, "files/02", CA_KEY, "secrets/ca-key.pem", "KEY");
    let open = with(open, "files/03", PASSWORD, "secrets/bootstrap-password", "hunter2");
    let open = with(open, "files/04", "rancher.tls.also_trust", "tls/more.pem", "MORE");
    let open = with(open, "files/05", "rancher.tls.key", "/etc/ssl/key.pem", "ELSEWHERE");
    let open = with(open, "files/06", "x", "../outside", "OUTSIDE");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    std::fs::create_dir_all(folder.path().join("tls")).unwrap();
    std::fs::write(folder.path().join("tls/more.pem"), "MINE").unwrap();
    assert_eq!(lay_out(&project, &open).unwrap().len(), 3);
    assert_eq!(
        (read("ca.pem"), read("secrets/ca-key.pem"), read("tls/more.pem")),
        ("CA".into(), "KEY".into(), "MINE".into())
    );
    let mode = std::fs::metadata(folder.path().join("secrets/ca-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!folder.path().parent().unwrap().join("outside").exists());
    assert!(lay_out(&project, &open).unwrap().is_empty(), "a second time there is nothing to do");
    assert_eq!(refuse_another_ca(&project, &open), Ok(()));
    std::fs::write(folder.path().join("ca.pem"), "ANOTHER").unwrap();
    let failure = refuse_another_ca(&project, &open).unwrap_err();
    assert!(failure.error.contains("another CA than the one in the backup"), "{failure:?}");
}

#[test]
fn the_state_that_was_here_is_kept_and_the_kubeconfig_of_machines_that_are_gone_goes() {
    let folder = tempfile::tempdir().unwrap();
    let backups = tempfile::tempdir().unwrap();
    let project = Project::of_test(folder.path());
    project.workspace.prepare().unwrap();
    let mine = Project::state_of_test("mine");
    std::fs::write(project.workspace.cluster_state(), &mine).unwrap();
    std::fs::write(project.workspace.kubeconfig(), "old").unwrap();
    put_state(&project, &opened(backups.path(), Sample::default())).unwrap();
    let kept: Vec<_> = std::fs::read_dir(project.workspace.states()).unwrap().map(|one| one.unwrap().path()).collect();
    assert_eq!(kept.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>(), [mine]);
    assert!(!project.workspace.kubeconfig().exists());
    let text = std::fs::read_to_string(project.workspace.cluster_state()).unwrap();
    let state = State::parse(&text).ok().unwrap();
    assert!(state.addresses().is_empty() && state.service_account_key().is_some());
}
