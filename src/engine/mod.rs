//! What makes and keeps the Kubernetes cluster: one folder an engine, and the questions that every engine answers.
//!
//! Each match here is whole, so that the compiler asks a new engine every question. Nothing outside this room and the
//! inventory's own reader matches on an engine.

pub mod change;
pub mod member_rule;
pub mod rke;
pub mod rules;

pub use change::Change;

use std::path::PathBuf;

use crate::inventory::{Engine, Existing, Rke};
use crate::local::Workspace;

/// How the Kubernetes API is reached.
#[derive(Debug, Clone, Copy)]
pub enum ApiRoute<'a> {
    /// Over SSH, through the control planes of the inventory.
    ThroughNodes,
    /// As this kubeconfig says.
    Kubeconfig(&'a Existing),
}

/// Where the lock of a run is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPlace {
    /// On each node of the inventory.
    Nodes,
    /// As a Lease in the cluster.
    Cluster,
}

impl Engine {
    /// How the Kubernetes API is reached.
    pub fn api_route(&self) -> ApiRoute<'_> {
        match self {
            Engine::Rke(_) => ApiRoute::ThroughNodes,
            Engine::Existing(existing) => ApiRoute::Kubeconfig(existing),
        }
    }

    /// Where the lock of a run is held.
    pub fn lock_place(&self) -> LockPlace {
        match self {
            Engine::Rke(_) => LockPlace::Nodes,
            Engine::Existing(_) => LockPlace::Cluster,
        }
    }

    /// Whether cowhand builds the cluster on the inventory's nodes: they are its members, and ours to judge.
    pub fn builds_nodes(&self) -> bool {
        match self {
            Engine::Rke(_) => true,
            Engine::Existing(_) => false,
        }
    }

    /// Whether a state file in the workspace is the record of the cluster, without which it cannot be changed.
    pub fn keeps_state(&self) -> bool {
        match self {
            Engine::Rke(_) => true,
            Engine::Existing(_) => false,
        }
    }

    /// Whether the cluster was there before cowhand and may have other users than Rancher.
    pub fn is_shared(&self) -> bool {
        match self {
            Engine::Rke(_) => false,
            Engine::Existing(_) => true,
        }
    }

    /// The settings of RKE, for what only RKE has: its release, its cluster.yml, its list of Docker versions.
    pub fn rke_settings(&self) -> Option<&Rke> {
        match self {
            Engine::Rke(rke) => Some(rke),
            Engine::Existing(_) => None,
        }
    }

    /// The cluster that was there before, as the inventory names it.
    pub fn given_cluster(&self) -> Option<&Existing> {
        match self {
            Engine::Rke(_) => None,
            Engine::Existing(existing) => Some(existing),
        }
    }

    /// [`Engine::given_cluster`], to fill in what the inventory leaves open.
    pub fn given_cluster_mut(&mut self) -> Option<&mut Existing> {
        match self {
            Engine::Rke(_) => None,
            Engine::Existing(existing) => Some(existing),
        }
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Engine::Rke(_) => workspace.kubeconfig(),
            Engine::Existing(existing) => existing.kubeconfig.clone(),
        }
    }
}
