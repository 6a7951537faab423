//! What a cluster could take: the farthest that every rule allows, and what holds each product there.

use semver::Version;
use serde::Serialize;

use super::{Bounds, Move, Product, Running, Targets, path};
use crate::inventory::versions;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// In this order.
    pub path: Vec<Move>,
    /// Why each goes no further.
    pub limits: Vec<Limit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    pub product: Product,
    pub why: String,
}

/// The newest Rancher that can be had with any Kubernetes, then the newest Kubernetes beside it.
pub fn offer(running: &Running, bounds: &Bounds) -> Offer {
    let ranchers = ranchers(running);
    let kubernetes = kubernetes(running, bounds);
    let all = ranchers.iter().flat_map(|rancher| kubernetes.iter().map(move |kubernetes| (rancher, kubernetes)));
    let targets = |(rancher, kubernetes): (&Option<Version>, &Option<String>)| Targets {
        rancher: rancher.clone(),
        kubernetes: kubernetes.clone(),
        cert_manager: None,
    };
    let path = all.map(targets).find_map(|targets| path(running, &targets, bounds).ok()).unwrap_or_default();
    let limits = limits(running, &path, bounds);
    Offer { path, limits }
}

/// The newest patch of each line from the newest down to what runs, then none.
fn ranchers(running: &Running) -> Vec<Option<Version>> {
    let newer = |one: &Version| running.rancher.as_ref().is_some_and(|runs| one.cmp_precedence(runs).is_gt());
    let lines = versions::RANCHER.iter().rev().map(versions::RancherLine::newest).filter(newer);
    lines.map(Some).chain([None]).collect()
}

fn kubernetes(running: &Running, bounds: &Bounds) -> Vec<Option<String>> {
    // With images of one's own, only their owner knows which versions there are.
    let list = bounds.rke_list.as_deref().filter(|_| !bounds.own_images).unwrap_or_default();
    let newer = |one: &&String| versions::KubernetesVersion::read(one).is_some_and(|read| read > running.kubernetes);
    list.iter().rev().filter(newer).cloned().map(Some).chain([None]).collect()
}

fn limits(running: &Running, path: &[Move], bounds: &Bounds) -> Vec<Limit> {
    let mut at = running.clone();
    for one in path {
        match one.product {
            Product::CertManager => at.cert_manager = Some(one.to.clone()),
            Product::Rancher => at.rancher = Version::parse(&one.to).ok().or(at.rancher),
            Product::Kubernetes => {
                at.kubernetes = versions::KubernetesVersion::read(&one.to).unwrap_or(at.kubernetes);
            }
        }
    }
    [further_rancher(&at, bounds), further_kubernetes(&at, bounds)].into_iter().flatten().collect()
}

fn further_rancher(at: &Running, bounds: &Bounds) -> Option<Limit> {
    let runs = at.rancher.as_ref()?;
    let next = versions::rancher_line(&Version::new(runs.major, runs.minor + 1, 0));
    let why = match next {
        None => format!("{}.{} is the newest line in the table of {}", runs.major, runs.minor, versions::AS_OF),
        Some(next) => {
            let targets = Targets { rancher: Some(next.newest()), ..Targets::default() };
            path(at, &targets, bounds).err()?.why
        }
    };
    Some(Limit { product: Product::Rancher, why })
}

fn further_kubernetes(at: &Running, bounds: &Bounds) -> Option<Limit> {
    let runs = at.kubernetes;
    let why = match (&bounds.rke, bounds.rke_list.as_deref()) {
        (None, _) => "whoever built this cluster upgrades its Kubernetes".to_owned(),
        (Some(_), _) if bounds.own_images => {
            "engine.rke.cluster.system_images names the images of one version; name those of the next first".to_owned()
        }
        (Some(rke), None) => format!("which versions rke {rke} has is not known"),
        (Some(rke), Some(list)) => {
            let newer = |one: &&String| versions::KubernetesVersion::read(one).is_some_and(|read| read > runs);
            match list.iter().rfind(newer) {
                None => format!("rke {rke} has none that is newer"),
                Some(newest) => {
                    let targets = Targets { kubernetes: Some(newest.clone()), ..Targets::default() };
                    path(at, &targets, bounds).err()?.why
                }
            }
        }
    };
    Some(Limit { product: Product::Kubernetes, why })
}
