//! What a check found.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Warn,
    /// Could not be seen; blocks like `Fail` until the check is skipped by id.
    Unknown,
    Fail,
}

/// One answer of one check about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the check, e.g. `docker.too-new`.
    pub check: &'static str,
    /// The node, `n1→n3`, a file, or `None` for the whole cluster.
    pub subject: Option<String>,
    pub verdict: Verdict,
    /// What was seen, in one line, lower case, with the evidence.
    pub seen: String,
    /// What to do about it, with the subject's own names in it; empty for a pass.
    pub fix: String,
    /// True when the user skipped this check by id: it is shown, but does not block.
    pub skipped: bool,
}

impl Finding {
    /// Whether this finding stops a run.
    pub fn blocks(&self) -> bool {
        !self.skipped && matches!(self.verdict, Verdict::Fail | Verdict::Unknown)
    }
}
