//! Whether the cluster on the machines may be taken away: what is deleted there is gone for good, so whatever is not
//! proved to be this workspace's own refuses.

use super::containers::FOREIGN;
use super::context::and_list;
use super::etcd::HEALTHY;
use super::former::{FOREIGN_CLUSTER, OTHER_DISTRIBUTION, harmful_remains};
use super::members::{Known, MEMBERS, at_any};
use super::ssh::REACHABLE;
use super::{Answer, Check, Context, Finding, Verdict};
use crate::facts::{Reached, StateFile};
use crate::inventory::Node;

/// Not one of the checks before `up`: it asks more.
const OURS: Check = Check {
    id: "cluster.ours",
    what: "what `down` would delete on the node is of this workspace's cluster",
    why: "the data of somebody else's cluster cannot be brought back",
    fix: "see the reason in the finding",
    run: ours,
    offline: false,
};

/// As [`MEMBERS`], and stricter: what `down` removes has to be the whole cluster and nothing else.
const SAME_MACHINES: Check = Check { run: same_machines, ..MEMBERS };

/// As [`OTHER_DISTRIBUTION`], where nothing is to be built any more.
const NOTHING_ELSE: Check = Check { run: nothing_else, ..OTHER_DISTRIBUTION };

/// What stands against removing the cluster from these machines; empty when nothing does. Every machine is judged, and
/// nothing is skipped: what was skipped in order to build gives no leave to destroy.
pub fn removal(context: &Context) -> Vec<Finding> {
    let checks = [REACHABLE, SAME_MACHINES, FOREIGN_CLUSTER, FOREIGN, NOTHING_ELSE, OURS];
    checks.iter().flat_map(|check| check.findings(context)).filter(Finding::blocks).collect()
}

/// What stands against taking one machine out of the cluster: it is the inventory's only node here.
pub fn leaving(context: &Context) -> Vec<Finding> {
    let checks = [REACHABLE, FOREIGN_CLUSTER, FOREIGN, NOTHING_ELSE, OURS];
    checks.iter().flat_map(|check| check.findings(context)).filter(Finding::blocks).collect()
}

/// What `verify` asks of the members, once there is a cluster: a member that is down fails it.
pub fn proved(context: &Context) -> Vec<Finding> {
    let failed = |finding: Finding| match finding.verdict {
        Verdict::Warn => Finding { verdict: Verdict::Fail, ..finding },
        Verdict::Pass | Verdict::Unknown | Verdict::Fail => finding,
    };
    MEMBERS.findings(context).into_iter().chain(HEALTHY.findings(context).into_iter().map(failed)).collect()
}

fn same_machines(context: &Context) -> Vec<Answer> {
    let Some(known) = Known::of(context) else { return Vec::new() };
    let from = context.inventory.nodes.iter().find(|node| node.roles.etcd).map(|node| node.name.as_str());
    let left_out = known.strangers().into_iter().map(|one| {
        Answer::fail(
            format!("{} is {}, and not in the inventory: it would live on", one.words(), one.places()),
            format!(
                "put {} back into `nodes`, so that it goes too; or remove it by hand and let `cowhand up` forget it, then `cowhand down`: {}",
                one.words(),
                one.by_hand(from)
            ),
        )
        .about(&one.name)
    });
    let left_out: Vec<Answer> = left_out.collect();
    let strangers = context.inventory.nodes.iter().filter(|node| !is_member(context, &known, node)).map(|node| {
        Answer::fail(
            format!(
                "{} ({}) is in the inventory, and not a node of cluster.rkestate: it is not this cluster's",
                node.name, node.address
            ),
            format!(
                "take {0} out of `nodes`; if it was to join the cluster, let `cowhand up` do that first",
                node.name
            ),
        )
        .about(&node.name)
    });
    left_out.into_iter().chain(strangers).collect()
}

