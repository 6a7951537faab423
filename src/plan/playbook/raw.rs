//! A run file as it is written: one struct a map, one field a key. The JSON Schema is derived from here, so that every doc
//! comment is also what `cowhand schema --playbook` and an editor show.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// A cowhand run file: what one run does, in order.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "cowhand run file", extend("required" = ["name", "items"]))]
pub(super) struct RawPlaybook {
    /// What has to be typed, or given as --yes, where the file asks.
    pub name: Option<String>,
    /// What is done, one after the other; the first failure ends the run.
    pub items: Vec<Option<RawItem>>,
}

/// A stage or verb that needs no words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "an item")]
pub(super) enum Word {
    Check,
    Cluster,
    Ingress,
    CertManager,
    Rancher,
    Verify,
    Up,
    Down,
    RecoverState,
    Backup,
    Plan,
    Status,
    Certs,
    Drift,
}

/// An item as a bare word, or as a map with one key.
#[derive(Debug, PartialEq)]
pub(super) enum RawItem {
    Word(Word),
    Map(Box<RawItemMap>),
}

/// Exactly one key: what is done.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawItemMap {
    /// Run a command on nodes.
    pub run: Option<RawRun>,
    /// Put a file on nodes.
    pub upload: Option<RawUpload>,
    /// Close nodes for new pods and evict those on them, one node after the other.
    pub drain: Option<RawDrain>,
    /// Open nodes for pods again that cowhand closed.
    pub uncordon: Option<RawUncordon>,
    /// Reboot nodes, one after the other.
    pub reboot: Option<RawReboot>,
    /// Take nodes through several items, one node after the other.
    pub turns: Option<RawTurns>,
    /// Wait for something of the cluster.
    pub wait: Option<RawWait>,
    /// Ask before the run goes on: the name of the run file has to be typed, or given as --yes.
    pub confirm: Option<String>,
    /// Tell this.
    pub note: Option<String>,
}

/// A command on nodes.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on", "words"]))]
pub(super) struct RawRun {
    /// Names of nodes, roles (controlplane, etcd, worker), all; with each: one after the other, up to the first failure.
    pub on: Option<RawSelector>,
    /// The command, one word an item; no shell reads it.
    #[schemars(length(min = 1))]
    pub words: Vec<Option<String>>,
    /// Run it as root, with sudo.
    pub sudo: Option<bool>,
    /// How long it may take on a node, e.g. 20m; 1m unless given.
    pub limit: Option<String>,
    /// Path of a file (0600) that the command reads as its standard input; never shown.
    pub stdin_file: Option<String>,
    /// Variables of its environment, each the path of a file (0600) with the value in one line; never shown.
    pub env_files: BTreeMap<String, Option<String>>,
    /// It takes a node down for a while: one node at a time, and the next only when all nodes are well again.
    pub disrupts: Option<bool>,
    /// Do it however the items before ended, once one of them has begun to change something.
    pub always: Option<bool>,
}

/// A file of this machine for nodes.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on", "from", "to"]))]
pub(super) struct RawUpload {
    /// Names of nodes, roles (controlplane, etcd, worker), all; with each: one after the other, up to the first failure.
    pub on: Option<RawSelector>,
    /// Path of the file on this machine.
    pub from: Option<String>,
    /// Absolute path on the nodes; what is there is replaced in one move.
    pub to: Option<String>,
    /// Its permissions, e.g. "0644"; 0600 unless given.
    pub mode: Option<String>,
    /// Make it root's file, with sudo.
    pub sudo: Option<bool>,
    /// Do it however the items before ended, once one of them has begun to change something.
    pub always: Option<bool>,
}

