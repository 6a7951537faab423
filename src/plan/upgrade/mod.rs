//! Newer versions: which steps lead there, what each restarts, and which ways lead back. Pure: what runs and what is asked
//! for in, a path or a refusal out.

mod asked;
mod offer;
mod path;
mod told;
pub mod way_back;
mod words;

pub use asked::{NoTarget, targets};
pub use offer::{Offer, offer};
pub use path::path;
pub use told::{Before, Runs, UpgradePlan, What, Written};

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::inventory::Delivery;
use crate::inventory::versions::KubernetesVersion;

/// What can be taken to another version by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    CertManager,
    Rancher,
    Kubernetes,
}

impl Product {
    /// In the order in which they go, where several may.
    pub const ALL: [Product; 3] = [Product::CertManager, Product::Rancher, Product::Kubernetes];

    /// Its word in `--to` and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Product::CertManager => "cert-manager",
            Product::Rancher => "rancher",
            Product::Kubernetes => "kubernetes",
        }
    }

    /// Its key in the inventory.
    pub fn key(self) -> &'static str {
        match self {
            Product::CertManager => "cert_manager.chart.version",
            Product::Rancher => "rancher.version",
            Product::Kubernetes => "engine.rke.kubernetes",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Product::CertManager => "cert-manager",
            Product::Rancher => "Rancher",
            Product::Kubernetes => "Kubernetes",
        })
    }
}

/// What runs, or would run behind some steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Of the oldest kubelet.
    pub kubernetes: KubernetesVersion,
    pub rancher: Option<Version>,
    /// As it is written: `v1.17.4`.
    pub cert_manager: Option<String>,
}

/// The versions that are asked for; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// As rke's list writes it.
    pub kubernetes: Option<String>,
    pub rancher: Option<Version>,
    pub cert_manager: Option<String>,
}

impl Targets {
    /// The version that is asked for, in the inventory's spelling.
    pub fn of(&self, product: Product) -> Option<String> {
        match product {
            Product::CertManager => self.cert_manager.clone(),
            Product::Rancher => self.rancher.as_ref().map(ToString::to_string),
            Product::Kubernetes => self.kubernetes.clone(),
        }
    }
}

/// Who brings cert-manager, and so which version comes with the next run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertManagerBy {
    /// Nobody: the TLS set-up needs none, or somebody else's is left as it is.
    Others,
    /// The inventory names its version, or a chart at a path.
    Inventory,
    /// The inventory names none: the one that is pinned for Rancher's line.
    RancherLine,
}

/// What binds the versions on this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The release of rke that builds it; `None` where the cluster was there before.
    pub rke: Option<String>,
    /// The versions that this rke has images for, oldest first; `None` where that is not known.
    pub rke_list: Option<Vec<String>>,
    /// The inventory names images of its own, which are of one version of Kubernetes.
    pub own_images: bool,
    /// Rancher's chart lies at a path, which holds one version.
    pub chart_at_path: bool,
    pub delivery: Delivery,
    pub cert_manager: CertManagerBy,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    pub product: Product,
    /// In the inventory's spelling where it is known, else as it runs.
    pub from: String,
    pub to: String,
    /// Why it may be, and why now.
    pub because: Vec<String>,
    /// What restarts for it, and what people will notice.
    pub restarts: Vec<String>,
    /// It comes with the next step's run, and no line of the inventory says it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub with_next: bool,
}

impl fmt::Display for Move {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from == self.to {
            true => write!(to, "{} {}: its rollout is finished", self.product, self.to),
            false => write!(to, "{} {} -> {}", self.product, self.from, self.to),
        }
    }
}

/// Why a version cannot be had, and what can be done instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub product: Product,
    pub why: String,
    pub remedy: String,
}

impl Refusal {
    fn new(product: Product, why: impl fmt::Display, remedy: impl fmt::Display) -> Refusal {
        Refusal { product, why: why.to_string(), remedy: remedy.to_string() }
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
