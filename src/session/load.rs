//! The inventory, read: what is wanted.

use std::path::{Path, PathBuf};

use crate::check;
use crate::facts::StateFile;
use crate::failure::{Exit, Failure, Hint};
use crate::inventory::{self, Environment, Inventory, Mistakes};
use crate::local::Workspace;
use crate::remote::read_regular;
use crate::session::Context;

/// No inventory comes near this; a device or a disk image does.
pub(super) const LARGEST: u64 = 4 * 1024 * 1024;

/// The inventory of this run and where it lies.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub file: PathBuf,
    /// The workspace: the folder of the file, absolute.
    pub folder: PathBuf,
    pub inventory: Inventory,
}

impl Context {
    /// Finds and reads the inventory; every mistake in it is in the failure, each with its line.
    pub fn wanted(&self) -> Result<Wanted, Failure> {
        let file = self.inventory()?;
        let unreadable = |error: std::io::Error| {
            Failure::with_cause(Exit::Inventory, format!("the inventory {} cannot be read", file.display()), &error)
                .hint("name an inventory with -i FILE, or let `cowhand init` write one")
        };
        let bytes = read_regular(&file, LARGEST).map_err(unreadable)?;
        let absolute = std::path::absolute(&file).map_err(unreadable)?;
        let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = environment(&variable).map_err(unreadable)?;
        let read = inventory::parse_bytes(&bytes, &file, &surroundings);
        let skips = inventory::judge_list(&String::from_utf8_lossy(&bytes), "skip_checks", &no_skip);
        let inventory = match read {
            Ok(inventory) if skips.is_empty() => inventory,
            Ok(_) => return Err(failure(&Mistakes::new(&file, skips), &folder)),
            Err(mistakes) => return Err(failure(&mistakes.and(skips), &folder)),
        };
        Ok(Wanted { file, folder, inventory })
    }
}

/// Why this is no check to skip, if so.
fn no_skip(id: &str) -> Option<String> {
    let error = check::Skips::new([id]).err()?;
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    Some(format!("{error}{hint}"))
}

/// What paths in an inventory may refer to.
pub(crate) fn environment(variable: &dyn Fn(&str) -> Option<String>) -> std::io::Result<Environment<'_>> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    Ok(Environment { home, folder: std::env::current_dir()?, variable })
}

fn failure(mistakes: &Mistakes, folder: &Path) -> Failure {
    let number = match mistakes.list.len() {
        1 => "a mistake".to_owned(),
        several => format!("{several} mistakes"),
    };
    let failure =
        Failure::with_cause(Exit::Inventory, format!("{number} in the inventory; nothing was touched"), mistakes);
    match left_out(mistakes, &state(folder)) {
        left if left.is_empty() => failure,
        left => failure.because(left.join("\n")).hint(
            "put the nodes of the cluster back into `nodes`: taking one out of the file does not take it out of the cluster, \
             where it goes on with valid keys; `cowhand explain cluster.members` tells more",
        ),
    }
}

/// The cluster's state beside the inventory; nothing where it cannot be read, which another command says.
fn state(folder: &Path) -> StateFile {
    let workspace = Workspace::at(folder);
    match workspace.state_bytes() {
        Ok(Some(bytes)) => StateFile::read(workspace.cluster_state(), &String::from_utf8_lossy(&bytes)),
        Ok(None) | Err(_) => StateFile::Absent,
    }
}

/// Members of the cluster that the file no longer names, perhaps the very reason why there are too few nodes in it.
fn left_out(mistakes: &Mistakes, state: &StateFile) -> Vec<String> {
    let members = state.nodes().map(|nodes| nodes.all()).unwrap_or_default();
    // Of a file that could not be read so far, nobody knows what it names.
    let left = members.into_iter().filter(|member| {
        !mistakes.nodes.is_empty() && !mistakes.nodes.iter().any(|(_, address)| *address == member.address)
    });
    left.map(|one| {
        format!("{} ({}) is a node of the cluster in cluster.rkestate, and not in `nodes`", one.name, one.address)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_nodes_beside_a_cluster_are_members_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name: prod\nnodes: [10.0.0.11, 10.0.0.12]\nengine: {rke: {}}\n\
            rancher: {hostname: rancher.example.com, tls: {mode: ingress, issuer: ca}}\n";
        let surroundings = Environment { home: None, folder: folder.path().into(), variable: &|_| None };
        let read = |text: &str| inventory::parse(text, Path::new("prod.yml"), &surroundings).unwrap_err();
        let alone = failure(&read(text), folder.path());
        assert_eq!((alone.exit, alone.because.len()), (Exit::Inventory, 1));
        let node = |address: &str| serde_json::json!({"address": address, "hostnameOverride": "n3"});
        let nodes = serde_json::json!({"nodes": [node("10.0.0.12"), node("10.0.0.13")]});
        let pem = include_str!("../../tests/data/tls/root.pem");
        let ca = serde_json::json!({"kube-ca": {"certificatePEM": pem, "keyPEM": "KEY"}});
        let desired = serde_json::json!({"rkeConfig": nodes, "certificatesBundle": ca});
        let state = serde_json::json!({"desiredState": desired, "currentState": {}}).to_string();
        std::fs::write(folder.path().join("cluster.rkestate"), state).unwrap();
        let told = failure(&read(text), folder.path());
        assert_eq!(told.exit, Exit::Inventory);
        assert!(told.because[0].contains("at least three nodes"), "{told:?}");
        assert_eq!(told.because[1], "n3 (10.0.0.13) is a node of the cluster in cluster.rkestate, and not in `nodes`");
        assert!(told.hint.unwrap().contains("does not take it out of the cluster"));
        // A file that says nothing of its nodes takes none of them out.
        assert_eq!(failure(&read("name: prod\n"), folder.path()).because.len(), 1);
    }
}
