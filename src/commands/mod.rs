//! One file per verb; the only place that joins rooms.

pub mod certs;
pub mod check;
pub mod completions;
pub mod down;
pub mod explain;
pub mod init;
mod keepsakes;
pub mod kubeconfig;
pub mod lb;
pub mod plan;
pub mod recover_state;
pub mod schema;
pub mod status;
pub mod up;
pub mod verify;

mod agents;
mod alone;
mod charts;
mod find_inventory;
mod former;
mod look;
mod machines;
mod new_file;
mod outside;
mod prepare;
mod run;
mod settle;
mod site;
mod stages;
mod take_away;
mod wanted;
mod ways_in;
mod world;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use crate::execute::Workspace;
use crate::report::{Console, Exit, Failure, log};

pub use find_inventory::find_inventory;
pub use wanted::Wanted;

/// What every command is given besides its own words.
pub struct Context {
    pub console: Console,
    /// Cancelled by the first Ctrl-C or SIGTERM.
    pub stop: CancellationToken,
    inventory: Option<PathBuf>,
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
    #[arg(long = "skip", value_name = "ID", value_delimiter = ',')]
    pub ids: Vec<String>,
}

/// What a command answers to the door: its exit code, or why not.
pub type Answer = Result<Exit, Failure>;
