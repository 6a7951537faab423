//! The workspace that the rebuilt cluster is kept in: what is in the backup, where this folder lacks it.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use crate::backup::OpenBackup;
use crate::engine::Change;
use crate::engine::change::lines;
use crate::engine::rke::cluster_yml::{Additions, cluster_yml};
use crate::engine::rke::redirect::for_new_nodes;
use crate::engine::rke::state::State;
use crate::engine::rules::{Refusal, refusals};
use crate::failure::{Exit, Failure};
use crate::inventory::Rke;
use crate::local::{Secrecy, WorkspaceError};
use crate::session::file_keys;
use crate::session::made_ca::MadeCa;
use crate::session::project::{Project, read_optional};

/// # Errors
/// When the inventory is not one of the backup's cluster, or asks for another cluster than that one was.
pub fn refuse(project: &Project, open: &OpenBackup) -> Result<(), Failure> {
    let Some(rke) = project.inventory.engine.rke_settings() else {
        return Err(Failure::new(
            Exit::Usage,
            "only a cluster that rke made can be rebuilt; this inventory's cluster was there before",
        ));
    };
    let (name, theirs) = (&project.inventory.name, &open.manifest.name);
    if name != theirs {
        return Err(Failure::new(
            Exit::ChecksFailed,
            format!("the backup is of cluster `{theirs}`, and the inventory is of `{name}`"),
        )
        .hint(format!(
            "`name: {theirs}` in the inventory, if that cluster is to be rebuilt on these machines; nothing was touched"
        )));
    }
    refuse_another_ca(project, open)?;
    let state = State::parse(open.state())
        .map_err(|error| Failure::with_cause(Exit::ChecksFailed, "the state in the backup cannot be used", &error))?;
    refuse_changes(&state.changes(&wanted(project, rke)?, &[]))
}

fn wanted(project: &Project, rke: &Rke) -> Result<Map<String, Value>, Failure> {
    let files = file_keys::read(&project.inventory);
    let files = files.map_err(|why| Failure::new(Exit::Inventory, why).hint("nothing was touched"))?;
    Ok(cluster_yml(&project.inventory, rke, &Additions { files, ..Additions::default() }))
}

/// Other machines are what a rebuild is for; another Kubernetes, network or name is not.
fn refuse_changes(changes: &[Change]) -> Result<(), Failure> {
    let about_cluster = |change: &&Change| match change {
        Change::Setting { .. } | Change::Version { .. } => true,
        Change::Create
        | Change::Join { .. }
        | Change::Leave { .. }
        | Change::Replace { .. }
        | Change::Readdress { .. }
        | Change::Addon { .. }
        | Change::Rotate
        | Change::Restore
        | Change::Forget
        | Change::Unknown { .. } => false,
    };
    let changes: Vec<Change> = changes.iter().filter(about_cluster).cloned().collect();
    let (versions, settings): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(|change| matches!(change, Change::Version { .. }));
    let against: Vec<Refusal> =
        refusals(&settings, &[]).into_iter().filter(|one| !matches!(one, Refusal::NodeName { .. })).collect();
    let seen: Vec<String> = lines(&versions).into_iter().chain(against.iter().map(ToString::to_string)).collect();
    if seen.is_empty() {
        return Ok(());
    }
    let version = (!versions.is_empty()).then(|| {
        "set engine.rke.kubernetes to the version of the backup; change it with `cowhand up` when the cluster stands".to_owned()
    });
    let remedies: Vec<String> = version.into_iter().chain(against.iter().map(Refusal::remedy)).collect();
    Err(Failure::new(Exit::ChecksFailed, "the inventory asks for another cluster than the one in the backup")
        .because(seen.join("\n"))
        .hint(format!("{}; nothing was touched", remedies.join("; "))))
}

