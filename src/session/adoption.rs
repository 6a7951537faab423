//! A cluster that plain rke built and `adopt` took over: what is remembered of that, and its protection.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::inventory::Inventory;
use crate::local::{Secrecy, Workspace, WorkspaceError};
use crate::plan::rancher::TakenOver;

/// What `adopt` remembers.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    cluster: String,
    /// Of the cluster.yml that the cluster was taken over with.
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rancher: Option<TakenOver>,
}

fn record(workspace: &Workspace) -> PathBuf {
    workspace.inside().join("adopted.json")
}

fn opened(workspace: &Workspace) -> PathBuf {
    workspace.inside().join("unprotected")
}

fn unwritten(error: WorkspaceError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}

/// Remembers a cluster that was taken over, and its Rancher where it runs by Helm.
pub fn remember(
    workspace: &Workspace,
    cluster: &str,
    digest: Option<String>,
    rancher: Option<TakenOver>,
) -> Result<(), Failure> {
    let record_of = Record { cluster: cluster.to_owned(), digest, rancher };
    // Texts and a map of texts always are JSON.
    let text = serde_json::to_string_pretty(&record_of).unwrap_or_default();
    workspace.write(&record(workspace), text.as_bytes(), Secrecy::Private).map_err(unwritten)
}

/// The digest of the cluster.yml that this inventory's cluster was taken over with.
pub fn digest(inventory: &Inventory, workspace: &Workspace) -> Option<String> {
    read(inventory, workspace)?.digest
}

/// Its Rancher, when it was taken over; see [`crate::plan::rancher::kept_values`].
pub fn rancher(inventory: &Inventory, workspace: &Workspace) -> Option<TakenOver> {
    read(inventory, workspace)?.rancher
}

fn read(inventory: &Inventory, workspace: &Workspace) -> Option<Record> {
    let text = std::fs::read_to_string(record(workspace)).ok()?;
    let record: Record = serde_json::from_str(&text).ok()?;
    Some(record).filter(|record| inventory.is_adopted() && record.cluster == inventory.name)
}

/// # Errors
/// When the cluster was taken over, and nobody has said since that it may be `what` (removed, given a new CA).
pub fn refuse(inventory: &Inventory, workspace: &Workspace, what: &str) -> Result<(), Failure> {
    let name = &inventory.name;
    let free = std::fs::read_to_string(opened(workspace)).is_ok_and(|text| text.trim() == name);
    if !inventory.is_adopted() || free {
        return Ok(());
    }
    Err(Failure::new(
        Exit::ChecksFailed,
        format!("`{name}` was taken over as it runs, and is protected: it is not {what}"),
    )
    .because("cowhand did not build it; who did, and what else lives by it, only people know")
    .hint(format!("`cowhand unprotect {name}` lifts that; nothing was touched")))
}

/// # Errors
/// When there is no whole state of a cluster that was taken over: rke would build another one over it.
pub fn refuse_anew(inventory: &Inventory, workspace: &Workspace, has_state: bool) -> Result<(), Failure> {
    if has_state {
        return Ok(());
    }
    refuse(inventory, workspace, "built anew").map_err(|failure| {
        let hint = failure.hint.clone().unwrap_or_default();
        failure
            .because(format!("{} is not there, or not whole", workspace.cluster_state().display()))
            .hint(format!("`cowhand recover-state` brings the state back from the cluster; {hint}"))
    })
}

/// Lets the cluster be treated as one that cowhand built.
pub fn unprotect(inventory: &Inventory, workspace: &Workspace) -> Result<(), Failure> {
    let text = format!("{}\n", inventory.name);
    workspace.open_inside().map_err(unwritten)?;
    workspace.write(&opened(workspace), text.as_bytes(), Secrecy::Private).map_err(unwritten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Engine;
    use crate::session::project::Project;

    #[test]
    fn an_adopted_cluster_stays_until_its_name_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::of_test(folder.path());
        project.workspace.prepare().unwrap();
        refuse(&project.inventory, &project.workspace, "removed").unwrap();
        remember(&project.workspace, "prod", Some("d".into()), None).unwrap();
        assert_eq!(digest(&project.inventory, &project.workspace), None, "its inventory says no such thing");
        let Engine::Rke(rke) = &mut project.inventory.engine else { panic!("{:?}", project.inventory.engine) };
        rke.adopted = true;
        assert_eq!(digest(&project.inventory, &project.workspace).as_deref(), Some("d"));
        let failure = refuse(&project.inventory, &project.workspace, "removed").unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert!(failure.hint.unwrap().contains("cowhand unprotect prod"));
        refuse_anew(&project.inventory, &project.workspace, true).unwrap();
        let failure = refuse_anew(&project.inventory, &project.workspace, false).unwrap_err();
        assert!(failure.error.contains("built anew") && failure.hint.unwrap().contains("recover-state"));
        std::fs::write(opened(&project.workspace), "other\n").unwrap();
        assert!(refuse(&project.inventory, &project.workspace, "removed").is_err(), "another cluster's name");
        unprotect(&project.inventory, &project.workspace).unwrap();
        refuse(&project.inventory, &project.workspace, "removed").unwrap();
        project.inventory.name = "other".into();
        assert!(
            refuse(&project.inventory, &project.workspace, "removed").is_err()
                && digest(&project.inventory, &project.workspace).is_none()
        );
    }
}
