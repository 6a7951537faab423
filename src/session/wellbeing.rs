//! Whether a node may be taken away for a while: never while another one is ill.

use std::time::Duration;

use crate::failure::{Exit, Failure};
use crate::session::inputs;
use crate::session::members;
use crate::session::open::Session;

/// How long a cluster may take to be well again behind a node that was away.
const RECOVERY: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(2);

/// # Errors
/// When something is ill already: one node more would be one too many.
pub async fn before(session: &Session<'_>, node: &str) -> Result<(), Failure> {
    refuse(node, ill(session, &|_| true).await)
}

/// The same for a node that goes away as a whole: it may be ill itself, and so may be another that is only a worker.
///
/// # Errors
/// When another control plane or member of etcd is not well.
pub async fn beside(session: &Session<'_>, node: &str) -> Result<(), Failure> {
    let core = |name: &str| {
        let found = session.project.inventory.nodes.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        // Who is not in the inventory may be either.
        found.is_none_or(|one| one.roles.controlplane || one.roles.etcd)
    };
    refuse(node, ill(session, &|name: &str| !name.eq_ignore_ascii_case(node) && core(name)).await)
}

fn refuse(node: &str, ill: Option<String>) -> Result<(), Failure> {
    match ill {
        None => Ok(()),
        Some(why) => {
            Err(Failure::new(Exit::ChecksFailed, format!("{node} is not taken away while the cluster is ill"))
                .because(why)
                .hint("`cowhand status` shows what is ill; once all is well, the same run file goes on from here"))
        }
    }
}

/// Waits until all is well again.
///
/// # Errors
/// When it is not in time; the nodes that are left are not touched.
pub async fn after(session: &Session<'_>, node: &str) -> Result<(), Failure> {
    let end = tokio::time::Instant::now() + RECOVERY;
    while let Some(why) = ill(session, &|_| true).await {
        if tokio::time::Instant::now() >= end {
            let limit = crate::cluster::duration(RECOVERY);
            return Err(Failure::new(
                Exit::StepFailed,
                format!("the cluster is not well {limit} after {node} was done"),
            )
            .because(why)
            .hint("the other nodes were left alone; `cowhand status` shows what is ill"));
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}

/// The first thing that is ill of the nodes that count; nothing also where there is no cluster yet.
async fn ill(session: &Session<'_>, counts: &(dyn Fn(&str) -> bool + Sync)) -> Option<String> {
    let project = session.project;
    let machines = match session.machines().await {
        Ok(machines) => machines,
        Err(failure) => return Some(failure.error),
    };
    if project.inventory.engine.keeps_state() && !project.workspace.cluster_state().exists() {
        return None;
    }
    let reached = match inputs::reach(project, machines).await {
        Ok(Some(reached)) => reached,
        Ok(None) => return Some("the Kubernetes API does not answer".into()),
        Err(failure) => return Some(failure.error),
    };
    match reached.cluster.nodes().await {
        Ok(nodes) => {
            if let Some(node) = nodes.iter().find(|node| !node.ready && counts(&node.name)) {
                return Some(format!("{} is not Ready: {}", node.name, node.message));
            }
        }
        Err(error) => return Some(error.to_string()),
    }
    if !project.inventory.engine.builds_nodes() {
        return None;
    }
    match members::etcd(project, machines).await {
        Ok(members) => {
            let ill = members.iter().find(|member| !member.healthy && counts(&member.name))?;
            Some(format!("etcd on {} is not healthy: {}", ill.name, ill.error))
        }
        Err(failure) => Some(failure.error),
    }
}
