//! What is wanted otherwise than it is, as data, and the one place that puts it into words.
//!
//! Values that may be secret are never in here: what may be shown of a value is decided where two values are compared.

use std::fmt;

use serde::{Serialize, Serializer};

/// One thing that an engine would have to change in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// There is no cluster yet.
    Create,
    /// A node that the engine has not applied.
    Join { node: Member },
    /// A node that it applied and nobody wants any more.
    Leave { node: Member },
    /// Another machine takes over the name of one that leaves.
    Replace { leaves: Member, joins: Member },
    /// The machine stays, by its internal address; it is reached at another one.
    Readdress { from: Member, to: Member },
    /// Another version of a program. `from` is what runs.
    Version { what: Program, from: String, to: String },
    /// A field of the configuration, e.g. `services.etcd.backup_config.retention`.
    Setting { path: String, from: Shown, to: Shown },
    /// The objects that the engine applies as its addon.
    Addon { fields: Vec<FieldChange> },
    /// The cluster's certificates are made anew.
    Rotate,
    /// etcd is put back to a snapshot.
    Restore,
    /// The engine forgets what it applied, and builds on under the same CA.
    Forget,
    /// What a run that was ended left, or what only a digest tells.
    Unknown { sign: Sign },
}

/// A node as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// By which the engine reaches it.
    pub address: String,
    /// Lower case; empty where the engine has noted none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub internal_address: String,
    /// `controlplane`, `etcd`, `worker`.
    pub roles: Vec<String>,
}

impl Member {
    pub fn is_etcd(&self) -> bool {
        self.roles.iter().any(|role| role == "etcd")
    }

    /// Its name, or its address where it has none.
    pub fn word(&self) -> &str {
        if self.name.is_empty() { &self.address } else { &self.name }
    }
}

/// A program whose version the inventory names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    Kubernetes,
}

impl Program {
    /// The key that says its version in the engine's configuration.
    pub fn key(self) -> &'static str {
        match self {
            Program::Kubernetes => "kubernetes_version",
        }
    }
}

/// As much of a value as may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// There is none.
    Absent,
    Text(String),
    /// It may be secret.
    Hidden,
}

impl Shown {
    pub fn text(&self) -> Option<&str> {
        match self {
            Shown::Text(text) => Some(text),
            Shown::Absent | Shown::Hidden => None,
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Shown::Absent => to.serialize_none(),
            Shown::Text(text) => to.serialize_str(text),
            Shown::Hidden => to.serialize_str("***"),
        }
    }
}

/// How the objects of an addon differ. `object` is `Kind namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "field", rename_all = "kebab-case")]
pub enum FieldChange {
    Comes {
        object: String,
    },
    Goes {
        object: String,
    },
    Differs {
        object: String,
        path: String,
        from: Shown,
        to: Shown,
    },
    /// The same objects, written otherwise.
    Rewritten,
    /// One of the two texts is no YAML; how many lines they have.
    Unreadable {
        from: usize,
        to: usize,
    },
    /// The addon as a whole is no longer wanted.
    Dropped,
}

/// By what it is known that something is left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "sign", rename_all = "kebab-case")]
pub enum Sign {
    /// The engine has finished no control plane.
    NoControlPlane,
    /// A digest shows that something is gone from what is wanted, not what.
    NoLongerWanted,
    /// The engine has no digest of what is wanted.
    NotNoted,
    /// A container of the engine's that stands still; `status` is Docker's word.
    Stopped {
        container: String,
        node: String,
        status: String,
    },
    /// On the API's port of any control plane.
    NothingListens,
    NotJoined {
        node: String,
    },
    NotReady {
        node: String,
        message: String,
    },
    AddonNotApplied,
    /// An object of the addon is missing or was changed.
    AddonObject {
        object: String,
    },
}

