//! What RKE last applied, read from `cluster.rkestate`.

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::failure::Hint;

/// The part of `cluster.rkestate` that planning needs. The file also holds every private key of the cluster.
#[derive(Deserialize)]
pub struct State {
    #[serde(rename = "desiredState", default)]
    desired: Half,
    #[serde(rename = "currentState", default)]
    current: Half,
    /// Digest of the cluster.yml that the cluster was taken over with; see [`State::taken_over_as`].
    #[serde(skip)]
    pub(super) taken_over: Option<String>,
    /// Keys of cluster.yml whose values are never shown; see [`State::hiding`].
    #[serde(skip)]
    pub(super) hidden: Vec<String>,
}

/// A certificate of the cluster with its key, both PEM.
pub struct KeyPair<'a> {
    pub certificate: &'a str,
    pub key: &'a str,
}

#[derive(Deserialize, Default)]
struct Half {
    #[serde(rename = "rkeConfig", default)]
    config: Option<Map<String, Value>>,
    #[serde(rename = "certificatesBundle", default)]
    certificates: Option<Map<String, Value>>,
    /// YAML of the API server's EncryptionConfiguration, with its keys.
    #[serde(rename = "encryptionConfig", default)]
    encryption: Option<String>,
}

impl Half {
    fn certificate(&self, name: &str, field: &str) -> Option<&str> {
        let text = self.certificates.as_ref()?.get(name)?.get(field)?.as_str();
        text.filter(|text| !text.is_empty())
    }
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    #[error("it is empty, as RKE leaves it when the disk is full or the run is killed while it writes")]
    Empty,
    #[error("it is cut off: {0}")]
    CutOff(String),
    #[error("it is not RKE's state: {0}")]
    Unreadable(String),
    #[error("it holds no cluster CA")]
    NoCa,
    #[error("it holds the cluster's CA without its key")]
    NoCaKey,
}

impl Hint for StateError {}

