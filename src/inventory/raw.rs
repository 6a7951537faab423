//! The file as it is written: one struct a map, one field a key. The JSON Schema is derived from here, so that every
//! doc comment is also what `cowhand schema` and an editor show.
//!
//! Everything is optional: what is missing or wrong was said by the reader already, and the rules then judge what is there.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::model::{
    AcmeEnvironment, AgentTlsMode, CertManagerInstall, Delivery, IngressProvider, TaintEffect, TlsIssuer, TlsMode,
    Values,
};

/// A list of the file; `None` is an item that was not understood, and keeps the others at their positions.
pub(super) type Items<T> = Vec<Option<T>>;

/// A cowhand inventory: three Linux machines in, a highly available Rancher out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "cowhand inventory", extend("required" = ["name", "engine", "rancher"]))]
pub(super) struct RawInventory {
    /// Name of the cluster: small letters, digits and dashes.
    pub name: Option<String>,
    /// How all nodes are reached over SSH; a node's own `ssh` comes before it, ~/.ssh/config fills the rest.
    pub ssh: RawSsh,
    /// The machines: an address, or a map with an address. At least three with engine rke.
    pub nodes: Items<RawNode>,
    /// What makes the Kubernetes cluster: exactly one of rke and existing.
    pub engine: RawEngine,
    /// What serves ports 80 and 443 on the nodes.
    pub ingress: RawIngress,
    /// What makes certificates, where the TLS set-up needs it.
    pub cert_manager: RawCertManager,
    /// Rancher itself.
    pub rancher: RawRancher,
    /// IP addresses of the load balancers in front of the nodes.
    pub load_balancers: Items<String>,
    /// Where backups go, and who can open them.
    pub backup: RawBackup,
    /// Where the laptop asks for names.
    pub dns: RawDns,
    /// The helm program: `search` (PATH, else downloaded), `download` (always the pinned version), or a path.
    pub helm: Option<String>,
    /// Checks that must not stop the run, by id; `cowhand check --list` shows the ids.
    pub skip_checks: Items<String>,
}

/// How nodes are reached over SSH.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSsh {
    /// Where SSH connects when that is not the node's address: a name, an IP address, or a Host alias of the ssh configuration.
    pub host: Option<String>,
    /// The user on the nodes; may use Docker, or sudo without a password.
    pub user: Option<String>,
    /// TCP port of sshd.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Path of the private key.
    pub identity_file: Option<String>,
    /// Jump hosts in order, each [user@]host[:port]; an empty list means none, whatever the ssh configuration says.
    pub jump: Option<RawJump>,
    /// Path of the known_hosts file.
    pub known_hosts: Option<String>,
    /// Path of an ssh configuration, instead of ~/.ssh/config.
    pub config: Option<String>,
    /// How long one connection may take to be made, e.g. 15s.
    pub connect_timeout: Option<String>,
}

/// One machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["address"]))]
pub(super) struct RawNodeMap {
    /// What people call it, and its name in Kubernetes; default is the first label of the address, or n1, n2, …
    pub name: Option<String>,
    /// Where clients reach it: a host name or an IP address.
    pub address: Option<String>,
    /// IP address at which the other nodes reach it, if that differs.
    pub internal_address: Option<String>,
    /// The planes it takes part in; all three unless given.
    pub roles: Option<Items<Role>>,
    /// How this node is reached over SSH, where that differs.
    pub ssh: RawSsh,
    /// Kubernetes labels.
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    pub taints: Items<RawTaint>,
    /// Path of the Docker socket on the node.
    pub docker_socket: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a role")]
pub(super) enum Role {
    Controlplane,
    Etcd,
    Worker,
}

/// A Kubernetes taint.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["key", "effect"]))]
pub(super) struct RawTaint {
    pub key: Option<String>,
    pub value: Option<String>,
    pub effect: Option<TaintEffect>,
}

/// Exactly one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawEngine {
    /// RancherOnRKE: rke builds a cluster on the nodes.
    pub rke: Option<RawRke>,
    /// RancherOnK8S: a cluster that is there already.
    pub existing: Option<RawExisting>,
}

