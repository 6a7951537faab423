//! etcd's members by name: who is healthy, and how many come or go at once.

use serde::Serialize;

use super::context::and_list;
use super::members::{Known, at_any};
use super::{Answer, Check, Context};
use crate::engine::member_rule::{self, Answer as MemberAnswer, MemberChange};
use crate::facts::etcd::{Member, host, members};
use crate::facts::{ContainerState, EtcdAsked, StateFile, StateNode};
use crate::inventory::Node;

/// One member that is expected or listed, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EtcdMember {
    /// Of the node.
    pub name: String,
    /// Client URL, e.g. `https://10.0.0.11:2379`; empty when nobody named one.
    pub endpoint: String,
    pub healthy: bool,
    /// Why not, when it is not.
    pub error: String,
    /// Its container is there and does not run.
    pub stopped: bool,
}

/// Who is expected.
struct Expected {
    name: String,
    addresses: Vec<String>,
}

impl Expected {
    fn of_state(node: &StateNode) -> Expected {
        Expected { name: node.name.clone(), addresses: vec![node.address.clone(), node.internal_address.clone()] }
    }

    fn of_inventory(node: &Node) -> Expected {
        let internal = node.internal_address.map(|address| address.to_string());
        let addresses = std::iter::once(node.address.clone()).chain(internal).collect();
        Expected { name: node.name.to_lowercase(), addresses }
    }

    fn of_member(member: &Member) -> Expected {
        Expected { name: member.node(), addresses: member.addresses.clone() }
    }

    fn is_at(&self, address: &str) -> bool {
        self.addresses.iter().any(|one| one == address)
    }

    fn is_node(&self, node: &Node) -> bool {
        at_any(node, &|address| self.is_at(address))
    }

    fn is_member(&self, member: &Member) -> bool {
        member.node() == self.name || member.addresses.iter().any(|address| self.is_at(address))
    }
}

/// The members of RKE's state (of the inventory where there is no state), then whoever else etcd lists.
pub fn etcd_members(inventory: &[Node], state: &StateFile, asked: &[EtcdAsked]) -> Vec<EtcdMember> {
    let list = members(asked);
    let mut expected = expected(inventory, state);
    // A node that left inventory and etcd is nobody's member any more; rke has only not forgotten it yet.
    let wanted = |one: &Expected| inventory.iter().any(|node| one.is_node(node));
    let listed = |one: &Expected| list.as_ref().map_or(true, |list| list.iter().any(|member| one.is_member(member)));
    expected.retain(|one| wanted(one) || listed(one));
    let others = list.iter().flatten().filter(|member| !expected.iter().any(|one| one.is_member(member)));
    let others: Vec<Expected> = others.copied().map(Expected::of_member).collect();
    expected.iter().chain(&others).map(|one| look(one, inventory, asked)).collect()
}

fn expected(inventory: &[Node], state: &StateFile) -> Vec<Expected> {
    match state.nodes() {
        Some(nodes) => nodes.all().into_iter().filter(|node| node.roles.etcd).map(Expected::of_state).collect(),
        None => inventory.iter().filter(|node| node.roles.etcd).map(Expected::of_inventory).collect(),
    }
}

fn look(one: &Expected, inventory: &[Node], asked: &[EtcdAsked]) -> EtcdMember {
    let list = members(asked);
    let member = list.iter().flatten().find(|member| one.is_member(member));
    let is_its = |endpoint: &str| {
        let host = host(endpoint).unwrap_or_default();
        one.is_at(&host) || member.is_some_and(|member| member.addresses.contains(&host))
    };
    let answers = asked.iter().filter_map(|said| said.answer.as_ref().ok());
    let votes: Vec<_> = answers.flat_map(|answer| &answer.health).filter(|vote| is_its(&vote.endpoint)).collect();
    let here = inventory.iter().find(|node| one.is_node(node));
    let own = here.and_then(|node| asked.iter().find(|said| said.node == node.name));
    let stopped = own.and_then(|said| said.container("etcd")).is_some_and(|it| it.state != ContainerState::Running);
    let unanswered = own.and_then(|said| said.answer.as_ref().err());
    let healthy = votes.iter().any(|vote| vote.healthy);
    let error = match (unanswered, &list, votes.first()) {
        _ if healthy => String::new(),
        (Some(why), _, _) => why.to_string(),
        (None, Ok(_), _) if member.is_none() => "it is not among etcd's members".into(),
        (None, _, Some(vote)) => format!("it does not answer: {}", vote.error),
        (None, Ok(_), None) => "it has not started".into(),
        (None, Err(why), None) => why.to_string(),
    };
    let endpoint = votes.first().map(|vote| vote.endpoint.clone()).unwrap_or_default();
    EtcdMember { name: one.name.clone(), endpoint, healthy, error, stopped }
}

