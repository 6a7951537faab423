//! A node that leaves the cluster: what is known of it, what forbids it, and what is done in which order. Pure.
//!
//! Every step is planned from what is still there, so that a run that was cut off goes on where it was.

use std::fmt;

use serde::Serialize;

use super::drain::Draining;
use crate::cluster::NodeSeen;
use crate::engine::member_rule::{self, Answer, MemberChange, Person};
use crate::facts::StateNode;
use crate::failure::{Exit, Failure};
use crate::inventory::Roles;

/// What is known of the node and of those that stay.
#[derive(Debug, Clone)]
pub struct LeaveFound {
    /// Lower case.
    pub name: String,
    pub cluster: String,
    /// As cluster.rkestate has it.
    pub state: Option<StateNode>,
    /// As the API has it.
    pub node: Option<NodeSeen>,
    /// As etcd has it: its id, and its name in [`LeaveFound::etcd`].
    pub member: Option<(u64, String)>,
    pub etcd: Vec<member_rule::Member>,
    pub machine: MachineFound,
    /// The other nodes of the state that the inventory has.
    pub staying: Vec<StateNode>,
    /// The roles of the inventory's nodes without this one.
    pub wanted: Vec<Roles>,
    /// Whether it is still in the inventory.
    pub listed: bool,
    /// The cluster was built by plain rke: it has the nodes that it has.
    pub adopted: bool,
    /// Nodes of the inventory that rke has not applied yet.
    pub joining: Vec<String>,
    /// Its pods, and what holds them now; nothing where they cannot be evicted.
    pub pods: Option<(Draining, Vec<String>)>,
}

/// The machine of a node that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineFound {
    Away {
        why: String,
    },
    Reached {
        /// RKE's containers of the control plane that run.
        api: Vec<String>,
        /// etcd runs.
        etcd: bool,
        /// Of the cluster, all proved ours.
        left: Vec<String>,
        /// Stays on purpose.
        kept: Vec<String>,
    },
}

/// One step, in the order in which they are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum LeaveStep {
    /// No new pods, with our mark, so that it is known by whom.
    Close,
    Drain {
        #[serde(flatten)]
        pods: Draining,
        held: Vec<String>,
    },
    /// These containers on its machine end, and are seen to have ended.
    Stop {
        containers: Vec<String>,
    },
    /// By its id; leadership is given away before.
    RemoveMember {
        #[serde(serialize_with = "hexadecimal")]
        id: u64,
        member: String,
    },
    /// What is left of the cluster on the machine is taken away, keys and all.
    Clean {
        left: Vec<String>,
    },
    DeleteNode,
    /// cluster.rkestate no longer has it.
    Forget {
        address: String,
    },
    /// rke goes over the nodes that stay: no API server names the one that left any more.
    RkeUp,
}

fn hexadecimal<S: serde::Serializer>(id: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{id:x}"))
}

impl fmt::Display for LeaveStep {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaveStep::Close => write!(to, "close the node for new pods"),
            LeaveStep::Drain { pods, .. } => {
                write!(to, "evict {} pods ({} stay that belong to it)", pods.evicted.len(), pods.stay)
            }
            LeaveStep::Stop { containers } => write!(to, "stop {}", containers.join(", ")),
            LeaveStep::RemoveMember { id, member } => write!(to, "remove the etcd member {member} ({id:x})"),
            LeaveStep::Clean { left } => {
                write!(to, "clean its machine, keys and data of the cluster included ({} things there)", left.len())
            }
            LeaveStep::DeleteNode => write!(to, "delete the Node from the API"),
            LeaveStep::Forget { .. } => write!(to, "take it out of cluster.rkestate"),
            LeaveStep::RkeUp => write!(to, "run rke up over the nodes that stay"),
        }
    }
}

/// A leave as it would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leave {
    pub node: String,
    pub steps: Vec<LeaveStep>,
    /// What a person has to know.
    pub notes: Vec<String>,
}

impl Leave {
    /// As `--plan` shows it.
    pub fn text(&self) -> String {
        let mut text = format!("{} leaves the cluster\n", self.node);
        for step in &self.steps {
            text += &format!("  - {step}\n");
            let lines = match step {
                LeaveStep::Drain { pods, held } => {
                    let pods = pods.evicted.iter().map(|pod| format!("{pod}"));
                    pods.chain(held.iter().map(|held| format!("held for now: {held}"))).collect()
                }
                LeaveStep::Clean { left } => left.clone(),
                LeaveStep::Close
                | LeaveStep::Stop { .. }
                | LeaveStep::RemoveMember { .. }
                | LeaveStep::DeleteNode
                | LeaveStep::Forget { .. }
                | LeaveStep::RkeUp => Vec::new(),
            };
            lines.iter().for_each(|line| text += &format!("      {line}\n"));
        }
        self.notes.iter().for_each(|note| text += &format!("  ! {note}\n"));
        text
    }
}

