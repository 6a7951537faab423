//! An error as a person gets to see it: what failed, because of what, what to do, and the exit code.

use std::fmt::{self, Display, Write as _};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Exit, Look, Tone, printable};

/// Why a command did not do what was asked. Each level of the chain is one sentence: lower case, no trailing period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub exit: Exit,
    pub error: String,
    /// From the nearest cause to the farthest; a cause may have several lines.
    pub because: Vec<String>,
    pub hint: Option<String>,
    /// The detailed log of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}

/// What helps wherever a file could not be written for want of room.
const FULL: &str =
    "the disk is full, or a quota is used up: make room there, then run the same command again; it goes on from here";

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl Failure {
    pub fn new(exit: Exit, error: impl Display) -> Self {
        Failure { exit, error: error.to_string(), because: Vec::new(), hint: None, log: None }
    }

    /// Takes over the error and its whole chain of sources, each level once.
    pub fn of(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Self {
        Failure::new(exit, error).because_of(error.source())
    }

    /// A sentence of our own above an error and its chain.
    pub fn with_cause(exit: Exit, error: impl Display, cause: &(dyn std::error::Error + 'static)) -> Self {
        Failure::new(exit, error).because_of(Some(cause))
    }

    /// Adds one cause below those already there.
    pub fn because(mut self, cause: impl Display) -> Self {
        let cause = cause.to_string();
        let above = self.because.last().unwrap_or(&self.error);
        // An error that repeats its source in its own sentence has said it already.
        if !above.ends_with(cause.trim_end()) {
            self.because.push(cause);
        }
        self
    }

    fn because_of(mut self, cause: Option<&(dyn std::error::Error + 'static)>) -> Self {
        let mut next = cause;
        while let Some(cause) = next {
            self = self.because(cause);
            if self.hint.is_none() && cause.downcast_ref::<std::io::Error>().is_some_and(is_full) {
                self.hint = Some(FULL.into());
            }
            next = cause.source();
        }
        self
    }

    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// As [`Failure::hint`], for rooms whose errors offer a hint only sometimes.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Says where the run is told in detail.
    pub fn logged(mut self, log: Option<&Path>) -> Self {
        self.log = log.map(Path::to_owned);
        self
    }

    /// Ctrl-C or SIGTERM.
    pub fn interrupted(what_is_left: impl Display) -> Self {
        Failure::new(Exit::Interrupted, "interrupted").hint(what_is_left)
    }

    /// `error:`, `because:` and `hint:` lines, with a newline at the end.
    pub fn text(&self, look: &Look) -> String {
        let mut text = String::new();
        let mut part = |tone, label: &str, body: &str| {
            let indent = " ".repeat(label.len() + 1);
            let body = printable(body.trim_end()).replace('\n', &format!("\n{indent}"));
            let plain = label.trim_start();
            let before = &label[..label.len() - plain.len()];
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{before}{} {body}", look.paint(tone, plain));
        };
        part(Tone::Bad, "error:", &self.error);
        for cause in &self.because {
            part(Tone::Dim, "  because:", cause);
        }
        if let Some(hint) = &self.hint {
            part(Tone::Good, "hint:", hint);
        }
        if let Some(log) = &self.log {
            part(Tone::Dim, "log:", &log.display().to_string());
        }
        look.letters(&text)
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.error)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("n2 cannot be reached")]
    struct Unreachable(#[source] HostKey);

    #[derive(Debug, thiserror::Error)]
    #[error("the host key of n2 is not the one known\nknown SHA256:3im5, offered SHA256:Jx0k: {0}")]
    struct HostKey(#[source] std::io::Error);

    #[test]
    fn each_level_is_said_once_and_lines_are_indented() {
        let error = Unreachable(HostKey(std::io::Error::other("refused")));
        let failure = Failure::of(Exit::Unreachable, &error)
            .hint("look at it\nthen try again")
            .logged(Some(Path::new("/w/x.log")));
        assert_eq!(
            failure.text(&Look::PLAIN),
            "error: n2 cannot be reached\n\
             \x20 because: the host key of n2 is not the one known\n\
             \x20          known SHA256:3im5, offered SHA256:Jx0k: refused\n\
             hint: look at it\n\
             \x20     then try again\n\
             log: /w/x.log\n"
        );
    }

    #[test]
    fn a_full_disk_has_its_remedy_wherever_it_is_met() {
        #[derive(Debug, thiserror::Error)]
        #[error("/w/journal cannot be written")]
        struct Unwritten(#[source] std::io::Error);
        let of = |kind: ErrorKind| Failure::of(Exit::StepFailed, &Unwritten(kind.into())).maybe_hint(None);
        assert_eq!(of(ErrorKind::StorageFull).hint.as_deref(), Some(FULL));
        assert_eq!(of(ErrorKind::NotFound).hint, None);
    }

    #[test]
    fn as_json_it_has_the_exit_code() {
        let failure = Failure::new(Exit::ChecksFailed, "2 checks failed").because("no room");
        assert_eq!(
            serde_json::to_string(&failure).unwrap(),
            r#"{"exit":5,"error":"2 checks failed","because":["no room"],"hint":null}"#
        );
    }

    #[test]
    fn a_hint_that_is_not_there_does_not_take_away_one_that_is() {
        let failure = Failure::new(Exit::Usage, "no").hint("yes").maybe_hint(None);
        assert_eq!(failure.hint.as_deref(), Some("yes"));
    }

    #[test]
    fn what_a_machine_said_cannot_steer_the_terminal() {
        let failure = Failure::new(Exit::StepFailed, "n1 said \u{1b}[2Jboo\u{7}\rbah");
        assert_eq!(failure.text(&Look::PLAIN), "error: n1 said boobah\n");
    }
}
