//! Rancher's charts along the path, asked before anything is touched: whether they are there, and which Kubernetes they take.

use semver::{Version, VersionReq};

use crate::cluster::{ChartFacts, ChartRef, Helm};
use crate::failure::{Exit, Failure};
use crate::inventory::defaults::HELM_VERSION;
use crate::inventory::versions::KubernetesVersion;
use crate::inventory::{Chart, ChartSource, defaults};
use crate::local::tool::ToolKind;
use crate::plan::upgrade::{Move, Product, Targets};
use crate::play::{Tell, chart};
use crate::session::inputs::{find, helm_exit};
use crate::session::project::Project;
use crate::session::upgrade::see::Seen;

/// Asks for the chart of each of Rancher's steps; notes on what could not be told.
///
/// # Errors
/// When one is not there, is of another version, or does not take the Kubernetes that runs then.
pub async fn judged(
    now: &Project,
    future: &Project,
    seen: &Seen,
    (path, wanted): (&[Move], &Targets),
    tell: &Tell,
) -> Result<Vec<String>, Failure> {
    if !path.iter().any(|one| one.product == Product::Rancher) {
        return Ok(Vec::new());
    }
    let helm = find(ToolKind::Helm, &now.inventory.helm, HELM_VERSION, tell).await?;
    let helm = Helm::new(helm.path, now.workspace.helm_home());
    let mut kubernetes = seen.running.kubernetes;
    let mut notes = Vec::new();
    for one in path {
        match one.product {
            Product::CertManager => {}
            Product::Kubernetes => kubernetes = KubernetesVersion::read(&one.to).unwrap_or(kubernetes),
            Product::Rancher => {
                let last = wanted.rancher.as_ref().is_some_and(|last| last.to_string() == one.to);
                let chart = if last {
                    future.inventory.rancher.chart.clone()
                } else {
                    between(&future.inventory.rancher.chart, &one.to)
                };
                let facts = show(&helm, &chart).await?;
                notes.extend(fits(&facts, &chart, &one.to, kubernetes)?);
            }
        }
    }
    Ok(notes)
}

/// The same source with the version of a step between.
fn between(chart: &Chart, version: &str) -> Chart {
    let version =
        Version::parse(version).map_or_else(|_| version.to_owned(), |read| defaults::rancher_chart(&read).version);
    Chart { source: chart.source.clone(), version }
}

async fn show(helm: &Helm, wanted: &Chart) -> Result<ChartFacts, Failure> {
    let asked: ChartRef = chart(wanted);
    helm.show_chart(&asked).await.map_err(|error| {
        Failure::with_cause(
            helm_exit(&error),
            format!("Rancher's chart is not to be had: {asked}; nothing was touched"),
            &error,
        )
    })
}

fn fits(
    facts: &ChartFacts,
    chart: &Chart,
    wanted: &str,
    kubernetes: KubernetesVersion,
) -> Result<Option<String>, Failure> {
    if facts.version.trim_start_matches('v') != wanted {
        let place = match &chart.source {
            ChartSource::Path(path) => path.display().to_string(),
            ChartSource::Repository { url, .. } => url.clone(),
        };
        return Err(Failure::new(
            Exit::ChecksFailed,
            format!("the chart at {place} is of {}, not of {wanted}; nothing was touched", facts.version),
        )
        .hint("put the chart of that version there, or name its place in rancher.chart"));
    }
    let Some(says) = &facts.kube_version else { return Ok(None) };
    let runs = Version::new(1, kubernetes.minor, kubernetes.patch);
    match VersionReq::parse(says) {
        Ok(takes) if takes.matches(&runs) => Ok(None),
        Ok(_) => Err(Failure::new(
            Exit::ChecksFailed,
            format!("the chart of Rancher {wanted} takes Kubernetes {says}, and {runs} runs then; nothing was touched"),
        )
        .hint("choose a Rancher whose chart takes it; `cowhand upgrade --what` names them")),
        Err(_) => Ok(Some(format!("the chart of Rancher {wanted} says kubeVersion `{says}`, which helm alone reads"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_s_own_word_counts() {
        let chart = Chart { source: ChartSource::Path("/charts/rancher".into()), version: String::new() };
        let facts = |version: &str, takes: Option<&str>| ChartFacts {
            name: "rancher".into(),
            version: version.into(),
            kube_version: takes.map(str::to_owned),
        };
        let runs = KubernetesVersion { minor: 32, patch: 2 };
        let judge = |version: &str, takes: Option<&str>| fits(&facts(version, takes), &chart, "2.11.5", runs);
        assert_eq!(judge("2.11.5", Some("< 1.33.0-0")), Ok(None));
        assert_eq!(judge("2.11.5", None), Ok(None));
        assert!(
            judge("2.11.5", Some("< 1.32.0-0"))
                .unwrap_err()
                .error
                .contains("takes Kubernetes < 1.32.0-0, and 1.32.2 runs")
        );
        assert!(judge("2.11.4", None).unwrap_err().error.contains("is of 2.11.4, not of 2.11.5"));
        assert!(judge("2.11.5", Some("1.x || 2.y")).unwrap().unwrap().contains("which helm alone reads"));
    }
}
