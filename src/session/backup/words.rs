//! What a backup is asked for: on the command line or, where that says nothing, in the inventory.

use std::path::PathBuf;

use crate::backup::Keep;
use crate::inventory::BackupPlace;
use crate::session::project::Project;

/// What was said; what is left open is the inventory's.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Public keys of age.
    pub recipients: Vec<String>,
    /// A file with a passphrase.
    pub passphrase: Option<PathBuf>,
    /// Folders that are there.
    pub to: Vec<BackupPlace>,
    /// Of machines that backups go to.
    pub accept_new_host_keys: bool,
    /// Nothing is removed without it.
    pub keep: Option<Keep>,
}

impl Wanted {
    /// With the inventory's words where nothing was said.
    pub fn filled(mut self, project: &Project) -> Wanted {
        let backup = &project.inventory.backup;
        if self.recipients.is_empty() && self.passphrase.is_none() {
            (self.recipients, self.passphrase) = (backup.recipients.clone(), backup.passphrase.clone());
        }
        if self.to.is_empty() {
            self.to = backup.to.clone();
        }
        self
    }
}
