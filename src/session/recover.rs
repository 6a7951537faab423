//! Brings a lost `cluster.rkestate` back from the cluster itself, with nothing but SSH.
//!
//! RKE keeps its state in Secret `kube-system/full-cluster-state`; the kubelet's own kube config on any node may read
//! it there, where rke's `util get-state-file` needs the very files that are lost.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use crate::engine::rke::StateFile;
use crate::engine::rke::state::State;
use crate::failure::{Exit, Failure};
use crate::inventory::Inventory;
use crate::local::{Secrecy, WorkspaceError};
use crate::plan::Stage;
use crate::remote::{Remote, Stdin, Words};
use crate::session::machines::{Machine, Machines};
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::run::{guarded, untouched};
use crate::session::{generated, inputs};
use data_encoding::BASE64;

/// Brings back what this folder lacks; with `force`, over a state file that is there.
pub async fn recover(session: &Session<'_>, force: bool) -> Result<String, Failure> {
    match refuse(session.project, force)? {
        Needs::State => state(session).await,
        Needs::Rest => rest(session).await,
    }
}

/// What is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    State,
    /// The state is whole; the kubeconfig, the made CA or the first login's password is not.
    Rest,
}

/// The state from a node, with the kubeconfig in it, and whatever else the cluster can give back.
async fn state(session: &Session<'_>) -> Result<String, Failure> {
    let Session { context, project, tell, .. } = session;
    let machines = session.machines_for(Stage::Recover.needs()).await?;
    let (text, node) = guarded(&context.stop, fetch(machines)).await.map_err(untouched)?;
    let state = State::parse(&text)
        .map_err(|error| Failure::with_cause(Exit::ChecksFailed, "what the cluster gave is no state file", &error))?;
    refuse_strangers(&project.inventory, &state)?;
    session.enter().await?;
    let mut written = write(project, &state, &text)?;
    let more = guarded(&context.stop, async {
        match inputs::reach(project, machines).await? {
            Some(reached) => generated::bring_back(project, &reached).await,
            None => {
                tell.note("the API does not answer: a CA that cowhand made was not looked for");
                Ok(Vec::new())
            }
        }
    });
    written.extend(more.await?);
    Ok(format!("{} recovered from the cluster through {node}", list(&written)))
}

