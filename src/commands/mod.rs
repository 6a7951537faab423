//! One file per verb; the only place that joins rooms.

pub mod certs;
pub mod check;
pub mod completions;
pub mod down;
pub mod explain;
pub mod init;
pub mod kubeconfig;
pub mod lb;
pub mod plan;
pub mod recover_state;
pub mod schema;
pub mod status;
pub mod up;
pub mod verify;

mod alone;
mod find_inventory;
mod former;
mod look;
mod machines;
mod new_file;
mod outside;
mod prepare;
mod run;
mod site;
mod stages;
mod wanted;
mod world;

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::report::{Console, Exit, Failure};

pub use find_inventory::find_inventory;
pub use wanted::Wanted;

/// What every command is given besides its own words.
pub struct Context {
    pub console: Console,
    /// Cancelled by the first Ctrl-C or SIGTERM.
    pub stop: CancellationToken,
    inventory: Option<PathBuf>,
}

impl Context {
    /// `inventory` is what `-i` said.
    pub fn new(console: Console, stop: CancellationToken, inventory: Option<PathBuf>) -> Self {
        Context { console, stop, inventory }
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
