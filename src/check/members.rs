//! Whether inventory, RKE's state, the API and etcd name the same machines. The inventory says who is wanted; who is a
//! member, only the other three know.

use super::context::and_list;
use super::{Answer, Check, Context};
use crate::cluster::NodeSeen;
use crate::facts::etcd::{Member, members};
use crate::facts::{Fact, StateNode, StateNodes};
use crate::inventory::Node;

pub const MEMBERS: Check = Check {
    id: "cluster.members",
    what: "every node of the state, every Node of the API and every etcd member is in the inventory",
    why: "rke forgets a node that left the inventory and cleans nothing: its kubelet, API server and etcd go on with valid keys of the cluster",
    fix: "`cowhand node remove NAME` takes it out of the cluster; or put it back into the inventory",
    run: known,
    offline: false,
};

/// A member of the cluster that the inventory does not have, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stranger<'a> {
    pub name: String,
    pub state: Option<&'a StateNode>,
    pub node: Option<&'a NodeSeen>,
    pub member: Option<&'a Member>,
}

/// What is known of the cluster besides the inventory.
pub(super) struct Known<'a> {
    inventory: &'a [Node],
    state: Option<&'a StateNodes>,
    pub api: Fact<&'a [NodeSeen]>,
    pub etcd: Fact<Vec<&'a Member>>,
}

impl<'a> Known<'a> {
    /// `None` where nobody was asked.
    pub fn of(context: &Context<'a>) -> Option<Known<'a>> {
        let seen = context.members?;
        Some(Known {
            inventory: &context.inventory.nodes,
            state: context.workspace.state.nodes(),
            api: seen.api.as_deref().map_err(Clone::clone),
            etcd: members(&seen.etcd),
        })
    }

    pub fn state_nodes(&self) -> Vec<&'a StateNode> {
        self.state.map(StateNodes::all).unwrap_or_default()
    }

    /// Each once, in the order of state, API and etcd.
    pub fn strangers(&self) -> Vec<Stranger<'a>> {
        // rke knows a machine by its address: another one is another machine.
        let left = |node: &&StateNode| !self.inventory.iter().any(|one| one.address == node.address);
        let of_state = |node: &'a StateNode| Stranger { state: Some(node), ..Stranger::new(&node.name) };
        let mut strangers: Vec<Stranger> = self.state_nodes().into_iter().filter(left).map(of_state).collect();
        for node in self.api.iter().copied().flatten() {
            let is_at = |address: &str| node.addresses.iter().any(|(_, one)| one == address);
            match self.place(&mut strangers, &node.name, &is_at, false) {
                Place::Inventory => {}
                Place::Stranger(known) => known.node = Some(node),
                Place::New => strangers.push(Stranger { node: Some(node), ..Stranger::new(&node.name) }),
            }
        }
        for member in self.etcd.iter().flatten().copied() {
            let is_at = |address: &str| member.addresses.iter().any(|one| one == address);
            let name = member.node();
            match self.place(&mut strangers, &name, &is_at, true) {
                Place::Inventory => {}
                Place::Stranger(known) => known.member = Some(member),
                Place::New => strangers.push(Stranger { member: Some(member), ..Stranger::new(&name) }),
            }
        }
        strangers
    }

    /// To whom this name, seen at these addresses, belongs. `by_address`: a name of its own is no proof of another node.
    fn place<'s>(
        &self,
        strangers: &'s mut [Stranger<'a>],
        name: &str,
        is_at: &dyn Fn(&str) -> bool,
        by_address: bool,
    ) -> Place<'s, 'a> {
        let same = |one: &Node| one.name.to_lowercase() == name;
        let at = |one: &Node| at_any(one, is_at);
        let at_stranger = |one: &Stranger| one.addresses().iter().any(|address| is_at(address));
        let named = self.inventory.iter().any(same);
        let ours = (named && !strangers.iter().any(|one| one.name == name && at_stranger(one)))
            || (by_address && self.inventory.iter().any(at));
        if ours {
            return Place::Inventory;
        }
        match strangers.iter_mut().find(|one| one.name == name || at_stranger(one)) {
            Some(known) => Place::Stranger(known),
            None => Place::New,
        }
    }
}

