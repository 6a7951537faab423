//! The journal of a workspace: every event of every run, one JSON line each, only ever appended. Events hold no
//! secrets by their types, so neither does it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Event;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {} cannot be written", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// One line.
#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    run: &'a str,
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
    /// Opens it for appending (made 0600) under a new run id, e.g. `20261123T202456.123456Z-4711`.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let opened = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path);
        let failed = |source| JournalError::Write { path: path.into(), source };
        let mut file = opened.map_err(failed)?;
        end_half_line(&mut file).map_err(failed)?;
        let run = format!("{}-{}", super::workspace::utc_stamp(), std::process::id());
        Ok(Journal { path: path.into(), file, run })
    }

    /// Appends one event; at the ends of stages and of the run it is on the disk when this returns.
    pub fn note(&mut self, event: &Event) -> Result<(), JournalError> {
        let entry = Entry { time: jiff::Timestamp::now().to_string(), run: &self.run, event };
        let write = |file: &mut File| -> std::io::Result<()> {
            let mut line = serde_json::to_vec(&entry)?;
            line.push(b'\n');
            // One write for one line: a killed run leaves no half line before the next run's.
            file.write_all(&line)?;
            if is_end(event) { file.sync_data() } else { Ok(()) }
        };
        write(&mut self.file).map_err(|source| JournalError::Write { path: self.path.clone(), source })
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
        Event::StageFinished { .. } | Event::RunFinished { .. } => true,
        Event::RunStarted { .. }
        | Event::StageStarted { .. }
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
    use super::*;
    use crate::execute::{Outcome, Stage};

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