/// A cluster built by rke (RKE1).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRke {
    /// The rke release, e.g. v1.8.0.
    pub version: Option<String>,
    /// The Kubernetes version in RKE's spelling, e.g. v1.32.2-rancher1-1.
    pub kubernetes: Option<String>,
    /// The rke program: `search` (PATH, else downloaded), `download` (always the pinned version), or a path.
    pub binary: Option<String>,
    /// More keys for cluster.yml, merged over what cowhand generates.
    #[schemars(with = "RkeCluster")]
    pub cluster: Values,
    /// Keys of cluster.yml whose values lie in files of their own (0600), such as private_registries[0].password: ./secrets/registry.
    pub files: BTreeMap<String, String>,
    /// The cluster was built by plain rke and taken over by `cowhand adopt`: cowhand adds no defaults of its own to it, and `down` refuses.
    pub adopted: bool,
    /// Keys of cluster.yml that run in an adopted cluster, and that no new one may ask for.
    #[schemars(with = "Free")]
    pub kept: Values,
}

/// A cluster that is there already.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["kubeconfig"]))]
pub(super) struct RawExisting {
    /// Path of the kubeconfig.
    pub kubeconfig: Option<String>,
    /// The context in it; unless given, that of the first `up`, before which it is the current one.
    pub context: Option<String>,
}

/// What serves ports 80 and 443 on the nodes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawIngress {
    /// nginx (RKE's own, default with engine rke), traefik (by chart), existing (default with an existing cluster).
    pub provider: Option<IngressProvider>,
    /// Name of the IngressClass; nginx or traefik unless given, has to be given with provider existing.
    pub class: Option<String>,
    /// Where Traefik's chart comes from.
    pub chart: Option<RawChart>,
    /// Values for Traefik's chart.
    #[schemars(with = "Free")]
    pub values: Values,
}

/// A chart: from a path, or from a repository.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawChart {
    /// A folder or a .tgz; instead of repository, name and version.
    pub path: Option<String>,
    /// URL of a chart repository.
    pub repository: Option<String>,
    /// Name of the chart in the repository.
    pub name: Option<String>,
    /// Version of the chart.
    pub version: Option<String>,
}

/// cert-manager.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCertManager {
    /// auto: when the TLS set-up needs it and it is not there; never: do without, or use one that is there.
    pub install: Option<CertManagerInstall>,
    /// Where cert-manager's chart comes from.
    pub chart: Option<RawChart>,
    /// Values for cert-manager's chart.
    #[schemars(with = "Free")]
    pub values: Values,
}

/// Rancher itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["hostname", "tls"]))]
pub(super) struct RawRancher {
    /// The name users and agents reach Rancher by, e.g. rancher.example.com.
    pub hostname: Option<String>,
    /// Rancher's version, e.g. 2.11.3.
    pub version: Option<String>,
    /// How many Rancher pods run; 3 unless given.
    #[schemars(range(min = 1))]
    pub replicas: Option<u8>,
    /// addon: in RKE's cluster.yml (default with engine rke); helm: by helm upgrade --install.
    pub delivery: Option<Delivery>,
    /// Where Rancher's chart comes from; the stable repository unless given.
    pub chart: Option<RawChart>,
    /// Values for Rancher's chart, besides those that cowhand sets itself.
    #[schemars(with = "RancherValues")]
    pub values: Values,
    /// Path of a file with the password of the first login; one is made when none is given.
    pub bootstrap_password: Option<String>,
    /// Where TLS ends, and who makes the certificates.
    pub tls: RawTls,
}

