//! How far a rebuild has come, kept in the workspace: so that the same command goes on, and takes what it has put on the nodes
//! for its own.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::local::{Secrecy, Workspace};
use crate::session::project::read_optional;

/// What was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Of this rebuild alone: in the names of what it makes on the nodes, and etcd's new cluster token.
    pub id: String,
    /// SHA-256 of the backup's sealed bytes.
    pub backup: String,
    pub phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// etcd's data are being put on the nodes: no etcd has started on them.
    Placing,
    /// They are all there; from here on only `up` goes on.
    Placed,
}

impl Progress {
    pub fn new(backup: &str) -> Progress {
        let mut bytes = [0; 12];
        rand::rng().fill_bytes(&mut bytes);
        Progress { id: HEXLOWER.encode(&bytes), backup: backup.to_owned(), phase: Phase::Placing }
    }

    /// Of this backup, when a rebuild of it was begun here and not ended.
    pub fn of(workspace: &Workspace, backup: &str) -> Result<Option<Progress>, Failure> {
        let Some(bytes) = read_optional(&file(workspace))? else { return Ok(None) };
        let read: Result<Progress, _> = serde_json::from_slice(&bytes);
        let read = read.map_err(|error| {
            Failure::new(Exit::ChecksFailed, format!("{} cannot be read", file(workspace).display()))
                .because(error)
                .hint("it tells what an earlier `rebuild` has put on the nodes; nothing was touched")
        })?;
        Ok(Some(read).filter(|read| read.backup == backup))
    }

    pub fn keep(&self, workspace: &Workspace) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(self).map_err(|error| Failure::new(Exit::Bug, error))?;
        let written = workspace.write(&file(workspace), &bytes, Secrecy::Private);
        written.map_err(|error| Failure::of(Exit::StepFailed, &error))
    }

    pub fn forget(workspace: &Workspace) -> Result<(), Failure> {
        workspace.remove(&file(workspace)).map_err(|error| Failure::of(Exit::StepFailed, &error))
    }
}

fn file(workspace: &Workspace) -> PathBuf {
    workspace.inside().join("rebuild.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_counts_for_the_same_backup_alone() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        workspace.prepare().unwrap();
        assert_eq!(Progress::of(&workspace, "one"), Ok(None));
        let progress = Progress::new("one");
        assert_eq!(progress.id.len(), 24);
        progress.keep(&workspace).unwrap();
        assert_eq!(Progress::of(&workspace, "one"), Ok(Some(progress)));
        assert_eq!(Progress::of(&workspace, "other"), Ok(None));
        Progress::forget(&workspace).unwrap();
        assert_eq!(Progress::of(&workspace, "one"), Ok(None));
        std::fs::write(file(&workspace), "{").unwrap();
        assert_eq!(Progress::of(&workspace, "one").unwrap_err().exit, Exit::ChecksFailed);
    }
}
