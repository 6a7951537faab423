//! What a step says of itself beside its act: why, to what effect, what has to be so before it, what it waits for, and the way
//! back.

use serde::Serialize;

use super::guard::Guard;
use super::rancher_wanted::RANCHER;
use super::step::{NOT_INSTALLED, Removal, Step};
use crate::engine::change::{Change, lines};
use crate::inventory::masked;

/// What a step does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    Add,
    Change,
    Remove,
    /// It only waits.
    Wait,
}

impl Step {
    /// Whether the step changes anything; waits do not.
    pub fn changes(&self) -> bool {
        self.effect() != Effect::Wait
    }

    pub fn effect(&self) -> Effect {
        let first = |because: &[String], word: &str| match because {
            [only] if only == word => Effect::Add,
            _ => Effect::Change,
        };
        match self {
            Step::MakeCa { .. } | Step::MakePassword { .. } => Effect::Add,
            Step::RkeUp { because, .. } if because.contains(&Change::Create) => Effect::Add,
            Step::Helm(wanted) => first(&wanted.because, NOT_INSTALLED),
            Step::Apply { because, .. } if because.iter().all(|line| line.starts_with('+')) => Effect::Add,
            Step::Secret(secret) if !secret.replaces => Effect::Add,
            Step::Remove { .. } => Effect::Remove,
            Step::TakeAway(one) => match one.act {
                Removal::PutAside { .. } => Effect::Change,
                Removal::RkeRemove { .. } | Removal::Sweep { .. } | Removal::ForgetState => Effect::Remove,
            },
            Step::RkeUp { .. }
            | Step::MarkNodes(_)
            | Step::ForgetApplied { .. }
            | Step::Apply { .. }
            | Step::Secret(_)
            | Step::Restart { .. }
            | Step::Reissue { .. }
            | Step::Touch { .. }
            | Step::Unmark { .. } => Effect::Change,
            Step::Wait(_) => Effect::Wait,
        }
    }

    /// Why, a line each; empty where the head says it.
    pub fn because(&self) -> Vec<String> {
        let lines = match self {
            Step::RkeUp { because, .. } => lines(because),
            Step::MarkNodes(marks) => lines(&marks.change.because),
            Step::Apply { because, .. } => because.clone(),
            Step::Helm(wanted) => wanted.because.clone(),
            Step::TakeAway(one) => {
                let seen: &[String] = match &one.act {
                    Removal::Sweep { seen, .. } => seen,
                    Removal::PutAside { .. } | Removal::RkeRemove { .. } | Removal::ForgetState => &[],
                };
                std::iter::once(&one.because).chain(seen).cloned().collect()
            }
            Step::ForgetApplied { .. } => vec![Change::Forget.to_string()],
            Step::Remove { objects, because, .. } => {
                let several = objects.iter().filter(|_| objects.len() > 1).map(|object| format!("- {object}"));
                std::iter::once(because.clone()).chain(several).collect()
            }
            Step::Reissue { because, .. } | Step::Touch { because, .. } | Step::Unmark { because, .. } => {
                vec![because.clone()]
            }
            Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::Secret(_)
            | Step::Restart { .. }
            | Step::Wait(_) => Vec::new(),
        };
        lines.iter().map(|line| masked(line)).collect()
    }

    /// The changes of the cluster that the step brings about, as data.
    pub fn differences(&self) -> &[Change] {
        match self {
            Step::RkeUp { because, .. } => because,
            Step::MarkNodes(marks) => &marks.change.because,
            Step::ForgetApplied { .. } => &[Change::Forget],
            Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::Apply { .. }
            | Step::Secret(_)
            | Step::Helm(_)
            | Step::Restart { .. }
            | Step::Remove { .. }
            | Step::Reissue { .. }
            | Step::Touch { .. }
            | Step::Unmark { .. }
            | Step::TakeAway(_)
            | Step::Wait(_) => &[],
        }
    }

