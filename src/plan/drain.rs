//! What emptying a node would do to its pods, and what forbids it.

use crate::cluster::{Fate, NodeSeen, PodSeen};
use crate::failure::{Exit, Failure};

/// What whoever empties a node has agreed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Agreed {
    /// Evict pods with an emptyDir too: what they keep there is gone
    #[arg(long)]
    pub delete_emptydir_data: bool,
    /// Evict pods that no controller starts again: they are gone
    #[arg(long)]
    pub force: bool,
}

/// The pods of a node that go, and how many stay.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Draining {
    pub node: String,
    pub evicted: Vec<PodSeen>,
    pub stay: usize,
}

/// # Errors
/// When there is no such node, when no other node would take pods, or when pods go that nobody has agreed to lose.
pub fn draining(node: &str, nodes: &[NodeSeen], pods: Vec<PodSeen>, agreed: Agreed) -> Result<Draining, Failure> {
    known(node, nodes)?;
    let takes = |other: &&NodeSeen| other.name != node && other.ready && !other.unschedulable;
    if !nodes.iter().any(|other| takes(&other)) {
        return Err(Failure::new(
            Exit::ChecksFailed,
            format!("no other node is Ready and open: the pods of {node} would have nowhere to go"),
        )
        .hint("`cowhand status` names the nodes; `cowhand node uncordon NAME` opens one that is closed"));
    }
    let (stay, evicted): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| pod.fate == Fate::Stays);
    let lost: Vec<String> = evicted.iter().filter_map(|pod| objection(pod, agreed)).collect();
    if !lost.is_empty() {
        return Err(Failure::new(Exit::ChecksFailed, format!("something on {node} would be lost")).because(lost.join("\n")).hint(
            "move it elsewhere first; or agree to it: `--force` for pods without a controller, `--delete-emptydir-data` for the data in an emptyDir",
        ));
    }
    Ok(Draining { node: node.into(), evicted, stay: stay.len() })
}

/// # Errors
/// When there is no such node.
pub fn known(node: &str, nodes: &[NodeSeen]) -> Result<(), Failure> {
    if nodes.iter().any(|one| one.name == node) {
        return Ok(());
    }
    let names: Vec<&str> = nodes.iter().map(|one| one.name.as_str()).collect();
    Err(Failure::new(Exit::Usage, format!("the cluster has no node {node}"))
        .hint(format!("its nodes are {}", names.join(", "))))
}

fn objection(pod: &PodSeen, agreed: Agreed) -> Option<String> {
    match pod.fate {
        Fate::Unmanaged if !agreed.force => Some(format!("{pod} has no controller: nothing starts it again")),
        Fate::LocalData if !agreed.delete_emptydir_data => Some(format!("{pod} keeps data in an emptyDir")),
        Fate::Unmanaged | Fate::LocalData | Fate::Stays | Fate::Evicted => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, ready: bool, unschedulable: bool) -> NodeSeen {
        NodeSeen { name: name.into(), ready, unschedulable, ..NodeSeen::default() }
    }

    fn pod(name: &str, fate: Fate) -> PodSeen {
        PodSeen { namespace: "shop".into(), name: name.into(), owner: None, fate }
    }

    #[test]
    fn nothing_is_lost_that_nobody_agreed_to() {
        let nodes = [node("n1", true, false), node("n2", true, false)];
        let pods = || {
            vec![
                pod("web", Fate::Evicted),
                pod("net", Fate::Stays),
                pod("one", Fate::Unmanaged),
                pod("db", Fate::LocalData),
            ]
        };
        let refused = draining("n1", &nodes, pods(), Agreed::default()).unwrap_err();
        assert_eq!(refused.exit, Exit::ChecksFailed);
        assert_eq!(
            refused.because,
            ["shop/one has no controller: nothing starts it again\nshop/db keeps data in an emptyDir"]
        );
        let half = draining("n1", &nodes, pods(), Agreed { force: true, delete_emptydir_data: false }).unwrap_err();
        assert_eq!(half.because, ["shop/db keeps data in an emptyDir"]);
        let all = draining("n1", &nodes, pods(), Agreed { force: true, delete_emptydir_data: true }).unwrap();
        assert_eq!((all.evicted.len(), all.stay), (3, 1));
    }

    #[test]
    fn pods_need_somewhere_to_go_and_a_node_its_name() {
        for other in [node("n2", false, false), node("n2", true, true)] {
            let refused = draining("n1", &[node("n1", true, false), other], Vec::new(), Agreed::default()).unwrap_err();
            assert!(refused.error.contains("nowhere to go"), "{refused:?}");
        }
        let unknown = draining("n9", &[node("n1", true, false)], Vec::new(), Agreed::default()).unwrap_err();
        assert_eq!((unknown.exit, unknown.hint.as_deref()), (Exit::Usage, Some("its nodes are n1")));
    }
}
