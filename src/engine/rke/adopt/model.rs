//! What a cluster is taken over from, and what comes of it.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::failure::Hint;
use crate::inventory::{Foreign, Mistakes, Values};

/// What a cluster is taken over from.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    pub file: &'a Foreign,
    /// What runs, as RKE's state has it: `v1.32.2-rancher1-1`.
    pub kubernetes: Option<&'a str>,
    /// Folder of cluster.yml as seen from the inventory's, empty when it is the same: what relative paths are put behind.
    pub folder: &'a str,
    pub rancher: RancherPart,
    /// File with the nodes' host keys, where it is not that of `~/.ssh`.
    pub known_hosts: Option<&'a str>,
}

/// What the inventory says of Rancher, its ingress and cert-manager; `None` is a line that somebody has to fill in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RancherPart {
    pub hostname: Option<String>,
    pub version: Option<String>,
    pub replicas: Option<u64>,
    /// TLS ends at load balancers, whose addresses somebody has to say.
    pub balanced: bool,
    /// `mode`, `issuer` and what belongs to them.
    pub tls: Option<Values>,
    pub chart: Option<Values>,
    /// Values that its user gave.
    pub values: Values,
    /// Those among them that an inventory says in other keys (`tls`, `replicas`), as they were given; never in the inventory.
    pub given: Values,
    /// Name of the class, where the ingress is not RKE's nginx.
    pub ingress_class: Option<String>,
}

/// A cluster, taken over.
#[derive(Debug)]
pub struct Adopted {
    pub inventory: String,
    /// The same with something in every line that is open: enough to look at the cluster with.
    pub filled: String,
    /// To be written 0600, each with its path as seen from the inventory's folder.
    pub secrets: Vec<SecretFile>,
    /// What is not in cluster.yml again as it was, each with its reason.
    pub named: Vec<Named>,
    /// Lines that are to be filled in.
    pub open: Vec<String>,
    /// What the cluster does not outlive, and the like.
    pub warnings: Vec<String>,
    /// Name of the cluster.
    pub name: String,
    /// Addresses of its nodes.
    pub addresses: Vec<String>,
    /// Of the cluster.yml that is made of the inventory; `None` as long as the version that runs is not known.
    pub digest: Option<String>,
}

impl Adopted {
    /// The same, with more to say.
    pub fn naming(mut self, more: &[Named]) -> Adopted {
        self.named.extend_from_slice(more);
        self
    }
}

#[derive(Debug)]
pub struct SecretFile {
    pub path: PathBuf,
    pub text: SecretString,
}

/// A key of cluster.yml and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub key: String,
    pub fate: Fate,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stands elsewhere in the inventory.
    Moved,
    /// It stands in `kept`: it runs, and no new cluster may ask for it.
    Kept,
    /// Its value lies in a file of its own.
    InFile,
    /// It is not carried over.
    Left,
}

impl Fate {
    /// As lists say it.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Moved => "moved",
            Fate::Kept => "kept",
            Fate::InFile => "in a file",
            Fate::Left => "left out",
        }
    }
}

/// Why no inventory can be made.
#[derive(Debug, thiserror::Error)]
pub enum NotAdoptable {
    #[error(
        "this is Rancher's own export of a cluster that it provisions (rancher_kubernetes_engine_config), and none of rke's"
    )]
    OfRancher,
    #[error("the file names no nodes: it is no cluster.yml of rke")]
    NoNodes,
    #[error("nodes[{index}] has no {key}, and rke refuses such a node")]
    Node { index: usize, key: &'static str },
    #[error(
        "its etcd is outside of the cluster (services.etcd.external_urls), and cowhand looks after one on the nodes only"
    )]
    EtcdElsewhere,
    #[error("an inventory cannot say this")]
    Mistakes(#[source] Mistakes),
}

impl Hint for NotAdoptable {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            NotAdoptable::OfRancher => {
                "a cluster that Rancher provisions is changed in Rancher; the cluster that Rancher itself runs on has a cluster.yml \
                 of its own, and that is what can be taken over; nothing was written"
            }
            NotAdoptable::NoNodes => "give the cluster.yml that `rke up` was run with; nothing was written",
            NotAdoptable::Node { .. } => "give the cluster.yml of the cluster that runs; nothing was written",
            NotAdoptable::EtcdElsewhere => {
                "go on with rke by hand, or take it over as `engine: existing` with its kubeconfig; nothing was written"
            }
            NotAdoptable::Mistakes(_) => {
                "what rke runs with and cowhand cannot look after is named above; nothing was written"
            }
        };
        Some(hint.into())
    }
}
