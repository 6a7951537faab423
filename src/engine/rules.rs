//! What may not happen to a cluster that lives, asked of the changes before anything is planned. Pure; nothing here is ever
//! settled by removing the cluster.

use std::fmt;

use super::change::{Change, Member, Program, Shown};
use super::member_rule::{self, Answer, MemberChange, Person};
use crate::inventory::versions::KubernetesVersion;

/// One change that the cluster would not survive, or not unharmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Kubernetes goes back to no older version (kubernetes.io: version-skew-policy).
    OlderKubernetes {
        there: String,
        asked: String,
    },
    /// The API server goes over no minor version (kubernetes.io: version-skew-policy).
    SkippedMinor {
        there: String,
        asked: String,
    },
    /// Another network plugin under running pods.
    Plugin {
        there: String,
        asked: String,
    },
    /// Other networks under running pods and Services: their addresses are handed out already.
    Network {
        path: String,
        there: String,
        asked: String,
    },
    ClusterName {
        there: String,
        asked: String,
    },
    /// A node of the same address: the old Node object would stay behind, dead.
    NodeName {
        address: String,
        there: String,
        asked: String,
    },
    /// More than one etcd member would come or go.
    SeveralMembers {
        nodes: Vec<String>,
    },
    /// The member rule does not let it happen now; see [`member_rule`].
    MemberRule {
        change: MemberChange,
        answer: Answer,
    },
    /// A change that nothing else may go along with.
    NotAlone {
        what: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::OlderKubernetes { there, asked } => write!(to, "kubernetes {there} runs, and {asked} is older"),
            Refusal::SkippedMinor { there, asked } => {
                write!(to, "kubernetes {there} runs, and {asked} is more than one minor version newer")
            }
            Refusal::Plugin { there, asked } => {
                write!(to, "the network plugin {there} carries the pods, and {asked} is asked for")
            }
            Refusal::Network { path, there, asked } => {
                write!(to, "{path} is {there}, and {asked} is asked for")
            }
            Refusal::ClusterName { there, asked } => {
                write!(to, "the cluster is called {there}, and the inventory says {asked}")
            }
            Refusal::NodeName { address, there, asked } => {
                write!(to, "the node at {address} is called {there}, and the inventory says {asked}")
            }
            Refusal::SeveralMembers { nodes } => {
                write!(to, "more than one etcd member would come or go: {}", nodes.join(", "))
            }
            Refusal::MemberRule { change, answer } => write!(to, "{change}: {answer}"),
            Refusal::NotAlone { what } => write!(to, "{what}, and other changes are asked for at the same time"),
        }
    }
}

impl Refusal {
    /// What leaves the cluster as it is.
    pub fn remedy(&self) -> String {
        match self {
            Refusal::OlderKubernetes { there, .. } => format!(
                "set engine.rke.kubernetes (and the images, if they are pinned) to {there} or newer; back to an older one leads \
                 only a snapshot of etcd from before the upgrade (`rke etcd snapshot-restore`)"
            ),
            Refusal::SkippedMinor { there, .. } => format!(
                "set engine.rke.kubernetes (and the images, if they are pinned) to a version of the next minor after {there}, \
                 run `cowhand up`, then go on to the one after it"
            ),
            Refusal::Plugin { there, .. } => {
                format!(
                    "set network.plugin in engine.rke.cluster back to {there}; another plugin is for another cluster"
                )
            }
            Refusal::Network { path, there, .. } => {
                format!("set {path} in engine.rke.cluster back to {there}; other networks are for another cluster")
            }
            Refusal::ClusterName { there, .. } => format!("set `name` back to {there}"),
            Refusal::NodeName { address, there, .. } => {
                format!("give the node at {address} back its `name: {there}`")
            }
            Refusal::SeveralMembers { nodes } => format!(
                "change the role etcd of one node at a time: take back all but one of {}, run `cowhand up`, then the next one",
                nodes.join(", ")
            ),
            Refusal::MemberRule { change, answer } => rule_remedy(change, answer),
            Refusal::NotAlone { what } => format!("take the other changes back: {what} by itself, then the rest"),
        }
    }
}

fn rule_remedy(change: &MemberChange, answer: &Answer) -> String {
    let node = change.node();
    match answer {
        Answer::Go => format!("run `cowhand up` again: {node} may change by now"),
        Answer::WaitFor { nodes, .. } => format!(
            "take back the change of {node} and let `cowhand up` mend {} first, or remove that one with `cowhand node remove`",
            nodes.join(", ")
        ),
        Answer::Person { why: Person::NoQuorum { .. } } => {
            format!(
                "take back the change of {node}; start the members that do not answer, or restore etcd from a backup"
            )
        }
        Answer::Person { why: Person::LastMember { .. } } => {
            format!("let another node join etcd before {node} leaves it")
        }
        Answer::Person { why: Person::Away { .. } } => format!("let a third node join etcd before {node} restarts"),
        Answer::Person { why: Person::Alarm { nodes } } => format!(
            "take back the change of {node}; on {} `docker exec etcd etcdctl alarm list` says what it is",
            nodes.join(", ")
        ),
    }
}

