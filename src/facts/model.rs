//! What was found on the machines. Nobody writes to these values; a fact that could not be seen carries its reason.

use std::fmt;
use std::net::IpAddr;

use super::{CaFingerprint, ClockOffset, Fact, NodeClock};

/// Everything that was seen in one look at all nodes.
#[derive(Debug, Clone)]
pub struct Observed {
    /// In the order of the inventory.
    pub nodes: Vec<NodeObservation>,
}

impl Observed {
    pub fn node(&self, name: &str) -> Option<&NodeObservation> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The nodes that answered, with what they said.
    pub fn reached(&self) -> impl Iterator<Item = (&NodeObservation, &Reached)> {
        self.nodes.iter().filter_map(|node| match &node.outcome {
            Outcome::Reached(reached) => Some((node, reached.as_ref())),
            Outcome::Unreachable { .. } => None,
        })
    }

    /// The authority of the cluster whose control plane or kubelet runs on one of the nodes.
    pub fn running_authority(&self) -> Option<&CaFingerprint> {
        self.reached()
            .filter(|(_, reached)| reached.facts.runs_cluster())
            .find_map(|(_, reached)| reached.facts.authority.as_ref().ok().and_then(Option::as_ref))
    }
}

#[derive(Debug, Clone)]
pub struct NodeObservation {
    /// The node's name in the inventory.
    pub name: String,
    /// The node's address in the inventory.
    pub address: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
pub enum Outcome {
    Reached(Box<Reached>),
    Unreachable {
        /// The error and its causes, joined by `: `.
        reason: String,
        hint: Option<String>,
    },
}

/// A node that answered: what it says of itself, and what the connection to it showed.
#[derive(Debug, Clone)]
pub struct Reached {
    pub facts: NodeFacts,
    /// The node's clock against the laptop's.
    pub clock: Fact<ClockOffset>,
    /// Docker's API as it answers through the SSH connection: this is how rke comes.
    pub docker_through_ssh: Fact<DockerApi>,
    /// Whether sshd opens TCP channels: rke's health checks come that way.
    pub tcp_forwarding: Fact<()>,
}

/// What the probe script said of a machine.
#[derive(Debug, Clone)]
pub struct NodeFacts {
    pub clock: Fact<NodeClock>,
    pub hostname: Fact<String>,
    pub machine_id: Fact<String>,
    pub os: Fact<OperatingSystem>,
    /// Kernel release, e.g. `6.1.0-30-amd64`.
    pub kernel: Fact<String>,
    /// As `uname -m` says, e.g. `x86_64`.
    pub architecture: Fact<String>,
    pub cpus: Fact<u32>,
    pub memory: Fact<Memory>,
    /// File systems where things of weight come to lie; one entry for each [`Place`] that was seen.
    pub disks: Fact<Vec<Disk>>,
    /// The mount below which /var/lib/kubelet lies.
    pub kubelet_mount: Fact<Mount>,
    /// All addresses of all interfaces, loopback included.
    pub addresses: Fact<Vec<Address>>,
    /// The address at which sshd was reached, as the node sees it.
    pub ssh_address: Fact<IpAddr>,
    pub user: Fact<User>,
    /// Whether `sudo -n` works (or the user is root).
    pub root: Fact<()>,
    pub listening: Fact<Vec<Listener>>,
    /// Path of the docker command.
    pub docker_command: Fact<String>,
    /// The Docker engine as the login user reaches it by the docker command.
    pub docker: Fact<Docker>,
    /// The engine's version, asked as root because the login user could not.
    pub docker_as_root: Fact<DockerApi>,
    /// Containers that bear a name of RKE's, whoever made them.
    pub containers: Fact<Vec<Container>>,
    pub leftovers: Fact<Vec<Leftover>>,
    /// Paths that tell of rke2, k3s, kubeadm, k0s or microk8s.
    pub traces: Fact<Vec<Trace>>,
    /// RKE's cluster CA on this node; `Ok(None)` when there is none.
    pub authority: Fact<Option<CaFingerprint>>,
    pub resolver: Fact<Resolver>,
    /// What Rancher's host name means on this node; empty when it does not resolve.
    pub rancher_addresses: Fact<Vec<IpAddr>>,
    /// Whether the clock is kept by a time service.
    pub time_synchronised: Fact<bool>,
    pub kernel_settings: KernelSettings,
    pub kernel_modules: KernelModules,
    pub sshd: Fact<SshServer>,
    pub services: Services,
    pub input_policy: Fact<InputPolicy>,
    /// `Ok(None)`: no SELinux at all.
    pub selinux: Option<SeLinux>,
}

impl NodeFacts {
    /// Whether a container of a cluster runs here.
    pub fn runs_cluster(&self) -> bool {
        self.container_runs("etcd") || self.container_runs("kube-apiserver") || self.container_runs("kubelet")
    }

