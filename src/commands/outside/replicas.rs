//! Whether Rancher's replicas stand as they should.

use crate::check::outside::{REPLICAS, finding, judge_replicas};
use crate::check::{Finding, Verdict};
use crate::cluster::{ClusterError, NodeSeen};
use crate::commands::site::Site;
use crate::commands::world::Reached;
use crate::facts::cluster::rancher;
use crate::report::{Exit, Failure};

/// Three replicas on three nodes: as many nodes as replicas, while there are enough nodes.
pub(super) async fn replicas(site: &Site, reached: &Reached) -> Result<Finding, Failure> {
    let failed = |error: ClusterError| {
        Failure::with_cause(Exit::NotVerified, "Rancher's pods cannot be looked at", &error).maybe_hint(error.hint())
    };
    let Some(seen) = rancher(&reached.cluster).await.map_err(failed)? else {
        return Ok(finding(REPLICAS, "rancher".into(), (Verdict::Fail, "there is no deployment rancher".into())));
    };
    let nodes = reached.cluster.nodes().await.map_err(failed)?;
    let able = nodes.iter().filter(|node| takes_pods(site, node)).count();
    Ok(judge_replicas(usize::from(site.inventory.rancher.replicas), &seen.nodes, able))
}

/// Ready, not closed, and with engine rke a worker: RKE keeps pods off the others.
fn takes_pods(site: &Site, node: &NodeSeen) -> bool {
    let worker = site.rke().is_none() || node.roles.iter().any(|role| role == "worker");
    node.ready && !node.unschedulable && worker
}
