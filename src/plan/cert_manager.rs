//! cert-manager: installed by chart when the TLS set-up needs it and it is not there yet.

use serde_json::{Map, Value, json};

use super::playbook::Stage;
use super::release::{self, ReleaseFound};
use super::step::{ReleaseWanted, StagePlan, Step, Wait};
use crate::inventory::{CertManagerInstall, Inventory, Values};

/// Namespace and release name, as its own documents have them.
pub const CERT_MANAGER: &str = "cert-manager";

/// What is there of cert-manager.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CertManagerFound {
    /// Its CRDs are in the cluster, by whomever.
    pub crds: bool,
    /// A Helm release of that name in its usual namespace.
    pub release: Option<ReleaseFound>,
    /// Whether that release was made by this tool (its description or labels say so) or may be upgraded by it.
    pub ours: bool,
}

/// What the stage does.
pub fn plan(inventory: &Inventory, needed: bool, chart_version: &str, found: &CertManagerFound) -> StagePlan {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    let ready = Step::Wait(Wait::CertManager { namespace: CERT_MANAGER.into() });
    match (needed, inventory.cert_manager.install) {
        (false, _) => notes.push("this TLS set-up needs no cert-manager".into()),
        (true, CertManagerInstall::Never) => steps.push(ready),
        (true, CertManagerInstall::Auto) if found.crds && !found.ours => {
            notes.push("the cert-manager that is there already is used and left as it is".into());
            steps.push(ready);
        }
        (true, CertManagerInstall::Auto) => {
            steps.extend(release::step(wanted(inventory, chart_version), found.release.as_ref()));
            steps.push(ready);
        }
    }
    StagePlan { stage: Stage::CertManager, steps, notes }
}

fn wanted(inventory: &Inventory, chart_version: &str) -> ReleaseWanted {
    let mut values = crd_values(chart_version);
    release::merge(&mut values, &inventory.cert_manager.values);
    ReleaseWanted {
        release: CERT_MANAGER.into(),
        namespace: CERT_MANAGER.into(),
        chart: inventory.cert_manager.chart.clone(),
        values,
        because: Vec::new(),
    }
}

/// `crds.enabled` came with chart 1.15, which deprecates `installCRDs`
/// (cert-manager/website: content/docs/releases/upgrading/upgrading-1.14-1.15.md).
fn crd_values(chart_version: &str) -> Values {
    let modern = semver::Version::parse(chart_version.trim_start_matches('v'))
        .map(|version| (version.major, version.minor) >= (1, 15))
        .unwrap_or(true);
    let value = if modern { json!({"crds": {"enabled": true}}) } else { json!({"installCRDs": true}) };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
