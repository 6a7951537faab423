//! What lets people into the cluster.

use super::releases::{Recorded, namespace, recorded, release};
use crate::facts;
use crate::failure::Failure;
use crate::inventory::IngressProvider;
use crate::plan::ingress::{IngressFound, TRAEFIK};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;

pub async fn see(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<IngressFound, Failure> {
    let inventory = &inputs.project.inventory;
    let mut found = IngressFound::default();
    if let (IngressProvider::Traefik, Some(reached)) = (inventory.ingress.provider, reached) {
        let Recorded { there, ours } = recorded(inputs, reached, TRAEFIK).await?;
        found.foreign = there && !ours;
        found.namespace = namespace(reached, TRAEFIK).await?;
        if ours {
            found.release = release(inputs, reached, TRAEFIK, TRAEFIK, &inventory.ingress.chart).await?;
        }
        // On a cluster of RKE there is nobody but Rancher; its own nginx is switched off by `rke up` before.
        if !inputs.project.inventory.engine.builds_nodes() {
            found.others = others(reached, ours.then_some((TRAEFIK, &inventory.ingress.class))).await?;
        }
    }
    Ok(found)
}

/// What else lets people in, looked at again: the check may have been skipped, or somebody was faster.
async fn others(reached: &ClusterApi, own: Option<(&str, &str)>) -> Result<Vec<String>, Failure> {
    let classes = facts::cluster::ingress_classes(&reached.cluster).await.map_err(unseen)?;
    let controllers = facts::controllers::controllers(&reached.cluster).await.map_err(unseen)?;
    Ok(facts::controllers::occupants(&classes, &controllers, own).iter().map(ToString::to_string).collect())
}
