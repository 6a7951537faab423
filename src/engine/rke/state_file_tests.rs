use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::failure::Hint;
use crate::local::disk::fuse;
use crate::local::thinning::KEPT;

fn workspace() -> (tempfile::TempDir, Workspace) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path());
    workspace.prepare().unwrap();
    (folder, workspace)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A whole state, the `n`th of one cluster.
fn state(n: u32) -> String {
    of_cluster("PEM", n)
}

fn of_cluster(ca: &str, n: u32) -> String {
    let bundle = format!(r#"{{"kube-ca": {{"certificatePEM": "{ca}", "keyPEM": "KEY"}}}}"#);
    format!(r#"{{"desiredState": {{"n": {n}, "certificatesBundle": {bundle}}}, "currentState": {{}}}}"#)
}

fn is_broken(text: &str) -> String {
    match judge_state(text.as_bytes()) {
        StateFile::Broken { why } => why,
        StateFile::Absent | StateFile::Whole => panic!("{text} passed"),
    }
}

#[test]
fn whole_is_what_a_cluster_can_be_mended_from() {
    assert_eq!(judge_state(state(1).as_bytes()), StateFile::Whole);
    assert_eq!(is_broken(r#"{"desiredState": {}}"#), "without the cluster's CA");
    assert_eq!(is_broken(&state(1).replace("\"KEY\"", "\"\"")), "without the key of the cluster's CA");
    assert_eq!(
        is_broken(&state(1).replace("desiredState", "x").replace("currentState", "desiredState")),
        "without the cluster's CA"
    );
    assert_eq!(is_broken("[1]"), "not a state file of rke");
    for length in 1..state(1).len() {
        assert_eq!(is_broken(&state(1)[..length]), "cut off");
    }
}

/// As an earlier version named a copy.
fn unnumbered(workspace: &Workspace, stamp: &str, text: &str) {
    fs::write(workspace.states().join(format!("cluster.rkestate.{stamp}")), text).unwrap();
}

#[test]
fn the_number_says_which_copy_is_the_newest_not_the_clock() {
    let (_folder, workspace) = workspace();
    unnumbered(&workspace, "20270101T000000.000000Z", &state(90));
    fs::write(workspace.states().join("cluster.rkestate.000041-20270101T000000.000000Z"), state(91)).unwrap();
    for n in 1..=KEPT as u32 {
        fs::write(workspace.cluster_state(), state(n)).unwrap();
        workspace.keep_state_aside().unwrap().unwrap();
    }
    let kept = workspace.kept_states().unwrap();
    let texts: Vec<String> = kept.iter().map(|copy| fs::read_to_string(copy).unwrap()).collect();
    let newest = [91].into_iter().chain(1..=KEPT as u32).map(state).collect::<Vec<_>>();
    assert_eq!(texts, newest, "what a wrong clock dated 2027 is the oldest; the newer one of that month stays");
    assert!(kept.last().unwrap().to_string_lossy().contains("cluster.rkestate.000061-"), "{kept:?}");
    fs::write(workspace.cluster_state(), "").unwrap();
    assert_eq!(*workspace.state_bytes().unwrap().unwrap(), state(KEPT as u32).as_bytes());
}

#[test]
fn copies_without_a_number_are_used_when_it_does_not_matter_which() {
    let (_folder, workspace) = workspace();
    fs::write(workspace.cluster_state(), "").unwrap();
    unnumbered(&workspace, "20261101T000000.000000Z", &of_cluster("A", 1));
    unnumbered(&workspace, "20261102T000000.000000Z", &of_cluster("A", 2));
    unnumbered(&workspace, "20261103T000000.000000Z", "{");
    assert_eq!(*workspace.state_bytes().unwrap().unwrap(), of_cluster("A", 2).as_bytes());
    unnumbered(&workspace, "20270101T000000.000000Z", &of_cluster("B", 1));
    for refused in [workspace.state_bytes().map(drop), workspace.mend_state().map(drop), workspace.to_mend().map(drop)]
    {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("its copies hold several CAs: ") && error.hint().is_some(), "{error}");
    }
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), "", "nothing was changed");
    // A numbered one is newer than all of them.
    fs::write(workspace.cluster_state(), of_cluster("C", 1)).unwrap();
    workspace.keep_state_aside().unwrap().unwrap();
    fs::write(workspace.cluster_state(), "").unwrap();
    workspace.mend_state().unwrap().unwrap();
    assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), of_cluster("C", 1));
}

/// Ends `work` before each of its file operations in turn, in a workspace of its own each time, and hands that over.
fn at_each_operation(prepare: impl Fn(&Workspace), work: impl Fn(&Workspace), then: impl Fn(&Workspace)) {
    for operations in 0.. {
        let (_folder, workspace) = workspace();
        prepare(&workspace);
        let whole = fuse::cut_off_after(operations, || work(&workspace)).is_some();
        then(&workspace);
        if whole {
            assert!(operations > 2, "nothing was cut off");
            return;
        }
    }
}

/// A cluster with some history, of which the newest state has no copy yet.
fn living(workspace: &Workspace) {
    for n in 1..=3 {
        fs::write(workspace.cluster_state(), state(n)).unwrap();
        workspace.keep_state_aside().unwrap();
    }
    fs::write(workspace.cluster_state(), state(4)).unwrap();
    fs::write(workspace.kubeconfig(), "k").unwrap();
    fs::write(workspace.cluster_yml(), "y").unwrap();
}

fn forget(workspace: &Workspace) {
    workspace.forget_cluster().unwrap();
}

