//! What RKE last applied against the cluster.yml that is wanted now.
//!
//! RKE fills in its own defaults, so the question is not "equal" but "is everything we ask for there".
//! The state's JSON names are cluster.yml's names in camel case (rancher/rke v1.8.0 `types/rke_types.go`).

use serde_json::{Map, Value};

use super::cluster_yml::{WAYS, addon_digest, noted_digest, without_digest};
use super::fields;
use super::state::State;
use crate::engine::change::{Change, FieldChange, Member, Program, Shown, Sign};
use crate::engine::rules::NETWORK_DEFAULTS;
use crate::inventory::versions::{KubernetesVersion, version_of_image};
use crate::inventory::{is_secret, masked_value};

type Config = Map<String, Value>;

impl State {
    /// Where what RKE last applied does not contain what is wanted. `kubelets` are the versions that the nodes say, when
    /// they could be asked.
    ///
    /// Empty means that a further `rke up` would be asked for nothing new. The control plane is recorded before
    /// workers and addons are, so the caller has to look at the cluster as well.
    pub fn changes(&self, wanted: &Config, kubelets: &[String]) -> Vec<Change> {
        let Some(applied) = self.applied() else { return vec![Change::Unknown { sign: Sign::NoControlPlane }] };
        let mut found = Vec::new();
        let version = kubernetes(applied, wanted, kubelets);
        let label = Program::Kubernetes.key();
        for (key, value) in without_digest(wanted).iter().filter(|(key, _)| *key != "addons" && !is_way(key)) {
            match &version {
                Some(version) if key == label => found.push(version.clone()),
                Some(_) | None => compare(key, value, applied.get(&camel(key)), &mut found),
            }
        }
        // The image may say another version than the label beside it.
        found.extend(version.filter(|version| !found.contains(version)));
        found.extend(network_taken_out(applied, wanted));
        // A run that was cut off may have asked for nodes that it never came to.
        for config in [Some(applied), self.asked()].into_iter().flatten() {
            nodes_gone(wanted, config, &mut found);
        }
        let mut found = replaced(found);
        addon(wanted, applied, &mut found);
        noted(wanted, applied, self.taken_over.as_deref(), &mut found);
        self.hide(&mut found);
        found
    }
}

impl State {
    fn hide(&self, found: &mut [Change]) {
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        for change in found {
            let Change::Setting { path, from, to } = change else { continue };
            if self.hidden.iter().any(|key| within(path, key) || within(key, path)) {
                (*from, *to) = (Shown::Hidden, Shown::Hidden);
            }
        }
    }
}

/// How rke reached the nodes: through cowhand's front then, by another way perhaps by hand.
fn is_way(key: &str) -> bool {
    WAYS.contains(&key)
}

/// Another Kubernetes than the one that runs. What runs is what the kubelets say where that is newer, else what the image
/// says that RKE applied; the version beside it is a label.
fn kubernetes(applied: &Config, wanted: &Config, kubelets: &[String]) -> Option<Change> {
    let asked = version_of(wanted, "system_images", "kubernetes_version")?;
    let newest = kubelets.iter().filter_map(|text| Some((KubernetesVersion::read(text)?, text.clone()))).max();
    let recorded = version_of(applied, "systemImages", "kubernetesVersion");
    let there = match (newest, recorded) {
        (Some(newest), _) if asked.0 < newest.0 => newest,
        // What RKE has recorded, and no node runs, nobody has to go back from.
        (Some(_), Some(recorded)) if asked.0 < recorded.0 => return None,
        (_, recorded) => recorded?,
    };
    (asked.0 != there.0).then_some(Change::Version { what: Program::Kubernetes, from: there.1, to: asked.1 })
}