enum Place<'s, 'a> {
    Inventory,
    Stranger(&'s mut Stranger<'a>),
    New,
}

impl Stranger<'_> {
    fn new(name: &str) -> Self {
        Stranger { name: name.to_owned(), state: None, node: None, member: None }
    }

    fn addresses(&self) -> Vec<&str> {
        let state = self.state.iter().flat_map(|node| [node.address.as_str(), node.internal_address.as_str()]);
        let node = self.node.iter().flat_map(|node| node.addresses.iter().map(|(_, address)| address.as_str()));
        let member = self.member.iter().flat_map(|member| member.addresses.iter().map(String::as_str));
        state.chain(node).chain(member).collect()
    }

    /// `n3 (10.0.0.13)`.
    pub fn words(&self) -> String {
        match self.addresses().into_iter().find(|address| *address != self.name) {
            Some(address) => format!("{} ({address})", self.name),
            None => self.name.clone(),
        }
    }

    /// Where it was seen, and as what.
    pub fn places(&self) -> String {
        let mut places = Vec::new();
        if let Some(node) = self.node {
            places.push(format!("a Node of the API ({})", if node.ready { "Ready" } else { "not Ready" }));
        }
        if let Some(member) = self.member {
            places.push(format!("a member of etcd ({:x})", member.id));
        }
        if let Some(node) = self.state {
            places.push(format!("a node of cluster.rkestate ({})", and_list(role_words(node))));
        }
        and_list(places)
    }

    /// What goes on there when rke merely forgets it.
    fn still_is(&self) -> String {
        let roles = self.node.map(|node| node.roles.as_slice()).unwrap_or_default();
        let has = |role: &str| roles.iter().any(|one| one == role);
        let state = self.state.map(|node| node.roles);
        let mut parts = vec!["kubelet"];
        if has("controlplane") || state.is_some_and(|roles| roles.controlplane) {
            parts.push("API server");
        }
        if self.member.is_some() || has("etcd") || state.is_some_and(|roles| roles.etcd) {
            parts.push("etcd");
        }
        format!(
            "without it in the inventory nothing stops its {}: what runs there keeps valid keys of the cluster",
            and_list(parts)
        )
    }

    /// How it leaves the cluster by hand; `from` is a node where etcd runs.
    pub fn by_hand(&self, from: Option<&str>) -> String {
        let name = &self.name;
        let mut steps = Vec::new();
        if self.node.is_some() {
            steps.push(format!("`kubectl drain {name} --ignore-daemonsets --delete-emptydir-data`"));
        }
        if let Some(member) = self.member {
            let from = from.unwrap_or("another etcd node");
            steps.push(format!("on {from} `docker exec etcd etcdctl member remove {:x}`", member.id));
        }
        steps.push(format!(
            "on {name} remove the containers of RKE and the pods, reboot, then remove /etc/kubernetes, /var/lib/etcd and /var/lib/kubelet"
        ));
        steps.push(format!("`kubectl delete node {name}`"));
        steps.join("; ")
    }
}

/// As the inventory and cluster.yml spell them.
fn role_words(node: &StateNode) -> Vec<&'static str> {
    let roles = [(node.roles.controlplane, "controlplane"), (node.roles.etcd, "etcd"), (node.roles.worker, "worker")];
    roles.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect()
}

pub(super) fn at_any(node: &Node, is_at: &dyn Fn(&str) -> bool) -> bool {
    is_at(&node.address) || node.internal_address.is_some_and(|address| is_at(&address.to_string()))
}

