//! What the workspace keeps of the last upgrade: from when it is, and what stood before its last step.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterError;
use crate::facts;
use crate::failure::{Exit, Failure};
use crate::inventory::Delivery;
use crate::local::Secrecy;
use crate::plan::rancher::{NAMESPACE, RANCHER};
use crate::plan::upgrade::Move;
use crate::plan::upgrade::way_back::{LastStep, Stored};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::project::{Project, read_optional};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When its first step began; backups from before are of the former versions.
    pub began: Timestamp,
    /// What was asked for: the same command again goes on with it.
    pub asked: Vec<String>,
    pub ended: bool,
    /// `None` until its first step begins.
    pub last: Option<LastStep>,
}

fn file(project: &Project) -> PathBuf {
    project.workspace.inside().join("upgrade.json")
}

/// # Errors
/// When it is there and cannot be read.
pub fn read(project: &Project) -> Result<Option<Record>, Failure> {
    let Some(bytes) = read_optional(&file(project))? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Failure::new(Exit::ChecksFailed, format!("{} is not what `cowhand upgrade` writes", file(project).display()))
            .because(error)
            .hint("move it aside; then no upgrade is on record")
    })
}

pub fn write(project: &Project, record: &Record) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(Exit::StepFailed, "the upgrade is not on record").because(error);
    let text = serde_json::to_string_pretty(record).map_err(|error| failed(&error))?;
    project.workspace.prepare().map_err(|error| failed(&error))?;
    project.workspace.write(&file(project), text.as_bytes(), Secrecy::Private).map_err(|error| failed(&error))
}

/// The record of an upgrade that begins, or goes on.
pub fn begun(project: &Project, asked: &[String]) -> Result<Record, Failure> {
    let there = read(project)?.filter(|there| !there.ended && there.asked == asked);
    Ok(there.unwrap_or_else(|| Record { began: Timestamp::now(), asked: asked.to_vec(), ended: false, last: None }))
}

/// What stands before a step; the step that was begun already is the same one still.
pub async fn note(project: &Project, record: &mut Record, step: &Move, reached: &ClusterApi) -> Result<(), Failure> {
    if record.last.as_ref().is_some_and(|last| last.product == step.product && last.to == step.to) {
        return Ok(());
    }
    let revision = match project.inventory.rancher.delivery {
        Delivery::Helm => revision(reached).await?,
        Delivery::Addon => None,
    };
    let stored = stored(reached).await.map_err(unseen)?;
    record.last =
        Some(LastStep { product: step.product, from: step.from.clone(), to: step.to.clone(), revision, stored });
    write(project, record)
}

/// The newest revision of Rancher's release.
pub async fn revision(reached: &ClusterApi) -> Result<Option<u64>, Failure> {
    let release = facts::inhabitants::release(&reached.cluster, NAMESPACE, RANCHER).await.map_err(unseen)?;
    Ok(release.map(|release| release.revision))
}

/// Versions in which Rancher's definitions are stored.
pub async fn stored(reached: &ClusterApi) -> Result<Stored, ClusterError> {
    let all = reached.cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, None).await?;
    let ranchers =
        all.iter().filter(|one| one["spec"]["group"].as_str().is_some_and(|group| group.ends_with("cattle.io")));
    let versions = |one: &serde_json::Value| {
        let all = one["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|version| version.as_str().map(str::to_owned)).collect()
    };
    Ok(ranchers.filter_map(|one| Some((one["metadata"]["name"].as_str()?.to_owned(), versions(one)))).collect())
}