/// The refusals of all rules. `etcd` is who is a member now; empty where nobody was asked.
pub fn refusals(changes: &[Change], etcd: &[member_rule::Member]) -> Vec<Refusal> {
    if changes.contains(&Change::Create) {
        return Vec::new();
    }
    let each = changes.iter().flat_map(|change| {
        [version(change), plugin(change), network(change), name(change)].into_iter().flatten().collect::<Vec<_>>()
    });
    let together = [one_member_at_a_time(changes, etcd), alone(changes)];
    let rule = held_back(&member_changes(changes, etcd), etcd);
    each.chain(together.into_iter().flatten()).chain(rule).collect()
}

/// Whether etcd has to be asked for its members before the rules can tell.
pub fn touches_etcd(changes: &[Change]) -> bool {
    changes.iter().any(|change| !moves(change).is_empty() || restarts_etcd(change))
}

/// Whether the change was planned from who is a member.
pub fn is_about_members(change: &Change) -> bool {
    match change {
        Change::Join { .. }
        | Change::Leave { .. }
        | Change::Replace { .. }
        | Change::Readdress { .. }
        | Change::Version { .. } => true,
        Change::Create
        | Change::Setting { .. }
        | Change::Addon { .. }
        | Change::Rotate
        | Change::Restore
        | Change::Forget
        | Change::Unknown { .. } => false,
    }
}

/// Never down, and never over a minor version.
fn version(change: &Change) -> Option<Refusal> {
    let Change::Version { what: Program::Kubernetes, from, to } = change else { return None };
    let (there, asked) = (KubernetesVersion::read(from)?, KubernetesVersion::read(to)?);
    let words = || (from.clone(), to.clone());
    if asked < there {
        let (there, asked) = words();
        return Some(Refusal::OlderKubernetes { there, asked });
    }
    if asked.minor > there.minor + 1 {
        let (there, asked) = words();
        return Some(Refusal::SkippedMinor { there, asked });
    }
    None
}

/// A field, and its two values where both can be shown.
fn setting(change: &Change) -> Option<(&str, &str, &str)> {
    match change {
        Change::Setting { path, from, to } => Some((path, from.text()?, to.text()?)),
        Change::Create
        | Change::Join { .. }
        | Change::Leave { .. }
        | Change::Replace { .. }
        | Change::Readdress { .. }
        | Change::Version { .. }
        | Change::Addon { .. }
        | Change::Rotate
        | Change::Restore
        | Change::Forget
        | Change::Unknown { .. } => None,
    }
}

fn plugin(change: &Change) -> Option<Refusal> {
    let (path, there, asked) = setting(change)?;
    (path == PLUGIN && !there.is_empty()).then(|| Refusal::Plugin { there: there.into(), asked: asked.into() })
}

/// Where RKE keeps what decides about the network, and what it takes where cluster.yml says nothing
/// (rancher/rke v1.8.0: cluster/defaults.go).
pub const PLUGIN: &str = "network.plugin";
pub const NETWORK_DEFAULTS: [(&str, &str); 4] = [
    (PLUGIN, "canal"),
    ("services.kube-api.service_cluster_ip_range", "10.43.0.0/16"),
    ("services.kube-controller.cluster_cidr", "10.42.0.0/16"),
    ("services.kube-controller.service_cluster_ip_range", "10.43.0.0/16"),
];

fn network(change: &Change) -> Option<Refusal> {
    let (path, there, asked) = setting(change)?;
    let fixed = NETWORK_DEFAULTS.iter().any(|(fixed, _)| *fixed == path && *fixed != PLUGIN);
    fixed.then(|| Refusal::Network { path: path.into(), there: there.into(), asked: asked.into() })
}

/// A cluster and its nodes keep their names.
fn name(change: &Change) -> Option<Refusal> {
    let (path, there, asked) = setting(change)?;
    if path == "cluster_name" {
        return Some(Refusal::ClusterName { there: there.into(), asked: asked.into() });
    }
    let address = path.strip_prefix("nodes[")?.strip_suffix("].hostname_override")?;
    let (there, asked) = (there.to_lowercase(), asked.to_lowercase());
    (there != asked).then(|| Refusal::NodeName { address: address.into(), there, asked })
}

/// A node that becomes an etcd member, or stops being one.
enum Move<'a> {
    Comes(&'a str),
    Goes(&'a str),
    /// It stays a node; by its address.
    Resigns(&'a str),
}

impl Move<'_> {
    fn node(&self) -> &str {
        match self {
            Move::Comes(node) | Move::Goes(node) | Move::Resigns(node) => node,
        }
    }
}

fn moves(change: &Change) -> Vec<Move<'_>> {
    let comes = |node: &'_ Member| node.is_etcd();
    match change {
        Change::Join { node } if comes(node) => vec![Move::Comes(node.word())],
        Change::Leave { node } if comes(node) => vec![Move::Goes(node.word())],
        Change::Replace { leaves: was, joins: is } | Change::Readdress { from: was, to: is } => {
            let goes = was.is_etcd().then(|| Move::Goes(was.word()));
            goes.into_iter().chain(is.is_etcd().then(|| Move::Comes(is.word()))).collect()
        }
        Change::Setting { path, from, to } => role_moves(path, from, to).into_iter().collect(),
        Change::Create
        | Change::Join { .. }
        | Change::Leave { .. }
        | Change::Version { .. }
        | Change::Addon { .. }
        | Change::Rotate
        | Change::Restore
        | Change::Forget
        | Change::Unknown { .. } => Vec::new(),
    }
}

