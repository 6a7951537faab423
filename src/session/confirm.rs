//! A name that has to be typed, or given on the command line: for what cannot be undone.

use crate::failure::{Exit, Failure};
use crate::report::{Pauser, TerminalAsk};
use crate::session::Context;
use crate::session::run::{guarded, untouched};

/// One question.
pub struct Asking<'a> {
    /// What has to be typed: the cluster's name, or the run file's.
    pub name: &'a str,
    pub question: String,
    /// What is to be confirmed, e.g. `removing a cluster`.
    pub what: &'a str,
    /// What helps whoever gave another name.
    pub another: &'a str,
    /// What helps where nobody is there to ask.
    pub unasked: &'a str,
}

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    Typed,
    /// On the command line.
    Given,
}

impl Asking<'_> {
    /// # Errors
    /// When it was answered by another name, or not at all.
    pub async fn ask(&self, context: &Context, screen: Option<Pauser>, yes: &[String]) -> Result<Confirmed, Failure> {
        if let Some(given) = self.given(yes)? {
            return Ok(given);
        }
        let ask = TerminalAsk::new(context.console.err, screen);
        let typed = guarded(&context.stop, async { Ok(ask.typed(self.name, &self.question).await) }).await;
        match typed.map_err(untouched)? {
            Some(true) => Ok(Confirmed::Typed),
            Some(false) => Err(self.refused(format!("that was not `{}`", self.name))),
            None => Err(self.unasked()),
        }
    }

    /// # Errors
    /// When neither the command line nor anybody at a terminal could answer; before anything is touched.
    pub fn can_be_asked(&self, yes: &[String]) -> Result<(), Failure> {
        match self.given(yes)? {
            None if !TerminalAsk::possible() => Err(self.unasked()),
            Some(_) | None => Ok(()),
        }
    }

    fn given(&self, yes: &[String]) -> Result<Option<Confirmed>, Failure> {
        match yes {
            [] => Ok(None),
            names if names.iter().any(|name| name == self.name) => Ok(Some(Confirmed::Given)),
            names => Err(self.refused(format!("--yes says `{}`, but this is `{}`", names.join("`, `"), self.name))),
        }
    }

    fn unasked(&self) -> Failure {
        let error = format!("{} has to be confirmed, and nobody is there to ask; nothing was touched", self.what);
        Failure::new(Exit::Usage, error).because(&self.question).hint(self.unasked)
    }

    fn refused(&self, error: String) -> Failure {
        Failure::new(Exit::Usage, format!("{error}; nothing was touched")).hint(self.another)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_name_is_a_yes() {
        let asking = Asking {
            name: "patch night",
            question: "now?".into(),
            what: "the run",
            another: "go there",
            unasked: "give --yes",
        };
        let said = |names: &[&str]| asking.given(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(said(&[]), Ok(None));
        assert_eq!(said(&["prod", "patch night"]), Ok(Some(Confirmed::Given)));
        let refused = said(&["prod"]).unwrap_err();
        assert_eq!((refused.exit, refused.error.contains("this is `patch night`")), (Exit::Usage, true), "{refused:?}");
        assert_eq!(refused.hint.as_deref(), Some("go there"));
    }
}