/// The version that a configuration runs, and the text that says so.
fn version_of(config: &Config, images: &str, label: &str) -> Option<(KubernetesVersion, String)> {
    let label = config.get(label).and_then(Value::as_str);
    let named = label.and_then(|label| Some((KubernetesVersion::read(label)?, label.to_owned())));
    let image = config.get(images).and_then(|images| images.get("kubernetes")?.as_str()).and_then(version_of_image);
    match (image, named) {
        (Some(image), Some((label, text))) if image == label => Some((label, text)),
        (Some(image), _) => Some((image, format!("v{}", image.whole()))),
        (None, named) => named,
    }
}

/// What was said of the network and no longer is: RKE would go back to its own default, under running pods.
fn network_taken_out(applied: &Config, wanted: &Config) -> Vec<Change> {
    let at = |config: &Config, path: &str, spelled: fn(&str) -> String| {
        let mut keys = path.split('.').map(spelled);
        let first = config.get(&keys.next()?)?.clone();
        keys.try_fold(first, |value, key| value.get(&key).cloned())?.as_str().map(str::to_owned)
    };
    let taken_out = NETWORK_DEFAULTS.iter().filter(|(path, _)| at(wanted, path, str::to_owned).is_none());
    let changes = taken_out.filter_map(|(path, default)| {
        let there = at(applied, path, camel).filter(|there| !there.is_empty() && there != default)?;
        Some(Change::Setting { path: (*path).into(), from: Shown::Text(there), to: Shown::Text((*default).into()) })
    });
    changes.collect()
}

/// A node that RKE has and the inventory no longer names is a difference too.
fn nodes_gone(wanted: &Config, applied: &Config, found: &mut Vec<Change>) {
    let wanted: Vec<Member> = nodes(wanted).map(member).collect();
    for gone in nodes(applied).map(member).filter(|node| !wanted.iter().any(|one| one.address == node.address)) {
        let known = |change: &Change| matches!(change, Change::Leave { node } if node.address == gone.address);
        if !found.iter().any(known) {
            found.push(Change::Leave { node: gone });
        }
    }
}

fn nodes(config: &Config) -> impl Iterator<Item = &Value> {
    config.get("nodes").and_then(Value::as_array).into_iter().flatten()
}

