//! A node emptied and closed, or opened again: what `kubectl drain` and `uncordon` do, under this cluster's lock.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Cluster, Eviction, PodSeen};
use crate::failure::{Exit, Failure};
use crate::local::holder;
use crate::plan::drain::{Agreed, Draining, draining, known};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::{self, nothing_there};
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::run::guarded;

/// Between two tries of what a budget holds, and two looks at what goes (kubectl: pkg/drain/drain.go).
const PAUSE: Duration = Duration::from_secs(5);

/// The cluster's API.
///
/// # Errors
/// When there is no cluster, or none that answers.
pub async fn api(project: &Project, machines: &Machines) -> Result<ClusterApi, Failure> {
    match inputs::reach(project, machines).await? {
        Some(reached) => Ok(reached),
        None => Err(machines.unreached().unwrap_or_else(|| nothing_there(project))),
    }
}

/// What emptying the node would do, with what a budget would hold now; nothing is changed.
pub async fn look(cluster: &Cluster, node: &str, agreed: Agreed) -> Result<(Draining, Vec<String>), Failure> {
    let (nodes, pods) = futures::try_join!(cluster.nodes(), cluster.pods_on(node)).map_err(unseen)?;
    let draining = draining(node, &nodes, pods, agreed)?;
    let mut held = Vec::new();
    for pod in &draining.evicted {
        if let Eviction::Held(why) = cluster.evict(pod, true).await.map_err(unseen)? {
            held.push(format!("{pod}: {why}"));
        }
    }
    Ok((draining, held))
}

/// Closes the node and evicts its pods, as long as it takes up to `limit`. What is done by then stays done.
pub async fn drain(session: &Session<'_>, node: &str, agreed: Agreed, limit: Duration) -> Result<String, Failure> {
    let reached = api(session.project, session.machines().await?).await?;
    let cluster = &reached.cluster;
    let (_, held) = guarded(session.stop(), look(cluster, node, agreed)).await?;
    held.iter().for_each(|held| session.tell.note(format!("held for now: {held}")));
    let alone = session.alone().await?;
    let Draining { evicted, stay, .. } = guarded(alone.stop(), async {
        close_unless_closed(session, cluster, node).await?;
        emptied(session, cluster, (node, agreed), limit).await
    })
    .await?;
    Ok(format!("{node} is closed and empty: {} pods went, {stay} stay that belong to it", evicted.len()))
}

/// One that somebody else has closed gets no mark of ours, and so stays closed.
async fn close_unless_closed(session: &Session<'_>, cluster: &Cluster, node: &str) -> Result<(), Failure> {
    let nodes = cluster.nodes().await.map_err(unseen)?;
    match nodes.iter().find(|one| one.name == node) {
        Some(one) if one.unschedulable && one.closed_by.is_none() => {
            session.tell.note(format!("{node} was closed already, and not by cowhand: it will stay closed"));
            Ok(())
        }
        Some(_) | None => close(session, cluster, node).await,
    }
}

/// No new pods come to the node; it bears our mark.
pub async fn close(session: &Session<'_>, cluster: &Cluster, node: &str) -> Result<(), Failure> {
    cluster.close_node(node, Some(&holder(session.command))).await.map_err(step)?;
    session.tell.note(format!("{node} is closed for new pods"));
    Ok(())
}

/// Evicts what is on the node, which is closed. Looks again first: until then, pods still came to it.
pub async fn emptied(
    session: &Session<'_>,
    cluster: &Cluster,
    (node, agreed): (&str, Agreed),
    limit: Duration,
) -> Result<Draining, Failure> {
    let emptied = async {
        let (draining, _) = look(cluster, node, agreed).await?;
        empty(session, cluster, &draining, Instant::now() + limit).await?;
        Ok(draining)
    };
    emptied.await.map_err(|failure: Failure| {
        failure.hint(format!(
            "{node} stays closed; the same command goes on, `cowhand node uncordon {node}` opens it again"
        ))
    })
}

/// Evicts until none of the pods is on the node.
async fn empty(session: &Session<'_>, cluster: &Cluster, draining: &Draining, end: Instant) -> Result<(), Failure> {
    let mut asked: Vec<&PodSeen> = Vec::new();
    loop {
        let there = cluster.pods_on(&draining.node).await.map_err(step)?;
        let left: Vec<&PodSeen> = draining.evicted.iter().filter(|pod| there.iter().any(|one| one.is(pod))).collect();
        if left.is_empty() {
            return Ok(());
        }
        let mut waits = Vec::new();
        for pod in left {
            if asked.contains(&pod) {
                waits.push(format!("{pod} is ending"));
                continue;
            }
            match cluster.evict(pod, false).await.map_err(step)? {
                Eviction::Accepted => {
                    asked.push(pod);
                    session.tell.note(format!("evicted {pod}"));
                }
                Eviction::Gone => {}
                Eviction::Held(why) => waits.push(format!("{pod}: {why}")),
            }
        }
        if Instant::now() >= end {
            let late = Failure::new(Exit::StepFailed, format!("{} was not empty in time", draining.node));
            return Err(late.because(waits.join("\n")));
        }
        waits.iter().for_each(|wait| session.tell.detail(wait.clone()));
        tokio::time::sleep(PAUSE).await;
    }
}

/// Opens the node for new pods.
pub async fn uncordon(session: &Session<'_>, node: &str) -> Result<String, Failure> {
    let reached = api(session.project, session.machines().await?).await?;
    let nodes = reached.cluster.nodes().await.map_err(unseen)?;
    known(node, &nodes)?;
    if nodes.iter().any(|one| one.name == node && !one.unschedulable) {
        return Ok(format!("{node} is open already"));
    }
    let alone = session.alone().await?;
    guarded(alone.stop(), async { reached.cluster.close_node(node, None).await.map_err(step) }).await?;
    Ok(format!("{node} is open for pods"))
}

/// Opens the node if it bears our mark; one that somebody else has closed stays closed.
pub async fn open_again(session: &Session<'_>, node: &str) -> Result<String, Failure> {
    let reached = api(session.project, session.machines().await?).await?;
    let nodes = reached.cluster.nodes().await.map_err(unseen)?;
    known(node, &nodes)?;
    match nodes.iter().find(|one| one.name == node).filter(|one| one.unschedulable) {
        None => Ok(format!("{node} is open already")),
        Some(one) if one.closed_by.is_none() => Ok(format!("{node} stays closed: it was not cowhand that closed it")),
        Some(_) => {
            session.alone().await?;
            reached.cluster.close_node(node, None).await.map_err(step)?;
            Ok(format!("{node} is open for pods"))
        }
    }
}

fn step(error: crate::cluster::ClusterError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}
