//! Which ways back there are from an upgrade of Rancher. A newer Rancher migrates its data forward as soon as it runs
//! (rancher/rancher#36803, backup-restore-operator#916), so helm alone leads back only where nothing of it has run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::Product;
use crate::facts::rollout::Rollout;
use crate::inventory::Delivery;

/// Versions in which the objects of each definition are stored, by its name.
pub type Stored = BTreeMap<String, Vec<String>>;

/// What `upgrade` has noted of its last step, before it began it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastStep {
    pub product: Product,
    pub from: String,
    pub to: String,
    /// Of Rancher's release; `None` with delivery addon.
    pub revision: Option<u64>,
    pub stored: Stored,
}

/// A backup as it may serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    pub path: String,
    pub taken: Timestamp,
    pub level: String,
}

/// Something of Rancher's that a restore would lose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lost {
    /// `cluster`, `user`…
    pub kind: &'static str,
    pub name: String,
    pub made: Timestamp,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} {}, made {}", self.kind, self.name, self.made.strftime("%Y-%m-%d %H:%M:%SZ"))
    }
}

/// All that decides.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub delivery: Delivery,
    pub last: Option<LastStep>,
    pub rollout: Option<Rollout>,
    /// Of Rancher's release now.
    pub revision: Option<u64>,
    pub stored: Stored,
    /// The newest good one of before the upgrade.
    pub backup: Option<Saved>,
    pub lost: Vec<Lost>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum WayBack {
    /// Nothing of the new version has run, each line says how that is known.
    Helm { revision: u64, from: String, to: String, because: Vec<String> },
    /// The cluster is made again from the backup.
    Restore { why: Vec<String>, backup: Saved, lost: Vec<Lost> },
    /// There is none, and what can be done instead.
    None { why: Vec<String>, remedy: String },
}

pub fn way_back(seen: &Evidence) -> WayBack {
    let Some(last) = &seen.last else {
        let why = vec!["no upgrade by `cowhand upgrade` is on record in this workspace".to_owned()];
        let remedy = "`cowhand backup list` shows what a cluster can be made again from, `cowhand rebuild` does it";
        return WayBack::None { why, remedy: remedy.into() };
    };
    let why = match by_helm(seen, last) {
        Ok(way) => return way,
        Err(why) => why,
    };
    match &seen.backup {
        Some(backup) => WayBack::Restore { why, backup: backup.clone(), lost: seen.lost.clone() },
        None => WayBack::None {
            why: why
                .into_iter()
                .chain(["there is no good backup of before the upgrade in the inventory's folders".into()])
                .collect(),
            remedy: "go forward: `cowhand status` says what is ill, and the same `cowhand upgrade` goes on".into(),
        },
    }
}

/// # Errors
/// Each reason why it is no way, all of them.
fn by_helm(seen: &Evidence, last: &LastStep) -> Result<WayBack, Vec<String>> {
    match last.product {
        Product::Kubernetes => {
            return Err(vec![format!(
                "Kubernetes {} -> {}: etcd's data and RKE's state do not go back",
                last.from, last.to
            )]);
        }
        Product::CertManager => {
            return Err(vec![format!("cert-manager {} -> {}: its definitions do not go back", last.from, last.to)]);
        }
        Product::Rancher => {}
    }
    if seen.delivery == Delivery::Addon {
        return Err(vec!["RKE's addon keeps no revision to go back to (rancher.delivery: addon)".into()]);
    }
    let (mut why, mut because) = (Vec::new(), Vec::new());
    let revision = match (last.revision, seen.revision) {
        (Some(before), Some(now)) if now == before + 1 => Some(before),
        (before, now) => {
            let word = |revision: Option<u64>| revision.map_or("none".to_owned(), |one| one.to_string());
            why.push(format!(
                "helm's revision was {} before the upgrade and is {} now: something else came between",
                word(before),
                word(now)
            ));
            None
        }
    };
    never_ran(seen, last, &mut why, &mut because);
    let moved = moved(&last.stored, &seen.stored);
    match moved.is_empty() {
        true => because.push(format!("the stored versions of {} definitions are as before", seen.stored.len())),
        false => why.extend(moved),
    }
    match (revision, why.is_empty()) {
        (Some(revision), true) => Ok(WayBack::Helm { revision, from: last.to.clone(), to: last.from.clone(), because }),
        _ => Err(why),
    }
}

/// Whether it is seen that no pod of the new version ever ran.
fn never_ran(seen: &Evidence, last: &LastStep, why: &mut Vec<String>, because: &mut Vec<String>) {
    let Some(rollout) = &seen.rollout else {
        why.push("Rancher's Deployment is not there".into());
        return;
    };
    let is_last = rollout.version.as_ref().is_some_and(|runs| Version::parse(&last.to).is_ok_and(|to| to == *runs));
    if !is_last {
        let runs = rollout.version.as_ref().map_or("another version".to_owned(), ToString::to_string);
        why.push(format!("the Deployment is of {runs}, and the upgrade was to {}", last.to));
    }
    if rollout.new.is_empty() {
        why.push("no pod of the new version is there, so nothing tells whether one has run".into());
    }
    if rollout.alone {
        why.push("there is no ReplicaSet of the version before".into());
    }
    for pod in &rollout.new {
        match &pod.never_ran {
            Ok(never) => because.push(format!("pod {} has never run: {never}", pod.name)),
            Err(may) => why.push(format!("pod {} has run, or may have: {may}", pod.name)),
        }
    }
}

fn moved(before: &Stored, now: &Stored) -> Vec<String> {
    if before.is_empty() && !now.is_empty() {
        return vec!["which versions Rancher's definitions were stored in before is not on record".into()];
    }
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let word = |versions: Option<&Vec<String>>| versions.map_or("absent".to_owned(), |all| all.join(", "));
    let other = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    other
        .map(|name| format!("definition {name}: stored as {}, before {}", word(now.get(name)), word(before.get(name))))
        .collect()
}

#[cfg(test)]
#[path = "way_back_tests.rs"]
mod tests;