/// # Errors
/// When it may not leave, with what to do instead. `unreachable`: its machine was given up.
pub fn leave(found: &LeaveFound, unreachable: bool) -> Result<Leave, Failure> {
    known(found)?;
    reached(found, unreachable)?;
    enough_stay(found)?;
    rule(found)?;
    Ok(Leave { node: found.name.clone(), steps: steps(found), notes: notes(found) })
}

fn refused(error: String, hint: String) -> Result<(), Failure> {
    Err(Failure::new(Exit::ChecksFailed, error).hint(format!("{hint}; nothing was changed")))
}

fn known(found: &LeaveFound) -> Result<(), Failure> {
    if found.state.is_some() || found.node.is_some() || found.member.is_some() {
        return Ok(());
    }
    let name = &found.name;
    let others: Vec<&str> = found.staying.iter().map(|node| node.name.as_str()).collect();
    Err(Failure::new(
        Exit::Usage,
        format!("the cluster has no node {name}: neither cluster.rkestate nor the API nor etcd knows it"),
    )
    .hint(format!(
        "its nodes are {}; if {name} has left already, `cowhand up` lets rke finish that",
        others.join(", ")
    )))
}

fn reached(found: &LeaveFound, unreachable: bool) -> Result<(), Failure> {
    let name = &found.name;
    match (&found.machine, unreachable) {
        (MachineFound::Away { .. }, true) | (MachineFound::Reached { .. }, false) => Ok(()),
        (MachineFound::Away { why }, false) => {
            Err(Failure::new(Exit::Unreachable, format!("{name} cannot be reached, so it cannot be cleaned"))
                .because(why)
                .hint(format!(
                    "if its machine is lost, `--unreachable` removes {name} without it: {}; nothing was changed",
                    keys_stay(found)
                )))
        }
        (MachineFound::Reached { .. }, true) => {
            Err(Failure::new(Exit::Usage, format!("{name} is reached: it can be cleaned, and needs no --unreachable"))
                .hint("leave --unreachable out; nothing was changed"))
        }
    }
}

/// What is not taken off a machine that nobody reaches.
fn keys_stay(found: &LeaveFound) -> String {
    let roles = found.state.as_ref().map(|node| node.roles);
    let what = match roles {
        Some(Roles { controlplane: true, .. }) | None => {
            "the keys on its disk open etcd and make any identity of the cluster"
        }
        Some(Roles { etcd: true, .. }) => "the keys on its disk open etcd",
        Some(_) => "the keys on its disk are those of a kubelet and kube-proxy of the cluster",
    };
    format!("{what} until the cluster gets another CA")
}

fn enough_stay(found: &LeaveFound) -> Result<(), Failure> {
    let name = &found.name;
    let has = |role: fn(&Roles) -> bool| found.staying.iter().any(|node| role(&node.roles));
    let last = |role: &str| {
        let join = "let another node join with that role first";
        refused(format!("{name} is the last node with the role {role}"), join.into())
    };
    if !has(|roles| roles.controlplane) {
        return last("controlplane");
    }
    if !has(|roles| roles.etcd) {
        return last("etcd");
    }
    let leaves_a_hole = found.state.as_ref().is_some_and(|node| node.roles == Roles::ALL);
    if found.adopted || !leaves_a_hole {
        return Ok(());
    }
    let whole = |roles: &mut dyn Iterator<Item = Roles>| roles.filter(|roles| *roles == Roles::ALL).count();
    let wanted = whole(&mut found.wanted.iter().copied());
    if wanted < 3 {
        return refused(
            format!("without {name} the inventory has {wanted} nodes with all roles, and three are the least"),
            format!("put the machine that takes its place into the inventory, in the place of {name} or beside it"),
        );
    }
    let staying = whole(&mut found.staying.iter().map(|node| node.roles));
    if staying < 3 && is_well(found) {
        return refused(
            format!(
                "{name} is well, and without it {staying} nodes with all roles would be left until another one has joined"
            ),
            format!(
                "let the other one join first: have both in the inventory, `cowhand up`, then `cowhand node remove {name}`"
            ),
        );
    }
    Ok(())
}

