//! Whether a rotation did what it was for: every leaf is new in the state and on each node, every container that uses one was
//! restarted, and the cluster is whole.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use crate::cluster::Access;
use crate::engine::rke::leaves::leaves;
use crate::engine::rke::rails::Looks;
use crate::facts::leaves::{NodeLeaves, ask};
use crate::failure::{Exit, Failure};
use crate::plan::rotate::Rotation;
use crate::session::inputs;
use crate::session::machines::Machines;
use crate::session::project::Project;
use crate::session::rails::Nodes;
use crate::tls;

/// How long the cluster may take until it is whole.
const WHOLE: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_secs(1);

/// Every node that is reached, with its name.
pub type Seen = Vec<(String, NodeLeaves)>;

/// # Errors
/// When a node cannot be asked.
pub async fn see(machines: &Machines) -> Result<Seen, Failure> {
    let asked = machines.reached.iter().map(async |machine| {
        let name = machine.node.name.clone();
        let seen = ask(&machine.connection, &machine.node.docker_socket).await;
        let seen = seen.map_err(|why| {
            Failure::new(Exit::StepFailed, format!("the certificates on {name} could not be seen")).because(why.0)
        })?;
        Ok((name, seen))
    });
    join_all(asked).await.into_iter().collect()
}

/// Waits until the cluster is whole, and says what stands.
///
/// # Errors
/// When a certificate is not new, a container was not restarted, or something is still away.
pub async fn confirmed(
    project: &Project,
    machines: &Machines,
    (planned, before): (&Rotation, &Seen),
    access: &Access,
) -> Result<String, Failure> {
    whole(project, machines, access).await?;
    let state = project.state().ok_or_else(|| Failure::new(Exit::StepFailed, "cluster.rkestate is not whole"))?;
    let certificates = state.certificates();
    let now = leaves(&certificates, &[], jiff::Timestamp::now());
    let now = now.map_err(|why| Failure::new(Exit::StepFailed, "a new certificate cannot be read").because(why))?;
    let mut wrong = Vec::new();
    for leaf in planned.leaves.iter().filter(|leaf| leaf.renewed) {
        if now.iter().any(|one| one.name == leaf.name && one.fingerprint == leaf.fingerprint) {
            wrong.push(format!("{} in cluster.rkestate is the former one", leaf.name));
        }
    }
    let state: Vec<(&str, String)> = now.iter().map(|leaf| (leaf.name.as_str(), leaf.fingerprint.clone())).collect();
    let after = see(machines).await?;
    for (node, seen) in &after {
        wrong.extend(differing(node, seen, &state));
        let former = before.iter().find(|(name, _)| name == node).map(|(_, former)| former);
        wrong.extend(former.into_iter().flat_map(|former| standing(node, former, seen, planned)));
    }
    if !wrong.is_empty() {
        return Err(Failure::new(Exit::NotVerified, "rke ended well, but not everything is renewed")
            .because(wrong.join("\n"))
            .hint(
                "`cowhand rotate` again renews all; what runs with a former certificate is well as long as that lasts",
            ));
    }
    let renewed = planned.leaves.iter().filter(|leaf| leaf.renewed).count();
    let next = now.first().map(|leaf| format!("; the next one ends in {} days ({})", leaf.days_left, leaf.name));
    let count = after.len();
    Ok(format!("{renewed} certificates renewed, seen on {count} nodes, and in use{}", next.unwrap_or_default()))
}

/// Files that are not the state's.
fn differing(node: &str, seen: &NodeLeaves, state: &[(&str, String)]) -> Vec<String> {
    let print = |pem: &String| {
        tls::describe(pem.as_bytes(), jiff::Timestamp::now()).ok()?.into_iter().next().map(|one| one.fingerprint_sha256)
    };
    let of_state = |name: &str| state.iter().find(|(known, _)| *known == name).map(|(_, print)| print);
    let files = seen.files.iter().filter_map(|(name, pem)| Some((name, pem, of_state(name)?)));
    let wrong = files.filter(|(_, pem, wanted)| print(pem).as_ref() != Some(wanted));
    let mut wrong: Vec<String> =
        wrong.map(|(name, _, _)| format!("{node}: {name}.pem is not the one of cluster.rkestate")).collect();
    if !seen.files.keys().any(|name| of_state(name).is_some()) {
        wrong.push(format!("{node}: none of its certificates could be read"));
    }
    wrong
}

