//! What is left of ways back from the last upgrade; and the one that helm still leads, played.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::backup::{Found, Level};
use crate::cluster::{Condition, Helm, HelmRun};
use crate::facts;
use crate::failure::{Exit, Failure};
use crate::inventory::defaults::HELM_VERSION;
use crate::local::tool::ToolKind;
use crate::plan::rancher::{NAMESPACE, RANCHER};
use crate::plan::upgrade::Product;
use crate::plan::upgrade::way_back::{Evidence, Lost, Saved, WayBack, way_back};
use crate::session::backup::{self, Wanted};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::{self, find, helm_exit, nothing_there};
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::run::guarded;
use crate::session::upgrade::record::{self, Record};
use crate::session::upgrade::write;

/// For helm's own run, and for Rancher's pods behind it.
const HELM: Duration = Duration::from_secs(300);
const ROLLOUT: Duration = Duration::from_secs(300);

/// Rancher's kinds with names that people know, and where the name stands.
const KINDS: [(&str, &str, &str, &str); 7] = [
    ("management.cattle.io/v3", "Cluster", "cluster", "/spec/displayName"),
    ("management.cattle.io/v3", "User", "user", "/username"),
    ("management.cattle.io/v3", "Token", "token", "/userId"),
    ("management.cattle.io/v3", "Setting", "setting", ""),
    ("management.cattle.io/v3", "Project", "project", "/spec/displayName"),
    ("management.cattle.io/v3", "Node", "machine", "/spec/requestedHostname"),
    ("cluster.x-k8s.io/v1beta1", "Machine", "machine", ""),
];

/// Which ways there are now; nothing is changed.
pub async fn look(project: &Project, machines: &Machines) -> Result<WayBack, Failure> {
    let reached = inputs::reach(project, machines).await?;
    let reached = reached.ok_or_else(|| machines.unreached().unwrap_or_else(|| nothing_there(project)))?;
    let last = record::read(project)?;
    Ok(way_back(&see(project, &reached, last.as_ref()).await?))
}

async fn see(project: &Project, reached: &ClusterApi, last: Option<&Record>) -> Result<Evidence, Failure> {
    let backup = last.and_then(|last| before(project, last.began));
    let lost = match &backup {
        Some(saved) => lost(reached, saved.taken).await?,
        None => Vec::new(),
    };
    Ok(Evidence {
        delivery: project.inventory.rancher.delivery,
        last: last.and_then(|last| last.last.clone()),
        rollout: facts::rollout::rollout(&reached.cluster).await.map_err(unseen)?,
        revision: record::revision(reached).await?,
        stored: record::stored(reached).await.map_err(unseen)?,
        backup,
        lost,
    })
}

/// The newest one of level 3 that was taken before, in the inventory's folders of this machine.
fn before(project: &Project, began: Timestamp) -> Option<Saved> {
    let folders = backup::folders(project, &Wanted::default().filled(project));
    let all: Vec<Found> = folders.iter().flat_map(|folder| crate::backup::list(folder).unwrap_or_default()).collect();
    let good = all.into_iter().filter(|one| {
        one.label.as_ref().is_ok_and(|label| {
            label.level >= Level::Together && label.taken <= began && label.name == project.inventory.name
        })
    });
    let newest = crate::backup::newest(good.collect())?;
    let label = newest.label.ok()?;
    Some(Saved { path: newest.path.display().to_string(), taken: label.taken, level: label.level.to_string() })
}

/// What was made since, by the names that people know; nothing of a value.
async fn lost(reached: &ClusterApi, taken: Timestamp) -> Result<Vec<Lost>, Failure> {
    let mut lost = Vec::new();
    for (api, kind, word, pointer) in KINDS {
        let all = reached.cluster.list(api, kind, None, None).await.map_err(unseen)?;
        lost.extend(all.iter().filter_map(|one| made_since(one, taken, (word, pointer))));
    }
    lost.sort();
    Ok(lost)
}