impl State {
    /// A state that a cluster can be mended from. Without a CA in `desiredState`, and its key, rke makes a new one over
    /// the cluster (rancher/rke v1.8.0: cluster/state.go, RebuildState).
    pub fn parse(text: &str) -> Result<State, StateError> {
        if text.trim().is_empty() {
            return Err(StateError::Empty);
        }
        let state: State = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Eof | Category::Syntax => StateError::CutOff(error.to_string()),
            Category::Data | Category::Io => StateError::Unreadable(error.to_string()),
        })?;
        match (state.desired.certificate("kube-ca", "certificatePEM"), state.desired.certificate("kube-ca", "keyPEM")) {
            (Some(_), Some(_)) => Ok(state),
            (Some(_), None) => Err(StateError::NoCaKey),
            (None, _) => Err(StateError::NoCa),
        }
    }

    /// The state of a cluster that plain rke built: nothing is noted in it yet of what it was asked for, and `digest` is
    /// that of the cluster.yml it was taken over with.
    pub fn taken_over_as(self, digest: Option<String>) -> State {
        State { taken_over: digest, ..self }
    }

    /// The same, with keys of cluster.yml (`services.kube-api.extra_env[0]`) whose values lie in files: whatever changes in
    /// them is told, and never what it was or is.
    pub fn hiding(self, keys: Vec<String>) -> State {
        State { hidden: keys, ..self }
    }

    /// PEM of the cluster's CA certificate (`kube-ca`).
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificate("kube-ca", "certificatePEM")
    }

    /// The admin kube config that RKE wrote last, with the admin's key in it.
    pub fn kubeconfig(&self) -> Option<&str> {
        self.certificate("kube-admin", "config")
    }

    /// The cluster's name in what RKE applied last, or else was asked for.
    pub fn cluster_name(&self) -> Option<&str> {
        self.config()?.get("clusterName")?.as_str().filter(|name| !name.is_empty())
    }

    /// The version that RKE applied last, in its own spelling.
    pub fn kubernetes(&self) -> Option<&str> {
        self.config()?.get("kubernetesVersion")?.as_str().filter(|version| !version.is_empty())
    }

    /// The addresses of its nodes.
    pub fn addresses(&self) -> Vec<&str> {
        let nodes = self.config().and_then(|config| config.get("nodes")?.as_array());
        nodes.into_iter().flatten().filter_map(|node| node.get("address")?.as_str()).collect()
    }

    /// One of them, by its key in `system_images` (camel case in the state).
    pub fn system_image(&self, key: &str) -> Option<&str> {
        let image = self.config()?.get("systemImages")?.get(key)?.as_str();
        image.filter(|image| !image.is_empty())
    }

    /// The images that RKE built the cluster with.
    pub fn system_images(&self) -> Vec<&str> {
        let images = self.current.config.as_ref().and_then(|config| config.get("systemImages")?.as_object());
        images.into_iter().flatten().filter_map(|(_, image)| image.as_str()).collect()
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.current.config.as_ref().or(self.desired.config.as_ref())
    }

    /// The text of the addon that RKE applied: taking it out of cluster.yml makes RKE delete every object in it
    /// (rancher/rke v1.8.0: cluster/addons.go).
    pub fn addon(&self) -> Option<&str> {
        let addon = self.current.config.as_ref().and_then(|config| config.get("addons")?.as_str());
        addon.filter(|text| !text.trim().is_empty())
    }

    /// The name and PEM of each certificate that RKE made, never a key.
    pub fn certificates(&self) -> Vec<(&str, &str)> {
        let bundle = self.current.certificates.as_ref().or(self.desired.certificates.as_ref());
        let certificates = bundle.into_iter().flatten();
        certificates.filter_map(|(name, one)| Some((name.as_str(), one.get("certificatePEM")?.as_str()?))).collect()
    }

    /// The key pair that every node bears: with it rke and the API server log in to etcd.
    pub fn node_pair(&self) -> Option<KeyPair<'_>> {
        let part = |field| self.certificate("kube-node", field);
        Some(KeyPair { certificate: part("certificatePEM")?, key: part("keyPEM")? })
    }

    /// PEM of the key that signs tokens of service accounts.
    pub fn service_account_key(&self) -> Option<&str> {
        self.certificate("kube-service-account-token", "keyPEM")
    }

    /// How the API server encrypts Secrets in etcd, as YAML with its keys; `None` where it does not.
    pub fn encryption_config(&self) -> Option<&str> {
        let found = [&self.desired, &self.current].into_iter().find_map(|half| half.encryption.as_deref());
        found.filter(|text| !text.trim().is_empty())
    }

    /// Kubernetes in RKE's spelling, e.g. `v1.32.2-rancher1-1`.
    pub fn kubernetes_version(&self) -> Option<&str> {
        self.config()?.get("kubernetesVersion")?.as_str().filter(|version| !version.is_empty())
    }

    /// The names of its nodes in Kubernetes.
    pub fn node_names(&self) -> Vec<String> {
        let nodes = self.config().and_then(|config| config.get("nodes")?.as_array());
        let name = |node: &Value| {
            let text = |key: &str| node.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            text("hostnameOverride").or_else(|| text("address")).map(str::to_lowercase)
        };
        nodes.into_iter().flatten().filter_map(name).collect()
    }

    fn certificate(&self, name: &str, field: &str) -> Option<&str> {
        [&self.desired, &self.current].into_iter().find_map(|half| half.certificate(name, field))
    }

    /// The configuration that RKE applied last; `None` before it has finished a control plane.
    pub(super) fn applied(&self) -> Option<&Map<String, Value>> {
        self.current.config.as_ref()
    }

    /// The one that it was asked for last. A run that was cut off may never have come to it.
    pub(super) fn asked(&self) -> Option<&Map<String, Value>> {
        self.desired.config.as_ref()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
