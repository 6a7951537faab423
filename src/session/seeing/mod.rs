//! What a stage is planned from: seen once, before anything is decided.

mod cert_manager;
mod cluster;
mod ingress;
mod rancher;
mod releases;

pub use cert_manager::CertManagerSeen;
pub use cluster::ClusterSeen;
pub use rancher::{RancherSeen, digest, rancher_wanted};
pub use releases::recorded;

use crate::failure::Failure;
use crate::plan::Stage;
use crate::plan::ingress::IngressFound;
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs::Inputs;

/// What there is, as a stage needs to know it.
pub enum Seen {
    Cluster(Box<ClusterSeen>),
    Ingress(IngressFound),
    CertManager(Box<CertManagerSeen>),
    Rancher(Box<RancherSeen>),
    /// The stage is not planned from the cluster.
    Nothing,
}

/// Asks for all that the stage is planned from; nothing is changed. `reached` is the cluster, when it answers.
///
/// # Errors
/// What could not be asked.
pub async fn see(inputs: &Inputs<'_>, stage: Stage, reached: Option<&ClusterApi>) -> Result<Seen, Failure> {
    Ok(match stage {
        Stage::Cluster => Seen::Cluster(Box::new(cluster::see(inputs, reached).await?)),
        Stage::Ingress => Seen::Ingress(ingress::see(inputs, reached).await?),
        Stage::CertManager => Seen::CertManager(Box::new(cert_manager::see(inputs, reached).await?)),
        Stage::Rancher => Seen::Rancher(Box::new(rancher::see(inputs, reached).await?)),
        Stage::Check
        | Stage::Verify
        | Stage::Remove
        | Stage::Recover
        | Stage::Backup
        | Stage::Rotate
        | Stage::Restore
        | Stage::Compare => Seen::Nothing,
    })
}
