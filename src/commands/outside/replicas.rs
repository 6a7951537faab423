//! Whether Rancher's replicas stand as they should.

use crate::check::outside::{REPLICAS, finding};
use crate::check::{Finding, Verdict};
use crate::commands::site::Site;
use crate::commands::world::Reached;
use crate::facts::cluster::rancher;
use crate::report::{Exit, Failure};

/// Three replicas on three nodes: as many nodes as replicas, while there are enough nodes.
pub(super) async fn replicas(site: &Site, reached: &Reached) -> Result<Finding, Failure> {
    let seen = rancher(&reached.cluster).await.map_err(|error| {
        Failure::with_cause(Exit::NotVerified, "Rancher's pods cannot be looked at", &error).maybe_hint(error.hint())
    })?;
    let said = match seen {
        None => (Verdict::Fail, "there is no deployment rancher".to_string()),
        Some(seen) => {
            let mut nodes = seen.nodes.clone();
            nodes.dedup();
            let all = usize::from(site.inventory.rancher.replicas);
            let spread = all.min(site.inventory.nodes.len().max(1));
            let said = format!("{} of {all} replicas ready, on {}", seen.nodes.len(), nodes.join(", "));
            match seen.nodes.len() >= all && (nodes.len() >= spread || site.inventory.nodes.is_empty()) {
                true => (Verdict::Pass, said),
                false if seen.nodes.len() >= all => (Verdict::Warn, said),
                false => (Verdict::Fail, said),
            }
        }
    };
    Ok(finding(REPLICAS, "rancher".into(), said))
}
