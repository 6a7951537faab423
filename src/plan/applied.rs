//! What RKE last applied, read from `cluster.rkestate`, against the cluster.yml that is wanted now.
//!
//! RKE fills in its own defaults, so the question is not "equal" but "is everything we ask for there".
//! The state's JSON names are cluster.yml's names in camel case (rancher/rke v1.8.0 `types/rke_types.go`).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::inventory::{is_secret, masked_value};

/// The part of `cluster.rkestate` that planning needs. The file also holds every private key of the cluster.
#[derive(Deserialize)]
pub struct State {
    #[serde(rename = "desiredState", default)]
    desired: Half,
    #[serde(rename = "currentState", default)]
    current: Half,
}

#[derive(Deserialize, Default)]
struct Half {
    #[serde(rename = "rkeConfig", default)]
    config: Option<Map<String, Value>>,
    #[serde(rename = "certificatesBundle", default)]
    certificates: Option<Map<String, Value>>,
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    #[error("it is empty, as RKE leaves it when the disk is full or the run is killed while it writes")]
    Empty,
    #[error("it is not RKE's state: {0}")]
    Unreadable(String),
    #[error("it holds no cluster CA")]
    NoCa,
}

impl State {
    pub fn parse(text: &str) -> Result<State, StateError> {
        if text.trim().is_empty() {
            return Err(StateError::Empty);
        }
        let state: State = serde_json::from_str(text).map_err(|error| StateError::Unreadable(error.to_string()))?;
        match state.ca_pem() {
            Some(_) => Ok(state),
            None => Err(StateError::NoCa),
        }
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

    /// The addresses of its nodes.
    pub fn addresses(&self) -> Vec<&str> {
        let nodes = self.config().and_then(|config| config.get("nodes")?.as_array());
        nodes.into_iter().flatten().filter_map(|node| node.get("address")?.as_str()).collect()
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.current.config.as_ref().or(self.desired.config.as_ref())
    }

    /// Whether RKE applied an addon: taking it out of cluster.yml makes RKE delete every object in it
    /// (rancher/rke v1.8.0: cluster/addons.go).
    pub fn has_addon(&self) -> bool {
        self.addon().is_some()
    }

    /// The text of the addon that RKE applied.
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

    fn certificate(&self, name: &str, field: &str) -> Option<&str> {
        [&self.desired, &self.current]
            .into_iter()
            .filter_map(|half| half.certificates.as_ref()?.get(name)?.get(field)?.as_str())
            .find(|text| !text.is_empty())
    }

    /// What is wanted otherwise than it is, and RKE would do to a living cluster without undoing harm: an older Kubernetes
    /// (kubernetes.io: version-skew-policy, no downgrade), another network plugin under running pods, another name.
    pub fn unsupported(&self, wanted: &Map<String, Value>) -> Vec<String> {
        let Some(applied) = &self.current.config else { return Vec::new() };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_string();
        let mut found = Vec::new();
        let (there, asked) = (text(applied.get("kubernetesVersion")), text(wanted.get("kubernetes_version")));
        let version = |text: &str| semver::Version::parse(text.trim_start_matches('v')).ok();
        let older = |a: semver::Version, b: semver::Version| (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch);
        if version(&asked).zip(version(&there)).is_some_and(|(asked, there)| older(asked, there)) {
            found.push(format!("kubernetes {there} runs, and {asked} is older"));
        }
        let plugin = |config: &Map<String, Value>| text(config.get("network").and_then(|one| one.get("plugin")));
        let (there, asked) = (plugin(applied), plugin(wanted));
        if !there.is_empty() && !asked.is_empty() && there != asked {
            found.push(format!("the network plugin {there} carries the pods, and {asked} is asked for"));
        }
        let (there, asked) = (text(applied.get("clusterName")), text(wanted.get("cluster_name")));
        if !there.is_empty() && !asked.is_empty() && there != asked {
            found.push(format!("the cluster is called {there}, and the inventory says {asked}"));
        }
        found.extend(renamed(applied, wanted));
        found
    }

    /// Where what RKE last applied does not contain what is wanted: `services.etcd.backup_config.retention: 6 -> 28`.
    ///
    /// Empty means that a further `rke up` would be asked for nothing new. The control plane is recorded before
    /// workers and addons are, so the caller has to look at the cluster as well.
    pub fn differences(&self, wanted: &Map<String, Value>) -> Vec<String> {
        let Some(applied) = &self.current.config else {
            return vec!["RKE has not finished a control plane with this state yet".into()];
        };
        let mut found = Vec::new();
        let bare = super::rke::without_digest(wanted);
        for (key, value) in bare.iter().filter(|(key, _)| *key != "addons" && !is_way(key)) {
            compare(key, value, applied.get(&camel(key)), &mut found);
        }
        nodes_gone(wanted, applied, &mut found);
        addon(wanted, applied, &mut found);
        noted(wanted, applied, &mut found);
        found
    }
}

/// Nodes of the same address under another name: the old Node object would stay behind, dead.
fn renamed(applied: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<String> {
    let nodes = |config: &Map<String, Value>, key: &str| -> Vec<(String, String)> {
        let text = |node: &Value, key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let nodes = config.get("nodes").and_then(Value::as_array).into_iter().flatten();
        nodes.map(|node| (text(node, "address"), text(node, key))).filter(|(_, name)| !name.is_empty()).collect()
    };
    let there = nodes(applied, "hostnameOverride");
    let renamed = nodes(wanted, "hostname_override").into_iter().filter_map(|(address, asked)| {
        let (_, name) = there.iter().find(|(known, name)| *known == address && *name != asked)?;
        Some(format!("the node at {address} is called {name}, and the inventory says {asked}"))
    });
    renamed.collect()
}

/// How rke reached the nodes: through cowhand's front then, by another way perhaps by hand.
fn is_way(key: &str) -> bool {
    super::rke::WAYS.contains(&key)
}

/// The addon, and the digest in its first line: it differs when something was asked for earlier and no longer is,
/// which no comparison of the wanted values can show.
fn addon(wanted: &Map<String, Value>, applied: &Map<String, Value>, found: &mut Vec<String>) {
    let text =
        |config: &Map<String, Value>| config.get("addons").and_then(Value::as_str).unwrap_or_default().to_string();
    let (wanted, applied) = (text(wanted), text(applied));
    if wanted.is_empty() {
        if !applied.is_empty() {
            found.push("addons: applied, no longer wanted".into());
        }
        return;
    }
    let (wanted_digest, wanted) = super::rke::addon_digest(&wanted);
    let (applied_digest, applied) = super::rke::addon_digest(&applied);
    if wanted.trim() != applied.trim() {
        found.push(format!("addons: ({} lines) -> ({} lines)", applied.lines().count(), wanted.lines().count()));
    } else if wanted_digest != applied_digest && found.is_empty() {
        found.push(NO_LONGER.into());
    }
}

const NO_LONGER: &str = "something that was asked for earlier is no longer wanted";

/// The same where there is no addon.
fn noted(wanted: &Map<String, Value>, applied: &Map<String, Value>, found: &mut Vec<String>) {
    let Some(digest) = super::rke::noted_digest(wanted) else { return };
    match super::rke::noted_digest(applied) {
        _ if !found.is_empty() => {}
        Some(before) if before == digest => {}
        Some(_) => found.push(NO_LONGER.into()),
        None => found.push("RKE has not noted yet what it was asked for".into()),
    }
}

/// A node that RKE has and the inventory no longer names is a difference too.
fn nodes_gone(wanted: &Map<String, Value>, applied: &Map<String, Value>, found: &mut Vec<String>) {
    let addresses = |config: &Map<String, Value>| -> Vec<String> {
        let nodes = config.get("nodes").and_then(Value::as_array);
        nodes.into_iter().flatten().filter_map(|node| Some(node.get("address")?.as_str()?.to_string())).collect()
    };
    let wanted = addresses(wanted);
    let gone = addresses(applied).into_iter().filter(|address| !wanted.contains(address));
    found.extend(gone.map(|address| format!("nodes: {address} applied, no longer wanted")));
}

fn compare(path: &str, wanted: &Value, applied: Option<&Value>, found: &mut Vec<String>) {
    match (wanted, applied) {
        (Value::Object(wanted), Some(Value::Object(applied))) => {
            for (key, value) in wanted.iter().filter(|(key, _)| !is_way(key)) {
                // Free maps (labels, extra_args, options) keep their keys; RKE's own fields are camel case.
                let there = applied.get(&camel(key)).or_else(|| applied.get(key));
                compare(&format!("{path}.{key}"), value, there, found);
            }
        }
        (Value::Array(wanted), Some(Value::Array(applied))) if path == "nodes" => {
            for node in wanted {
                let address = node.get("address").unwrap_or(&Value::Null);
                let twin = applied.iter().find(|other| other.get("address") == Some(address));
                let name = format!("nodes[{}]", address.as_str().unwrap_or_default());
                match twin {
                    Some(twin) => compare(&name, node, Some(twin), found),
                    None => found.push(format!("{name}: new")),
                }
            }
        }
        (Value::Array(wanted), Some(Value::Array(applied))) if wanted.len() == applied.len() => {
            for (index, (wanted, applied)) in wanted.iter().zip(applied).enumerate() {
                compare(&format!("{path}[{index}]"), wanted, Some(applied), found);
            }
        }
        (wanted, applied) if scalar(wanted) == applied.and_then(scalar) && scalar(wanted).is_some() => {}
        // RKE leaves out what is empty, false or null.
        (wanted, None) if is_empty(wanted) => {}
        (wanted, applied) => found.push(difference(path, wanted, applied)),
    }
}

fn difference(path: &str, wanted: &Value, applied: Option<&Value>) -> String {
    let key = path.rsplit(['.', '[']).next().unwrap_or(path);
    if is_secret(key) {
        return format!("{path}: another value than before");
    }
    let short = |value: &Value| match scalar(&masked_value(value)) {
        Some(text) if text.lines().count() <= 1 && text.len() < 80 => text,
        Some(text) => format!("({} lines)", text.lines().count()),
        None => masked_value(value).to_string(),
    };
    format!("{path}: {} -> {}", applied.map_or("(unset)".into(), short), short(wanted))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// `kubernetes_version` -> `kubernetesVersion`, `kube-api` -> `kubeApi`, with the names that RKE spells in its own way.
fn camel(key: &str) -> String {
    match key {
        "calico_flexvol" => return "calicoFlexVol".into(),
        "canal_flexvol" => return "canalFlexVol".into(),
        "ignore_daemonsets" => return "ignoreDaemonSets".into(),
        "aws_session_token" => return "awsAccessToken".into(),
        "cloudprovider" => return "cloudProvider".into(),
        "s3backupconfig" => return "s3BackupConfig".into(),
        _ => {}
    }
    let mut out = String::new();
    let mut upper = false;
    for letter in key.chars() {
        match letter {
            '_' | '-' => upper = true,
            letter if upper => {
                out.extend(letter.to_uppercase());
                upper = false;
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
#[path = "applied_tests.rs"]
mod tests;
