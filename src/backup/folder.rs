//! The backups in a folder, by what their labels say.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::flaw::{Flaw, Level};
use super::label::{ENDING, Label};

/// A file that is called like a backup.
#[derive(Debug, Clone)]
pub struct Found {
    pub path: PathBuf,
    pub label: Result<Label, Flaw>,
}

impl Found {
    pub fn level(&self) -> Option<Level> {
        self.label.as_ref().ok().map(|label| label.level)
    }
}

/// All of them, the newest first; those without a label that can be read come last. Only labels are read.
pub fn list(folder: &Path) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| format!(".{}", ending.display()) == ENDING) {
            found.push(Found { label: label(&path), path });
        }
    }
    found.sort_by_key(|one| (std::cmp::Reverse(one.label.as_ref().ok().map(|label| label.taken)), one.path.clone()));
    Ok(found)
}

fn label(path: &Path) -> Result<Label, Flaw> {
    crate::remote::refuse_irregular(path).map_err(Flaw::reading(Level::There, "it"))?;
    Label::read(File::open(path).map_err(Flaw::reading(Level::There, "it"))?)
}

/// `3 h`, `2 days`: how long ago that was, for people.
pub fn age_of(taken: Timestamp, now: Timestamp) -> String {
    match now.duration_since(taken).as_secs().max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The newest that says level 3 of itself, or else the newest of all; none without a label that can be read.
pub fn newest(found: Vec<Found>) -> Option<Found> {
    let labelled = found.into_iter().filter(|one| one.label.is_ok());
    labelled.max_by_key(|one| (one.level() == Some(Level::Together), one.label.as_ref().ok().map(|label| label.taken)))
}

#[cfg(test)]
mod tests {
    use super::super::label::tests::label as good;
    use super::*;

    #[test]
    fn a_folder_is_listed_newest_first_and_what_is_broken_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        for (name, taken) in [("a", "2026-11-28T03:00:00Z"), ("b", "2026-11-30T03:00:00Z")] {
            let bytes = Label { taken: taken.parse().unwrap(), ..good() }.bytes().unwrap();
            std::fs::write(folder.path().join(format!("{name}.cowhand")), bytes).unwrap();
        }
        std::fs::write(folder.path().join("0.cowhand"), "").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let found = list(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|one| one.path.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["b", "a", "0"]);
        assert_eq!(found[2].label.as_ref().unwrap_err().why, "it is empty");
        assert!(list(&folder.path().join("none")).is_err());
    }

    #[test]
    fn an_age_is_told_in_one_unit() {
        let taken = good().taken;
        let after = |seconds: i64| age_of(taken, taken + jiff::SignedDuration::from_secs(seconds));
        assert_eq!([30, 600, 7_200, 172_800].map(after), ["30 s", "10 min", "2 h", "2 days"]);
        assert_eq!(after(-5), "0 s", "a clock that goes behind");
    }
}
