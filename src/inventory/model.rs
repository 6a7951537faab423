//! The inventory as the rest of the house sees it: valid by construction, every default already chosen.
//!
//! Only this room makes these values; nobody writes to them. Paths are made absolute against the folder of the
//! inventory; `~`, `${NAME}` and `${NAME:-default}` in them are replaced already. Names and addresses are in small letters.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ssh_folder::BackupPlace;
use crate::remote::Target;

/// A map the user adds as it stands (chart values, parts of cluster.yml), in the order of the file.
pub type Values = serde_json::Map<String, serde_json::Value>;

/// Everything that one inventory file asks for.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Name of the cluster: a DNS label, or whatever an adopted one has; also RKE's `cluster_name`.
    pub name: String,
    /// At least three with all planes for engine rke; may be empty for an existing cluster.
    pub nodes: Vec<Node>,
    pub engine: Engine,
    pub ingress: Ingress,
    pub cert_manager: CertManager,
    pub rancher: Rancher,
    /// Outer load balancers (addresses), if any; mode external needs at least one.
    pub load_balancers: Vec<IpAddr>,
    pub backup: Backup,
    /// DNS server to ask for names from the laptop, instead of the laptop's own resolver.
    pub dns_server: Option<SocketAddr>,
    pub helm: Tool,
    /// Checks that must not block, by id, e.g. `node.memory`.
    pub skip_checks: Vec<String>,
}

impl Inventory {
    /// Whether the cluster was built by plain rke, and taken over as it runs.
    pub fn is_adopted(&self) -> bool {
        match &self.engine {
            Engine::Rke(rke) => rke.adopted,
            Engine::Existing(_) => false,
        }
    }

    /// The same, with the ingress class that a cluster that is there has for Rancher, and what serves it.
    pub fn with_class(mut self, name: &str, controller: &str) -> Inventory {
        self.ingress.class = name.to_owned();
        self.ingress.controller = Some(controller.to_owned());
        self
    }
}

/// Where backups go, and who can open them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backup {
    /// Public keys of age.
    pub recipients: Vec<String>,
    /// A file with a passphrase, instead of recipients.
    pub passphrase: Option<PathBuf>,
    /// Folders, here or elsewhere; `backups` beside the inventory unless given.
    pub to: Vec<BackupPlace>,
}

/// One machine.
#[derive(Debug, Clone)]
pub struct Node {
    /// What people call it; default is the first label of the address, or `n1`, `n2`… for an IP address.
    pub name: String,
    /// Where SSH and clients reach it: a host name or an IP address.
    pub address: String,
    /// Where the other nodes reach it, if that differs.
    pub internal_address: Option<IpAddr>,
    pub roles: Roles,
    pub ssh: Ssh,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    /// Path of the Docker socket on the node; `/var/run/docker.sock` unless given.
    pub docker_socket: String,
}

impl Node {
    /// How it is reached over SSH.
    pub fn target(&self) -> Target {
        let ssh = &self.ssh;
        Target {
            name: self.name.clone(),
            host: ssh.host.clone().unwrap_or_else(|| self.address.clone()),
            port: ssh.port,
            user: ssh.user.clone(),
            identity_file: ssh.identity_file.clone(),
            jump: ssh.jump.clone(),
            known_hosts: ssh.known_hosts.clone(),
            config: ssh.config.clone(),
            connect_timeout: ssh.connect_timeout,
        }
    }
}

/// The planes a node takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    pub controlplane: bool,
    pub etcd: bool,
    pub worker: bool,
}

impl Roles {
    pub const ALL: Roles = Roles { controlplane: true, etcd: true, worker: true };
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: TaintEffect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "a taint's effect")]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

/// How a node is reached over SSH; whatever is `None` comes from the user's ssh configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssh {
    /// Where SSH connects when that is not the node's address: a name, an IP address, or a Host alias of the ssh
    /// configuration (Vagrant forwards 127.0.0.1:2222, which no other node can reach).
    pub host: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_file: Option<PathBuf>,
    /// Jump hosts in order, each `[user@]host[:port]` as in `ssh -J`; `Some(empty)` means none at all.
    pub jump: Option<Vec<String>>,
    pub known_hosts: Option<PathBuf>,
    /// An ssh configuration file instead of `~/.ssh/config`.
    pub config: Option<PathBuf>,
    /// Limit for TCP, key exchange and authentication together; 15 s unless given.
    pub connect_timeout: Option<Duration>,
}

/// What makes the Kubernetes cluster.
#[derive(Debug, Clone)]
pub enum Engine {
    /// RancherOnRKE: rke builds a cluster on the nodes, Rancher alone uses it.
    Rke(Rke),
    /// RancherOnK8S: a cluster that is there already.
    Existing(Existing),
}

#[derive(Debug, Clone)]
pub struct Rke {
    /// The rke release, e.g. `v1.8.0`.
    pub version: String,
    /// `kubernetes_version` of cluster.yml, e.g. `v1.32.2-rancher1-1`.
    pub kubernetes: String,
    pub binary: Tool,
    /// Merged over the generated cluster.yml; its keys are known to be RKE's.
    pub cluster: Values,
    /// The CA of the bucket that snapshots go to; it stands here, and not in `cluster`.
    pub bucket_ca: Option<BucketCa>,
    /// Keys of cluster.yml whose values lie in files: secrets, and addons.
    pub files: Vec<FileKey>,
    /// Built by plain rke and taken over: cluster.yml gets what stands in the inventory, and no default of cowhand's.
    pub adopted: bool,
}

