//! The runs of a workspace, as its journal keeps them: who, when, what, and how each ended.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One run that came as far as the workspace's lock.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Ran {
    /// e.g. `20261123T202456.123456Z-4711`: when its journal was opened, in UTC, and its process id.
    pub id: String,
    /// When it began, e.g. `2026-11-23T20:24:55Z`; the time of its first line.
    pub began: String,
    /// e.g. `ada@laptop`.
    pub who: String,
    /// The verb, e.g. `up`.
    pub command: String,
    pub cluster: String,
    /// The name of the run file, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_file: Option<String>,
    pub stages: Vec<StageRan>,
    pub steps: Vec<String>,
    pub warnings: Vec<String>,
    /// `None`: it is under way, or was cut off.
    pub exit: Option<u8>,
    pub seconds: Option<f64>,
}

/// A stage, or an item of a run file, that came to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageRan {
    /// e.g. `cluster`, `item 3`.
    pub stage: String,
    /// `changed`, `unchanged`, `passed` or `failed`.
    pub outcome: String,
    /// In the newest twenty runs only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    pub seconds: f64,
}

/// What one line says, as far as it is kept here.
#[derive(Deserialize)]
struct Line {
    time: String,
    run: String,
    event: String,
    who: Option<String>,
    command: Option<String>,
    /// The cluster's name.
    #[serde(rename = "cluster")]
    of: Option<String>,
    name: Option<String>,
    stage: Option<String>,
    item: Option<usize>,
    step: Option<String>,
    outcome: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    seconds: f64,
    exit: Option<u8>,
}

/// Every run, oldest first; none where there is no journal. What is no line of a journal is passed over.
///
/// # Errors
/// When it is there and cannot be read.
pub fn runs(journal: &Path) -> std::io::Result<Vec<Ran>> {
    let file = match File::open(journal) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all: Vec<Ran> = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(&line?) else { continue };
        // The lines of a run stand together.
        if all.last().is_none_or(|run| run.id != line.run) {
            all.push(Ran { id: line.run.clone(), began: line.time.clone(), ..Ran::default() });
        }
        if let Some(run) = all.last_mut() {
            run.hear(line);
        }
    }
    Ok(all)
}

impl Ran {
    fn hear(&mut self, line: Line) {
        let Line { event, stage, outcome, text, seconds, .. } = line;
        match (event.as_str(), outcome) {
            ("run-started", _) => {
                self.who = line.who.unwrap_or_default();
                self.command = line.command.unwrap_or_default();
                self.cluster = line.of.unwrap_or_default();
            }
            ("playbook-started", _) => self.run_file = line.name,
            ("stage-finished", Some(outcome)) => {
                self.stages.push(StageRan { stage: stage.unwrap_or_default(), outcome, text, seconds });
            }
            ("item-finished", Some(outcome)) => {
                let stage = format!("item {}", line.item.unwrap_or_default() + 1);
                self.stages.push(StageRan { stage, outcome, text, seconds });
            }
            ("step-started", _) => self.steps.extend(line.step),
            ("warning", _) => self.warnings.push(text),
            ("run-finished", _) => (self.exit, self.seconds) = (line.exit, Some(seconds)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;
    use crate::play::{Event, Journal, Outcome};

    fn started(journal: &mut Journal) {
        let (summary, stages) = (String::new(), vec![Stage::Cluster]);
        let event = Event::RunStarted { command: "up", cluster: "lab".into(), summary, stages, usual: Vec::new() };
        journal.note(&event).unwrap();
    }

    #[test]
    fn each_run_is_told_with_who_what_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        assert_eq!(runs(&path).unwrap(), []);
        let mut journal = Journal::open(&path).unwrap();
        started(&mut journal);
        let (stage, step) = (Stage::Cluster, "run rke up".to_owned());
        journal.note(&Event::StepStarted { stage, step, text: "the whole text".into() }).unwrap();
        journal.note(&Event::Warning { text: "a slow disk".into() }).unwrap();
        let (outcome, text) = (Outcome::Changed, "3 nodes Ready".to_owned());
        journal.note(&Event::StageFinished { stage, outcome, text, seconds: 96.0 }).unwrap();
        journal.note(&Event::RunFinished { ok: true, seconds: 97.5, exit: 0 }).unwrap();
        started(&mut Journal::open(&path).unwrap());
        let all = runs(&path).unwrap();
        let [whole, cut] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!([&whole.command, &whole.cluster, &whole.who], ["up", "lab", &crate::local::who()]);
        assert_eq!(
            (whole.exit, whole.seconds, whole.steps.as_slice()),
            (Some(0), Some(97.5), &["run rke up".into()][..])
        );
        assert_eq!(whole.warnings, ["a slow disk"]);
        assert_eq!((whole.stages[0].outcome.as_str(), whole.stages[0].text.as_str()), ("changed", "3 nodes Ready"));
        assert!(whole.began.ends_with('Z') && whole.id != cut.id);
        assert_eq!(
            (cut.exit, cut.seconds, cut.stages.len()),
            (None, None, 0),
            "no end of another run is taken for its own"
        );
    }

    #[test]
    fn what_a_killed_run_or_an_editor_left_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, b"{\"time\": \"20\n\xff\xfe\n[]\n").unwrap();
        started(&mut Journal::open(&path).unwrap());
        assert_eq!(runs(&path).unwrap().len(), 1);
    }
}