/// What is missing beside a state file that stays as it is.
async fn rest(session: &Session<'_>) -> Result<String, Failure> {
    let Session { context, project, .. } = session;
    session.enter().await?;
    let kubeconfig = generated::restore_kubeconfig(project)?;
    let mut told: Vec<String> = Vec::new();
    told.extend(kubeconfig.map(|path| format!("{} was written again from cluster.rkestate", path.display())));
    if generated::lacks(project) {
        let written = guarded(&context.stop, async {
            let machines = session.machines().await?;
            let reached = inputs::reach(project, machines).await?.ok_or_else(|| inputs::nothing_there(project))?;
            generated::bring_back(project, &reached).await
        });
        let written = written.await?;
        told.extend((!written.is_empty()).then(|| format!("{} recovered from the cluster", list(&written))));
    }
    match told.is_empty() {
        false => Ok(told.join("; ")),
        true => {
            Err(Failure::new(Exit::ChecksFailed, "the cluster has nothing that this folder lacks; nothing was changed")
                .hint("a CA of which only the certificate or only the key is here is completed only when that file is the cluster's"))
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Where there is nothing to recover.
pub fn refuse(project: &Project, force: bool) -> Result<Needs, Failure> {
    if !project.inventory.engine.keeps_state() {
        return Err(Failure::new(
            Exit::Usage,
            "only a cluster of rke has a state file; this inventory's cluster was there before",
        )
        .hint("an inventory with `engine: {rke: …}` and the nodes of such a cluster brings its state back"));
    }
    let there = project.workspace.state_file();
    let there = there.map_err(|error| Failure::of(Exit::ChecksFailed, &error))?;
    if there == StateFile::Whole && !force {
        if generated::lacks(project) || generated::lacks_kubeconfig(project) {
            return Ok(Needs::Rest);
        }
        let path = project.workspace.cluster_state();
        return Err(Failure::new(
            Exit::ChecksFailed,
            format!("{} is there and whole; nothing was changed", path.display()),
        )
        .hint("--force replaces it by the cluster's own copy; the one that is there is kept in .cowhand/state"));
    }
    Ok(Needs::State)
}

/// A wrong address leads to somebody else's cluster, and its state would make it this folder's.
pub fn refuse_strangers(inventory: &Inventory, state: &State) -> Result<(), Failure> {
    let mut differences = Vec::new();
    if let Some(name) = state.cluster_name().filter(|name| *name != inventory.name) {
        differences.push(format!("its name is `{name}`, in the inventory `{}`", inventory.name));
    }
    let theirs = state.addresses();
    let ours: Vec<&str> = inventory.nodes.iter().map(|node| node.address.as_str()).collect();
    let only = |these: &[&str], those: &[&str]| -> Vec<String> {
        these.iter().filter(|address| !those.contains(address)).map(ToString::to_string).collect()
    };
    let (missing, more) = (only(&theirs, &ours), only(&ours, &theirs));
    if !missing.is_empty() {
        differences.push(format!("it has {}, which the inventory does not name", missing.join(", ")));
    }
    if !more.is_empty() {
        differences.push(format!("the inventory names {}, which it does not have", more.join(", ")));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "the cluster on these nodes is not the one of the inventory")
        .because(differences.join("\n"))
        .hint(
            "correct the addresses; if it is that cluster all the same, give the inventory its name and its nodes as they are there, \
             recover, then change what is to change; nothing was written",
        ))
}

/// Puts state and kubeconfig in place; what was there is kept aside first.
pub fn write(project: &Project, state: &State, text: &str) -> Result<Vec<PathBuf>, Failure> {
    let workspace = &project.workspace;
    let step = |error: WorkspaceError| Failure::of(Exit::StepFailed, &error);
    workspace.keep_state_aside().map_err(step)?;
    workspace.keep_broken_aside().map_err(step)?;
    let mut written = vec![workspace.cluster_state()];
    workspace.write(&workspace.cluster_state(), text.as_bytes(), Secrecy::Private).map_err(step)?;
    if let Some(kubeconfig) = state.kubeconfig() {
        let file = workspace.kubeconfig();
        workspace.keep_aside(&file).map_err(step)?;
        workspace.write(&file, kubeconfig.as_bytes(), Secrecy::Private).map_err(step)?;
        written.push(file);
    }
    Ok(written)
}

/// The state, from the first node that can give it; the reasons of all when none can.
pub async fn fetch(machines: &Machines) -> Result<(Zeroizing<String>, String), Failure> {
    if machines.reached.is_empty()
        && let Some(failure) = machines.unreached()
    {
        return Err(failure);
    }
    let mut reasons = Vec::new();
    for machine in &machines.reached {
        match ask(machine).await {
            Ok(text) => return Ok((text, machine.node.name.clone())),
            Err(reason) => reasons.push(format!("{}: {reason}", machine.node.name)),
        }
    }
    Err(Failure::new(Exit::ChecksFailed, "no node could give the cluster's state").because(reasons.join("\n")).hint(
        "a kubelet has to run on a node and the API has to answer; else `--from FILE` takes the state of a backup",
    ))
}

async fn ask(machine: &Machine) -> Result<Zeroizing<String>, String> {
    let first = match kept(machine, "secret").await {
        Ok(encoded) => return decoded(&encoded),
        Err(reason) => reason,
    };
    // Before v1.4.19 and v1.5.10 of rke everybody could read it (CVE-2023-32191).
    match kept(machine, "configmap").await {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) | Err(_) => Err(first),
    }
}

/// What an object of this kind has of the state.
async fn kept(machine: &Machine, kind: &str) -> Result<Zeroizing<String>, String> {
    let words = Words::new("docker").args([
        "exec",
        "kubelet",
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/ssl/kubecfg-kube-node.yaml",
        "--namespace",
        "kube-system",
        "get",
        kind,
        "full-cluster-state",
        "--output",
        "jsonpath={.data.full-cluster-state}",
    ]);
    let text = machine.connection.text(&words, Stdin::Empty).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    })?;
    Ok(Zeroizing::new(text))
}

