//! Helm's releases beside the charts that are wanted.

use serde_json::Value;

use crate::cluster::{ChartFacts, HelmError, HelmRun, ObjectRef, Release};
use crate::facts;
use crate::failure::Failure;
use crate::inventory::{Chart, ChartSource};
use crate::plan::release::ReleaseFound;
use crate::play::chart;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::{Inputs, helm_exit};
use crate::session::ownership;

/// Limit for a helm run that only reads.
const READ: std::time::Duration = std::time::Duration::from_secs(30);

/// Whether the namespace is there.
pub async fn namespace(reached: &ClusterApi, name: &str) -> Result<bool, Failure> {
    let object = ObjectRef::new("v1", "Namespace", None, name);
    Ok(reached.cluster.get(&object).await.map_err(unseen)?.is_some())
}

/// What is known of a release that has its namespace's name.
pub struct Recorded {
    pub there: bool,
    /// cowhand installed it, for this inventory.
    pub ours: bool,
}

/// Looks at the record of the release `name` in the namespace of the same name.
///
/// # Errors
/// What could not be asked.
pub async fn recorded(inputs: &Inputs<'_>, reached: &ClusterApi, name: &str) -> Result<Recorded, Failure> {
    let release = facts::inhabitants::release(&reached.cluster, name, name).await.map_err(unseen)?;
    let claim = ownership::claim(inputs.project, reached).await?;
    Ok(Recorded { there: release.is_some(), ours: claim.covers(release.as_ref()) })
}

/// A Helm release as it is, beside the version of the chart that is wanted.
pub async fn release(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    namespace: &str,
    name: &str,
    wanted: &Chart,
) -> Result<Option<ReleaseFound>, Failure> {
    let Some(there) = installed(inputs, reached, namespace, name).await? else { return Ok(None) };
    let facts = match as_wanted(&there.0, wanted) {
        Some(facts) => facts,
        None => show_chart(inputs, wanted).await?,
    };
    Ok(Some(beside(there, &facts)))
}

/// A release's own chart, where it is the one that is wanted: its repository may not even be within reach.
fn as_wanted(release: &Release, wanted: &Chart) -> Option<ChartFacts> {
    let ChartSource::Repository { name, .. } = &wanted.source else { return None };
    let same = release.chart == format!("{name}-{}", wanted.version);
    same.then(|| ChartFacts { name: name.clone(), version: wanted.version.clone(), kube_version: None })
}

pub async fn show_chart(inputs: &Inputs<'_>, wanted: &Chart) -> Result<ChartFacts, Failure> {
    inputs.helm.show_chart(&chart(wanted)).await.map_err(|error| helm_failed(&error))
}

/// A release as helm tells it, and the values that were given to it.
pub async fn installed(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    namespace: &str,
    name: &str,
) -> Result<Option<(Release, Value)>, Failure> {
    let kubeconfig = reached.kubeconfig().await?;
    let run = HelmRun { kubeconfig: kubeconfig.path(), limit: READ };
    let failed = |error: HelmError| helm_failed(&error);
    let Some(release) = inputs.helm.release(run, namespace, name).await.map_err(failed)? else { return Ok(None) };
    let values = inputs.helm.get_values(run, namespace, name).await.map_err(failed)?;
    Ok(Some((release, values)))
}

pub fn beside((release, values): (Release, Value), facts: &ChartFacts) -> ReleaseFound {
    let version = release.chart.strip_prefix(&format!("{}-", facts.name)).unwrap_or(&release.chart).to_string();
    let status = serde_json::to_value(release.status).ok().and_then(|word| word.as_str().map(str::to_string));
    ReleaseFound {
        status: status.unwrap_or_default(),
        revision: release.revision.parse().unwrap_or_default(),
        chart_version: version,
        values: values.as_object().cloned().unwrap_or_default(),
        wanted_version: facts.version.clone(),
    }
}

/// As every other refusal of a plan; within `up` it counts as a failed step once something was changed.
fn helm_failed(error: &HelmError) -> Failure {
    Failure::with_cause(helm_exit(error), "helm cannot be asked", error)
}
