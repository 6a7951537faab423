//! Why something was not done: what failed, because of what, what to do, and the exit code.

mod exit;
mod innermost;

use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::exit::Exit;
pub use self::innermost::innermost;

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

/// An error that may know what to do about it.
pub trait Hint: std::error::Error {
    /// One remedy, as it stands behind `hint:`.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// What helps stands in [`FULL`], wherever in the chain one of them is.
impl Hint for std::io::Error {}

impl Failure {
    pub fn new(exit: Exit, error: impl Display) -> Self {
        Failure { exit, error: error.to_string(), because: Vec::new(), hint: None, log: None }
    }

    /// Takes over the error, its whole chain of sources, each level once, and its hint.
    pub fn of(exit: Exit, error: &(dyn Hint + 'static)) -> Self {
        Failure::new(exit, error).because_of(error.source()).maybe_hint(error.hint())
    }

    /// A sentence of our own above an error, its chain and its hint.
    pub fn with_cause(exit: Exit, error: impl Display, cause: &(dyn Hint + 'static)) -> Self {
        Failure::new(exit, error).because_of(Some(cause)).maybe_hint(cause.hint())
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

    /// Ctrl-C, SIGTERM, SIGQUIT or SIGHUP.
    pub fn interrupted(what_is_left: impl Display) -> Self {
        Failure::new(Exit::Interrupted, "interrupted").hint(what_is_left)
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

    #[test]
    fn an_errors_own_hint_comes_along_and_goes_before_the_general_one() {
        #[derive(Debug, thiserror::Error)]
        #[error("the key is locked")]
        struct Locked(#[source] std::io::Error);
        impl Hint for Locked {
            fn hint(&self) -> Option<String> {
                Some("unlock it".into())
            }
        }
        let error = Locked(ErrorKind::StorageFull.into());
        assert_eq!(Failure::of(Exit::StepFailed, &error).hint.as_deref(), Some("unlock it"));
        assert_eq!(Failure::with_cause(Exit::StepFailed, "no", &error).hint.as_deref(), Some("unlock it"));
        assert_eq!(Failure::of(Exit::StepFailed, &error).hint("do that").hint.as_deref(), Some("do that"));
    }

    #[test]
    fn a_full_disk_has_its_remedy_wherever_it_is_met() {
        #[derive(Debug, thiserror::Error)]
        #[error("/w/journal cannot be written")]
        struct Unwritten(#[source] std::io::Error);
        impl Hint for Unwritten {}
        let of = |kind: ErrorKind| Failure::of(Exit::StepFailed, &Unwritten(kind.into()));
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
}
