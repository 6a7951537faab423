//! Texts for what stands in front of the nodes: haproxy, nginx, keepalived, and AWS as Terraform.
//!
//! Pure: an inventory comes in, a whole configuration goes out. Layer 4 where TLS ends in the cluster (modes ingress and
//! rancher), layer 7 where it ends at the balancer (mode external). Nothing here reads a certificate or a key.
//! Facts: rancher-docs, helm-chart-options (external TLS termination) and infrastructure-tutorials; the manuals of each.

mod aws;
mod front;
mod haproxy;
mod keepalived;
mod nginx;
mod place;

use crate::failure::Hint;
use crate::tls::Refusal;
pub use aws::aws;
pub use front::{Front, Layer, Target};
pub use haproxy::haproxy;
pub use keepalived::{Floating, keepalived};
pub use nginx::nginx;
pub use place::{NotAPlace, Place};

/// Why there is no text, by whose words it is so; with what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The options of the command line do not fit.
    #[error(transparent)]
    Options(Refusal),
    #[error(transparent)]
    Inventory(#[from] Refusal),
}

impl Hint for Refused {
    fn hint(&self) -> Option<String> {
        match self {
            Refused::Options(refusal) | Refused::Inventory(refusal) => refusal.hint(),
        }
    }
}

/// Where the certificate and its key lie on the balancer, as far as that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: Option<Place>,
    pub key: Option<Place>,
}
