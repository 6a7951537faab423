//! What happens during a run, as data. `report` shows it; the journal keeps it; `--output json` prints it.

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::check::Finding;
pub use crate::plan::Stage;

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        command: &'static str,
        cluster: String,
        summary: String,
        stages: Vec<Stage>,
        /// What a stage took in this workspace's earlier runs when it had something to change; empty at first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        usual: Vec<Usual>,
    },
    StageStarted {
        stage: Stage,
    },
    /// The newest thing worth knowing about a stage under way, e.g. "traefik: 2 of 3 ready".
    Progress {
        stage: Stage,
        text: String,
        /// From 0 to 1, where that can be told.
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<f64>,
    },
    StepStarted {
        stage: Stage,
        step: String,
        /// What will be sent, as the plan shows it, without secrets; empty when the step's name says it all.
        #[serde(skip_serializing_if = "String::is_empty")]
        text: String,
    },
    StepFinished {
        stage: Stage,
        step: String,
        seconds: f64,
    },
    StageFinished {
        stage: Stage,
        outcome: Outcome,
        text: String,
        seconds: f64,
    },
    Finding {
        finding: Finding,
        /// The last run of this inventory found the very same.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        as_before: bool,
    },
    /// A program that is fetched: told at its beginning, at each twentieth (or each 4 MiB, when its size is not told),
    /// and at its end.
    Download {
        /// Name and version, e.g. "helm v3.18.6".
        what: String,
        #[serde(flatten)]
        fetched: Fetched,
    },
    /// The items of a run file are played.
    PlaybookStarted {
        name: String,
        /// SHA-256 of the file, in hex.
        hash: String,
        items: usize,
        /// From the first item, whatever an earlier run has done.
        anew: bool,
    },
    /// `item` counts from 0.
    ItemStarted {
        item: usize,
        of: usize,
        text: String,
    },
    /// The newest thing worth knowing about an item under way, e.g. "deployment a/b: 2 of 3 ready, 4m of 5m left".
    ItemProgress {
        item: usize,
        of: usize,
        text: String,
    },
    /// The screen of a verb that only looks. Not in the journal.
    Shown {
        /// The verb, e.g. `status`.
        what: &'static str,
        #[serde(skip)]
        text: String,
        /// The same for programs.
        data: serde_json::Value,
    },
    /// What a command on a node printed. Not in the journal, and never told of a command that was given a secret.
    Said {
        node: String,
        text: String,
    },
    /// An item that is not to be done twice is done: on this node, or as a whole.
    ItemDone {
        item: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    ItemFinished {
        item: usize,
        of: usize,
        outcome: Outcome,
        text: String,
        seconds: f64,
    },
    /// Something that matters although nothing failed.
    Warning {
        text: String,
    },
    Note {
        text: String,
        /// For whoever wants to know each step only.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        detail: bool,
    },
    /// What the person wanted the run for, e.g. the address and how to log in. Goes to stdout, also with `-q`.
    Result {
        text: String,
    },
    /// The last one; `exit` is the exit code.
    RunFinished {
        ok: bool,
        seconds: f64,
        exit: u8,
    },
}

impl Event {
    /// What happens stands in the detailed log between what was done for it, without the texts of plans.
    #[expect(clippy::cognitive_complexity, reason = "one match over all events; tracing's macros count as branches")]
    fn log(&self) {
        match self {
            Event::RunStarted { command, cluster, .. } => tracing::info!(command, %cluster, "run started"),
            Event::StageStarted { stage } => tracing::info!(stage = stage.name(), "stage started"),
            Event::Progress { stage, text, .. } => tracing::debug!(stage = stage.name(), %text, "progress"),
            Event::StepStarted { stage, step, .. } => tracing::info!(stage = stage.name(), %step, "step started"),
            Event::StepFinished { stage, step, seconds } => {
                tracing::info!(stage = stage.name(), %step, seconds, "step finished");
            }
            Event::StageFinished { stage, outcome, text, seconds } => {
                tracing::info!(stage = stage.name(), ?outcome, %text, seconds, "stage finished");
            }
            Event::Finding { finding, .. } if finding.blocks() => {
                let (check, subject) = (finding.check, finding.subject.as_deref().unwrap_or_default());
                tracing::info!(check, subject, seen = %finding.seen, "finding");
            }
            Event::Download { what, fetched } => tracing::debug!(%what, ?fetched, "download"),
            Event::PlaybookStarted { name, hash, anew, .. } => tracing::info!(%name, %hash, anew, "run file started"),
            Event::ItemStarted { item, text, .. } => tracing::info!(item, %text, "item started"),
            Event::ItemProgress { item, text, .. } => tracing::debug!(item, %text, "progress"),
            Event::Shown { what, .. } => tracing::info!(what, "shown"),
            Event::ItemDone { item, node } => tracing::info!(item, ?node, "item done"),
            Event::ItemFinished { item, outcome, text, seconds, .. } => {
                tracing::info!(item, ?outcome, %text, seconds, "item finished");
            }
            Event::Warning { text } => tracing::warn!("{text}"),
            Event::Note { text, .. } => tracing::info!("{text}"),
            Event::Finding { .. } | Event::Result { .. } | Event::Said { .. } => {}
            Event::RunFinished { ok, seconds, exit } => tracing::info!(ok, seconds, exit, "run finished"),
        }
    }
}

/// The median of what a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Usual {
    pub stage: Stage,
    pub seconds: f64,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Fetched {
    /// In bytes.
    Part {
        done: u64,
        total: Option<u64>,
    },
    /// Checked and kept.
    Whole,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Changed,
    /// Nothing had to be done.
    Unchanged,
    /// A stage that only looks, and found what it wants.
    Passed,
    Failed,
}

/// Where events go: to one listener or to several, each of which gets all. Telling never fails and never waits.
#[derive(Clone)]
pub struct Tell(Vec<UnboundedSender<Event>>);

impl Tell {
    pub fn new(sender: UnboundedSender<Event>) -> Self {
        Tell(vec![sender])
    }

    /// Tells the listeners of the other one as well, e.g. the journal next to the screen.
    pub fn and(mut self, other: Tell) -> Self {
        self.0.extend(other.0);
        self
    }

    pub fn event(&self, event: Event) {
        event.log();
        self.pass_on(&event);
    }

    /// What was told, and logged, before: to listeners who did not hear it then.
    pub fn pass_on(&self, event: &Event) {
        for listener in &self.0 {
            // A closed receiver means the run is over and nobody listens any more.
            let _ = listener.send(event.clone());
        }
    }

    pub fn progress(&self, stage: Stage, text: impl Into<String>) {
        self.event(Event::Progress { stage, text: text.into(), part: None });
    }

    /// The same, with how far the stage is, from 0 to 1.
    pub fn part(&self, stage: Stage, text: impl Into<String>, part: f64) {
        self.event(Event::Progress { stage, text: text.into(), part: Some(part) });
    }

    pub fn warning(&self, text: impl Into<String>) {
        self.event(Event::Warning { text: text.into() });
    }

    pub fn note(&self, text: impl Into<String>) {
        self.event(Event::Note { text: text.into(), detail: false });
    }

    /// A note that people see with `-v` only.
    pub fn detail(&self, text: impl Into<String>) {
        self.event(Event::Note { text: text.into(), detail: true });
    }
}
