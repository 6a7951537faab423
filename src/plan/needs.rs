//! What a stage needs before it can begin, as data: the player asks for no more than this.

use std::fmt;

use crate::inventory::Roles;
use crate::plan::Stage;

/// How many nodes have to be reached over SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// Every one of the inventory.
    All,
    /// More than half of those with etcd, and a control plane.
    Quorum,
    /// One, whichever it is.
    Any,
    /// None: what cannot be reached is told, and no more.
    None,
}

impl Nodes {
    /// Whether it is so; each node with its roles and whether it answers.
    pub fn are_met(self, nodes: impl IntoIterator<Item = (Roles, bool)>) -> bool {
        let nodes: Vec<(Roles, bool)> = nodes.into_iter().collect();
        let count = |fits: fn(&Roles) -> bool, answers: bool| {
            nodes.iter().filter(|(roles, reached)| fits(roles) && (*reached || !answers)).count()
        };
        match self {
            Nodes::All => nodes.iter().all(|(_, reached)| *reached),
            Nodes::Quorum => {
                let (all, answering) = (count(|roles| roles.etcd, false), count(|roles| roles.etcd, true));
                answering > all / 2 && count(|roles| roles.controlplane, true) > 0
            }
            Nodes::Any => nodes.is_empty() || nodes.iter().any(|(_, reached)| *reached),
            Nodes::None => true,
        }
    }
}

/// A program of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Rke,
    Helm,
}

/// What of the cluster has to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cluster {
    /// There may be none.
    Nothing,
    /// Its API answers.
    Api,
    /// Its nodes run pods.
    Pods,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub nodes: Nodes,
    pub programs: &'static [Program],
    pub cluster: Cluster,
}

impl Stage {
    /// Whether it may begin while rke makes a new cluster: it needs nothing that rke brings last.
    pub const fn begins_beside_rke(self) -> bool {
        match self {
            Stage::Ingress | Stage::CertManager => true,
            Stage::Check
            | Stage::Cluster
            | Stage::Rancher
            | Stage::Verify
            | Stage::Remove
            | Stage::Recover
            | Stage::Backup
            | Stage::Rotate
            | Stage::Restore
            | Stage::Compare => false,
        }
    }

    pub const fn needs(self) -> Needs {
        let (nodes, programs, cluster): (Nodes, &'static [Program], Cluster) = match self {
            Stage::Check => (Nodes::All, &[], Cluster::Nothing),
            Stage::Cluster => (Nodes::All, &[Program::Rke, Program::Helm], Cluster::Nothing),
            Stage::Ingress | Stage::CertManager | Stage::Rancher => (Nodes::None, &[Program::Helm], Cluster::Pods),
            Stage::Verify => (Nodes::None, &[], Cluster::Api),
            Stage::Remove => (Nodes::All, &[Program::Rke], Cluster::Nothing),
            Stage::Recover => (Nodes::Any, &[], Cluster::Nothing),
            Stage::Rotate => (Nodes::All, &[Program::Rke, Program::Helm], Cluster::Api),
            Stage::Backup | Stage::Compare => (Nodes::Quorum, &[], Cluster::Api),
            Stage::Restore => (Nodes::All, &[], Cluster::Nothing),
        };
        Needs { nodes, programs, cluster }
    }
}

/// In a few words, for a plan.
impl fmt::Display for Needs {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = match self.nodes {
            Nodes::All => Some("every node"),
            Nodes::Quorum => Some("more than half of etcd's nodes and a control plane"),
            Nodes::Any => Some("a node"),
            Nodes::None => None,
        };
        let programs = self.programs.iter().map(|program| match program {
            Program::Rke => "rke",
            Program::Helm => "helm",
        });
        let cluster = match self.cluster {
            Cluster::Nothing => None,
            Cluster::Api => Some("the Kubernetes API"),
            Cluster::Pods => Some("a cluster that runs pods"),
        };
        let all: Vec<&str> = nodes.into_iter().chain(programs).chain(cluster).collect();
        to.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half_of_etcd_and_a_control_plane() {
        let worker = Roles { controlplane: false, etcd: false, worker: true };
        let etcd = Roles { controlplane: false, etcd: true, worker: false };
        let of = |nodes: &[(Roles, bool)]| {
            [Nodes::All, Nodes::Quorum, Nodes::Any, Nodes::None].map(|needed| needed.are_met(nodes.iter().copied()))
        };
        let all = Roles::ALL;
        assert_eq!(of(&[(all, true), (all, true), (all, true)]), [true; 4]);
        assert_eq!(of(&[(all, true), (all, true), (all, false)]), [false, true, true, true]);
        assert_eq!(of(&[(all, true), (all, false), (all, false)]), [false, false, true, true]);
        assert_eq!(of(&[(all, true), (all, true), (all, false), (all, false)]), [false, false, true, true]);
        assert_eq!(of(&[(all, true), (worker, false)]), [false, true, true, true]);
        assert_eq!(of(&[(etcd, true), (etcd, true), (etcd, true)]), [true, false, true, true]);
        assert_eq!(of(&[(all, false)]), [false, false, false, true]);
        assert_eq!(of(&[]), [true, false, true, true], "a cluster that is there may have no node in the inventory");
    }

    #[test]
    fn needs_read_as_a_list() {
        assert_eq!(Stage::Cluster.needs().to_string(), "every node, rke, helm");
        assert_eq!(Stage::Rancher.needs().to_string(), "helm, a cluster that runs pods");
        assert_eq!(Stage::Recover.needs().to_string(), "a node");
    }
}