/// In cluster.yml's spelling or in the state's.
fn member(node: &Value) -> Member {
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| node.get(*key)?.as_str()).unwrap_or_default().to_owned();
    let roles = node.get("role").and_then(Value::as_array).into_iter().flatten();
    Member {
        address: text(["address", "address"]),
        name: text(["hostname_override", "hostnameOverride"]).to_lowercase(),
        internal_address: text(["internal_address", "internalAddress"]),
        roles: roles.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

/// A node that comes under the name of one that goes takes its place; with the same internal address it is the same machine.
fn replaced(found: Vec<Change>) -> Vec<Change> {
    let (leaving, mut rest): (Vec<Change>, Vec<Change>) =
        found.into_iter().partition(|one| matches!(one, Change::Leave { .. }));
    for one in leaving {
        let taken = rest.iter_mut().find_map(|other| successor(&one, other).map(|change| *other = change));
        if taken.is_none() {
            rest.push(one);
        }
    }
    rest
}

fn successor(leaving: &Change, joining: &Change) -> Option<Change> {
    let (Change::Leave { node: was }, Change::Join { node: is }) = (leaving, joining) else { return None };
    let (was, is) = (was.clone(), is.clone());
    let same_machine = !was.internal_address.is_empty() && was.internal_address == is.internal_address;
    match (was.name == is.name && !was.name.is_empty(), same_machine) {
        (false, _) => None,
        (true, true) => Some(Change::Readdress { from: was, to: is }),
        (true, false) => Some(Change::Replace { leaves: was, joins: is }),
    }
}

/// The addon, and the digest in its first line: it differs when something was asked for earlier and no longer is,
/// which no comparison of the wanted values can show.
fn addon(wanted: &Config, applied: &Config, found: &mut Vec<Change>) {
    let text = |config: &Config| config.get("addons").and_then(Value::as_str).unwrap_or_default().to_string();
    let (wanted, applied) = (text(wanted), text(applied));
    if wanted.is_empty() {
        if !applied.is_empty() {
            found.push(Change::Addon { fields: vec![FieldChange::Dropped] });
        }
        return;
    }
    let (wanted_digest, wanted) = addon_digest(&wanted);
    let (applied_digest, applied) = addon_digest(&applied);
    if wanted.trim() != applied.trim() {
        let unreadable = || vec![FieldChange::Unreadable { from: applied.lines().count(), to: wanted.lines().count() }];
        let mut fields = fields::differences(applied, wanted).unwrap_or_else(unreadable);
        if fields.is_empty() {
            fields.push(FieldChange::Rewritten);
        }
        found.push(Change::Addon { fields });
    } else if wanted_digest != applied_digest && found.is_empty() {
        found.push(Change::Unknown { sign: Sign::NoLongerWanted });
    }
}

/// The same where there is no addon of ours. `first`: of a cluster that was taken over, the digest of its first cluster.yml.
fn noted(wanted: &Config, applied: &Config, first: Option<&str>, found: &mut Vec<Change>) {
    let Some(digest) = noted_digest(wanted) else { return };
    match noted_digest(applied).or(first) {
        _ if !found.is_empty() => {}
        Some(before) if before == digest => {}
        Some(_) => found.push(Change::Unknown { sign: Sign::NoLongerWanted }),
        None => found.push(Change::Unknown { sign: Sign::NotNoted }),
    }
}

fn compare(path: &str, wanted: &Value, applied: Option<&Value>, found: &mut Vec<Change>) {
    match (wanted, applied) {
        (Value::Object(wanted), Some(Value::Object(applied))) => {
            for (key, value) in wanted.iter().filter(|(key, _)| !is_way(key)) {
                // Free maps (labels, extra_args, options) keep their keys; RKE's own fields are camel case.
                let there = applied.get(&camel(key)).or_else(|| applied.get(key));
                let old = (key == "backup_config" && there.is_none_or(Value::is_null)).then(|| rhythm(applied));
                let there = old.as_ref().and_then(Option::as_ref).or(there);
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
                    None => found.push(Change::Join { node: member(node) }),
                }
            }
        }
        // Whether a node takes part in etcd shows in the whole of its roles.
        (Value::Array(roles), Some(Value::Array(applied)))
            if path.starts_with("nodes[") && path.ends_with("].role") =>
        {
            // Their order means nothing.
            if roles.len() != applied.len() || !roles.iter().all(|role| applied.contains(role)) {
                found.push(setting(path, wanted, Some(&Value::Array(applied.clone()))));
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
        (wanted, applied) => found.push(setting(path, wanted, applied)),
    }
}

/// The snapshots of a cluster without `backup_config`, as one in the state would say the same.
fn rhythm(etcd: &Config) -> Option<Value> {
    let text = |key: &str| etcd.get(key).and_then(Value::as_str);
    let (hours, count) = super::adopt::rhythm(text("creation"), text("retention"))?;
    Some(serde_json::json!({"intervalHours": hours, "retention": count}))
}

fn setting(path: &str, wanted: &Value, applied: Option<&Value>) -> Change {
    let key = path.rsplit(['.', '[']).next().unwrap_or(path);
    let shown = |value: Option<&Value>| match value {
        _ if is_secret(key) => Shown::Hidden,
        None => Shown::Absent,
        Some(value) => Shown::Text(short(value)),
    };
    Change::Setting { path: path.into(), from: shown(applied), to: shown(Some(wanted)) }
}

/// The value with what may be secret masked; a long one by its length.
fn short(value: &Value) -> String {
    match scalar(&masked_value(value)) {
        Some(text) if text.lines().count() <= 1 && text.len() < 80 => text,
        Some(text) => format!("({} lines)", text.lines().count()),
        None => masked_value(value).to_string(),
    }
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
pub(super) fn camel(key: &str) -> String {
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
#[path = "changes_tests.rs"]
mod tests;