/// Its machine, its Node and its etcd are.
fn is_well(found: &LeaveFound) -> bool {
    let reached = matches!(found.machine, MachineFound::Reached { .. });
    let member = found.member.as_ref().map(|(_, member)| member);
    let answers = member.is_some_and(|name| found.etcd.iter().any(|one| one.node == *name && one.answers));
    reached && answers && found.node.as_ref().is_some_and(|node| node.ready)
}

/// # Errors
/// When the member rule does not let it leave etcd.
fn rule(found: &LeaveFound) -> Result<(), Failure> {
    let Some((_, member)) = &found.member else { return Ok(()) };
    allowed(&found.etcd, member).map_err(|failure| {
        let hint = failure.hint.clone().unwrap_or_default();
        failure.hint(format!("{hint}; nothing was changed"))
    })
}

/// Whether this member may leave etcd now; asked again before it does.
///
/// # Errors
/// The rule's answer, with what to do.
pub fn allowed(etcd: &[member_rule::Member], member: &str) -> Result<(), Failure> {
    let change = MemberChange::Leave { node: member.to_owned() };
    let answer = member_rule::judge(etcd, &change);
    let remedy = match &answer {
        Answer::Go => return Ok(()),
        Answer::WaitFor { nodes, .. } => format!("let `cowhand up` mend {} first", nodes.join(", ")),
        Answer::Person { why: Person::NoQuorum { .. } } => {
            "start the members that are down, or restore etcd from a backup (`cowhand backup`)".into()
        }
        Answer::Person { why: Person::LastMember { .. } | Person::Away { .. } } => {
            "let another node join etcd first".into()
        }
        Answer::Person { why: Person::Alarm { .. } } => {
            "`docker exec etcd etcdctl alarm list` on an etcd node says what it is".into()
        }
    };
    Err(Failure::new(Exit::ChecksFailed, format!("{change}: {answer}")).hint(remedy))
}

fn steps(found: &LeaveFound) -> Vec<LeaveStep> {
    let mut steps = Vec::new();
    if found.node.as_ref().is_some_and(|node| !node.unschedulable || node.closed_by.is_none()) {
        steps.push(LeaveStep::Close);
    }
    if let Some((pods, held)) = &found.pods {
        steps.push(LeaveStep::Drain { pods: pods.clone(), held: held.clone() });
    }
    let (api, etcd, left) = match &found.machine {
        MachineFound::Away { .. } => (Vec::new(), false, Vec::new()),
        MachineFound::Reached { api, etcd, left, .. } => (api.clone(), *etcd, left.clone()),
    };
    if !api.is_empty() {
        steps.push(LeaveStep::Stop { containers: api });
    }
    if let Some((id, member)) = &found.member {
        steps.push(LeaveStep::RemoveMember { id: *id, member: member.clone() });
    }
    if etcd {
        steps.push(LeaveStep::Stop { containers: vec!["etcd".into()] });
    }
    if !left.is_empty() {
        steps.push(LeaveStep::Clean { left });
    }
    if found.node.is_some() {
        steps.push(LeaveStep::DeleteNode);
    }
    if let Some(node) = &found.state {
        steps.push(LeaveStep::Forget { address: node.address.clone() });
        if found.joining.is_empty() {
            steps.push(LeaveStep::RkeUp);
        }
    }
    steps
}

fn notes(found: &LeaveFound) -> Vec<String> {
    let name = &found.name;
    let mut notes = Vec::new();
    match &found.machine {
        MachineFound::Away { why } => {
            notes.push(format!("{name} is not reached ({why}): {}", keys_stay(found)));
            notes.push(format!(
                "if its machine comes back, `cowhand status` names it, `cowhand up` refuses, and `cowhand node remove {name}` cleans it"
            ));
        }
        MachineFound::Reached { kept, .. } => notes.extend(kept.iter().map(|kept| match kept.contains(SNAPSHOTS) {
            true => format!(
                "kept on {name}: {kept}: snapshots hold every key of the cluster; move them away, or delete them"
            ),
            false => format!("kept on {name}: {kept}"),
        })),
    }
    let unreported = found.node.is_some() && found.pods.is_none();
    if unreported {
        notes.push(format!("the kubelet of {name} does not report: its pods start elsewhere once its Node is deleted"));
    }
    if found.listed {
        notes.push(format!(
            "take {name} out of the inventory afterwards: the next `cowhand up` would let it join again"
        ));
    }
    if !found.joining.is_empty() {
        notes.push(format!("`cowhand up` then lets {} join", found.joining.join(", ")));
    }
    notes
}

/// Where RKE keeps etcd's snapshots on a node.
const SNAPSHOTS: &str = "/opt/rke/etcd-snapshots";

#[cfg(test)]
#[path = "leave_tests.rs"]
mod tests;
