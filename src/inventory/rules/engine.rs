//! What makes the Kubernetes cluster.

use semver::Version;

use crate::inventory::defaults;
use crate::inventory::judge::Judge;
use crate::inventory::model::{Engine, Existing, Rke};
use crate::inventory::path::KeyPath;
use crate::inventory::raw::{RawEngine, RawExisting, RawRke};
use crate::inventory::reader::quoted;
use crate::inventory::syntax;

use super::tool;

/// `None` when none, or more than one, is asked for.
pub(super) fn engine(raw: RawEngine, judge: &mut Judge) -> Option<Engine> {
    let path = KeyPath::from("engine");
    match (raw.rke, raw.existing) {
        (Some(raw), None) => Some(Engine::Rke(rke(raw, &path.key("rke"), judge))),
        (None, Some(raw)) => Some(Engine::Existing(existing(raw, &path.key("existing"), judge))),
        (Some(_), Some(_)) => {
            judge.mistake(
                &path,
                "both rke and existing are given; keep one: rke builds a cluster, existing takes one that is there",
            );
            None
        }
        (None, None) => {
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

fn rke(raw: RawRke, path: &KeyPath, judge: &mut Judge) -> Rke {
    let version = raw.version.unwrap_or_else(|| defaults::RKE_VERSION.to_owned());
    if let Err(reason) = rke_version(&version) {
        judge.mistake(&path.key("version"), format!("{} {reason}", quoted(&version)));
    }
    let kubernetes = raw.kubernetes.unwrap_or_else(|| defaults::KUBERNETES_VERSION.to_owned());
    if let Err(reason) = syntax::rke_kubernetes(&kubernetes) {
        judge.mistake(&path.key("kubernetes"), format!("{} {reason}", quoted(&kubernetes)));
    }
    let binary = tool(raw.binary.as_deref(), &path.key("binary"), judge);
    Rke { version, kubernetes, binary, cluster: raw.cluster }
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
        judge.mistake(&path.key("context"), "is empty; give a context's name, or remove the key for the current one");
    }
    Existing { kubeconfig, context: raw.context }
}
