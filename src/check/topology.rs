//! How many nodes, and what each of them does. Needs no machine.

use crate::inventory::Node;

use super::context::and_list;
use super::{Answer, Check, Context};

pub const ALL_PLANES: Check = Check {
    id: "nodes.all-planes",
    what: "at least three nodes have all planes: control plane, etcd and worker",
    why: "with fewer, losing one machine stops etcd or Rancher; this is the layout that Rancher recommends for itself",
    fix: "name a third node, or leave `roles` out so that each node has all of them",
    run: all_planes,
    offline: true,
};

fn all_planes(context: &Context) -> Vec<Answer> {
    if !context.builds_nodes() {
        return Vec::new();
    }
    let nodes = &context.inventory.nodes;
    let whole = |node: &&Node| node.roles.controlplane && node.roles.etcd && node.roles.worker;
    let (all, partial): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(whole);
    let seen = format!("{} of {} nodes have all planes", all.len(), nodes.len());
    vec![match all.len() {
        0..3 if context.inventory.is_adopted() => Answer::warn(
            seen,
            "as it was taken over, the cluster does not outlive the loss of the wrong node; join nodes with all planes, one by one",
        ),
        0..3 => Answer::fail(
            seen,
            match partial.is_empty() {
                true => "name three nodes in the inventory".to_owned(),
                false => format!("take `roles` away from {}", and_list(partial.iter().map(|node| &node.name))),
            },
        ),
        _ => Answer::pass(format!("{} have all planes", and_list(all.iter().map(|node| &node.name)))),
    }]
}

pub const ODD_ETCD: Check = Check {
    id: "etcd.odd",
    what: "an odd number of etcd nodes, three to seven",
    why: "a fourth member bears the loss of no more nodes than three do, and a second one of fewer than one does",
    fix: "give or take away the role etcd",
    run: odd_etcd,
    offline: true,
};

/// There is a cluster already.
fn lives(context: &Context) -> bool {
    context.workspace.state.nodes().is_some_and(|nodes| nodes.applied.is_some())
}

fn odd_etcd(context: &Context) -> Vec<Answer> {
    if !context.builds_nodes() {
        return Vec::new();
    }
    let count = context.inventory.nodes.iter().filter(|node| node.roles.etcd).count();
    let fix = "give the role etcd to three or five nodes";
    vec![match count {
        3 | 5 | 7 => Answer::pass(format!("{count} etcd nodes")),
        1 => Answer::warn("1 etcd node: losing it loses the cluster", fix),
        0 => Answer::fail("no etcd node", fix),
        2 if context.inventory.is_adopted() => Answer::warn("2 etcd nodes: losing one of them stops the cluster", fix),
        // A cluster that grows or shrinks by one member at a time comes by here.
        count if count % 2 == 0 && (lives(context) || context.inventory.is_adopted()) => Answer::warn(
            format!("{count} etcd nodes: that bears the loss of no more of them than {} do", count - 1),
            "let one more join, or take one out with `cowhand node remove`",
        ),
        count if count % 2 == 0 => Answer::fail(
            format!("{count} etcd nodes: that bears the loss of no more of them than {} do", count - 1),
            fix,
        ),
        count => Answer::warn(format!("{count} etcd nodes: every write waits for more than half of them"), fix),
    }]
}
