//! What a step restarts, and words that the rules share.

use super::{Bounds, Product};
use crate::inventory::Delivery;
use crate::inventory::versions;

pub(super) fn line(major: u64, minor: u64) -> String {
    format!("{major}.{minor}")
}

/// Whether a cert-manager was tested with a Kubernetes minor; `None` where the table does not know its line.
pub(super) fn cert_manager_tested(version: &str, minor: u64) -> Option<bool> {
    let line = versions::line_of(version)?;
    let (_, lowest, highest) = versions::CERT_MANAGER.iter().find(|(one, _, _)| *one == line)?;
    Some((*lowest..=*highest).contains(&minor))
}

/// What restarts. Of Kubernetes: rancher/rke v1.8.0, cluster/plan.go: each container whose image or arguments differ.
pub(super) fn restarts(product: Product, bounds: &Bounds) -> Vec<String> {
    let all = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    match (product, bounds.delivery) {
        (Product::CertManager, _) => {
            all(&["cert-manager's pods, its definitions first; certificates that are there stay"])
        }
        (Product::Rancher, Delivery::Helm) => {
            all(&["Rancher's pods, one after another behind helm upgrade; nothing of the cluster itself"])
        }
        (Product::Rancher, Delivery::Addon) => {
            all(&["Rancher's pods, one after another behind rke up's addon; nothing of the cluster itself"])
        }
        (Product::Kubernetes, _) => all(&[
            "etcd and kube-apiserver on each node that has them, one node after another; the API is away for seconds",
            "kubelet, kube-proxy and the rest on every node; pods stay",
        ]),
    }
}