fn decoded(encoded: &str) -> Result<Zeroizing<String>, String> {
    let decoded = BASE64.decode(encoded.trim().as_bytes()).map_err(|_| "what it gave is not base64")?;
    let text = secrecy::SecretString::from(String::from_utf8(decoded).map_err(|_| "what it gave is not text")?);
    Ok(Zeroizing::new(text.expose_secret().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn theirs() -> String {
        crate::cluster::kubeconfig_of_test()
    }

    fn state(name: &str, addresses: &[&str]) -> String {
        let nodes: Vec<_> = addresses.iter().map(|address| json!({"address": address})).collect();
        let half = json!({
            "rkeConfig": {"clusterName": name, "nodes": nodes},
            "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}, "kube-admin": {"config": theirs()}},
        });
        json!({"desiredState": half, "currentState": half}).to_string()
    }

    fn refused(name: &str, addresses: &[&str]) -> Option<Failure> {
        let folder = tempfile::tempdir().unwrap();
        let state = State::parse(&state(name, addresses)).ok().unwrap();
        refuse_strangers(&Project::of_test(folder.path()).inventory, &state).err()
    }

    #[test]
    fn the_inventorys_own_cluster_is_taken_in_any_order() {
        assert_eq!(refused("prod", &["10.0.0.13", "10.0.0.11", "10.0.0.12"]), None);
    }

    #[test]
    fn a_strangers_cluster_is_refused_with_what_differs() {
        let failure = refused("theirs", &["10.0.0.11", "10.9.0.1"]).unwrap();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert_eq!(
            failure.because,
            ["its name is `theirs`, in the inventory `prod`\n\
              it has 10.9.0.1, which the inventory does not name\n\
              the inventory names 10.0.0.12, 10.0.0.13, which it does not have"]
        );
        assert!(refused("prod", &["10.0.0.11", "10.0.0.12"]).is_some(), "a node less");
    }

    #[test]
    fn what_was_there_is_kept_and_what_is_missing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        project.workspace.prepare().unwrap();
        let text = state("prod", &["10.0.0.11"]);
        let parsed = State::parse(&text).ok().unwrap();
        std::fs::write(project.workspace.kubeconfig(), "mine").unwrap();
        std::fs::write(project.workspace.cluster_state(), "{").unwrap();
        assert_eq!(refuse(&project, false), Ok(Needs::State));
        let written = write(&project, &parsed, &text).unwrap();
        assert_eq!(written, [project.workspace.cluster_state(), project.workspace.kubeconfig()]);
        assert_eq!(std::fs::read_to_string(project.workspace.kubeconfig()).unwrap(), theirs());
        let kept = |folder: PathBuf| -> Vec<String> {
            let files = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path());
            files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
        };
        assert_eq!(kept(project.workspace.backups()), ["mine"]);
        assert_eq!(kept(project.workspace.states()), ["{"], "a broken state stays for people");
        // The state is whole, and what cowhand made is not here.
        assert_eq!(refuse(&project, false), Ok(Needs::Rest));
        let ca = project.made_ca().unwrap();
        for file in [ca.certificate, ca.key, project.password_file()] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(refuse(&project, false).unwrap_err().exit, Exit::ChecksFailed);
        assert_eq!(refuse(&project, true), Ok(Needs::State));
        // A kubeconfig that is cut off is missing, too.
        std::fs::write(project.workspace.kubeconfig(), &theirs()[..99]).unwrap();
        assert_eq!(refuse(&project, false), Ok(Needs::Rest));
    }
}
