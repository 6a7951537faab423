//! The points at which tests end a run: all of them are in one list, so that all of them are tried, and no release has them.

use std::collections::BTreeSet;

use cowhand::remote::{POINTS, SETTINGS};

use super::{Source, root, sources};

/// The names of the points in a file, outside tests.
fn named(source: &Source) -> Vec<String> {
    let parts = source.text.split("fail_point!(\"").skip(1);
    parts.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_point_is_in_the_list_and_every_name_in_the_list_is_a_point() {
    let sources = sources();
    let shipped = sources.iter().filter(|source| source.path.starts_with("src/"));
    let there: Vec<String> = shipped.flat_map(named).collect();
    let listed: BTreeSet<String> = POINTS.iter().chain(SETTINGS).map(ToString::to_string).collect();
    assert_eq!(there.iter().cloned().collect::<BTreeSet<_>>(), listed);
    assert_eq!(there.len(), listed.len(), "two points have the same name: {there:?}");
}

#[test]
fn no_release_has_them() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (shipped, tests) = manifest.split_once("[dev-dependencies]").unwrap();
    let line = |part: &str| part.lines().find(|line| line.starts_with("fail = ")).unwrap().to_owned();
    assert_eq!(line(shipped), "fail = \"=0.5.1\"", "without a feature `fail_point!` is nothing");
    assert!(line(tests).contains("failpoints"));
}
