//! What a person is told before an upgrade, and scripts with it.

use serde::Serialize;

use super::{Move, Offer};

/// The versions that run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Of each kubelet, with its nodes.
    pub kubernetes: Vec<(String, Vec<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rancher: Option<String>,
    /// `addon` or `helm`.
    pub delivery: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_manager: Option<String>,
    pub ingress: Vec<String>,
    /// Changes that have not come to their end.
    pub unfinished: Vec<String>,
}

/// What the cluster could take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct What {
    pub runs: Runs,
    #[serde(flatten)]
    pub offer: Offer,
    pub notes: Vec<String>,
}

/// What comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "backup")]
pub enum Before {
    /// Of level 3, or the upgrade ends before it begins.
    Backup { to: Vec<String> },
    /// Said by hand.
    NoBackup,
    /// There is none to be had, and nobody has said that it may go without.
    Missing { why: String, remedy: String },
}

/// A line of the inventory that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    pub key: &'static str,
    /// As the file has it; empty where it says nothing.
    pub from: String,
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpgradePlan {
    pub runs: Runs,
    pub before: Before,
    pub path: Vec<Move>,
    /// What stands in the inventory behind it.
    pub inventory: Vec<Written>,
    pub notes: Vec<String>,
}

impl UpgradePlan {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        self.path.is_empty() && self.inventory.is_empty()
    }
}
