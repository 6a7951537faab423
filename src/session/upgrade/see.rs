//! Which versions run, and what binds them.

use std::collections::BTreeMap;

use crate::engine::rke::images::known_versions;
use crate::facts;
use crate::facts::rollout::Rollout;
use crate::failure::{Exit, Failure};
use crate::inventory::versions::{self, KubernetesVersion};
use crate::inventory::{CertManagerInstall, ChartSource, Delivery, IngressProvider, Rke, says};
use crate::local::tool::{ToolKind, Toolbox};
use crate::plan::cert_manager::CERT_MANAGER;
use crate::plan::upgrade::{Bounds, CertManagerBy, Running, Runs};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::ownership;
use crate::session::project::Project;
use crate::session::upgrade::write;

pub(crate) struct Seen {
    pub running: Running,
    pub runs: Runs,
    pub bounds: Bounds,
    pub rollout: Option<Rollout>,
    pub notes: Vec<String>,
}

/// Asks kubelets, Rancher's and cert-manager's Deployments and the ingress.
pub(super) async fn see(project: &Project, reached: &ClusterApi) -> Result<Seen, Failure> {
    let cluster = &reached.cluster;
    let mut kubelets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in cluster.nodes().await.map_err(unseen)? {
        kubelets.entry(node.version).or_default().push(node.name);
    }
    let oldest = kubelets.keys().filter_map(|version| KubernetesVersion::read(version)).min();
    let oldest = oldest.ok_or_else(|| Failure::new(Exit::ChecksFailed, "no kubelet says its version"))?;
    let rancher = facts::inhabitants::rancher_version(cluster).await.map_err(unseen)?;
    let rollout = facts::rollout::rollout(cluster).await.map_err(unseen)?;
    let place = facts::inhabitants::cert_manager(cluster).await.map_err(unseen)?.controller;
    let cert_manager = place.map(|place| place.version).filter(|version| !version.is_empty());
    let delivery = project.inventory.rancher.delivery;
    let mut unfinished = Vec::new();
    if kubelets.len() > 1 {
        unfinished.push("the kubelets are of different versions: an upgrade of Kubernetes has not ended".to_owned());
    }
    let rancher_unfinished = rollout.as_ref().and_then(Rollout::unfinished);
    unfinished.extend(rancher_unfinished.map(|why| format!("Rancher's rollout has not ended: {why}")));
    let runs = Runs {
        kubernetes: kubelets.into_iter().collect(),
        rancher: rancher.as_ref().map(ToString::to_string),
        delivery: match delivery {
            Delivery::Addon => "addon",
            Delivery::Helm => "helm",
        },
        cert_manager: cert_manager.clone(),
        ingress: ingress(project, reached).await?,
        unfinished,
    };
    let (bounds, notes) = bounds(project, reached).await?;
    let running = Running { kubernetes: oldest, rancher, cert_manager };
    Ok(Seen { running, runs, bounds, rollout, notes })
}

/// Each class with who serves it, and the image of Traefik where cowhand installed it.
async fn ingress(project: &Project, reached: &ClusterApi) -> Result<Vec<String>, Failure> {
    let classes = facts::cluster::ingress_classes(&reached.cluster).await.map_err(unseen)?;
    let mut lines: Vec<String> =
        classes.iter().map(|class| format!("class {} of {}", class.name, class.controller)).collect();
    if project.inventory.ingress.provider == IngressProvider::Traefik {
        let chart = &project.inventory.ingress.chart;
        let version = match &chart.source {
            ChartSource::Repository { .. } => format!("chart {}", chart.version),
            ChartSource::Path(path) => format!("the chart at {}", path.display()),
        };
        lines.push(format!(
            "traefik, {version} in the inventory; its version is changed there, and `cowhand up` plays it"
        ));
    }
    Ok(lines)
}

async fn bounds(project: &Project, reached: &ClusterApi) -> Result<(Bounds, Vec<String>), Failure> {
    let inventory = &project.inventory;
    let rke = inventory.engine.rke_settings();
    let mut notes = Vec::new();
    let rke_list = match rke {
        Some(rke) => list(rke, &mut notes).await,
        None => None,
    };
    let own_images =
        rke.is_some_and(|rke| rke.cluster.get("system_images").and_then(|own| own.get("kubernetes")).is_some());
    let bounds = Bounds {
        rke: rke.map(|rke| rke.version.clone()),
        rke_list,
        own_images,
        chart_at_path: matches!(inventory.rancher.chart.source, ChartSource::Path(_)),
        delivery: inventory.rancher.delivery,
        cert_manager: cert_manager_by(project, reached).await?,
    };
    Ok((bounds, notes))
}

/// Of the table, else of the rke that is at hand.
async fn list(rke: &Rke, notes: &mut Vec<String>) -> Option<Vec<String>> {
    if let Some(list) = versions::rke_list(&rke.version) {
        return Some(list.iter().map(|one| (*one).to_owned()).collect());
    }
    let found = Toolbox::usual().at_hand(ToolKind::Rke, &rke.binary, &rke.version).await;
    let listed = match found {
        Some(found) => known_versions(&found.path).await,
        None => Err(format!("rke {} is not at hand", rke.version)),
    };
    match listed {
        Ok(list) if !list.is_empty() => Some(list),
        Ok(_) => None,
        Err(why) => {
            notes.push(format!("which Kubernetes rke {} has is not known: {why}", rke.version));
            None
        }
    }
}

async fn cert_manager_by(project: &Project, reached: &ClusterApi) -> Result<CertManagerBy, Failure> {
    let material = project.material(&project.tls_files()?)?;
    let wanted = &project.inventory.cert_manager;
    if !project.picture(&material)?.needs_cert_manager || wanted.install == CertManagerInstall::Never {
        return Ok(CertManagerBy::Others);
    }
    let release = facts::inhabitants::release(&reached.cluster, CERT_MANAGER, CERT_MANAGER).await.map_err(unseen)?;
    if !ownership::claim(project, reached).await?.covers(release.as_ref()) {
        return Ok(CertManagerBy::Others);
    }
    let at_path = matches!(wanted.chart.source, ChartSource::Path(_));
    match at_path || says(&write::text(project)?, "cert_manager.chart.version") {
        true => Ok(CertManagerBy::Inventory),
        false => Ok(CertManagerBy::RancherLine),
    }
}