/// Nodes that are emptied for work on their machines, one at a time, as `cowhand node drain` does it.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on"]))]
pub(super) struct RawDrain {
    /// Names of nodes, roles (controlplane, etcd, worker), all; within turns: this.
    pub on: Option<RawSelector>,
    /// How long the pods of a node may take to go, e.g. 20m; 10m unless given.
    pub limit: Option<String>,
    /// Evict pods with an emptyDir too: what they keep there is gone.
    pub delete_emptydir_data: Option<bool>,
    /// Evict pods that no controller starts again: they are gone.
    pub force: Option<bool>,
}

/// Nodes that are opened again. One that somebody else has closed stays closed.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on"]))]
pub(super) struct RawUncordon {
    /// Names of nodes, roles (controlplane, etcd, worker), all; within turns: this.
    pub on: Option<RawSelector>,
    /// Do it however the items before ended, once one of them has begun to change something; within turns, once this turn has begun.
    pub always: Option<bool>,
}

/// Each of the nodes goes through all of the items, and then the next node; the first failure ends the run.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on", "items"]))]
pub(super) struct RawTurns {
    /// Names of nodes, roles (controlplane, etcd, worker), all.
    pub on: Option<RawSelector>,
    /// What is done with each; `on: this` is the node whose turn it is.
    pub items: Vec<Option<RawTurnItem>>,
}

/// Exactly one key: what is done with the node whose turn it is.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawTurnItem {
    /// Run a command on it.
    pub run: Option<RawRun>,
    /// Put a file on it.
    pub upload: Option<RawUpload>,
    /// Close it for new pods and evict those on it.
    pub drain: Option<RawDrain>,
    /// Open it for pods again, if cowhand closed it.
    pub uncordon: Option<RawUncordon>,
    /// Reboot it.
    pub reboot: Option<RawReboot>,
    /// Wait for something of the cluster.
    pub wait: Option<RawWait>,
    /// Tell this.
    pub note: Option<String>,
}

impl From<RawTurnItem> for RawItemMap {
    fn from(item: RawTurnItem) -> RawItemMap {
        let RawTurnItem { run, upload, drain, uncordon, reboot, wait, note } = item;
        RawItemMap { run, upload, drain, uncordon, reboot, wait, note, turns: None, confirm: None }
    }
}

/// Nodes that are rebooted one at a time; each only while the other control planes and members of etcd are well.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on"]))]
pub(super) struct RawReboot {
    /// Names of nodes, roles (controlplane, etcd, worker), all.
    pub on: Option<RawSelector>,
    /// How long a node may take until it is back and Ready, e.g. 20m; 15m unless given.
    pub limit: Option<String>,
}

/// What of the cluster is waited for: exactly one of nodes, deployment and daemonset.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawWait {
    /// Every node of the inventory is Ready.
    pub nodes: Option<NodesWord>,
    /// A Deployment has all its pods, as namespace/name.
    pub deployment: Option<String>,
    /// A DaemonSet has all its pods, as namespace/name.
    pub daemonset: Option<String>,
    /// How long at most, e.g. 5m; 10m unless given.
    pub limit: Option<String>,
    /// Do it however the items before ended, once one of them has begun to change something.
    pub always: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "what nodes are waited to be")]
pub(super) enum NodesWord {
    Ready,
}

/// One word, or several as a list.
#[derive(Debug, PartialEq)]
pub(super) struct RawSelector {
    pub words: Vec<Option<String>>,
    /// As a list, so that each has a place of its own.
    pub list: bool,
}

impl<'de> Deserialize<'de> for RawSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) => Ok(RawSelector { words: vec![Some(word)], list: false }),
            list => {
                let words = serde_json::from_value(list).map_err(D::Error::custom)?;
                Ok(RawSelector { words, list: true })
            }
        }
    }
}

impl JsonSchema for RawSelector {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawSelector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

impl<'de> Deserialize<'de> for RawItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            word @ Value::String(_) => serde_json::from_value(word).map(RawItem::Word).map_err(D::Error::custom),
            map => serde_json::from_value(map).map(|map| RawItem::Map(Box::new(map))).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for RawItem {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<Word>(), generator.subschema_for::<RawItemMap>()]})
    }
}