    /// Whether one of the containers that RKE labels runs here; somebody else's of the same name is none.
    pub fn container_runs(&self, name: &str) -> bool {
        self.containers.as_ref().is_ok_and(|all| {
            let mut own = all.iter().filter(|container| container.name == name && container.has_label());
            own.any(|container| container.state == ContainerState::Running)
        })
    }

    pub fn disk(&self, place: Place) -> Option<&Disk> {
        self.disks.as_ref().ok()?.iter().find(|disk| disk.place == place)
    }

    pub fn has_address(&self, wanted: IpAddr) -> Fact<bool> {
        self.addresses.as_ref().map(|all| all.iter().any(|address| address.ip == wanted)).map_err(Clone::clone)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatingSystem {
    /// `ID` of os-release, e.g. `debian`, `rhel`, `sles`.
    pub id: String,
    /// `ID_LIKE`, split.
    pub like: Vec<String>,
    pub version: String,
    /// `PRETTY_NAME`, for people.
    pub name: String,
}

impl OperatingSystem {
    /// RHEL and what is built from it.
    pub fn is_rhel(&self) -> bool {
        let family = ["rhel", "centos", "fedora", "rocky", "almalinux", "ol"];
        family.contains(&self.id.as_str()) || self.like.iter().any(|like| family.contains(&like.as_str()))
    }
}

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub swap: u64,
}

/// What lies on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Docker's root folder.
    Images,
    /// /var/lib/etcd.
    Etcd,
    /// /var/lib/kubelet.
    Kubelet,
    Root,
}

/// A file system, in bytes. Where the folder is not there yet, its nearest parent was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub place: Place,
    pub path: String,
    pub mount: String,
    pub total: u64,
    /// What a user other than root may still write.
    pub free: u64,
}

impl Disk {
    pub fn free_percent(&self) -> u64 {
        (self.free * 100).checked_div(self.total).unwrap_or(0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub point: String,
    /// Whether mounts below it reach other mount namespaces.
    pub shared: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub interface: String,
    pub ip: IpAddr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub id: u32,
    pub groups: Vec<String>,
}

impl User {
    pub fn is_root(&self) -> bool {
        self.id == 0
    }

    /// RHEL's own Docker package called the group `dockerroot`.
    pub fn in_docker_group(&self) -> bool {
        self.groups.iter().any(|group| group == "docker" || group == "dockerroot")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub protocol: Protocol,
    /// `None`: every address.
    pub address: Option<IpAddr>,
    pub port: u16,
    /// Name of the process; only root sees those of others.
    pub process: Option<String>,
}

/// How the Docker engine says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerApi {
    pub version: String,
    pub api: String,
    pub minimum_api: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    pub api: DockerApi,
    pub storage_driver: String,
    /// What the storage driver says of itself, e.g. `("Supports d_type", "true")`.
    pub storage_status: Vec<(String, String)>,
    pub root: String,
    pub log_driver: String,
    /// e.g. `name=seccomp,profile=builtin`.
    pub security: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub state: ContainerState,
    /// As Docker puts it, e.g. `Exited (0) 2 days ago`.
    pub status: String,
    /// RKE's own, `io.rancher.rke.container.name`: the name that it made the container under.
    pub label: Option<String>,
    /// e.g. `rancher/rke-tools:v0.1.111`.
    pub image: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    Running,
    /// Made, but never started, as RKE's service-sidekick always is.
    Created,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub path: String,
    pub state: FolderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderState {
    Absent,
    Empty,
    Full,
    /// There, but the login user may not look into it.
    Unreadable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub path: String,
    /// It is a socket that only exists while the thing runs.
    pub running: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Of /etc/resolv.conf.
    pub nameservers: Vec<IpAddr>,
    /// Of systemd-resolved's own file, when it runs: rke-tools gives that one to the kubelet.
    pub behind_systemd: Option<Vec<IpAddr>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSettings {
    pub ip_forward: Fact<bool>,
    /// Not seen means: the module br_netfilter is not loaded.
    pub bridge_iptables: Fact<bool>,
}

/// Of the modules that RKE's cluster needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelModules {
    pub loaded: Vec<String>,
    /// To be found below /lib/modules for the running kernel.
    pub available: Vec<String>,
}

/// What `sshd -T` says for the login user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshServer {
    pub allow_tcp_forwarding: Option<String>,
    pub allow_stream_local_forwarding: Option<String>,
    pub disable_forwarding: Option<String>,
    pub max_sessions: Option<u32>,
    /// `any`, or where TCP channels may lead to.
    pub permit_open: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    pub firewalld: Fact<bool>,
    /// From ufw's own file: its unit is active even when it does nothing. `None`: no ufw.
    pub ufw_enabled: Option<bool>,
    pub nm_cloud_setup: bool,
}

/// What happens to packets to the machine that no rule of a packet filter names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputPolicy {
    Accept,
    /// With the line that says so.
    Drop(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeLinux {
    Enforcing,
    Permissive,
}
