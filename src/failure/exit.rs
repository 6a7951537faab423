//! The exit codes, in one table.

use std::process::ExitCode;

use serde::{Serialize, Serializer};

/// How a run ended. The number is the exit code; scripts may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Bug = 1,
    Usage = 2,
    Inventory = 3,
    Unreachable = 4,
    ChecksFailed = 5,
    StepFailed = 6,
    NotVerified = 7,
    NotHere = 8,
    /// Only where it was asked for: `plan --exit-code`.
    Changes = 9,
    /// 128 + SIGINT, as shells have it; SIGTERM, SIGQUIT and SIGHUP end the same way.
    Interrupted = 130,
}

impl Exit {
    pub const ALL: [Exit; 11] = [
        Exit::Done,
        Exit::Bug,
        Exit::Usage,
        Exit::Inventory,
        Exit::Unreachable,
        Exit::ChecksFailed,
        Exit::StepFailed,
        Exit::NotVerified,
        Exit::NotHere,
        Exit::Changes,
        Exit::Interrupted,
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    /// The command did what was asked of it.
    pub fn is_success(self) -> bool {
        matches!(self, Exit::Done | Exit::Changes)
    }

    /// What the code says, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Bug => "a bug in cowhand",
            Exit::Usage => "the command line is wrong",
            Exit::Inventory => "the inventory is wrong",
            Exit::Unreachable => "a machine, the cluster or a chart's repository cannot be reached",
            Exit::ChecksFailed => "checks failed, or another run is under way",
            Exit::StepFailed => "a step failed",
            Exit::NotVerified => "changed, but not verified",
            Exit::NotHere => "this machine lacks something",
            Exit::Changes => {
                "`plan --exit-code`: something would be changed; `drift --exit-code`: something was changed by hand"
            }
            Exit::Interrupted => "interrupted",
        }
    }

    /// What was touched and what to do next.
    pub fn advice(self) -> &'static str {
        match self {
            Exit::Done => "What was asked for is so, and was seen to be so.",
            Exit::Bug => "Please report it. Running the command again is safe.",
            Exit::Usage => "Nothing was touched. `cowhand COMMAND --help` shows what can be said.",
            Exit::Inventory => {
                "Nothing was touched. Every mistake was listed with its line: correct them all, then run again."
            }
            Exit::Unreachable => {
                "Nothing was changed after the connection was lost. See to the connection, then run again."
            }
            Exit::ChecksFailed => {
                "Nothing was changed. Follow the `fix` lines or the hint, or skip a check that you know better with `--skip ID`."
            }
            Exit::StepFailed => {
                "Some things are changed already. See to the cause, then run again: it goes on from there."
            }
            Exit::NotVerified => {
                "All steps were done, but what users would get is not what it must be. `cowhand verify` shows what is missing."
            }
            Exit::NotHere => {
                "Nothing was changed. A program is missing here, or standard output takes nothing: see to it, then run again."
            }
            Exit::Changes => {
                "Nothing was changed. `cowhand up` does what the plan shows; with nothing to change it ends with 0. Of drift, each object says what puts it right."
            }
            Exit::Interrupted => "Stopped by Ctrl-C, SIGTERM, SIGQUIT or SIGHUP. Run again: it goes on from there.",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_readme() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
    }
}
