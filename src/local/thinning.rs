//! What may go of files that are kept each time and would grow without end: all but the newest 20, and the newest of
//! each month.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many are kept, whatever their age.
pub(crate) const KEPT: usize = 20;

/// Of these paths, sorted oldest first, those that may go. A name without a time stays.
pub(crate) fn surplus(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut months = BTreeSet::new();
    let mut gone: Vec<PathBuf> = Vec::new();
    for (newer, path) in paths.iter().rev().enumerate() {
        let Some((_, month)) = stamped(path) else { continue };
        // Each is asked, so that the newest of a month stands for it.
        let first = months.insert(month);
        if newer >= KEPT && !first {
            gone.push(path.clone());
        }
    }
    gone.reverse();
    gone
}

/// What stands before the time in a name, and the time's month: `cluster.yml.` and `202611` of
/// `cluster.yml.20261123T202456.123456Z`.
pub(crate) fn stamped(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?;
    let is_time = |at: &usize| {
        let text = &name.as_bytes()[*at..];
        text.len() > 15 && text[8] == b'T' && [&text[..8], &text[9..15]].concat().iter().all(u8::is_ascii_digit)
    };
    let at = (0..name.len()).rev().filter(|at| name.is_char_boundary(*at)).find(is_time)?;
    Some((name[..at].to_owned(), name[at..at + 6].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: impl IntoIterator<Item = String>) -> Vec<PathBuf> {
        names.into_iter().map(PathBuf::from).collect()
    }

    #[test]
    fn the_newest_twenty_stay_and_the_newest_of_each_month() {
        let daily = |month: u32| (1..=28).map(move |day| format!("cluster.yml.2026{month:02}{day:02}T101112.123456Z"));
        let all = paths((1..=3).flat_map(daily));
        let gone = surplus(&all);
        let kept: Vec<&PathBuf> = all.iter().filter(|path| !gone.contains(path)).collect();
        assert_eq!(kept.len(), 22, "{kept:?}");
        assert_eq!(kept[0], Path::new("cluster.yml.20260128T101112.123456Z"));
        assert_eq!(kept[1], Path::new("cluster.yml.20260228T101112.123456Z"));
        assert!(kept[2..].iter().all(|path| path.to_string_lossy().contains(".202603")));
        assert_eq!(surplus(&all[..20]), paths([]), "few stay");
    }

    #[test]
    fn a_name_without_a_time_stays() {
        let all = paths((0..50).map(|n| format!("mine-{n:02}")));
        assert_eq!(surplus(&all), paths([]));
        assert_eq!(stamped(Path::new("/x/20261123T2024")), None);
        let of = |name: &str| stamped(Path::new(name)).unwrap();
        assert_eq!(of("/x/a.b.20261123T202456.123456Z"), ("a.b.".into(), "202611".into()));
        assert_eq!(of("c.rkestate.000017-20261130T025213.123456Z").0, "c.rkestate.000017-");
    }
}
