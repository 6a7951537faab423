//! Nodes that are not reached while a cluster stands: what needs only its API goes on without them, as long as a majority
//! of the members is reached and so locked. rke goes over every node and is not run.

use crate::facts::StateNode;
use crate::failure::Failure;
use crate::inventory::Node;
use crate::session::inputs::Inputs;
use crate::session::machines::Machines;
use crate::session::project::Project;

/// The nodes that a run goes on without; none when all are reached.
///
/// # Errors
/// When it cannot go on without them: each with its own reason, and why what is reached is not enough.
pub fn go_on<'a>(project: &'a Project, machines: &Machines) -> Result<Vec<&'a Node>, Failure> {
    let Some(failure) = machines.unreached() else { return Ok(Vec::new()) };
    let away = machines.away(&project.inventory);
    // The nodes of a cluster that was there before are its own business, and the lock is in the cluster.
    if !project.inventory.engine.builds_nodes() {
        return Ok(away);
    }
    let state = project.workspace_facts()?.state;
    // rke builds a cluster on every node.
    let Some(members) = state.nodes().and_then(|nodes| nodes.applied.as_deref()) else { return Err(failure) };
    match enough(&project.inventory.nodes, members, &away) {
        Ok(()) => Ok(away),
        Err(why) => Err(failure.because(why)),
    }
}

/// In words, for each node that the run goes on without.
pub fn notes(machines: &Machines) -> Vec<String> {
    let failed = machines.answers.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    failed
        .map(|(name, error)| {
            format!("{name} is not reached ({error}): what needs only the cluster's API goes on without it; rke would need it")
        })
        .collect()
}

/// The names of the nodes that were not reached, as Kubernetes has them.
pub fn names(inputs: &Inputs<'_>) -> Vec<String> {
    inputs.machines.away(&inputs.project.inventory).iter().map(|node| node.name.to_lowercase()).collect()
}

/// # Errors
/// Why the nodes that are reached are not enough.
fn enough(inventory: &[Node], members: &[StateNode], away: &[&Node]) -> Result<(), String> {
    let is_away = |address: &str| away.iter().any(|node| node.address == address);
    if let Some(new) = away.iter().find(|node| !members.iter().any(|member| member.address == node.address)) {
        return Err(format!("{} is not in the cluster yet: rke has to run on it", new.name));
    }
    let here = |address: &str| !is_away(address) && inventory.iter().any(|node| node.address == address);
    let etcd: Vec<bool> = members.iter().filter(|one| one.roles.etcd).map(|one| here(&one.address)).collect();
    let reached = etcd.iter().filter(|here| **here).count();
    if reached * 2 <= etcd.len() {
        return Err(format!(
            "of {} members of etcd only {reached} can be locked: without a majority another run could be at work",
            etcd.len()
        ));
    }
    match members.iter().any(|one| one.roles.controlplane && here(&one.address)) {
        true => Ok(()),
        false => Err("no control plane is reached, and the API only through one".into()),
    }
}

/// # Errors
/// When rke has to run for these reasons and a node is not reached.
pub fn refuse_rke(inputs: &Inputs<'_>, because: &[String]) -> Result<(), Failure> {
    match inputs.machines.unreached() {
        Some(failure) => {
            Err(failure.because(format!("rke has to run, and it goes over every node: {}", because.join("; "))))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Roles;

    fn node(index: usize) -> Node {
        let mut node = Project::of_test(std::path::Path::new("/")).inventory.nodes[0].clone();
        node.name = format!("n{index}");
        node.address = format!("10.0.0.1{index}");
        node
    }

    fn member(index: usize, roles: Roles) -> StateNode {
        let address = format!("10.0.0.1{index}");
        StateNode { name: format!("n{index}"), internal_address: address.clone(), address, roles }
    }

    const ALL: Roles = Roles::ALL;
    const WORKER: Roles = Roles { controlplane: false, etcd: false, worker: true };

    /// Whether these of the four nodes may be away; the fourth is a worker.
    fn without(away: &[usize]) -> Result<(), String> {
        let inventory: Vec<Node> = (1..=4).map(node).collect();
        let members = vec![member(1, ALL), member(2, ALL), member(3, ALL), member(4, WORKER)];
        enough(&inventory, &members, &away.iter().map(|index| &inventory[index - 1]).collect::<Vec<_>>())
    }

    #[test]
    fn a_majority_of_the_members_is_enough_and_less_is_refused() {
        for away in [&[3][..], &[4], &[3, 4]] {
            assert_eq!(without(away), Ok(()), "{away:?}");
        }
        let refused = without(&[2, 3]).unwrap_err();
        assert!(refused.contains("of 3 members of etcd only 1 can be locked"), "{refused}");
    }

    #[test]
    fn a_node_that_is_to_join_is_needed() {
        let inventory: Vec<Node> = (1..=4).map(node).collect();
        let refused = enough(&inventory, &[member(1, ALL), member(2, ALL)], &[&inventory[2]]).unwrap_err();
        assert!(refused.contains("n3 is not in the cluster yet"), "{refused}");
    }
}
