//! Whether Rancher's replicas stand as they should.

use crate::check::outside::{REPLICAS, finding, judge_replicas};
use crate::check::{Finding, Verdict};
use crate::facts::spread::spread;
use crate::failure::{Exit, Failure};
use crate::session::cluster_api::ClusterApi;
use crate::session::project::Project;

/// Three replicas on three nodes: as many nodes as replicas, while there are enough nodes.
pub(crate) async fn replicas(project: &Project, reached: &ClusterApi) -> Result<Finding, Failure> {
    let wanted = usize::from(project.inventory.rancher.replicas);
    let seen = spread(&reached.cluster, wanted)
        .await
        .map_err(|error| Failure::with_cause(Exit::NotVerified, "Rancher's pods cannot be looked at", &error))?;
    Ok(match seen {
        Some(spread) => judge_replicas(&spread),
        None => finding(REPLICAS, "rancher".into(), (Verdict::Fail, "there is no deployment rancher".into())),
    })
}
