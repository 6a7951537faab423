//! All checks, as a table.

use super::{Check, Listed};
use super::{
    certificates, clock, compatibility, containers, dns, docker, etcd, existing, former, images, inhabitants,
    kubeconfig, leaves, machine, members, names, network, outside, owner, ports, rights, secrets, ssh, topology,
};

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
    images::TO_BE_HAD,
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
    containers::FOREIGN,
    former::LEFTOVERS,
    former::OTHER_DISTRIBUTION,
    members::MEMBERS,
    etcd::HEALTHY,
    etcd::ONE_CHANGE,
    leaves::LASTING,
    kubeconfig::USABLE,
    kubeconfig::CREDENTIALS,
    existing::REACHABLE,
    owner::PINNED,
    owner::MARK,
    existing::KUBERNETES,
    rights::RIGHTS,
    existing::NODES,
    existing::AGGREGATION,
    inhabitants::INGRESS_CLASS,
    inhabitants::CERT_MANAGER,
    inhabitants::RANCHER,
    inhabitants::LEFTOVERS,
];

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
