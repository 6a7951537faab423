//! Whether Rancher's replicas are all on one node, before and after its stage.

use crate::facts::spread::spread;
use crate::failure::Failure;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;

/// The node that all of Rancher's replicas are on, although others take some too.
pub async fn crowded(inputs: &Inputs<'_>, reached: &ClusterApi) -> Result<Option<String>, Failure> {
    let wanted = usize::from(inputs.project.inventory.rancher.replicas);
    let seen = spread(&reached.cluster, wanted).await.map_err(unseen)?;
    Ok(seen.as_ref().and_then(|spread| spread.crowded()).map(str::to_owned))
}
