//! What runs are made of: each stage looks, plans, does and looks again.

use serde::{Deserialize, Serialize};

/// The stages of `up`, in the words of `playbooks/up.yml`, and those that other verbs are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Check,
    Cluster,
    Ingress,
    CertManager,
    Rancher,
    Verify,
    /// `down` only.
    Remove,
    /// `recover-state` only.
    Recover,
    /// `backup` only.
    Backup,
    /// `rotate` only.
    Rotate,
    /// `rebuild` only: etcd's data are made fit and put in place.
    Restore,
    /// `rebuild` only: what stands against what was saved.
    Compare,
}

impl Stage {
    /// The stage's word in lines and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Check => "check",
            Stage::Cluster => "cluster",
            Stage::Ingress => "ingress",
            Stage::CertManager => "cert-manager",
            Stage::Rancher => "rancher",
            Stage::Verify => "verify",
            Stage::Remove => "remove",
            Stage::Recover => "recover",
            Stage::Backup => "backup",
            Stage::Rotate => "rotate",
            Stage::Restore => "restore",
            Stage::Compare => "compare",
        }
    }

    /// Whether it is one of those that bring a cluster to what the inventory asks for.
    pub fn builds(self) -> bool {
        match self {
            Stage::Cluster | Stage::Ingress | Stage::CertManager | Stage::Rancher => true,
            Stage::Check
            | Stage::Verify
            | Stage::Remove
            | Stage::Recover
            | Stage::Backup
            | Stage::Rotate
            | Stage::Restore
            | Stage::Compare => false,
        }
    }

    /// Its word in a run file; those that are verbs have the verb's.
    pub fn verb(self) -> &'static str {
        match self {
            Stage::Remove => "down",
            Stage::Recover => "recover-state",
            Stage::Check
            | Stage::Cluster
            | Stage::Ingress
            | Stage::CertManager
            | Stage::Rancher
            | Stage::Verify
            | Stage::Backup
            | Stage::Rotate
            | Stage::Restore
            | Stage::Compare => self.name(),
        }
    }
}