/// The role etcd, given to a node of the cluster or taken from it.
fn role_moves<'a>(path: &'a str, from: &Shown, to: &Shown) -> Option<Move<'a>> {
    let address = path.strip_prefix("nodes[")?.strip_suffix("].role")?;
    let has = |value: &Shown| value.text().is_some_and(|text| text.contains("\"etcd\""));
    match (has(from), has(to)) {
        (false, true) => Some(Move::Comes(address)),
        (true, false) => Some(Move::Resigns(address)),
        (true, true) | (false, false) => None,
    }
}

/// What has happened already, by hand or in a run that was ended, does not count: who is gone from etcd goes no more, and
/// who answers there has come.
fn still_to_come<'a>(changes: &'a [Change], etcd: &[member_rule::Member]) -> Vec<Move<'a>> {
    let listed = |node: &str| etcd.is_empty() || etcd.iter().any(|one| one.node == node);
    let answers = |node: &str| etcd.iter().any(|one| one.node == node && one.answers);
    let all = changes.iter().flat_map(|change| {
        let moves = moves(change);
        // Of the same name, the one that answers is the one that leaves.
        let replaced = moves.len() == 2;
        moves.into_iter().filter(move |one| match one {
            Move::Comes(node) => replaced || !answers(node),
            Move::Goes(node) => listed(node),
            Move::Resigns(_) => true,
        })
    });
    all.collect()
}

fn one_member_at_a_time(changes: &[Change], etcd: &[member_rule::Member]) -> Option<Refusal> {
    let moves = still_to_come(changes, etcd);
    let mut nodes: Vec<String> = moves.iter().map(|one| one.node().to_owned()).collect();
    nodes.dedup();
    (moves.len() > 1).then_some(Refusal::SeveralMembers { nodes })
}

/// Whether rke ends etcd's process on the members and starts it again: with another version, with other settings, and with
/// another list of members (rancher/rke v1.8.0: cluster/plan.go, BuildEtcdProcess).
fn restarts_etcd(change: &Change) -> bool {
    match change {
        Change::Setting { path, .. } => {
            (path.starts_with("services.etcd.") && !path.starts_with("services.etcd.backup_config"))
                || path == "system_images.etcd"
        }
        Change::Version { what: Program::Kubernetes, .. } => true,
        Change::Create
        | Change::Join { .. }
        | Change::Leave { .. }
        | Change::Replace { .. }
        | Change::Readdress { .. }
        | Change::Addon { .. }
        | Change::Rotate
        | Change::Restore
        | Change::Forget
        | Change::Unknown { .. } => false,
    }
}

/// What happens to etcd's members, as the member rule knows it. None where nobody was asked.
pub fn member_changes(changes: &[Change], etcd: &[member_rule::Member]) -> Vec<MemberChange> {
    let all = || etcd.iter().map(|one| one.node.clone());
    let moves = still_to_come(changes, etcd);
    if let [only] = moves.as_slice() {
        return match only {
            _ if etcd.is_empty() => Vec::new(),
            // rke tells each member of the new one by starting it again.
            Move::Comes(node) => {
                let again = all().filter(|one| one != node).map(|node| MemberChange::Restart { node });
                std::iter::once(MemberChange::Join { node: (*node).to_owned() }).chain(again).collect()
            }
            Move::Goes(node) => vec![MemberChange::Leave { node: (*node).to_owned() }],
            // Which of them it is, its address does not tell: it has to be allowed for each.
            Move::Resigns(_) => all().map(|node| MemberChange::Leave { node }).collect(),
        };
    }
    match moves.is_empty() && changes.iter().any(restarts_etcd) {
        true => all().map(|node| MemberChange::Upgrade { node }).collect(),
        false => Vec::new(),
    }
}

/// The first change that the member rule holds back. A cluster of one or two members is away while it restarts: that holds
/// no upgrade up.
fn held_back(changes: &[MemberChange], etcd: &[member_rule::Member]) -> Option<Refusal> {
    changes.iter().find_map(|change| {
        let answer = member_rule::judge(etcd, change);
        (!answer.lets_up_go()).then(|| Refusal::MemberRule { change: change.clone(), answer })
    })
}

/// Certificates and etcd's contents are changed by themselves.
fn alone(changes: &[Change]) -> Option<Refusal> {
    let what = changes.iter().find(|change| matches!(change, Change::Rotate | Change::Restore))?;
    (changes.len() > 1).then(|| Refusal::NotAlone { what: what.to_string() })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