/// A key of cluster.yml, and the file with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKey {
    /// Dotted, with places in lists: `private_registries[0].password`.
    pub key: String,
    pub file: PathBuf,
}

/// `custom_ca` of `s3backupconfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketCa {
    /// PEM.
    Text(String),
    /// A file with it.
    File(PathBuf),
}

impl BucketCa {
    /// The key of the inventory that says it.
    pub const KEY: &str = "engine.rke.cluster.services.etcd.backup_config.s3backupconfig.custom_ca";
}

impl Rke {
    /// The images that `system_images` names; RKE's own stand in the place of all others.
    pub fn system_images(&self) -> Vec<&str> {
        let named = self.cluster.get("system_images").and_then(serde_json::Value::as_object);
        named.into_iter().flatten().filter_map(|(_, image)| image.as_str()).collect()
    }
}

#[derive(Debug, Clone)]
pub struct Existing {
    pub kubeconfig: PathBuf,
    pub context: Option<String>,
}

/// Where an external program (rke, helm) comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// In PATH, else downloaded in the pinned version and checked against the release's checksum file.
    Search,
    /// Exactly this file.
    Path(PathBuf),
    /// Always the pinned version, downloaded and checked.
    Download,
}

/// A chart and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    pub source: ChartSource,
    /// Ignored for a chart from a path, whose own Chart.yaml says it.
    pub version: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartSource {
    /// A chart repository's URL, with the chart's name in it.
    Repository { url: String, name: String },
    /// A folder or .tgz on the laptop.
    Path(PathBuf),
}

#[derive(Debug, Clone)]
pub struct Ingress {
    pub provider: IngressProvider,
    /// Name of the IngressClass that Rancher's Ingress names. Empty: the default one of a cluster that is there already
    /// (see [`Inventory::with_class`]).
    pub class: String,
    /// `spec.controller` of that class, once a cluster that is there was looked at; no file says it.
    pub controller: Option<String>,
    /// Used by `Traefik` only.
    pub chart: Chart,
    pub values: Values,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "an ingress provider")]
pub enum IngressProvider {
    /// RKE's own ingress-nginx add-on.
    Nginx,
    /// Traefik, installed from its chart as a DaemonSet on host ports 80 and 443.
    Traefik,
    /// One that is in the cluster already; never touched.
    Existing,
}

#[derive(Debug, Clone)]
pub struct CertManager {
    pub install: CertManagerInstall,
    pub chart: Chart,
    pub values: Values,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a way to install")]
pub enum CertManagerInstall {
    /// When the TLS set-up needs it and it is not there yet.
    Auto,
    /// Never; the TLS set-up then has to do without or find one that is there.
    Never,
}

#[derive(Debug, Clone)]
pub struct Rancher {
    /// The name users and agents reach Rancher by (FQDN).
    pub hostname: String,
    pub version: semver::Version,
    pub replicas: u8,
    pub delivery: Delivery,
    pub chart: Chart,
    pub values: Values,
    /// File with the first login's password; made in the workspace when none is given.
    pub bootstrap_password: Option<PathBuf>,
    pub tls: Tls,
}

/// How the Rancher chart reaches the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a way of delivery")]
pub enum Delivery {
    /// Rendered into cluster.yml as an RKE addon; helm can adopt it later. Default with engine rke.
    Addon,
    /// `helm upgrade --install`. The only one with an existing cluster.
    Helm,
}

#[derive(Debug, Clone)]
pub struct Tls {
    pub mode: TlsMode,
    pub issuer: TlsIssuer,
    /// Leaf first, then intermediates (PEM); with issuer blank.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The CA clients must trust, when it is not a public one (PEM).
    pub ca: Option<PathBuf>,
    /// Key of the CA, with issuer ca.
    pub ca_key: Option<PathBuf>,
    /// CAs that agents are handed beside it while the CA changes: the next one, then the former one (PEM).
    pub also_trust: Option<PathBuf>,
    pub acme: Option<Acme>,
    /// Mode rancher only: TLS is passed through to Rancher's pods instead of re-encrypted.
    pub passthrough: bool,
    /// `None`: cowhand decides (strict with a private CA, system-store otherwise) and says so.
    pub agent_tls_mode: Option<AgentTlsMode>,
}

/// Where TLS ends. The order's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a TLS mode")]
pub enum TlsMode {
    Ingress,
    External,
    Rancher,
}

impl TlsMode {
    /// As the inventory spells it.
    pub fn word(self) -> &'static str {
        match self {
            TlsMode::Ingress => "ingress",
            TlsMode::External => "external",
            TlsMode::Rancher => "rancher",
        }
    }
}

/// Who makes the certificates. The order's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "an issuer")]
pub enum TlsIssuer {
    Blank,
    Ca,
    Acme,
}

impl TlsIssuer {
    /// As the inventory spells it.
    pub fn word(self) -> &'static str {
        match self {
            TlsIssuer::Blank => "blank",
            TlsIssuer::Ca => "ca",
            TlsIssuer::Acme => "acme",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "an agent TLS mode")]
pub enum AgentTlsMode {
    Strict,
    SystemStore,
}

impl AgentTlsMode {
    /// As the inventory and the chart spell it.
    pub fn word(self) -> &'static str {
        match self {
            AgentTlsMode::Strict => "strict",
            AgentTlsMode::SystemStore => "system-store",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    pub email: String,
    pub environment: AcmeEnvironment,
    /// Directory URL of another ACME server than Let's Encrypt.
    pub server: Option<String>,
    /// CA of that server's own HTTPS certificate.
    pub server_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "an ACME environment")]
pub enum AcmeEnvironment {
    Staging,
    Production,
}
