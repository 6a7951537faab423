//! What makes the Kubernetes cluster.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::Value;

use crate::inventory::defaults;
use crate::inventory::file_keys::{key_steps, put};
use crate::inventory::judge::Judge;
use crate::inventory::model::{BucketCa, Delivery, Engine, Existing, FileKey, Rke, Values};
use crate::inventory::path::KeyPath;
use crate::inventory::raw::{RawEngine, RawExisting, RawRke};
use crate::inventory::syntax;
use crate::inventory::wrong::quoted;

use super::tool;

/// `None` when none, or more than one, is asked for. Beside it what an adopted cluster keeps, which no rule judges.
pub(super) fn engine(raw: RawEngine, judge: &mut Judge) -> (Option<Engine>, Values) {
    match (raw.rke, raw.existing) {
        (Some(raw), None) => {
            let (rke, kept) = rke(raw, &KeyPath::from("engine.rke"), judge);
            (Some(Engine::Rke(rke)), kept)
        }
        (rke, existing) => (other(rke.is_some(), existing, judge), Values::new()),
    }
}

fn other(rke: bool, existing_raw: Option<RawExisting>, judge: &mut Judge) -> Option<Engine> {
    let path = KeyPath::from("engine");
    match (rke, existing_raw) {
        (false, Some(raw)) => Some(Engine::Existing(existing(raw, &path.key("existing"), judge))),
        (true, _) => {
            judge.mistake(
                &path,
                "both rke and existing are given; keep one: rke builds a cluster, existing takes one that is there",
            );
            None
        }
        (false, None) => {
            if !judge.is_broken(&path) {
                judge.mistake(
                    &path,
                    "names no engine; allowed: rke (builds a cluster, `rke: {}` is enough) or \
                    existing (takes one that is there)",
                );
            }
            None
        }
    }
}

fn rke(raw: RawRke, path: &KeyPath, judge: &mut Judge) -> (Rke, Values) {
    let version = raw.version.unwrap_or_else(|| defaults::RKE_VERSION.to_owned());
    if let Err(reason) = rke_version(&version) {
        judge.mistake(&path.key("version"), format!("{} {reason}", quoted(&version)));
    }
    let kubernetes = raw.kubernetes.unwrap_or_else(|| defaults::KUBERNETES_VERSION.to_owned());
    if let Err(reason) = syntax::rke_kubernetes(&kubernetes) {
        judge.mistake(&path.key("kubernetes"), format!("{} {reason}", quoted(&kubernetes)));
    }
    let binary = tool(raw.binary.as_deref(), &path.key("binary"), judge);
    let mut cluster = raw.cluster;
    let bucket_ca = bucket_ca(&mut cluster, &path.key("cluster"), judge);
    if !raw.adopted && !raw.kept.is_empty() {
        judge.mistake(
            &path.key("kept"),
            "is for an adopted cluster; what a new one is to have goes into engine.rke.cluster",
        );
    }
    let files = files(raw.files, &path.key("files"), judge);
    let rke = Rke { version, kubernetes, binary, cluster, bucket_ca, files, adopted: raw.adopted };
    (rke, raw.kept)
}

/// Each key has a place in cluster.yml that rke knows, and each value is a path.
fn files(raw: BTreeMap<String, String>, path: &KeyPath, judge: &mut Judge) -> Vec<FileKey> {
    let mut files = Vec::new();
    for (key, text) in raw {
        let path = path.key(&key);
        if key_steps(&key).is_none() {
            let shape = "is not a key of cluster.yml, such as private_registries[0].password";
            judge.mistake(&path, format!("{} {shape}", quoted(&key)));
        } else if let Some(file) = judge.file(&path, Some(&text)) {
            files.push(FileKey { key, file });
        }
    }
    files
}

/// rke wants the text (rancher/rke v1.8.0: cluster/validation.go, pki.IsValidCertStr); a path is ours to read.
fn bucket_ca(cluster: &mut Values, path: &KeyPath, judge: &mut Judge) -> Option<BucketCa> {
    const ABOVE: [&str; 4] = ["services", "etcd", "backup_config", "s3backupconfig"];
    let mut map = cluster;
    for key in ABOVE {
        map = map.get_mut(key)?.as_object_mut()?;
    }
    let Some(Value::String(text)) = map.shift_remove("custom_ca") else { return None };
    if text.contains("-----BEGIN") {
        return Some(BucketCa::Text(text));
    }
    let path = ABOVE.iter().fold(path.clone(), |path, key| path.key(key)).key("custom_ca");
    judge.file(&path, Some(&text)).map(BucketCa::File)
}

/// Whether each file's value has a place in cluster.yml; Rancher and somebody's own addons cannot both be its addon.
pub(super) fn places_of_files(rke: &Rke, delivery: Delivery, judge: &mut Judge) {
    for FileKey { key, .. } in &rke.files {
        let path = KeyPath::from("engine.rke.files").key(key);
        if let Err(error) = put(&mut rke.cluster.clone(), key, Value::Null) {
            judge.mistake(&path, error.to_string());
        }
        if key == "addons" && delivery == Delivery::Addon {
            judge.mistake(
                &path,
                "Rancher is delivered as RKE's addon, and there is one addon only; set `rancher.delivery: helm`",
            );
        }
    }
}

fn rke_version(text: &str) -> Result<(), &'static str> {
    let version = text.strip_prefix('v').and_then(|rest| Version::parse(rest).ok());
    match version {
        Some(version) if version.major == 1 && version.minor >= 5 => Ok(()),
        Some(version) if version.major == 1 || version.major == 0 => {
            Err("is too old: cowhand knows cluster.yml as rke reads it since v1.5")
        }
        _ => Err("is not a release of rke, such as v1.8.0"),
    }
}

fn existing(raw: RawExisting, path: &KeyPath, judge: &mut Judge) -> Existing {
    let kubeconfig = judge.file(&path.key("kubeconfig"), raw.kubeconfig.as_deref()).unwrap_or_default();
    if raw.context.as_deref() == Some("") {
        judge.mistake(&path.key("context"), "is empty; give a context's name, or remove the key");
    }
    Existing { kubeconfig, context: raw.context }
}
