//! What there is of cert-manager, and its chart.

use super::releases::{beside, installed, namespace, recorded, show_chart};
use crate::facts;
use crate::failure::Failure;
use crate::inventory::CertManagerInstall;
use crate::plan::cert_manager::{CERT_MANAGER, CertManagerFound};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;

pub struct CertManagerSeen {
    pub found: CertManagerFound,
    /// Of the chart that is wanted.
    pub version: String,
}

pub(super) async fn see(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<CertManagerSeen, Failure> {
    let inventory = &inputs.project.inventory;
    let wanted = &inventory.cert_manager.chart;
    let mut found = CertManagerFound::default();
    let needed = inputs.picture.needs_cert_manager;
    if let (true, Some(reached)) = (needed, reached) {
        let there = facts::inhabitants::cert_manager(&reached.cluster).await.map_err(unseen)?;
        found.crds = there.crds;
        found.namespace = namespace(reached, CERT_MANAGER).await?;
        found.controller = there.controller.map(|place| (place.namespace, place.name));
        found.ours = recorded(inputs, reached, CERT_MANAGER).await?.ours;
    }
    let mut version = wanted.version.clone();
    // What is left as it is needs no chart, which may not even be within reach.
    if needed && inventory.cert_manager.install == CertManagerInstall::Auto && !found.is_somebody_elses() {
        let facts = show_chart(inputs, wanted).await?;
        let there = match reached {
            Some(reached) => installed(inputs, reached, CERT_MANAGER, CERT_MANAGER).await?,
            None => None,
        };
        found.release = there.map(|there| beside(there, &facts));
        version = facts.version;
    }
    Ok(CertManagerSeen { found, version })
}