    /// What users of a cluster that runs will notice of it, where that is more than the head says.
    pub fn consequence(&self) -> Option<&'static str> {
        match (self, self.effect()) {
            (Step::RkeUp { .. }, Effect::Change) => {
                Some("rke goes over all nodes; what is changed of a node's components restarts there")
            }
            (Step::MarkNodes(marks), _) if marks.evicts() => {
                Some("pods that do not tolerate a taint NoExecute are evicted at once; rke does not run")
            }
            (Step::MarkNodes(_), _) => Some("no pod and no container restarts; rke does not run"),
            (Step::Helm(_), Effect::Change) => Some("helm rolls the pods whose template changes"),
            (Step::Restart { .. }, _) => Some("the pods are replaced one after the other"),
            (Step::Reissue { .. }, _) => Some("clients get the new certificate as soon as it is there"),
            (
                Step::RkeUp { .. }
                | Step::ForgetApplied { .. }
                | Step::Helm(_)
                | Step::MakeCa { .. }
                | Step::MakePassword { .. }
                | Step::Apply { .. }
                | Step::Secret(_)
                | Step::Remove { .. }
                | Step::Touch { .. }
                | Step::Unmark { .. }
                | Step::TakeAway(_)
                | Step::Wait(_),
                _,
            ) => None,
        }
    }

    /// What has to be as it was when the step was planned; see [`Guard`].
    pub fn guards(&self) -> &[Guard] {
        match self {
            Step::RkeUp { guards, .. } | Step::ForgetApplied { guards } | Step::Remove { guards, .. } => guards,
            Step::Secret(secret) => &secret.guards,
            Step::MarkNodes(marks) => &marks.guards,
            Step::Helm(wanted) => &wanted.guards,
            Step::TakeAway(one) => &one.guards,
            Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::Apply { .. }
            | Step::Restart { .. }
            | Step::Reissue { .. }
            | Step::Touch { .. }
            | Step::Unmark { .. }
            | Step::Wait(_) => &[],
        }
    }

    /// What has to come about before the step is done, where it does not end by itself.
    pub fn until(&self) -> Option<String> {
        match self {
            Step::Remove { .. } => Some("all of it is gone".into()),
            Step::Reissue { .. } => Some("the new certificate is issued".into()),
            Step::Wait(wait) => Some(wait.to_string()),
            Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::RkeUp { .. }
            | Step::MarkNodes(_)
            | Step::ForgetApplied { .. }
            | Step::Apply { .. }
            | Step::Secret(_)
            | Step::Helm(_)
            | Step::Restart { .. }
            | Step::Touch { .. }
            | Step::Unmark { .. }
            | Step::TakeAway(_) => None,
        }
    }

    /// How to go back, where there is a way.
    pub fn way_back(&self) -> Option<String> {
        match (self, self.effect()) {
            (Step::RkeUp { because, .. }, Effect::Change) => {
                let version = because.iter().any(|change| matches!(change, Change::Version { .. }));
                Some(match version {
                    true => {
                        "only a snapshot of etcd leads back to an older Kubernetes (`rke etcd snapshot-restore`)".into()
                    }
                    false => {
                        "the former cluster.yml and cluster.rkestate are kept: `cowhand up` with the former inventory"
                            .into()
                    }
                })
            }
            (Step::MarkNodes(_), _) => Some("`cowhand up` with the former inventory".into()),
            (Step::ForgetApplied { .. }, _) => Some("the former cluster.rkestate is kept as a copy".into()),
            // A newer Rancher that has run has changed its data, and an older one does not read them.
            (Step::Helm(wanted), Effect::Change) if wanted.release == RANCHER => Some(
                "with the same version, `cowhand up` with the former inventory; from another one that has run, only a backup of \
                 before leads back (`cowhand rollback` tells)"
                    .into(),
            ),
            (Step::Helm(wanted), Effect::Change) => {
                Some(format!("`helm rollback {} --namespace {}`", wanted.release, wanted.namespace))
            }
            (
                Step::RkeUp { .. }
                | Step::Helm(_)
                | Step::MakeCa { .. }
                | Step::MakePassword { .. }
                | Step::Apply { .. }
                | Step::Secret(_)
                | Step::Restart { .. }
                | Step::Remove { .. }
                | Step::Reissue { .. }
                | Step::Touch { .. }
                | Step::Unmark { .. }
                | Step::TakeAway(_)
                | Step::Wait(_),
                _,
            ) => None,
        }
    }
}