/// Containers that run since before.
fn standing(node: &str, before: &NodeLeaves, after: &NodeLeaves, planned: &Rotation) -> Vec<String> {
    let restarts = planned.restarts.iter().filter(|restart| restart.nodes.iter().any(|one| one == node));
    let containers = restarts.flat_map(|restart| restart.containers.iter());
    containers
        .filter(|container| {
            let since = after.started.get(**container);
            since.is_some() && since == before.started.get(**container)
        })
        .map(|container| format!("{node}: {container} was not restarted"))
        .collect()
}

/// Every node Ready, every member of etcd and every API server well.
async fn whole(project: &Project, machines: &Machines, access: &Access) -> Result<(), Failure> {
    let looks = Nodes::new(machines, access.clone());
    let end = Instant::now() + WHOLE;
    while let Some(why) = lacking(project, machines, &looks).await {
        if Instant::now() >= end {
            return Err(Failure::new(Exit::NotVerified, "the certificates are renewed, but the cluster is not whole")
                .because(why)
                .hint("`cowhand status` shows what is ill"));
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}

async fn lacking(project: &Project, machines: &Machines, looks: &Nodes) -> Option<String> {
    let members = looks.etcd().await;
    match members.iter().find(|member| !member.answers) {
        Some(member) => return Some(format!("etcd on {} does not answer", member.node)),
        None if members.is_empty() => return Some("no member of etcd answers".into()),
        None => {}
    }
    if let Some((name, _)) = looks.apis().await.iter().find(|(_, ready)| !ready) {
        return Some(format!("the API server on {name} is not ready"));
    }
    match inputs::reach(project, machines).await {
        Ok(Some(reached)) => match reached.cluster.nodes().await {
            Ok(nodes) => nodes
                .iter()
                .find(|node| !node.ready)
                .map(|node| format!("{} is not Ready: {}", node.name, node.message)),
            Err(error) => Some(error.to_string()),
        },
        Ok(None) => Some("the Kubernetes API does not answer".into()),
        Err(failure) => Some(failure.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::rotate::{Restart, When};

    #[test]
    fn a_container_that_was_not_restarted_and_a_former_file_are_named() {
        let node = |since: &str| NodeLeaves {
            started: [("etcd".to_owned(), since.to_owned())].into(),
            ..NodeLeaves::default()
        };
        let restart = Restart { containers: vec!["etcd", "kubelet"], nodes: vec!["n1".into()], when: When::OneByOne };
        let planned = Rotation { leaves: Vec::new(), restarts: vec![restart], notes: Vec::new() };
        assert_eq!(standing("n1", &node("a"), &node("a"), &planned), ["n1: etcd was not restarted"]);
        assert_eq!(standing("n1", &node("a"), &node("b"), &planned), Vec::<String>::new());
        assert_eq!(standing("n2", &node("a"), &node("a"), &planned), Vec::<String>::new());
        let pem = include_str!("../../tests/data/tls/chain.pem").to_owned();
        let print = tls::describe(pem.as_bytes(), jiff::Timestamp::now()).unwrap()[0].fingerprint_sha256.clone();
        let seen = NodeLeaves { files: [("kube-proxy".to_owned(), pem)].into(), ..NodeLeaves::default() };
        assert_eq!(differing("n1", &seen, &[("kube-proxy", print)]), Vec::<String>::new());
        let other = differing("n1", &seen, &[("kube-proxy", "00".into())]);
        assert_eq!(other, ["n1: kube-proxy.pem is not the one of cluster.rkestate"]);
        assert_eq!(differing("n1", &NodeLeaves::default(), &[]), ["n1: none of its certificates could be read"]);
    }
}
