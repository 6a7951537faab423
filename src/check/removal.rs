//! Whether the cluster on the machines may be taken away: what is deleted there is gone for good, so whatever is not
//! proved to be this workspace's own refuses.

use super::context::and_list;
use super::former::{FOREIGN_CLUSTER, OTHER_DISTRIBUTION, harmful_remains};
use super::ssh::REACHABLE;
use super::{Answer, Check, Context, Finding, Skips};
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

/// What stands against removing the cluster from these machines; empty when nothing does. Every machine is judged.
pub fn removal(context: &Context, skips: &Skips) -> Vec<Finding> {
    let checks = [REACHABLE, FOREIGN_CLUSTER, OTHER_DISTRIBUTION, OURS];
    let found = checks.iter().flat_map(|check| check.findings(context)).map(|finding| skips.mark(finding));
    found.filter(Finding::blocks).collect()
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
    let remains = match harmful_remains(reached) {
        Ok(remains) => remains,
        Err(unseen) => return Answer::unknown("what a cluster left", &unseen, "look again"),
    };
    match &context.workspace.state {
        _ if remains.is_empty() => Answer::pass("nothing of a cluster"),
        StateFile::Present { .. } => Answer::pass("remains of this workspace's cluster"),
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
