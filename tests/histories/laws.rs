//! What holds after each run of a history, however it ended.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cowhand::local::Workspace;
use serde_json::Value;

use crate::run::ca;
use crate::world::World;

/// Words that stand in files with keys.
const OF_KEYS: [&str; 3] = ["PRIVATE KEY", "keyPEM", "client-key-data"];

/// Every law that is broken, each with what broke it.
pub fn broken(world: &World, workspaces: &[&Workspace]) -> Vec<String> {
    let mut broken = world.book().broken.clone();
    for workspace in workspaces {
        keys_are_private(workspace.folder(), false, &mut broken);
    }
    state_is_kept(world, workspaces, &mut broken);
    broken
}

/// No file with a key can be read by others: by its own mode, or by that of a folder on the way.
fn keys_are_private(folder: &Path, hidden: bool, broken: &mut Vec<String>) {
    let mode = |path: &Path| std::fs::symlink_metadata(path).map_or(0, |found| found.permissions().mode() & 0o077);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            keys_are_private(&path, hidden || mode(&path) == 0, broken);
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
        if !hidden && mode(&path) != 0 && OF_KEYS.iter().any(|word| text.contains(word)) {
            broken.push(format!("a key that others may read: {} {:03o}", path.display(), mode(&path)));
        }
    }
}

/// The state of a cluster that lives is in a workspace, or the cluster itself can give it back.
fn state_is_kept(world: &World, workspaces: &[&Workspace], broken: &mut Vec<String>) {
    let states = workspaces.iter().filter_map(|workspace| workspace.state_bytes().ok().flatten());
    let known: Vec<String> = states.filter_map(|bytes| ca(&serde_json::from_slice::<Value>(&bytes).ok()?)).collect();
    let book = world.book();
    let stranger = book.machines[crate::world::STRANGER].ca.clone();
    for (ca, cluster) in &book.clusters {
        let theirs = Some(ca) == stranger.as_ref();
        if book.lives(ca) && !theirs && cluster.state.is_none() && !known.contains(ca) {
            broken.push("the state of a living cluster is lost".into());
        }
    }
}
