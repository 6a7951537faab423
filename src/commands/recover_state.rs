//! Brings a lost `cluster.rkestate` back from the cluster itself, with nothing but SSH.
//!
//! RKE keeps its state in Secret `kube-system/full-cluster-state`; the kubelet's own kube config on any node may read
//! it there, where rke's `util get-state-file` needs the very files that are lost.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::machines::{Machine, Machines};
use super::run::{guarded, untouched};
use super::site::Site;
use super::{Answer, Connect, Context, keepsakes, verify, world};
use crate::cluster::from_base64;
use crate::execute::{Lock, Secrecy, StateFile, WorkspaceError};
use crate::inventory::Inventory;
use crate::plan::applied::State;
use crate::remote::{Remote, Stdin, Words};
use crate::report::{Exit, Failure};

/// What was said to `recover-state`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RecoverState {
    /// Replace a state file that is there; it is kept aside first
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: RecoverState) -> Answer {
    let site = Site::open(context)?;
    if refuse(&site, wanted.force)? == Needs::Keepsakes {
        context.log_into(&site.workspace, "recover-state");
        return keepsakes_alone(context, &site, &wanted).await;
    }
    context.log_into(&site.workspace, "recover-state");
    let (machines, (text, node)) = guarded(&context.stop, async {
        let machines = Machines::connect(&site.inventory, &wanted.connect, context, None).await;
        let fetched = fetch(&machines).await?;
        Ok((machines, fetched))
    })
    .await
    .map_err(untouched)?;
    let state = State::parse(&text)
        .map_err(|error| Failure::with_cause(Exit::ChecksFailed, "what the cluster gave is no state file", &error))?;
    refuse_strangers(&site.inventory, &state)?;
    let (mut written, _lock) = write(&site, &state, &text)?;
    match world::reach(&site, &machines).await? {
        Some(reached) => written.extend(keepsakes::bring_back(&site, &reached).await?),
        None => context.console.talk("the API does not answer: a CA that cowhand made was not looked for"),
    }
    machines.disconnect().await;
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    context.console.talk(&format!("{} recovered from the cluster through {node}", written.join(", ")));
    Ok(Exit::Done)
}

/// What is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    State,
    /// The state is whole; the made CA or the first login's password is not.
    Keepsakes,
}

/// The made CA and the first login's password, beside a state file that stays as it is.
async fn keepsakes_alone(context: &Context, site: &Site, wanted: &RecoverState) -> Answer {
    let _lock = locked(site)?;
    let written = guarded(&context.stop, async {
        let machines = Machines::connect(&site.inventory, &wanted.connect, context, None).await;
        let reached = world::reach(site, &machines).await?.ok_or_else(|| verify::nothing_there(site))?;
        let written = keepsakes::bring_back(site, &reached).await?;
        machines.disconnect().await;
        Ok(written)
    });
    let written = written.await?;
    if written.is_empty() {
        return Err(Failure::new(
            Exit::ChecksFailed,
            "the cluster has nothing that this folder lacks; nothing was changed",
        )
        .hint("a CA of which one half is here is completed only when that half is the cluster's"));
    }
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    context.console.talk(&format!("{} recovered from the cluster", written.join(", ")));
    Ok(Exit::Done)
}

/// The workspace for this run alone.
fn locked(site: &Site) -> Result<Lock, Failure> {
    let refused = |error: &(dyn std::error::Error + 'static)| Failure::of(Exit::ChecksFailed, error);
    site.workspace.prepare().map_err(|error| refused(&error).maybe_hint(error.hint()))?;
    Lock::take(&site.workspace.lock(), "recover-state").map_err(|error| refused(&error).maybe_hint(error.hint()))
}

/// Where there is nothing to recover.
fn refuse(site: &Site, force: bool) -> Result<Needs, Failure> {
    if site.rke().is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "only a cluster of rke has a state file; this inventory's cluster was there before",
        )
        .hint("an inventory with `engine: {rke: …}` and the nodes of such a cluster brings its state back"));
    }
    let there = site.workspace.state_file();
    let there = there.map_err(|error| Failure::of(Exit::ChecksFailed, &error).maybe_hint(error.hint()))?;
    if there == StateFile::Whole && !force {
        if keepsakes::lacks(site) {
            return Ok(Needs::Keepsakes);
        }
        let path = site.workspace.cluster_state();
        return Err(Failure::new(
            Exit::ChecksFailed,
            format!("{} is there and whole; nothing was changed", path.display()),
        )
        .hint("--force replaces it by the cluster's own copy; the one that is there is kept in .cowhand/state"));
    }
    Ok(Needs::State)
}