fn made_since(object: &Value, taken: Timestamp, (kind, pointer): (&'static str, &str)) -> Option<Lost> {
    let made: Timestamp = object.pointer("/metadata/creationTimestamp")?.as_str()?.parse().ok()?;
    let id = object.pointer("/metadata/name")?.as_str()?;
    let known = object.pointer(pointer).and_then(Value::as_str).filter(|name| !pointer.is_empty() && !name.is_empty());
    let name = known.map_or_else(|| id.to_owned(), |known| format!("{known} ({id})"));
    (made > taken).then_some(Lost { kind, name, made })
}

/// Helm's way, behind the lock and after a fresh look.
///
/// # Errors
/// When it is no way any more.
pub async fn play(session: &Session<'_>) -> Result<String, Failure> {
    let Session { project, tell, .. } = session;
    let machines = session.machines().await?;
    let alone = session.alone().await?;
    let reached = guarded(alone.stop(), inputs::reach(project, machines)).await?;
    let reached = reached.ok_or_else(|| nothing_there(project))?;
    let last = record::read(project)?;
    let seen = guarded(alone.stop(), see(project, &reached, last.as_ref())).await?;
    let WayBack::Helm { revision, to, .. } = way_back(&seen) else {
        return Err(Failure::new(Exit::ChecksFailed, "helm's way back is none any more; nothing was touched")
            .hint("`cowhand rollback` says why, and what is left"));
    };
    let helm = find(ToolKind::Helm, &project.inventory.helm, HELM_VERSION, tell).await?;
    let helm = Helm::new(helm.path, project.workspace.helm_home());
    let kubeconfig = reached.kubeconfig().await?;
    let run = HelmRun { kubeconfig: kubeconfig.path(), limit: HELM };
    let back = async {
        helm.rollback(run, NAMESPACE, RANCHER, revision).await.map_err(|error| {
            let exit = if helm_exit(&error) == Exit::Unreachable { Exit::Unreachable } else { Exit::StepFailed };
            Failure::of(exit, &error)
        })?;
        let condition = Condition::DeploymentReady { namespace: NAMESPACE.into(), name: RANCHER.into() };
        let told = |seen: &str| tell.progress(crate::plan::Stage::Rancher, seen);
        let waited = reached.cluster.wait(&condition, ROLLOUT, told).await;
        waited.map_err(|error| Failure::with_cause(Exit::StepFailed, "Rancher is not back", &error))
    };
    guarded(alone.stop(), back).await?;
    follow(project, &to)?;
    Ok(format!("Rancher {to} again, by helm's revision {revision}"))
}

/// The inventory follows, and the upgrade is off the record.
fn follow(project: &Project, to: &str) -> Result<(), Failure> {
    let late = |failure: Failure| Failure { exit: Exit::StepFailed, ..failure };
    let text = write::text(project).map_err(late)?;
    let text = write::line(project, &text, Product::Rancher.key(), to).map_err(late)?;
    write::write(project, &text)?;
    if let Some(record) = record::read(project)? {
        record::write(project, &Record { ended: true, last: None, ..record })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_was_made_since_is_lost_by_the_name_that_people_know() {
        let taken: Timestamp = "2026-12-01T03:00:00Z".parse().unwrap();
        let cluster = |made: &str| json!({"metadata": {"name": "c-m-abc", "creationTimestamp": made}, "spec": {"displayName": "shop"}});
        let of = |object: &Value, pointer: &str| made_since(object, taken, ("cluster", pointer)).map(|lost| lost.name);
        assert_eq!(of(&cluster("2026-12-01T03:00:01Z"), "/spec/displayName").as_deref(), Some("shop (c-m-abc)"));
        assert_eq!(of(&cluster("2026-12-01T03:00:01Z"), "").as_deref(), Some("c-m-abc"));
        assert_eq!(of(&cluster("2026-12-01T02:59:59Z"), "/spec/displayName"), None);
    }
}
