//! What a rotation would do: which certificates of RKE are made anew, what restarts for it and in which order. Pure.

use std::fmt;

use serde::Serialize;

use crate::engine::rke::leaves::{Leaf, Service};
use crate::inventory::Node;

/// In which order containers of one kind restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The next one waits until the one before is back.
    OneByOne,
    /// On each node after its kube-apiserver.
    BehindApi,
    AllAtOnce,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restart {
    pub containers: Vec<&'static str>,
    pub nodes: Vec<String>,
    pub when: When,
}

impl fmt::Display for Restart {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} on {}", self.containers.join(", "), self.nodes.join(", "))?;
        match (self.when, self.nodes.len()) {
            (_, ..2) => Ok(()),
            (When::OneByOne, _) => write!(to, ": one at a time, the next when the one before is back"),
            (When::BehindApi, _) => write!(to, ": each after its kube-apiserver"),
            (When::AllAtOnce, _) => write!(to, ": all at once"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    pub leaves: Vec<Leaf>,
    pub restarts: Vec<Restart>,
    /// What users and operators will notice, and what stays as it is.
    pub notes: Vec<String>,
}

/// What rke restarts (rancher/rke v1.8.0: cmd/cert.go): etcd for its own certificates or for all, everything else always.
pub fn rotation(leaves: Vec<Leaf>, services: &[Service], nodes: &[Node]) -> Rotation {
    let names = |of: fn(&Node) -> bool| nodes.iter().filter(|node| of(node)).map(|node| node.name.clone()).collect();
    let (etcd, planes): (Vec<String>, Vec<String>) =
        (names(|node| node.roles.etcd), names(|node| node.roles.controlplane));
    let mut restarts = Vec::new();
    if services.is_empty() || services.contains(&Service::Etcd) {
        restarts.push(Restart { containers: vec!["etcd"], nodes: etcd, when: When::OneByOne });
    }
    restarts.push(Restart { containers: vec!["kube-apiserver"], nodes: planes.clone(), when: When::OneByOne });
    let beside = vec!["kube-controller-manager", "kube-scheduler"];
    restarts.push(Restart { containers: beside, nodes: planes, when: When::BehindApi });
    let workers = vec!["kubelet", "kube-proxy"];
    restarts.push(Restart { containers: workers, nodes: names(|_| true), when: When::AllAtOnce });
    let notes =
        vec!["the CA, and with it the ca.crt in pods, kubeconfigs of others and all tokens stay valid".to_owned()];
    Rotation { leaves, restarts, notes }
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;
