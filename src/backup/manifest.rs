//! What is in a backup, and what is not: the first entry behind the seal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::flaw::Level;
use super::label::Label;
use super::together::Proof;

/// Its name in the tar stream.
pub const MANIFEST: &str = "manifest.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u64,
    /// The cluster's name.
    pub name: String,
    /// UID of namespace kube-system.
    pub uid: String,
    pub taken: Timestamp,
    pub versions: Versions,
    /// The member of etcd that gave the snapshot.
    pub source: Source,
    /// Live keys in etcd, and how many objects of each kind, by the path of the kind.
    pub keys: u64,
    pub objects: BTreeMap<String, u64>,
    /// In the order of the tar stream.
    pub entries: Vec<Entry>,
    /// What a rebuild from this file does not bring back.
    pub not_in_it: Vec<String>,
    /// The level reached before it was sealed, and each proof of it.
    pub level: Level,
    pub proofs: Vec<Proof>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub cowhand: String,
    /// As the inventory names it; `None` for a cluster that rke did not make.
    pub rke: Option<String>,
    /// As the API says it, e.g. `v1.32.2`.
    pub kubernetes: String,
    pub etcd: String,
    /// Rancher's image, when it is installed.
    pub rancher: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub node: String,
    /// Whether another member led etcd.
    pub follower: bool,
    pub revision: u64,
    /// Raft's term and index at that member.
    pub term: u64,
    pub index: u64,
}

/// One entry of the tar stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the tar stream.
    pub name: String,
    /// What it is: a key of the inventory, or a file of the workspace.
    pub what: String,
    /// Where it lay; relative to the inventory's folder, if it lay in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub length: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl Manifest {
    /// What everybody may know of it; length and hash are filled in when it is sealed.
    pub fn label(&self) -> Label {
        Label {
            format: self.format,
            name: self.name.clone(),
            uid: self.uid.clone(),
            taken: self.taken,
            revision: self.source.revision,
            level: self.level,
            length: 0,
            sha256: String::new(),
        }
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