#[test]
fn a_removal_that_was_cut_off_anywhere_is_finished_by_the_next() {
    at_each_operation(living, forget, |workspace| {
        // What stands there tells the truth: a state file, or nothing that could become one.
        match workspace.state_file().unwrap() {
            StateFile::Absent => assert!(workspace.kept_states().unwrap().is_empty(), "a removed one could come back"),
            StateFile::Whole => assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), state(4)),
            StateFile::Broken { why } => panic!("{why}"),
        }
        forget(workspace);
        assert_eq!(workspace.state_file().unwrap(), StateFile::Absent);
        assert!(!workspace.kubeconfig().exists() && !workspace.cluster_yml().exists());
        assert!(workspace.kept_states().unwrap().is_empty());
        let removed = workspace.removed_states().unwrap();
        let texts: Vec<String> = removed.iter().map(|copy| fs::read_to_string(copy).unwrap()).collect();
        for n in 1..=4 {
            assert!(texts.contains(&state(n)), "state {n} is gone");
        }
        assert_eq!(texts.last(), Some(&state(4)));
    });
}

#[test]
fn names_are_on_disk_before_the_state_goes() {
    let (_folder, workspace) = workspace();
    living(&workspace);
    fuse::cut_off_after(usize::MAX, || forget(&workspace)).unwrap();
    let done = fuse::done();
    let last = |point: &str| done.iter().rposition(|one| *one == point).unwrap_or_else(|| panic!("{done:?}"));
    // The copies were renamed, the state is what is removed last.
    let (renamed, removed) = (last("disk.rename"), last("disk.remove"));
    assert!(renamed < removed, "{done:?}");
    assert_eq!([done[renamed + 1], done[removed + 1]], ["disk.sync"; 2], "{done:?}");
}

#[test]
fn the_next_cluster_has_no_copy_of_a_removed_one() {
    // As an earlier version left it: the state removed, the copies not renamed.
    let left = |workspace: &Workspace| {
        living(workspace);
        fs::remove_file(workspace.cluster_state()).unwrap();
    };
    at_each_operation(
        left,
        |workspace| workspace.begin_cluster().unwrap(),
        |workspace| {
            workspace.begin_cluster().unwrap();
            // Its first write is cut off.
            fs::write(workspace.cluster_state(), "{").unwrap();
            assert_eq!(workspace.state_bytes().unwrap(), None);
            assert_eq!(workspace.removed_states().unwrap().len(), 3);
        },
    );
}

#[test]
fn a_living_clusters_state_survives_each_cut() {
    let broken = |workspace: &Workspace| {
        living(workspace);
        workspace.keep_state_aside().unwrap();
        fs::write(workspace.cluster_state(), &state(5)[..20]).unwrap();
    };
    let same = |workspace: &Workspace| {
        assert_eq!(*workspace.state_bytes().unwrap().unwrap(), state(4).as_bytes());
        workspace.mend_state().unwrap();
        assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), state(4));
    };
    at_each_operation(broken, |workspace| drop(workspace.mend_state().unwrap()), same);
    let many = |workspace: &Workspace| {
        for n in 10..10 + KEPT as u32 {
            fs::write(workspace.cluster_state(), state(n)).unwrap();
            workspace.keep_state_aside().unwrap();
        }
        living(workspace);
    };
    at_each_operation(
        many,
        |workspace| drop(workspace.keep_state_aside().unwrap()),
        |workspace| {
            assert_eq!(fs::read_to_string(workspace.cluster_state()).unwrap(), state(4));
            workspace.keep_state_aside().unwrap();
            let kept = workspace.kept_states().unwrap();
            assert_eq!(fs::read_to_string(kept.last().unwrap()).unwrap(), state(4));
            assert!(kept.len() == KEPT || kept.len() == KEPT + 1, "{}", kept.len());
        },
    );
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

/// Copies of one month before this one.
fn copies(workspace: &Workspace, numbers: std::ops::Range<u32>, text: impl Fn(u32) -> String) {
    for n in numbers {
        let name = format!("cluster.rkestate.{n:06}-202601{:02}T000000.000000Z", n % 28 + 1);
        fs::write(workspace.states().join(name), text(n)).unwrap();
    }
}

#[test]
fn the_newest_whole_copy_and_those_of_another_ca_stay_however_old() {
    let (_folder, workspace) = workspace();
    copies(&workspace, 1..3, |n| of_cluster("ANOTHER", n));
    copies(&workspace, 3..10, state);
    copies(&workspace, 10..40, |_| "cut off".into());
    workspace.thin_out_kept().unwrap();
    let numbers = |workspace: &Workspace| -> Vec<u32> {
        let number = |path: &PathBuf| path.to_string_lossy().split("rkestate.").nth(1).unwrap()[..6].parse().unwrap();
        workspace.kept_states().unwrap().iter().map(number).collect()
    };
    assert_eq!(numbers(&workspace), [1, 2, 9].into_iter().chain(20..40).collect::<Vec<u32>>());
    copies(&workspace, 40..61, state);
    workspace.thin_out_kept().unwrap();
    assert_eq!(numbers(&workspace), [1, 2].into_iter().chain(41..61).collect::<Vec<u32>>());
    fs::remove_file(workspace.cluster_state()).ok();
    workspace.begin_cluster().unwrap();
    assert_eq!(workspace.removed_states().unwrap().len(), KEPT, "of removed clusters the newest are enough");
}

#[test]
fn broken_states_do_not_pile_up() {
    let (_folder, workspace) = workspace();
    for day in 1..=28 {
        fs::write(workspace.states().join(format!("broken.202601{day:02}T000000.000000Z")), "{").unwrap();
    }
    fs::write(workspace.cluster_state(), "{").unwrap();
    workspace.keep_broken_aside().unwrap().unwrap();
    assert_eq!(fs::read_dir(workspace.states()).unwrap().count(), KEPT);
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
    assert_eq!(workspace.state_bytes().unwrap(), None);
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
