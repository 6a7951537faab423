//! What a check is: a question, and how it is listed.

use serde::Serialize;

use super::{Answer, Context, Finding};

/// One question about the nodes, the inventory, or both.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Group and name, e.g. `docker.too-new`.
    pub id: &'static str,
    /// What is looked at.
    pub what: &'static str,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// What to do, in general; a finding names the node and the command.
    pub fix: &'static str,
    pub run: fn(&Context) -> Vec<Answer>,
    /// Needs no machine.
    pub offline: bool,
}

impl Check {
    pub fn findings(&self, context: &Context) -> Vec<Finding> {
        let finding = |answer: Answer| Finding {
            check: self.id,
            subject: answer.subject,
            verdict: answer.verdict,
            seen: answer.seen,
            fix: answer.fix,
            skipped: false,
        };
        (self.run)(context).into_iter().map(finding).collect()
    }
}

/// A row of `check --list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub id: &'static str,
    pub what: &'static str,
    pub why: &'static str,
    pub fix: &'static str,
    pub offline: bool,
}