/// Whether state, API or etcd has a node at this address, or the machine itself bears the cluster's CA. A name alone proves
/// nothing: the address may have been mistyped. Without a state nobody is a member, and [`OURS`] says so where it matters.
fn is_member(context: &Context, known: &Known, node: &Node) -> bool {
    let StateFile::Present { .. } = &context.workspace.state else { return true };
    let named = known.state_nodes().iter().any(|one| one.address == node.address);
    let in_api = known
        .api
        .iter()
        .copied()
        .flatten()
        .any(|one| at_any(node, &|address| one.addresses.iter().any(|(_, it)| it == address)));
    let in_etcd =
        known.etcd.iter().flatten().any(|one| at_any(node, &|address| one.addresses.iter().any(|it| it == address)));
    let bears_ca = |reached: &Reached| matches!(&reached.facts.authority, Ok(Some(authority)) if context.workspace.state.knows(authority));
    let proved = context.reached().any(|(one, reached)| one.name == node.name && bears_ca(reached));
    named || in_api || in_etcd || proved
}

fn nothing_else(context: &Context) -> Vec<Answer> {
    let fix = |answer: Answer| {
        let node = answer.subject.clone().unwrap_or_default();
        let fix = format!(
            "if nothing of that is used on {node} any more, remove these paths there; else take the cluster off {node} by hand"
        );
        Answer { fix, ..answer }
    };
    (OTHER_DISTRIBUTION.run)(context).into_iter().map(fix).collect()
}

fn ours(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let facts = &reached.facts;
        if let Err(unseen) = &facts.root {
            let fix =
                format!("let the user on {} use sudo without a password: to remove a cluster takes root", node.name);
            return Answer::unknown("whether this user may act as root", unseen, fix);
        }
        if let Err(unseen) = &facts.containers {
            return Answer::unknown("the containers", unseen, docker_fix(node));
        }
        match &facts.authority {
            Ok(Some(authority)) if context.workspace.state.knows(authority) => Answer::pass("this workspace's cluster"),
            Ok(Some(authority)) => Answer::fail(
                format!(
                    "what is there is of a cluster with the CA {}, which this workspace does not know",
                    authority.short()
                ),
                by_hand(node),
            ),
            Ok(None) => without_ca(context, node, reached),
            Err(unseen) => Answer::unknown(
                "whose cluster was here",
                unseen,
                format!("let the user on {} use sudo without a password", node.name),
            ),
        }
    })
}

/// A removal that was cut off leaves remains without their CA.
fn without_ca(context: &Context, node: &Node, reached: &Reached) -> Answer {
    let remains = match harmful_remains(context, reached) {
        Ok(remains) => remains,
        Err(unseen) => return Answer::unknown("what a cluster left", &unseen, "look again"),
    };
    match &context.workspace.state {
        _ if remains.is_empty() => Answer::pass("nothing of a cluster"),
        StateFile::Present { nodes, .. } if nodes.all().iter().any(|one| one.address == node.address) => {
            Answer::pass("remains of this workspace's cluster")
        }
        StateFile::Present { .. } => Answer::fail(
            format!("{} there, without a CA, and cluster.rkestate does not name this machine", and_list(remains)),
            format!("take {0} out of the inventory: what is on it is not this cluster's", node.name),
        ),
        StateFile::Absent | StateFile::Unreadable { .. } => Answer::fail(
            format!(
                "{} there, without a CA and without a cluster.rkestate here: nothing tells whose",
                and_list(remains)
            ),
            by_hand(node),
        ),
    }
}

fn docker_fix(node: &Node) -> String {
    format!(
        "let Docker on {0} answer (`sudo systemctl restart docker` there); if the machine has none any more, take {0} out of the inventory",
        node.name
    )
}

fn by_hand(node: &Node) -> String {
    format!(
        "if it is yours, put that cluster's cluster.rkestate here, or fetch it with `cowhand recover-state` while its API answers; \
         if nobody needs it, `cowhand check` names the commands that clean {}",
        node.name
    )
}
