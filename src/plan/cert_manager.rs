//! cert-manager: installed by chart when the TLS set-up needs it and it is not there yet.

use serde_json::{Map, json};

use super::release::{self, ReleaseFound};
use super::stage::Stage;
use super::step::{ReleaseWanted, StagePlan, Step, Wait};
use crate::failure::Hint;
use crate::inventory::{CertManagerInstall, Inventory, Values, merge};

/// Namespace and release name, as its own documents have them.
pub const CERT_MANAGER: &str = "cert-manager";

/// What is there of cert-manager.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CertManagerFound {
    /// Its CRDs are in the cluster, by whomever.
    pub crds: bool,
    /// Its usual namespace is there, by whomever.
    pub namespace: bool,
    /// Namespace and name of its controller's Deployment, wherever and by whomever it was installed.
    pub controller: Option<(String, String)>,
    /// A Helm release of that name in its usual namespace.
    pub release: Option<ReleaseFound>,
    /// Whether that release was made by this tool and so may be upgraded by it.
    pub ours: bool,
}

impl CertManagerFound {
    /// One that is not cowhand's and can be used: it is, and is left as it is.
    pub fn is_somebody_elses(&self) -> bool {
        self.crds && !self.ours
    }
}

/// A cert-manager of somebody else's that cannot be used and must not be installed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cert-manager that is not cowhand's is in the cluster, without its definitions (CRDs)")]
pub struct Foreign;

impl Hint for Foreign {
    fn hint(&self) -> Option<String> {
        Some(
            "install its definitions (chart value `crds.enabled=true`), or uninstall it; then `cowhand up` again"
                .into(),
        )
    }
}

/// What the stage does.
///
/// # Errors
/// When somebody else's cert-manager is in the way.
pub fn plan(
    inventory: &Inventory,
    needed: bool,
    chart_version: &str,
    found: &CertManagerFound,
) -> Result<StagePlan, Foreign> {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    let (namespace, name) = match &found.controller {
        Some((namespace, name)) if !found.ours => (namespace.clone(), name.clone()),
        Some(_) | None => (CERT_MANAGER.into(), CERT_MANAGER.into()),
    };
    let ready = Step::Wait(Wait::CertManager { namespace, name });
    let there = found.controller.is_some() || found.release.is_some();
    match (needed, inventory.cert_manager.install) {
        (false, _) => notes.push("this TLS set-up needs no cert-manager".into()),
        (true, CertManagerInstall::Never) => steps.push(ready),
        (true, CertManagerInstall::Auto) if found.is_somebody_elses() => {
            notes.push("the cert-manager that is there already is used and left as it is".into());
            steps.push(ready);
        }
        (true, CertManagerInstall::Auto) if there && !found.ours => return Err(Foreign),
        (true, CertManagerInstall::Auto) => {
            let wanted = wanted(inventory, chart_version);
            steps.extend(release::steps(wanted, found.release.as_ref(), found.namespace));
            steps.push(ready);
        }
    }
    Ok(StagePlan { stage: Stage::CertManager, steps, notes })
}

fn wanted(inventory: &Inventory, chart_version: &str) -> ReleaseWanted {
    let mut values = crd_values(chart_version);
    merge(&mut values, &inventory.cert_manager.values);
    ReleaseWanted {
        release: CERT_MANAGER.into(),
        namespace: CERT_MANAGER.into(),
        chart: inventory.cert_manager.chart.clone(),
        values,
        because: Vec::new(),
        guards: Vec::new(),
    }
}

/// `crds.enabled` came with chart 1.15, which deprecates `installCRDs`
/// (cert-manager/website: content/docs/releases/upgrading/upgrading-1.14-1.15.md).
fn crd_values(chart_version: &str) -> Values {
    let modern = semver::Version::parse(chart_version.trim_start_matches('v'))
        .map(|version| (version.major, version.minor) >= (1, 15))
        .unwrap_or(true);
    Map::from_iter([match modern {
        true => ("crds".to_owned(), json!({"enabled": true})),
        false => ("installCRDs".to_owned(), json!(true)),
    }])
}