/// A wrong address leads to somebody else's cluster, and its state would make it this folder's.
fn refuse_strangers(inventory: &Inventory, state: &State) -> Result<(), Failure> {
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

/// Puts state and kubeconfig in place; what was there is kept aside first. The lock is held until it is dropped.
fn write(site: &Site, state: &State, text: &str) -> Result<(Vec<PathBuf>, Lock), Failure> {
    let workspace = &site.workspace;
    let step = |error: WorkspaceError| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint());
    let lock = locked(site)?;
    workspace.keep_state_aside().map_err(step)?;
    let mut written = vec![workspace.cluster_state()];
    workspace.write(&workspace.cluster_state(), text.as_bytes(), Secrecy::Private).map_err(step)?;
    if let Some(kubeconfig) = state.kubeconfig() {
        let file = workspace.kubeconfig();
        workspace.keep_aside(&file).map_err(step)?;
        workspace.write(&file, kubeconfig.as_bytes(), Secrecy::Private).map_err(step)?;
        written.push(file);
    }
    Ok((written, lock))
}

/// The state, from the first node that can give it; the reasons of all when none can.
async fn fetch(machines: &Machines) -> Result<(Zeroizing<String>, String), Failure> {
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
        "a kubelet has to run on a node and the API has to answer; an etcd snapshot holds the state file as well",
    ))
}

async fn ask(machine: &Machine) -> Result<Zeroizing<String>, String> {
    let words = Words::new("docker").args([
        "exec",
        "kubelet",
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/ssl/kubecfg-kube-node.yaml",
        "--namespace",
        "kube-system",
        "get",
        "secret",
        "full-cluster-state",
        "--output",
        "jsonpath={.data.full-cluster-state}",
    ]);
    let encoded = machine.connection.text(&words, Stdin::Empty).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    })?;
    let encoded = Zeroizing::new(encoded);
    let decoded = from_base64(&encoded).ok_or("what it gave is not base64")?;
    let text = secrecy::SecretString::from(String::from_utf8(decoded).map_err(|_| "what it gave is not text")?);
    Ok(Zeroizing::new(text.expose_secret().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(name: &str, addresses: &[&str]) -> String {
        let nodes: Vec<_> = addresses.iter().map(|address| json!({"address": address})).collect();
        let half = json!({
            "rkeConfig": {"clusterName": name, "nodes": nodes},
            "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM"}, "kube-admin": {"config": "theirs"}},
        });
        json!({"desiredState": half, "currentState": half}).to_string()
    }

    fn refused(name: &str, addresses: &[&str]) -> Option<Failure> {
        let folder = tempfile::tempdir().unwrap();
        let state = State::parse(&state(name, addresses)).ok().unwrap();
        refuse_strangers(&Site::of_test(folder.path()).inventory, &state).err()
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
    fn what_was_there_is_kept_and_refusals_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::of_test(folder.path());
        let text = state("prod", &["10.0.0.11"]);
        let parsed = State::parse(&text).ok().unwrap();
        std::fs::write(site.workspace.kubeconfig(), "mine").unwrap();
        let (written, lock) = write(&site, &parsed, &text).unwrap();
        assert_eq!(written, [site.workspace.cluster_state(), site.workspace.kubeconfig()]);
        assert_eq!(std::fs::read_to_string(site.workspace.kubeconfig()).unwrap(), "theirs");
        let kept: Vec<_> =
            std::fs::read_dir(site.workspace.backups()).unwrap().map(|one| one.unwrap().path()).collect();
        assert_eq!(kept.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>(), ["mine"]);
        // Another run holds the lock: nothing was changed, and the exit code says so.
        assert_eq!(write(&site, &parsed, &text).err().unwrap().exit, Exit::ChecksFailed);
        drop(lock);
        // The state is whole, and what cowhand made is not here.
        assert_eq!(refuse(&site, false), Ok(Needs::Keepsakes));
        let (certificate, key) = site.made_ca().unwrap();
        for file in [certificate, key, site.password_file()] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(refuse(&site, false).unwrap_err().exit, Exit::ChecksFailed);
        assert_eq!(refuse(&site, true), Ok(Needs::State));
    }
}
