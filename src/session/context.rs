//! What every command is given besides its own words.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap_complete::{ArgValueCandidates, CompletionCandidate};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::find_inventory;
use crate::check;
use crate::failure::{Exit, Failure};
use crate::local::Workspace;
use crate::report::{Console, log};

/// What every command is given besides its own words.
pub struct Context {
    pub console: Console,
    /// Cancelled by the first Ctrl-C, SIGTERM, SIGQUIT or SIGHUP.
    pub stop: CancellationToken,
    pub(crate) inventory: Option<PathBuf>,
    /// How much of the detailed log goes to stderr.
    log: Option<LevelFilter>,
    /// The detailed log of this run, once it is open.
    log_file: OnceLock<PathBuf>,
}

impl Context {
    /// `inventory` is what `-i` said, `log` what `-vv` and `COWHAND_LOG` did.
    pub fn new(
        console: Console,
        stop: CancellationToken,
        inventory: Option<PathBuf>,
        log: Option<LevelFilter>,
    ) -> Self {
        Context { console, stop, inventory, log, log_file: OnceLock::new() }
    }

    /// Begins the detailed log of a run that only looks: on stderr, if it is asked for at all.
    pub fn log_looking(&self) {
        log::start(None, self.log);
    }

    /// Begins the detailed log of a run that changes things, in the workspace. A run without a log is still a run:
    /// where the file cannot be made, the run itself says so when it needs the folder.
    pub fn log_into(&self, workspace: &Workspace, command: &str) {
        let made = workspace.run_log(command).ok();
        let file = made.map(|(path, file)| {
            self.log_file.get_or_init(|| path);
            file
        });
        log::start(file, self.log);
    }

    /// Where to read on when a run has failed.
    pub fn log_file(&self) -> Option<&Path> {
        self.log_file.get().map(PathBuf::as_path)
    }

    /// The file that `-i` named, or the one inventory in the current folder.
    pub fn inventory(&self) -> Result<PathBuf, Failure> {
        match &self.inventory {
            Some(path) => Ok(path.clone()),
            None => find_inventory(Path::new(".")),
        }
    }
}

/// How machines are reached; part of every command that reaches one.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Connect {
    /// Trust host keys that known_hosts does not know yet, and remember them; changed keys are refused all the same
    #[arg(long)]
    pub accept_new_host_keys: bool,
}

/// Checks that must not block.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Skip {
    /// Do not let this check block, e.g. `node.memory`; may be given more than once, or as a list with commas
    #[arg(long = "skip", value_name = "ID", value_delimiter = ',', add = ArgValueCandidates::new(skippable))]
    pub ids: Vec<String>,
}

/// Set by the script of `completions` when a shell asks what can be said.
pub const COMPLETE: &str = "COWHAND_COMPLETE";

/// Ids that `--skip` takes, for shells.
fn skippable() -> Vec<CompletionCandidate> {
    let takes = |one: &check::Listed| check::Skips::new([one.id]).is_ok();
    check::listed().into_iter().filter(takes).map(candidate).collect()
}

/// A check as a shell offers it.
pub fn candidate(one: check::Listed) -> CompletionCandidate {
    CompletionCandidate::new(one.id).help(Some(one.what.into()))
}

/// What a command answers to the door: its exit code, or why not.
pub type Answer = Result<Exit, Failure>;
