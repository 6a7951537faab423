//! What has to be so when a step begins: minutes may have passed since it was planned. Pure: the player looks, and asks
//! here; where a guard does not hold, the run stops and is planned anew.

use std::fmt;

use serde::Serialize;

use crate::engine::member_rule::{Answer, MemberChange};

/// One thing that a step was planned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Guard {
    /// SHA-256 of the workspace's cluster.rkestate, in lower-case hex; `None` where there is no such file.
    StateIs { digest: Option<String> },
    /// Names of the API's Nodes, sorted.
    MembersAre { nodes: Vec<String> },
    /// No pod network ever came up: no node has become Ready.
    NeverNetworked,
    /// `None` where there is no such Secret.
    SecretIs { namespace: String, name: String, there: Option<SecretShape> },
    /// `None` where there is no such release.
    ReleaseIs { namespace: String, release: String, there: Option<ReleaseShape> },
    /// What cowhand made in the cluster is this inventory's.
    Ours,
    /// etcd's members allow these changes; asked by the member rule.
    MemberRule { changes: Vec<MemberChange> },
}

/// As much of a Secret as a plan goes by; never its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretShape {
    /// `Opaque`, `kubernetes.io/tls`…
    pub kind: String,
    /// Sorted.
    pub keys: Vec<String>,
}

/// As much of a Helm release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseShape {
    /// Helm's word: `deployed`, `pending-upgrade`…
    pub status: String,
    pub revision: u64,
}

/// What a fresh look at the same thing gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    State(Option<String>),
    Members(Vec<String>),
    NeverNetworked(bool),
    Secret(Option<SecretShape>),
    Release(Option<ReleaseShape>),
    Ours(bool),
    /// The rule's answer to each change.
    MemberRule(Vec<Answer>),
}

impl Guard {
    /// Whether what was planned from is still so. A look at something else proves nothing.
    pub fn holds(&self, fresh: &Fresh) -> bool {
        match (self, fresh) {
            (Guard::StateIs { digest }, Fresh::State(now)) => digest == now,
            (Guard::MembersAre { nodes }, Fresh::Members(now)) => nodes == now,
            (Guard::NeverNetworked, Fresh::NeverNetworked(now)) => *now,
            (Guard::SecretIs { there, .. }, Fresh::Secret(now)) => there == now,
            (Guard::ReleaseIs { there, .. }, Fresh::Release(now)) => there == now,
            (Guard::Ours, Fresh::Ours(now)) => *now,
            (Guard::MemberRule { changes }, Fresh::MemberRule(now)) => {
                changes.len() == now.len() && now.iter().all(Answer::lets_up_go)
            }
            (
                Guard::StateIs { .. }
                | Guard::MembersAre { .. }
                | Guard::NeverNetworked
                | Guard::SecretIs { .. }
                | Guard::ReleaseIs { .. }
                | Guard::Ours
                | Guard::MemberRule { .. },
                _,
            ) => false,
        }
    }
}

/// What has to be so, in words.
impl fmt::Display for Guard {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guard::StateIs { digest: Some(_) } => write!(to, "cluster.rkestate is the one that was planned from"),
            Guard::StateIs { digest: None } => write!(to, "there is no cluster.rkestate"),
            Guard::MembersAre { nodes } => write!(to, "the Nodes of the API are {}", nodes.join(", ")),
            Guard::NeverNetworked => write!(to, "no pod network has come up, and no node is Ready"),
            Guard::SecretIs { namespace, name, there: Some(there) } => {
                write!(to, "secret {namespace}/{name} is of type {} with {}", there.kind, there.keys.join(", "))
            }
            Guard::SecretIs { namespace, name, there: None } => write!(to, "there is no secret {namespace}/{name}"),
            Guard::ReleaseIs { namespace, release, there: Some(there) } => {
                write!(to, "release {namespace}/{release} is {} at revision {}", there.status, there.revision)
            }
            Guard::ReleaseIs { namespace, release, there: None } => {
                write!(to, "there is no release {namespace}/{release}")
            }
            Guard::MemberRule { changes } => {
                let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
                write!(to, "etcd keeps its majority while {}", changes.join(", "))
            }
            Guard::Ours => write!(to, "what cowhand made in the cluster is this inventory's"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::member_rule::Wait;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn a_guard_holds_only_for_what_was_planned_from() {
        let secret = |kind: &str| Some(SecretShape { kind: kind.into(), keys: vec![text("tls.crt"), text("tls.key")] });
        let release = |revision| Some(ReleaseShape { status: "pending-upgrade".into(), revision });
        let secret_is = |there| Guard::SecretIs { namespace: text("a"), name: text("b"), there };
        let leave = || Guard::MemberRule { changes: vec![MemberChange::Leave { node: text("n2") }] };
        let release_is = |there| Guard::ReleaseIs { namespace: text("a"), release: text("b"), there };
        let table = [
            (Guard::StateIs { digest: Some(text("ab")) }, Fresh::State(Some(text("ab"))), true),
            (Guard::StateIs { digest: Some(text("ab")) }, Fresh::State(Some(text("cd"))), false),
            (Guard::StateIs { digest: None }, Fresh::State(None), true),
            (Guard::StateIs { digest: None }, Fresh::State(Some(text("ab"))), false),
            (Guard::MembersAre { nodes: vec![text("n1")] }, Fresh::Members(vec![text("n1")]), true),
            (Guard::MembersAre { nodes: vec![text("n1")] }, Fresh::Members(vec![text("n1"), text("n2")]), false),
            (Guard::NeverNetworked, Fresh::NeverNetworked(true), true),
            (Guard::NeverNetworked, Fresh::NeverNetworked(false), false),
            (secret_is(secret("Opaque")), Fresh::Secret(secret("Opaque")), true),
            (secret_is(secret("Opaque")), Fresh::Secret(secret("kubernetes.io/tls")), false),
            (secret_is(None), Fresh::Secret(secret("Opaque")), false),
            (release_is(release(2)), Fresh::Release(release(2)), true),
            (release_is(release(2)), Fresh::Release(release(3)), false),
            (release_is(release(2)), Fresh::Release(None), false),
            (Guard::Ours, Fresh::Ours(true), true),
            (Guard::Ours, Fresh::Ours(false), false),
            (leave(), Fresh::MemberRule(vec![Answer::Go]), true),
            (leave(), Fresh::MemberRule(vec![Answer::WaitFor { nodes: vec![text("n1")], why: Wait::Down }]), false),
            (leave(), Fresh::MemberRule(Vec::new()), false),
            // An answer to another question.
            (Guard::Ours, Fresh::NeverNetworked(true), false),
            (secret_is(None), Fresh::Release(None), false),
        ];
        for (guard, fresh, holds) in table {
            assert_eq!(guard.holds(&fresh), holds, "{guard:?} {fresh:?}");
        }
    }
}
