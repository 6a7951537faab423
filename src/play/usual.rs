//! How long a stage usually takes in this workspace, by its journal.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::plan::Stage;
use crate::play::Usual;

/// What is read of the journal, from its end; a run takes some ten kilobytes.
const NEWEST: u64 = 4 * 1024 * 1024;
/// Earlier times of a stage that count.
const COUNT: usize = 5;

/// A line of the journal, as far as it is about a stage that ended.
#[derive(Deserialize)]
struct Ended {
    stage: Stage,
    outcome: String,
    seconds: f64,
}

/// The median of the newest times of each stage that had something to change. Empty where there is no journal: it only
/// tells, and nothing depends on it.
pub fn usual(journal: &Path, stages: &[Stage]) -> Vec<Usual> {
    let text = newest(journal).unwrap_or_default();
    let ended: Vec<Ended> = text
        .lines()
        .rev()
        .filter(|line| line.contains("\"stage-finished\""))
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|ended: &Ended| ended.outcome == "changed")
        .collect();
    let of = |stage: &Stage| {
        let times = ended.iter().filter(|ended| ended.stage == *stage).take(COUNT);
        let mut times: Vec<f64> = times.map(|ended| ended.seconds).collect();
        times.sort_by(f64::total_cmp);
        Some(Usual { stage: *stage, seconds: *times.get(times.len() / 2)? })
    };
    stages.iter().filter_map(of).collect()
}

pub(super) fn newest(journal: &Path) -> std::io::Result<String> {
    let mut file = File::open(journal)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(NEWEST)))?;
    let mut bytes = Vec::new();
    file.take(NEWEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Event, Journal, Outcome};

    #[test]
    fn the_median_of_the_newest_changes_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        assert_eq!(usual(&path, &[Stage::Cluster]), []);
        let mut journal = Journal::open(&path).unwrap();
        let mut note = |stage, outcome, seconds| {
            journal.note(&Event::StageFinished { stage, outcome, text: String::new(), seconds }).unwrap();
        };
        note(Stage::Cluster, Outcome::Changed, 900.0);
        for seconds in [100.0, 300.0, 110.0, 120.0, 90.0] {
            note(Stage::Cluster, Outcome::Changed, seconds);
            note(Stage::Cluster, Outcome::Unchanged, 0.5);
            note(Stage::Ingress, Outcome::Failed, 300.0);
        }
        let told = usual(&path, &[Stage::Cluster, Stage::Ingress]);
        assert_eq!(told, [Usual { stage: Stage::Cluster, seconds: 110.0 }]);
    }
}
