//! What `down` takes away from the machines that cowhand built on, planned from what was seen there. Pure.

use super::guard::Guard;
use super::stage::Stage;
use super::step::{Removal, StagePlan, Step, TakeAway};

/// What was seen on a node before anything went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    pub name: String,
    /// Of the cluster.
    pub goes: Vec<String>,
    /// What stays on purpose: snapshots, and what is not the cluster's.
    pub stays: Vec<String>,
}

/// A cluster that may go: nothing stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFound {
    pub cluster: String,
    pub nodes: Vec<NodeSeen>,
    /// SHA-256 of the state that proves the cluster to be this workspace's; `None` where there is no state, and so, with
    /// nothing refused, nothing of a cluster on the nodes either.
    pub state: Option<String>,
    /// Of the workspace.
    pub folder: String,
}

/// What destroys goes by the state that was judged: another one means another cluster.
pub fn of_built(found: &BuiltFound) -> StagePlan {
    let mut notes: Vec<String> = Vec::new();
    for node in &found.nodes {
        notes.extend(node.stays.iter().map(|what| format!("{}: kept: {what}", node.name)));
    }
    let Some(state) = &found.state else {
        notes.push(format!("there is nothing of `{}` to remove", found.cluster));
        return StagePlan { stage: Stage::Remove, steps: Vec::new(), notes };
    };
    notes.push(format!("kept in {}: inventory, CA, first password, and the state under another name", found.folder));
    let nodes: Vec<String> = found.nodes.iter().map(|node| node.name.clone()).collect();
    let step = |act: Removal, because: &str, guards: Vec<Guard>| {
        Step::TakeAway(TakeAway { act, because: because.into(), guards })
    };
    let as_seen = || vec![Guard::StateIs { digest: Some(state.clone()) }];
    let goes = found.nodes.iter().flat_map(|node| node.goes.iter().map(move |what| format!("{}: {what}", node.name)));
    let put_aside = Removal::PutAside { nodes: nodes.clone() };
    let remove = Removal::RkeRemove { cluster: found.cluster.clone(), nodes: nodes.clone() };
    // What follows `rke remove` ends what has begun: a run that was cut off there has to come to its end.
    let steps = vec![
        step(put_aside, "rke empties these folders, whoever put something there", as_seen()),
        step(remove, "its containers, certificates and etcd data go; snapshots stay on the nodes", as_seen()),
        step(Removal::Sweep { nodes, seen: goes.collect() }, "rke leaves pods, mounts, networks and rules", Vec::new()),
        step(Removal::ForgetState, "none of it is ever taken for a living cluster again", Vec::new()),
    ];
    StagePlan { stage: Stage::Remove, steps, notes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> BuiltFound {
        let node = |name: &str, goes: &[&str], stays: &[&str]| NodeSeen {
            name: name.into(),
            goes: goes.iter().map(|line| (*line).to_owned()).collect(),
            stays: stays.iter().map(|line| (*line).to_owned()).collect(),
        };
        BuiltFound {
            cluster: "lab".into(),
            nodes: vec![node("n1", &["container etcd"], &["/opt/rke/etcd-snapshots"]), node("n2", &[], &[])],
            state: Some("ab".into()),
            folder: "lab".into(),
        }
    }

    #[test]
    fn what_goes_is_planned_in_its_order_and_what_destroys_is_guarded_by_the_state() {
        let plan = of_built(&found());
        let heads: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            heads,
            [
                "put aside what others keep in the folders of CNI on n1, n2",
                "rke remove: the cluster `lab` with all its data, on n1, n2",
                "take away what rke leaves on n1, n2",
                "rename cluster.rkestate and its copies to removed.rkestate.*; copy cluster.yml and the kubeconfig aside, remove them",
            ]
        );
        let guard = Guard::StateIs { digest: Some("ab".into()) };
        assert!(plan.steps.iter().all(Step::changes));
        assert!(plan.steps[..2].iter().all(|step| step.guards() == [guard.clone()]));
        assert_eq!(plan.steps[2].because().last().unwrap(), "n1: container etcd");
        assert_eq!(plan.notes[0], "n1: kept: /opt/rke/etcd-snapshots");
    }

    #[test]
    fn without_a_state_nothing_is_touched() {
        let plan = of_built(&BuiltFound { state: None, ..found() });
        assert!(plan.steps.is_empty() && plan.notes.last().unwrap().contains("nothing of `lab`"), "{plan:?}");
    }
}