fn known(context: &Context) -> Vec<Answer> {
    if !context.builds_nodes() {
        return Vec::new();
    }
    let Some(known) = Known::of(context) else { return vec![Answer::pass("no cluster was looked for")] };
    let strangers = known.strangers();
    let mut answers: Vec<Answer> = strangers.iter().map(|one| judge(one, &known, context).about(&one.name)).collect();
    answers.extend(known.api.iter().copied().flatten().filter_map(half_gone));
    let cluster = known.state.is_some_and(|state| state.applied.is_some());
    match &known.api {
        Err(unseen) if cluster => answers.push(Answer::unseen_advice(
            "the Nodes of the API",
            unseen,
            "`cowhand up` mends a cluster whose API does not answer; only the nodes of cluster.rkestate were compared",
        )),
        Ok(_) | Err(_) if answers.is_empty() => answers.push(Answer::pass(match cluster {
            true => format!("{}, and no others", and_list(known.state_nodes().iter().map(|node| &node.name))),
            false => "no cluster yet".to_owned(),
        })),
        Ok(_) | Err(_) => {}
    }
    answers
}

/// A node that a run of cowhand closed and that is closed still: to be worked on, or left half removed.
fn half_gone(node: &NodeSeen) -> Option<Answer> {
    let by = node.closed_by.as_ref()?;
    let name = &node.name;
    let fix = match by.contains("node remove") {
        true => format!("`cowhand node remove {name}` goes on; `cowhand node uncordon {name}` opens it again"),
        false => format!("`cowhand node uncordon {name}` opens it, when the work on its machine is done"),
    };
    Some(Answer::warn(format!("{name} is closed for pods, by {by}"), fix).about(name))
}

fn judge(one: &Stranger, known: &Known, context: &Context) -> Answer {
    let seen = format!("{} is {}, and not in the inventory", one.words(), one.places());
    let back = format!("put {} back into `nodes`", one.words());
    if let Some(twin) = context.inventory.nodes.iter().find(|node| node.name.to_lowercase() == one.name) {
        let fix = format!(
            "give {} its address back, or call the machine at {} otherwise: rke removes a node by its name",
            one.name, twin.address
        );
        return Answer::fail(format!("{seen} with this address, but with {}", twin.address), fix);
    }
    let is_at = |address: &str| one.addresses().contains(&address);
    if let Some(renamed) = context.inventory.nodes.iter().find(|node| at_any(node, &is_at)) {
        let fix = format!("call {} {} again: a node keeps its name as long as it is a member", renamed.name, one.name);
        return Answer::fail(format!("{seen}, where its address is {}'s", renamed.name), fix);
    }
    let leave = format!("`cowhand node remove {}` takes it out of the cluster; or {back}", one.name);
    if one.node.is_some() || one.member.is_some() {
        return Answer::fail(format!("{seen}; {}", one.still_is()), leave);
    }
    let forgotten = format!("{} is in cluster.rkestate, and not in the inventory", one.words());
    match (&known.api, &known.etcd) {
        (Ok(_), Ok(_)) => Answer::warn(
            format!("{forgotten}; neither the API nor etcd has it any more"),
            "`cowhand up` lets rke forget it; its certificates stay valid, so see that its machine is clean",
        ),
        _ if never_built(known, context) => Answer::warn(
            format!("{forgotten}; the run that was to build it was cut off, and no node here has a cluster"),
            format!("`cowhand up` lets rke forget it; see that nothing of that run is on {}", one.words()),
        ),
        (Err(unseen), _) | (Ok(_), Err(unseen)) => Answer::fail(
            format!("{forgotten}; whether it is still a member could not be seen: {unseen}; {}", one.still_is()),
            leave,
        ),
    }
}

/// The state is of a first run that was cut off early: rke recorded no control plane, and no node shows a container of one.
fn never_built(known: &Known, context: &Context) -> bool {
    let begun = known.state.is_some_and(|state| state.applied.is_none());
    let reached: Vec<_> = context.reached().collect();
    let empty = |facts: &crate::facts::NodeFacts| {
        let containers = facts.containers.as_ref();
        containers
            .is_ok_and(|all| all.iter().all(|one| !["etcd", "kube-apiserver", "kubelet"].contains(&one.name.as_str())))
    };
    begun && reached.len() == context.inventory.nodes.len() && reached.iter().all(|(_, reached)| empty(&reached.facts))
}
