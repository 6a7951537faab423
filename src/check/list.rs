//! All checks, as a table.

use serde::Serialize;

use super::{Answer, Context, Finding};
use super::{
    certificates, clock, compatibility, dns, docker, existing, former, inhabitants, kubeconfig, machine, names,
    network, outside, ports, rights, secrets, ssh, topology,
};

/// One question about the nodes, the inventory, or both.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Group and name, e.g. `docker.too-new`.
    pub id: &'static str,
    /// What is looked at.
    pub what: &'static str,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// What to do, in general; a finding names the node and the command.
    pub fix: &'static str,
    pub run: fn(&Context) -> Vec<Answer>,
    /// Needs no machine.
    pub offline: bool,
}

impl Check {
    pub fn findings(&self, context: &Context) -> Vec<Finding> {
        let finding = |answer: Answer| Finding {
            check: self.id,
            subject: answer.subject,
            verdict: answer.verdict,
            seen: answer.seen,
            fix: answer.fix,
            skipped: false,
        };
        (self.run)(context).into_iter().map(finding).collect()
    }
}

/// Every check, in the order in which one would ask them.
pub const ALL: &[Check] = &[
    topology::ALL_PLANES,
    topology::ODD_ETCD,
    compatibility::END_OF_LIFE,
    compatibility::RKE_KUBERNETES,
    compatibility::IMAGES,
    compatibility::RANCHER_RKE,
    compatibility::RANCHER_KUBERNETES,
    compatibility::CERT_MANAGER,
    secrets::IN_VALUES,
    ssh::REACHABLE,
    ssh::TCP_FORWARDING,
    ssh::DOCKER_SOCKET,
    ssh::ROOT_ON_RHEL,
    ssh::MAX_SESSIONS,
    ssh::SUDO_OR_DOCKER_GROUP,
    docker::PRESENT,
    docker::VERSION,
    docker::TOO_NEW,
    docker::STORAGE,
    docker::SNAP,
    docker::LOG_DRIVER,
    machine::ARCHITECTURE,
    machine::CPU,
    machine::MEMORY,
    machine::SWAP,
    machine::DISK_IMAGES,
    machine::DISK_ETCD,
    machine::MOUNT_PROPAGATION,
    machine::KERNEL_MODULES,
    machine::SELINUX,
    machine::CLOUD_NETWORK_SETUP,
    names::HOSTNAME_VALID,
    names::HOSTNAME_UNIQUE,
    names::MACHINE_ID_UNIQUE,
    names::ADDRESS_UNIQUE,
    clock::SKEW,
    clock::LAPTOP,
    clock::TIME_SERVICE,
    ports::FREE,
    network::RESOLVER,
    dns::LAPTOP,
    dns::NODES,
    dns::ROUND_ROBIN,
    network::BRIDGE_NETFILTER,
    network::IP_FORWARD,
    network::FIREWALLD,
    network::INPUT_POLICY,
    former::FOREIGN_CLUSTER,
    former::LEFTOVERS,
    former::OTHER_DISTRIBUTION,
    kubeconfig::USABLE,
    kubeconfig::CREDENTIALS,
    existing::REACHABLE,
    existing::KUBERNETES,
    rights::RIGHTS,
    existing::NODES,
    existing::AGGREGATION,
    inhabitants::INGRESS_CLASS,
    inhabitants::CERT_MANAGER,
    inhabitants::RANCHER,
    inhabitants::LEFTOVERS,
];

/// A row of `check --list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub id: &'static str,
    pub what: &'static str,
    pub why: &'static str,
    pub fix: &'static str,
    pub offline: bool,
}

/// Every rule that a finding can name, whoever judges it.
pub fn listed() -> Vec<Listed> {
    let own = ALL.iter().map(|check| Listed {
        id: check.id,
        what: check.what,
        why: check.why,
        fix: check.fix,
        offline: check.offline,
    });
    let after = outside::TEXTS.iter().map(|text| Listed {
        id: text.id,
        what: text.what,
        why: text.why,
        fix: text.fix,
        offline: false,
    });
    own.chain(certificates::rows()).chain(after).collect()
}

pub(super) fn known_ids() -> impl Iterator<Item = &'static str> {
    listed().into_iter().map(|row| row.id)
}