/// A line; of what concerns two nodes, two.
impl fmt::Display for Change {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Create => write!(to, "there is no cluster yet"),
            Change::Join { node } => write!(to, "nodes[{}]: new", node.address),
            Change::Leave { node } => write!(to, "nodes: {} is a node for RKE, and not in the inventory", node.address),
            Change::Replace { leaves: was, joins: is } | Change::Readdress { from: was, to: is } => {
                write!(
                    to,
                    "nodes[{}]: new\nnodes: {} is a node for RKE, and not in the inventory",
                    is.address, was.address
                )
            }
            Change::Version { what, from, to: wanted } => write!(to, "{}: {from} -> {wanted}", what.key()),
            Change::Setting { path, from, to: wanted } => difference(to, path, from, wanted, "(unset)"),
            Change::Addon { fields } => {
                let lines: Vec<String> = fields.iter().map(ToString::to_string).collect();
                to.write_str(&lines.join("\n"))
            }
            Change::Rotate => write!(to, "the cluster's certificates are made anew, under the same CA"),
            Change::Restore => write!(to, "etcd is put back to a snapshot"),
            Change::Forget => {
                write!(to, "an earlier run was cut off before the network came up: rke builds on, under the same CA")
            }
            Change::Unknown { sign } => sign.fmt(to),
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldChange::Comes { object } => write!(to, "addon + {object}"),
            FieldChange::Goes { object } => write!(to, "addon - {object}"),
            FieldChange::Differs { object, path, from, to: wanted } => {
                write!(to, "addon ~ {object} ")?;
                match (from, wanted) {
                    (Shown::Hidden, Shown::Hidden) => write!(to, "{path}: another value"),
                    _ => difference(to, path, from, wanted, "(none)"),
                }
            }
            FieldChange::Rewritten => write!(to, "addons: the same objects in another notation"),
            FieldChange::Unreadable { from, to: wanted } => write!(to, "addon ({from} lines) -> ({wanted} lines)"),
            FieldChange::Dropped => write!(to, "addons: RKE has them, and the inventory no longer asks for any"),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::NoControlPlane => write!(to, "RKE has not yet finished a control plane with this state"),
            Sign::NoLongerWanted => write!(to, "the inventory no longer sets something that it set before"),
            Sign::NotNoted => write!(to, "cluster.rkestate does not yet say what the inventory asks for"),
            Sign::Stopped { container, node, status } => write!(to, "{container} on {node} does not run: {status}"),
            Sign::NothingListens => write!(to, "nothing listens on the API's port of any control plane"),
            Sign::NotJoined { node } => write!(to, "{node} has not joined the cluster"),
            Sign::NotReady { node, message } => write!(to, "{node} is not Ready: {message}"),
            Sign::AddonNotApplied => write!(to, "the addon with Rancher was not applied completely"),
            Sign::AddonObject { object } => write!(to, "{object} differs from the addon"),
        }
    }
}

fn difference(to: &mut fmt::Formatter<'_>, path: &str, from: &Shown, wanted: &Shown, none: &str) -> fmt::Result {
    let word = |value: &Shown| match value {
        Shown::Absent => none.to_owned(),
        Shown::Text(text) => text.clone(),
        Shown::Hidden => "***".to_owned(),
    };
    match (from, wanted) {
        (Shown::Hidden, Shown::Hidden) => write!(to, "{path}: another value than before"),
        _ => write!(to, "{path}: {} -> {}", word(from), word(wanted)),
    }
}

/// Every change as lines for people.
pub fn lines(changes: &[Change]) -> Vec<String> {
    let text = changes.iter().map(ToString::to_string).filter(|text| !text.is_empty());
    text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_value_is_neither_in_words_nor_in_json() {
        let path = || "private_registries[0].password".to_owned();
        let change = Change::Setting { path: path(), from: Shown::Hidden, to: Shown::Hidden };
        assert_eq!(change.to_string(), "private_registries[0].password: another value than before");
        let json = serde_json::json!({"change": "setting", "path": path(), "from": "***", "to": "***"});
        assert_eq!(serde_json::to_value(&change).unwrap(), json);
        let first = Change::Setting { path: path(), from: Shown::Absent, to: Shown::Hidden };
        assert_eq!(first.to_string(), "private_registries[0].password: (unset) -> ***");
    }

    #[test]
    fn every_change_has_words_of_its_own() {
        let node = |address: &str| Member {
            address: address.into(),
            name: "n1".into(),
            internal_address: String::new(),
            roles: vec!["etcd".into()],
        };
        let field = FieldChange::Comes { object: "Namespace x".into() };
        let all = [
            Change::Create,
            Change::Join { node: node("10.0.0.1") },
            Change::Leave { node: node("10.0.0.2") },
            Change::Replace { leaves: node("10.0.0.3"), joins: node("10.0.0.4") },
            Change::Version { what: Program::Kubernetes, from: "v1.31.1".into(), to: "v1.32.2".into() },
            Change::Setting { path: "a".into(), from: Shown::Absent, to: Shown::Text("b".into()) },
            Change::Addon { fields: vec![field, FieldChange::Rewritten] },
            Change::Rotate,
            Change::Restore,
            Change::Forget,
            Change::Unknown { sign: Sign::NothingListens },
        ];
        let told = lines(&all);
        assert_eq!(told.len(), 13, "{told:#?}");
        let once = |line: &String| told.iter().filter(|other| *other == line).count() == 1;
        assert!(told.iter().all(once), "{told:#?}");
        assert_eq!(told[4], "nodes: 10.0.0.3 is a node for RKE, and not in the inventory");
    }
}
