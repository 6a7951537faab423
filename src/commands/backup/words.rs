//! What is said to several of the verbs: what opens a backup, and where backups lie.

use std::path::{Path, PathBuf};

use crate::backup::{Keys, OpenBackup};
use crate::failure::{Exit, Failure};
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

    /// The backup, proved again. `done`: what is done from it, for people, e.g. `rebuilt`.
    pub fn open(&self, file: &Path, done: &str) -> Result<OpenBackup, Failure> {
        let keys = self.keys()?;
        let keys = keys.ok_or_else(|| {
            Failure::new(Exit::Usage, "no key is named")
                .hint("--identity KEYFILE or --passphrase-file FILE opens the backup")
        })?;
        let opened = tokio::task::block_in_place(|| OpenBackup::open(file, &keys));
        opened.map_err(|flaw| {
            let error = format!("nothing is {done} from {}: it stops before {}", file.display(), flaw.level);
            Failure::with_cause(Exit::ChecksFailed, error, &flaw).hint(
                "`cowhand backup list` shows the others; `cowhand backup verify` looks at one; nothing was touched",
            )
        })
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
