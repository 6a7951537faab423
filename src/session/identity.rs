//! What tells an inventory with engine existing from all others, and its cluster from all others: as the workspace keeps it.

use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use crate::facts::owner::Pinned;
use crate::failure::{Exit, Failure};
use crate::inventory::Inventory;
use crate::local::{Workspace, WorkspaceError};
use crate::session::cluster_api::Way;

/// What the workspace knows of an inventory with engine existing.
#[derive(Clone, Default)]
pub struct Identity {
    pub pinned: Option<Pinned>,
    /// Empty before the first run that changes something.
    pub(super) uid: Arc<OnceLock<String>>,
    pub(super) taking: bool,
    pub(super) way: Arc<OnceCell<Way>>,
}

impl Identity {
    /// Reads it; where the inventory names no context, the pinned one is meant from here on.
    pub fn open(workspace: &Workspace, inventory: &mut Inventory) -> Result<Identity, Failure> {
        let name = inventory.name.clone();
        let Some(existing) = inventory.engine.given_cluster_mut() else { return Ok(Identity::default()) };
        let pinned = workspace.pinned(&name).map_err(|error| broken(&error))?;
        let uid = workspace.uid(&name).map_err(|error| broken(&error))?;
        if let (None, Some(pinned)) = (&existing.context, &pinned) {
            existing.context = Some(pinned.pin.context.clone());
        }
        let uid = Arc::new(uid.map(OnceLock::from).unwrap_or_default());
        Ok(Identity { pinned, uid, ..Identity::default() })
    }
}

fn broken(error: &WorkspaceError) -> Failure {
    Failure::of(Exit::ChecksFailed, error).hint(
        "it tells this inventory's cluster from all others: put it back from a copy; without one, remove it, and name the \
         cluster with engine.existing.context, and the mark there with `--take-over UID`",
    )
}
