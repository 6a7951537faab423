//! The journal of a workspace: every event of every run, one JSON line each. Events hold no secrets by their types, so
//! neither does it. Who, what and when stay for good; the texts of old runs are thinned out when it is opened.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fail::fail_point;
use serde::Serialize;

use crate::failure::Hint;
use crate::local::{disk, who};
use crate::play::Event;
use crate::play::journal_thinning::thinned;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {} cannot be written", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

impl Hint for JournalError {}

/// One line.
#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    run: &'a str,
    /// Where a run begins, e.g. `ada@laptop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    #[serde(flatten)]
    event: &'a Event,
}

/// The journal, open for one run.
pub struct Journal {
    path: PathBuf,
    file: File,
    run: String,
}

impl Journal {
    /// Opens it for appending (made 0600) under a new run id, e.g. `20261123T202456.123456Z-4711`. Under the lock of the
    /// workspace: nobody else writes it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let open = || {
            fail_point!("journal.open", crate::remote::fault);
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)
        };
        let failed = |source| JournalError::Write { path: path.into(), source };
        thin_out(path).map_err(failed)?;
        let mut file = open().map_err(failed)?;
        end_half_line(&mut file).map_err(failed)?;
        let run = format!("{}-{}", crate::local::workspace::utc_stamp(), std::process::id());
        Ok(Journal { path: path.into(), file, run })
    }

    /// Appends one event; at the ends of stages, items and the run it is on the disk when this returns. What commands of a
    /// run file print is left out, since nobody knows what is in it, and screens, which can be had again.
    pub fn note(&mut self, event: &Event) -> Result<(), JournalError> {
        if matches!(event, Event::Said { .. } | Event::Shown { .. }) {
            return Ok(());
        }
        let who = matches!(event, Event::RunStarted { .. }).then(who);
        let entry = Entry { time: jiff::Timestamp::now().to_string(), run: &self.run, who, event };
        let write = |file: &mut File| -> std::io::Result<()> {
            fail_point!("journal.note", crate::remote::fault);
            let mut line = serde_json::to_vec(&entry)?;
            line.push(b'\n');
            // One write for one line: a killed run leaves no half line before the next run's.
            file.write_all(&line)?;
            if is_end(event) { disk::blocking(|| file.sync_data()) } else { Ok(()) }
        };
        write(&mut self.file).map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }
}

/// Rewrites it without the texts of old runs, once that is worth it.
fn thin_out(path: &Path) -> std::io::Result<()> {
    let old = match std::fs::read(path) {
        Ok(old) => old,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match thinned(&String::from_utf8_lossy(&old)) {
        Some(thin) => disk::write(path, thin.as_bytes(), 0o600),
        None => Ok(()),
    }
}

/// A run that met a full disk may have left half a line; the next event shall not hang on to it.
fn end_half_line(file: &mut File) -> std::io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

fn is_end(event: &Event) -> bool {
    match event {
        Event::StageFinished { .. }
        | Event::RunFinished { .. }
        | Event::PlaybookStarted { .. }
        | Event::ItemDone { .. }
        | Event::ItemFinished { .. } => true,
        Event::RunStarted { .. }
        | Event::StageStarted { .. }
        | Event::ItemStarted { .. }
        | Event::ItemProgress { .. }
        | Event::Shown { .. }
        | Event::Said { .. }
        | Event::Progress { .. }
        | Event::StepStarted { .. }
        | Event::StepFinished { .. }
        | Event::Finding { .. }
        | Event::Download { .. }
        | Event::Warning { .. }
        | Event::Note { .. }
        | Event::Result { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::plan::Stage;
    use crate::play::Outcome;

    #[test]
    fn runs_follow_each_other_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        for _ in 0..2 {
            let mut journal = Journal::open(&path).unwrap();
            journal.note(&Event::StageStarted { stage: Stage::CertManager }).unwrap();
            let outcome = Outcome::Unchanged;
            let event = Event::StageFinished { stage: Stage::CertManager, outcome, text: "there".into(), seconds: 0.5 };
            journal.note(&event).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            (lines[0]["event"].as_str(), lines[1]["outcome"].as_str()),
            (Some("stage-started"), Some("unchanged"))
        );
        assert_eq!(lines[0]["run"], lines[1]["run"]);
        assert_ne!(lines[1]["run"], lines[2]["run"]);
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn who_began_a_run_stays_when_its_texts_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (summary, text) = ("s".repeat(20_000), "t".repeat(20_000));
        for _ in 0..30 {
            let mut journal = Journal::open(&path).unwrap();
            let (summary, cluster) = (summary.clone(), "lab".into());
            let stages = vec![Stage::Cluster];
            journal.note(&Event::RunStarted { command: "up", cluster, summary, stages, usual: Vec::new() }).unwrap();
            journal.note(&Event::Note { text: text.clone(), detail: false }).unwrap();
        }
        drop(Journal::open(&path).unwrap());
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(kept.matches(&format!("\"who\":\"{}\"", who())).count(), 30);
        assert!((20..30).contains(&kept.matches(&text).count()), "{}", kept.len());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn half_a_line_of_a_full_disk_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, "{\"time\": \"2026-").unwrap();
        Journal::open(&path).unwrap().note(&Event::StageStarted { stage: Stage::Cluster }).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(serde_json::from_str::<serde_json::Value>).collect();
        assert!(lines.len() == 2 && lines[0].is_err() && lines[1].is_ok(), "{text}");
    }
}
