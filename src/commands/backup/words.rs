//! What is said to several of the verbs: what opens a backup, and where backups lie.

use std::path::PathBuf;

use crate::backup::Keys;
use crate::failure::Failure;
use crate::session::Context;
use crate::session::backup::{self, Wanted, keys};
use crate::session::project::Project;

/// What opens a backup.
#[derive(Debug, Default, clap::Args)]
pub struct Opens {
    /// The key of age that opens it, in a file that only you may read
    #[arg(long, value_name = "KEYFILE")]
    pub identity: Option<PathBuf>,
    /// The file with the passphrase that opens it
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    pub passphrase_file: Option<PathBuf>,
}

impl Opens {
    pub fn keys(&self) -> Result<Option<Keys>, Failure> {
        keys(self.identity.as_deref(), self.passphrase_file.as_deref())
    }
}

/// The folders that were named, or those of the inventory.
pub fn folders(context: &Context, named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let project = Project::open(context)?;
    let wanted = Wanted::default().filled(&project);
    for far in backup::elsewhere(&wanted) {
        context.console.talk(&format!("{far} is not looked at from here: cowhand there does, with the folder's path"));
    }
    Ok(backup::folders(&project, &wanted))
}
