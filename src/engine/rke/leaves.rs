//! The certificates that RKE makes for a cluster's own parts, and which of them a rotation renews. Pure.

use jiff::Timestamp;
use serde::Serialize;

use crate::tls;

/// A part of the cluster whose certificates can be renewed by themselves, in rke's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    Etcd,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    Kubelet,
    KubeProxy,
}

impl Service {
    /// As `rke cert rotate --service` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Service::Etcd => "etcd",
            Service::KubeApiserver => "kube-apiserver",
            Service::KubeControllerManager => "kube-controller-manager",
            Service::KubeScheduler => "kube-scheduler",
            Service::Kubelet => "kubelet",
            Service::KubeProxy => "kube-proxy",
        }
    }

    /// Whether rke makes this certificate for it (rancher/rke v1.8.0: cluster/certificates.go, pki/services.go).
    fn has(self, leaf: &str) -> bool {
        match self {
            Service::Etcd => {
                leaf.strip_prefix("kube-etcd-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            }
            Service::KubeApiserver => leaf == "kube-apiserver",
            Service::KubeControllerManager => leaf == "kube-controller-manager",
            Service::KubeScheduler => leaf == "kube-scheduler",
            Service::Kubelet => leaf == "kube-node" || leaf.starts_with("kube-kubelet-"),
            Service::KubeProxy => leaf == "kube-proxy",
        }
    }
}

/// A certificate in RKE's state that is no CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leaf {
    /// RKE's name, e.g. `kube-apiserver`.
    pub name: String,
    pub ends: Timestamp,
    pub days_left: i64,
    pub renewed: bool,
    /// Hex of SHA-256.
    #[serde(skip)]
    pub fingerprint: String,
}

/// The leaves among these certificates of RKE's state (name and PEM), the next to end first.
///
/// # Errors
/// The name of one that cannot be read, and why.
pub fn leaves(state: &[(&str, &str)], services: &[Service], now: Timestamp) -> Result<Vec<Leaf>, String> {
    let mut leaves = Vec::new();
    for (name, pem) in state {
        // The key that signs tokens keeps a certificate of former times beside it; no rotation touches it.
        if *name == "kube-service-account-token" || pem.trim().is_empty() {
            continue;
        }
        let all = tls::describe(pem.as_bytes(), now).map_err(|error| format!("{name}: {error}"))?;
        let Some(first) = all.into_iter().next().filter(|first| !first.is_ca) else { continue };
        leaves.push(Leaf {
            name: (*name).to_owned(),
            ends: first.not_after,
            days_left: first.days_left,
            renewed: services.is_empty() || services.iter().any(|service| service.has(name)),
            fingerprint: first.fingerprint_sha256,
        });
    }
    leaves.sort_by(|one, other| (one.ends, &one.name).cmp(&(other.ends, &other.name)));
    Ok(leaves)
}

#[cfg(test)]
#[path = "leaves_tests.rs"]
mod tests;
