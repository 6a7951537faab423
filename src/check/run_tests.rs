//! The table of checks, how they are run and skipped, and the gate.

use super::tests::is_for_existing;
use super::world::*;
use super::*;

#[test]
fn ids_are_unique_and_every_check_has_its_texts() {
    let rows = listed();
    for (index, row) in rows.iter().enumerate() {
        let word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        assert!(row.id.split('.').count() == 2 && row.id.split('.').all(word), "{}", row.id);
        assert!(rows[..index].iter().all(|other| other.id != row.id), "{} twice", row.id);
        for text in [row.what, row.why, row.fix] {
            assert!(text.len() > 10 && !text.ends_with('.') && !text.contains('\n'), "{}: {text}", row.id);
        }
    }
}

#[test]
fn findings_stand_by_node_and_then_by_id() {
    let findings = World::good().report().findings;
    let places: Vec<_> = findings.iter().map(|finding| (finding.subject.clone(), finding.check)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(places[0].0, None);
}

#[test]
fn without_machines_only_what_needs_none_is_asked() {
    let world = World::good();
    let offline = Context { observed: None, ..world.context() };
    let report = run_all(&offline, &Skips::default());
    assert!(report.findings.iter().all(|finding| finding.subject.is_none()));
    let asked = ALL.iter().filter(|check| check.offline && !is_for_existing(check.id)).count();
    assert_eq!(report.findings.len(), asked);
    assert!(asked >= 8);
}

#[test]
fn skipping_is_by_known_ids_and_never_for_what_guards_a_cluster() {
    let world = World::with("quirk-docker-29");
    let skips = Skips::new(["docker.version", "docker.too-new", "docker.storage"]).unwrap();
    let report = run_all(&world.context(), &skips);
    let skipped = report.findings.iter().filter(|finding| finding.skipped && finding.verdict == Verdict::Fail);
    assert_eq!(skipped.count(), 2);
    assert!(gate(report).is_ok());

    let error = Skips::new(["docker.to-new"]).unwrap_err();
    assert_eq!(error.to_string(), "there is no check `docker.to-new` to skip");
    assert_eq!(error.hint().unwrap(), "did you mean `docker.too-new`?");
    assert_eq!(Skips::new(["too-new"]).unwrap_err().hint().unwrap(), "did you mean `docker.too-new`?");
    assert!(Skips::new(["xyz"]).unwrap_err().hint().unwrap().contains("check --list"));
    for id in ["ssh.reachable", "cluster.foreign"] {
        assert_eq!(Skips::new([id]), Err(SkipError::Never { id }));
    }
}

#[test]
fn the_gate_names_what_blocks() {
    let report = World::with("quirk-docker-29").report();
    let blocked = gate(report).unwrap_err();
    assert_eq!(
        blocked.to_string(),
        format!(
            "2 of {} checks must be put right first: docker.too-new, docker.version",
            blocked.report.findings.len()
        )
    );
    assert!(blocked.hint().unwrap().contains("docker.too-new"));
}

#[test]
fn a_group_of_checks_is_not_skipped_but_listed() {
    let hint = Skips::new(["net"]).unwrap_err().hint().unwrap_or_default();
    assert!(hint.starts_with("each is skipped by itself: net."), "{hint}");
}
