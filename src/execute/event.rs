//! What happens during a run, as data. `report` shows it; the journal keeps it; `--output json` prints it.

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::check::Finding;

/// The stages of `up`, in the words of `playbooks/up.yml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Check,
    Cluster,
    Ingress,
    CertManager,
    Rancher,
    Verify,
    /// `down` only.
    Remove,
}

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
    /// Something that matters although nothing failed.
    Warning {
        text: String,
    },
    Note {
        text: String,
    },
    RunFinished {
        ok: bool,
        seconds: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Changed,
    /// Nothing had to be done.
    Unchanged,
    Failed,
}

/// Where events go. Telling never fails and never waits.
#[derive(Clone)]
pub struct Tell(UnboundedSender<Event>);

impl Tell {
    pub fn new(sender: UnboundedSender<Event>) -> Self {
        Tell(sender)
    }

    pub fn event(&self, event: Event) {
        // A closed receiver means the run is over and nobody listens any more.
        let _ = self.0.send(event);
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
