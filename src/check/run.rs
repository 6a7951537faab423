//! Runs every check, and leaves out what the user skips by id.

use serde::Serialize;

use super::list::{ALL, known_ids};
use super::{Context, Finding, certificates};
use crate::failure::Hint;

/// Everything that was found, by node and then by id.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.blocks())
    }

    /// The whole cluster first, then the nodes in the order of the inventory, then all other subjects.
    fn sort(&mut self, context: &Context) {
        let nodes = &context.inventory.nodes;
        self.findings.sort_by_cached_key(|finding| {
            let place = match &finding.subject {
                None => 0,
                Some(subject) => 1 + nodes.iter().position(|node| node.name == *subject).unwrap_or(nodes.len()),
            };
            (place, finding.check, finding.subject.clone())
        });
    }
}

/// Ids of checks that must not block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips(Vec<&'static str>);

/// Without these nothing that follows is true: a machine or a cluster nobody saw, one that would be built over, members
/// that would be left behind, an etcd that would lose its majority.
pub(super) const NEVER_SKIPPED: &[&str] = &[
    "cluster.foreign",
    "cluster.members",
    "containers.foreign",
    "etcd.one-change",
    "ssh.reachable",
    "kubeconfig.usable",
    "existing.reachable",
    "existing.pinned",
    "existing.mark",
    "existing.rancher",
];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipError {
    #[error("there is no check `{id}` to skip")]
    Unknown { id: String, nearest: Option<&'static str> },
    #[error("the check `{id}` cannot be skipped: what it guards could not be brought back")]
    Never { id: &'static str },
}

impl Hint for SkipError {
    fn hint(&self) -> Option<String> {
        match self {
            SkipError::Unknown { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            SkipError::Unknown { id, nearest: None } => {
                // A group, such as `docker`.
                let within: Vec<&str> =
                    known_ids().filter(|known| !id.is_empty() && known.starts_with(id.as_str())).collect();
                Some(match within.is_empty() {
                    true => "`cowhand check --list` shows all of them".into(),
                    false => format!("each is skipped by itself: {}", within.join(", ")),
                })
            }
            SkipError::Never { id } => Some(format!("`cowhand explain {id}` tells what to do instead")),
        }
    }
}

impl Skips {
    /// From the inventory's `skip_checks` and the command line together.
    ///
    /// # Errors
    /// On the first id that is none, or that may not be skipped.
    pub fn new<Id: AsRef<str>>(ids: impl IntoIterator<Item = Id>) -> Result<Self, SkipError> {
        let mut skips = Vec::new();
        for id in ids {
            let id = id.as_ref();
            let known = known_ids()
                .find(|known| *known == id)
                .ok_or_else(|| SkipError::Unknown { id: id.to_owned(), nearest: nearest(id) })?;
            if NEVER_SKIPPED.contains(&known) {
                return Err(SkipError::Never { id: known });
            }
            skips.push(known);
        }
        Ok(Skips(skips))
    }

    pub fn contains(&self, id: &str) -> bool {
        self.0.contains(&id)
    }

    /// The finding, skipped if its check is; one that was skipped already stays so.
    pub fn mark(&self, mut finding: Finding) -> Finding {
        finding.skipped |= self.contains(finding.check);
        finding
    }
}

/// The known id that was probably meant: at most a third of its letters wrong, or the same last word.
pub(super) fn nearest(id: &str) -> Option<&'static str> {
    let last = |id: &str| id.rsplit('.').next().map(str::to_owned);
    let near = known_ids()
        .map(|known| (strsim::damerau_levenshtein(known, id), known))
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .min();
    near.map(|(_, known)| known).or_else(|| known_ids().find(|known| last(known) == last(id)))
}

/// Runs all checks that can run with what is there.
pub fn run_all(context: &Context, skips: &Skips) -> Report {
    let able = ALL.iter().filter(|check| check.offline || context.observed.is_some());
    let found = able.flat_map(|check| check.findings(context)).chain(certificates::findings(context.certificates));
    let mut report = Report { findings: found.map(|finding| skips.mark(finding)).collect() };
    report.sort(context);
    report
}