pub const HEALTHY: Check = Check {
    id: "etcd.healthy",
    what: "every etcd member of the cluster answers",
    why: "with one of three down, the next loss stops etcd, and with it everything",
    fix: "`cowhand up` starts an etcd that stopped; `docker logs etcd` on the node tells why it did",
    run: healthy,
    offline: false,
};

fn healthy(context: &Context) -> Vec<Answer> {
    if !context.builds_nodes() {
        return Vec::new();
    }
    let built = context.workspace.state.nodes().is_some_and(|state| state.applied.is_some());
    let Some(seen) = context.members.filter(|_| built) else { return vec![Answer::pass("no cluster yet")] };
    let answer = |one: EtcdMember| match one.healthy {
        true => Answer::pass("answers").about(&one.name),
        false => Answer::warn(format!("etcd is down: {}", one.error), remedy(&one)).about(&one.name),
    };
    etcd_members(&context.inventory.nodes, &context.workspace.state, &seen.etcd).into_iter().map(answer).collect()
}

fn remedy(one: &EtcdMember) -> String {
    let logs = format!("`docker logs --tail 50 etcd` on {} tells why", one.name);
    if one.stopped { format!("`cowhand up` starts it; {logs}") } else { logs }
}

pub const ONE_CHANGE: Check = Check {
    id: "etcd.one-change",
    what: "at most one etcd member comes or goes in one run, and only while all others answer",
    why: "two changes at once, or one beside a member that is down, can leave etcd without a majority: then nothing is written any more",
    fix: "give or take the role etcd for one node, run `cowhand up`, then the next one",
    run: one_change,
    offline: false,
};

fn one_change(context: &Context) -> Vec<Answer> {
    if !context.builds_nodes() {
        return Vec::new();
    }
    let built = context.workspace.state.nodes().is_some_and(|state| state.applied.is_some());
    let Some(known) = Known::of(context).filter(|_| built) else { return vec![Answer::pass("no cluster yet")] };
    let (joined, left) = changes(&context.inventory.nodes, &known);
    let names = |verb: &str, names: &[String]| match names {
        [] => None,
        [one] => Some(format!("{one} {verb}s")),
        several => Some(format!("{} {verb}", and_list(several))),
    };
    let told = and_list([names("join", &joined), names("leave", &left)].into_iter().flatten());
    vec![match (joined.as_slice(), left.as_slice()) {
        ([], []) => Answer::pass("nobody joins or leaves"),
        ([node], []) => allowed(context, told, MemberChange::Join { node: node.clone() }),
        ([], [node]) => allowed(context, told, MemberChange::Leave { node: node.clone() }),
        (_, []) => Answer::fail(
            format!("{told}, in one run"),
            "change the role etcd of one node at a time: take the others back, run `cowhand up`, then the next one",
        ),
        (joined, [first, ..]) => {
            let then = if joined.is_empty() { String::new() } else { "; `cowhand up` then lets the other join".into() };
            Answer::fail(format!("{told}, in one run"), format!("`cowhand node remove {first}` first{then}"))
        }
    }]
}

/// What the member rule says to this one change.
fn allowed(context: &Context, told: String, change: MemberChange) -> Answer {
    let asked = context.members.map(|seen| seen.etcd.as_slice()).unwrap_or_default();
    let answer = match member_rule::seen(asked) {
        Ok(members) => member_rule::judge(&members, &change),
        Err(unseen) => {
            let fix =
                "`docker logs --tail 50 etcd` on an etcd node tells why; `cowhand up` starts an etcd that stopped";
            return Answer::unknown("who is a member of etcd", &unseen, fix);
        }
    };
    let node = change.node();
    let first = match &answer {
        MemberAnswer::Go => return Answer::pass(told),
        MemberAnswer::WaitFor { nodes, .. } => format!(
            "take the change back, let `cowhand up` mend {0} or take {0} out with `cowhand node remove`, then make it again",
            and_list(nodes)
        ),
        MemberAnswer::Person { .. } => format!("take the change of {node} back; `cowhand status` names the members"),
    };
    Answer::fail(format!("{told}: {answer}"), first)
}

/// Names of the nodes that would become a member, and of those that would stop being one. What etcd lists counts; where it
/// gave no list, the state does.
fn changes(inventory: &[Node], known: &Known) -> (Vec<String>, Vec<String>) {
    let now: Vec<Expected> = match &known.etcd {
        Ok(list) => list.iter().copied().map(Expected::of_member).collect(),
        Err(_) => known.state_nodes().into_iter().filter(|node| node.roles.etcd).map(Expected::of_state).collect(),
    };
    let same = |node: &Node, one: &Expected| node.name.to_lowercase() == one.name || one.is_node(node);
    let wanted: Vec<&Node> = inventory.iter().filter(|node| node.roles.etcd).collect();
    let joined = wanted.iter().filter(|node| !now.iter().any(|one| same(node, one)));
    let left = now.iter().filter(|one| !wanted.iter().any(|node| same(node, one)));
    (joined.map(|node| node.name.to_lowercase()).collect(), left.map(|one| one.name.clone()).collect())
}
