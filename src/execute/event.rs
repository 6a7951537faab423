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
    },
    StageStarted {
        stage: Stage,
    },
    /// The newest thing worth knowing about a stage under way, e.g. "traefik: 2 of 3 ready".
    Progress {
        stage: Stage,
        text: String,
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
    },
    /// A program that is fetched: told at its beginning, at each twentieth (or each 4 MiB, when its size is not told),
    /// and at its end.
    Download {
        /// Name and version, e.g. "helm v3.18.6".
        what: String,
        #[serde(flatten)]
        fetched: Fetched,
    },
    /// Something that matters although nothing failed.
    Warning {
        text: String,
    },
    Note {
        text: String,
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
    fn log(&self) {
        match self {
            Event::RunStarted { command, cluster, .. } => tracing::info!(command, %cluster, "run started"),
            Event::StageStarted { stage } => tracing::info!(stage = stage.name(), "stage started"),
            Event::Progress { stage, text } => tracing::debug!(stage = stage.name(), %text, "progress"),
            Event::StepStarted { stage, step, .. } => tracing::info!(stage = stage.name(), %step, "step started"),
            Event::StepFinished { stage, step, seconds } => {
                tracing::info!(stage = stage.name(), %step, seconds, "step finished");
            }
            Event::StageFinished { stage, outcome, text, seconds } => {
                tracing::info!(stage = stage.name(), ?outcome, %text, seconds, "stage finished");
            }
            Event::Finding { finding } if finding.blocks() => {
                let (check, subject) = (finding.check, finding.subject.as_deref().unwrap_or_default());
                tracing::info!(check, subject, seen = %finding.seen, "finding");
            }
            Event::Download { what, fetched } => tracing::debug!(%what, ?fetched, "download"),
            Event::Warning { text } => tracing::warn!("{text}"),
            Event::Note { text } => tracing::info!("{text}"),
            Event::Finding { .. } | Event::Result { .. } => {}
            Event::RunFinished { ok, seconds, exit } => tracing::info!(ok, seconds, exit, "run finished"),
        }
    }
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
        for listener in &self.0 {
            // A closed receiver means the run is over and nobody listens any more.
            let _ = listener.send(event.clone());
        }
    }

    pub fn progress(&self, stage: Stage, text: impl Into<String>) {
        self.event(Event::Progress { stage, text: text.into() });
    }

    pub fn warning(&self, text: impl Into<String>) {
        self.event(Event::Warning { text: text.into() });
    }

    pub fn note(&self, text: impl Into<String>) {
        self.event(Event::Note { text: text.into() });
    }
}