/// A CA that cowhand made signs Rancher's certificate, and agents of other clusters know it.
///
/// # Errors
/// When this folder has another one.
pub fn refuse_another_ca(project: &Project, open: &OpenBackup) -> Result<(), Failure> {
    let Some(made) = project.made_ca() else { return Ok(()) };
    for (path, what) in [(&made.certificate, CA), (&made.key, CA_KEY)] {
        let (Some(here), Some(theirs)) = (read_optional(path)?, by_what(open, what)) else { continue };
        if here.trim_ascii() != theirs.trim_ascii() {
            return Err(Failure::new(Exit::ChecksFailed, format!("{} is of another CA than the one in the backup", path.display()))
                .hint("use a folder of its own: `cowhand backup extract FILE --to DIR` lays out the backup's workspace; nothing was touched"));
        }
    }
    Ok(())
}

/// As backups call these files.
const CA: &str = "the CA that cowhand made";
const CA_KEY: &str = "the key of the CA that cowhand made";
const PASSWORD: &str = "rancher.bootstrap_password";

fn by_what<'a>(open: &'a OpenBackup, what: &str) -> Option<&'a [u8]> {
    open.parts.iter().find(|(entry, _)| entry.what == what).map(|(_, bytes)| bytes.as_slice())
}

/// Files that the folder lacks and the cluster lives by: the made CA, the first login's password, and whatever else lay inside
/// of the workspace and is not there. What was there stays.
pub fn lay_out(project: &Project, open: &OpenBackup) -> Result<Vec<PathBuf>, Failure> {
    let workspace = &project.workspace;
    let mut written = Vec::new();
    let own = project
        .made_ca()
        .map(|MadeCa { certificate, key }| [(CA_KEY, key, Secrecy::Private), (CA, certificate, Secrecy::Open)]);
    let own = own.into_iter().flatten().chain([(PASSWORD, project.password_file(), Secrecy::Private)]);
    let own = own.filter_map(|(what, path, secrecy)| Some((path, by_what(open, what)?, secrecy)));
    let named = open.parts.iter().filter(|(entry, _)| {
        entry.name.starts_with("files/") && ![CA, CA_KEY, PASSWORD].contains(&entry.what.as_str())
    });
    let named = named.filter_map(|(entry, bytes)| {
        let path = inside(entry.path.as_deref()?)?;
        Some((workspace.folder().join(path), bytes.as_slice(), Secrecy::Private))
    });
    for (path, bytes, secrecy) in own.chain(named).filter(|(path, _, _)| std::fs::symlink_metadata(path).is_err()) {
        if let Some(parent) = path.parent() {
            workspace.make(parent).map_err(unwritten)?;
        }
        workspace.write(&path, bytes, secrecy).map_err(unwritten)?;
        written.push(path);
    }
    Ok(written)
}

/// A path below the workspace; what lay elsewhere is somebody's own.
fn inside(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

/// The state by which rke builds on the new machines under the same CA; the one that was here is kept aside.
pub fn put_state(project: &Project, open: &OpenBackup) -> Result<(), Failure> {
    let workspace = &project.workspace;
    let text = for_new_nodes(open.state())
        .ok_or_else(|| Failure::new(Exit::ChecksFailed, "the state in the backup holds no certificates"))?;
    workspace.keep_state_aside().map_err(unwritten)?;
    workspace.keep_broken_aside().map_err(unwritten)?;
    workspace.write(&workspace.cluster_state(), text.as_bytes(), Secrecy::Private).map_err(unwritten)?;
    // It leads to machines that are gone, and rke would look for a cluster there.
    workspace.keep_aside(&workspace.kubeconfig()).map_err(unwritten)?;
    workspace.remove(&workspace.kubeconfig()).map_err(unwritten)
}

/// The state as it is in the backup: it names the old machines, and with it what they hold is proved to be this cluster's.
pub fn put_old_state(project: &Project, open: &OpenBackup) -> Result<(), Failure> {
    let workspace = &project.workspace;
    workspace.keep_state_aside().map_err(unwritten)?;
    workspace.write(&workspace.cluster_state(), open.state().as_bytes(), Secrecy::Private).map_err(unwritten)
}

fn unwritten(error: WorkspaceError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}

#[cfg(test)]
#[path = "ground_tests.rs"]
mod tests;