/// Where TLS ends, and who makes the certificates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["mode", "issuer"]))]
pub(super) struct RawTls {
    /// Where TLS ends: at the ingress, at an external load balancer, or in Rancher's pods.
    pub mode: Option<TlsMode>,
    /// Who makes the certificates: blank (given as files, or Rancher itself), ca (a CA of your own, or one that is made), acme.
    pub issuer: Option<TlsIssuer>,
    /// Path of the certificate (PEM): leaf first, then intermediates.
    pub certificate: Option<String>,
    /// Path of the certificate's key (PEM).
    pub key: Option<String>,
    /// Path of the CA certificate that clients have to trust (PEM), when it is not a public one.
    pub ca: Option<String>,
    /// Path of the CA's key (PEM), with issuer ca.
    pub ca_key: Option<String>,
    /// Path of further CA certificates (PEM) that agents are handed beside ca, for the time of a change of the CA.
    pub also_trust: Option<String>,
    /// The ACME account, with issuer acme.
    pub acme: Option<RawAcme>,
    /// Mode rancher only: pass TLS through to Rancher's pods instead of encrypting anew.
    pub passthrough: Option<bool>,
    /// What agents trust: strict (only the given CA) or system-store; decided by cowhand unless given.
    pub agent_tls_mode: Option<AgentTlsMode>,
}

/// An ACME account, Let's Encrypt's unless a server is given.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["email"]))]
pub(super) struct RawAcme {
    /// Where Let's Encrypt writes to.
    pub email: Option<String>,
    /// production (default) or staging: untrusted certificates, but no limits while trying.
    pub environment: Option<AcmeEnvironment>,
    /// Directory URL of another ACME server.
    pub server: Option<String>,
    /// Path of the CA (PEM) of that server's own HTTPS certificate.
    pub server_ca: Option<String>,
}

/// Where backups go, and who can open them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBackup {
    /// Public keys of age (age1…); each of them opens every backup.
    pub recipients: Items<String>,
    /// Path of a file with a passphrase, instead of recipients.
    pub passphrase: Option<String>,
    /// Folders that backups are written to, or `ssh://[user@]host[:port]/path`; `backups` beside the inventory unless given.
    pub to: Items<String>,
}

/// Where the laptop asks for names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDns {
    /// A DNS server, ip or ip:port, instead of the laptop's own resolver.
    pub server: Option<String>,
}

/// A node as a bare address, or as a map.
#[derive(Debug)]
pub(super) struct RawNode(pub RawNodeMap);

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;
        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = RawNode;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("an address, or a map with an address")
            }

            fn visit_str<E>(self, address: &str) -> Result<RawNode, E> {
                Ok(RawNode(RawNodeMap { address: Some(address.to_owned()), ..RawNodeMap::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawNode, A::Error> {
                RawNodeMap::deserialize(MapAccessDeserializer::new(map)).map(RawNode)
            }
        }
        deserializer.deserialize_any(NodeVisitor)
    }
}

impl JsonSchema for RawNode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawNode".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, generator.subschema_for::<RawNodeMap>()]})
    }
}

/// One jump host as text, or several as a list.
#[derive(Debug)]
pub(super) struct RawJump(pub Items<String>);

impl<'de> Deserialize<'de> for RawJump {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JumpVisitor;
        impl<'de> Visitor<'de> for JumpVisitor {
            type Value = RawJump;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a jump host, or a list of them")
            }

            fn visit_str<E>(self, hosts: &str) -> Result<RawJump, E> {
                Ok(RawJump(hosts.split(',').map(|host| Some(host.trim().to_owned())).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawJump, A::Error> {
                let mut hosts = Vec::new();
                while let Some(host) = list.next_element()? {
                    hosts.push(host);
                }
                Ok(RawJump(hosts))
            }
        }
        deserializer.deserialize_any(JumpVisitor)
    }
}

impl JsonSchema for RawJump {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawJump".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

/// Names a schema that is not derived from a type; those named by `$ref` stand in `known_keys.json`.
macro_rules! schema_only {
    ($name:ident, $schema:tt) => {
        struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema_only!(Free, {"type": "object", "additionalProperties": true});
schema_only!(RkeCluster, {"$ref": "#/$defs/RkeCluster"});
schema_only!(RancherValues, {"$ref": "#/$defs/RancherValues"});
