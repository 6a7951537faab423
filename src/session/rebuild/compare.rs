//! What stands, against what was saved: nothing of Rancher starts before this is as it has to be.

use super::{fit, place};
use crate::backup::{Contents, OpenBackup};
use crate::facts::owner::cluster_uid;
use crate::failure::{Exit, Failure};
use crate::session::backup::member;
use crate::session::cluster_api::unseen;
use crate::session::inputs::{self, nothing_there};
use crate::session::open::Session;

/// # Errors
/// When it is another cluster, or something of the backup is not there.
pub async fn compare(session: &Session<'_>, open: &OpenBackup) -> Result<String, Failure> {
    let project = session.project;
    let machines = session.machines().await?;
    let reached = inputs::reach(project, machines).await?.ok_or_else(|| nothing_there(project))?;
    let uid = cluster_uid(&reached.cluster).await.map_err(unseen)?;
    let wrong = |why: String| {
        Failure::new(Exit::NotVerified, "what stands is not what was saved: Rancher is not started")
            .because(why)
            .hint("`cowhand status` shows the cluster; the backup's file is as it was, and `cowhand rebuild` again looks anew")
    };
    if uid != open.manifest.uid {
        return Err(wrong(format!("the cluster is {uid}, and the backup is of {}", open.manifest.uid)));
    }
    let mut there: Vec<String> =
        reached.cluster.nodes().await.map_err(unseen)?.into_iter().map(|node| node.name).collect();
    there.sort();
    let mut wanted: Vec<String> = project.inventory.nodes.iter().map(|node| node.name.to_lowercase()).collect();
    wanted.sort();
    if there != wanted {
        return Err(wrong(format!("its Nodes are {}, and the inventory has {}", there.join(", "), wanted.join(", "))));
    }
    let now = contents(session).await?;
    if let Some(missing) = fit::missing(&open.contents, &now) {
        return Err(wrong(format!("fewer objects than in the backup: {missing}")));
    }
    let members = now.members.len();
    Ok(format!(
        "cluster {uid}, {} keys of {} saved, {members} members of etcd, revision {}",
        now.keys, open.contents.keys, now.revision
    ))
}

/// What etcd holds now, from a snapshot as a backup takes it.
async fn contents(session: &Session<'_>) -> Result<Contents, Failure> {
    let machines = session.machines().await?;
    let no_state = || Failure::new(Exit::StepFailed, "there is no whole cluster.rkestate");
    let state = session.project.state().ok_or_else(no_state)?;
    let member = member::choose(machines, &state).await?;
    let spool = place::spool(session.project.workspace.folder())?;
    let mut snapshot = member::bring(&member, &state, spool, &session.tell).await?;
    let length = snapshot.length;
    let unread = |error: std::io::Error| Failure::with_cause(Exit::StepFailed, "the snapshot cannot be read", &error);
    let reader = snapshot.open().map_err(unread)?;
    tokio::task::block_in_place(|| Contents::read(reader, length))
        .map_err(|flaw| Failure::with_cause(Exit::StepFailed, "what etcd gave cannot be read", &flaw))
}
