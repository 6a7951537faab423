//! Every machine of the old cluster and of the new one, asked over SSH; and the API of the old one, wherever it may be.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;

use crate::cluster::{Access, Cluster, ClusterError, Distrust, Route};
use crate::facts::api::API_PORT;
use crate::facts::owner::cluster_uid;
use crate::facts::{self, ContainerState, FolderState, NodeFacts, NodeObservation, Outcome, StateFile, StateNode};
use crate::failure::{Exit, Failure};
use crate::inventory::Node;
use crate::plan::rebuild::{ApiSeen, MachineSeen, OldNode, RebuildMachine};
use crate::remote::{Connection, Door, Forward};
use crate::session::machines::Machines;
use crate::session::open::Session;

/// How long an address of the old cluster may take to answer on the API's port.
const ANSWER: Duration = Duration::from_secs(5);
/// Where RKE has etcd's data on a node.
const DATA: &str = "/var/lib/etcd";

/// What is there, with what to ask by.
pub struct Looked {
    pub machines: Vec<RebuildMachine>,
    pub apis: Vec<ApiSeen>,
}

/// Looks at all of them. `state` is RKE's state of the backup, `gone` what was said to be gone.
///
/// # Errors
/// When one that the cluster is to stand on is not reached, or something is said to be gone that is not.
pub async fn look(
    session: &Session<'_>,
    machines: &Machines,
    state: &StateFile,
    kubeconfig: Option<&str>,
    gone: &[String],
) -> Result<Looked, Failure> {
    if let Some(unreached) = machines.unreached() {
        return Err(unreached);
    }
    let inventory = &session.project.inventory;
    let old: Vec<&StateNode> = state.nodes().map(facts::StateNodes::all).unwrap_or_default();
    let is_new = |one: &StateNode| inventory.nodes.iter().any(|node| is_at(node, one));
    let others: Vec<Node> = old.iter().filter(|one| !is_new(one)).map(|one| as_node(one, inventory)).collect();
    refuse_unknown(gone, &others)?;
    let away = session.reach(&others).await;
    let (here, there) = futures::join!(
        facts::gather(&inventory.nodes, &inventory.rancher.hostname, &machines.answers),
        facts::gather(&others, &inventory.rancher.hostname, &away.answers),
    );
    let mut seen = Vec::new();
    for (node, observed) in inventory.nodes.iter().zip(&here.nodes) {
        let was = old.iter().find(|one| is_at(node, one)).map(|one| OldNode { etcd: one.roles.etcd });
        seen.push(machine(node, observed, (true, was), state, gone));
    }
    for (node, observed) in others.iter().zip(&there.nodes) {
        seen.push(machine(node, observed, (false, Some(OldNode { etcd: node.roles.etcd })), state, gone));
    }
    away.disconnect().await;
    refuse_living(gone, &seen)?;
    let addresses: Vec<&str> =
        old.iter().filter(|one| one.roles.controlplane).map(|one| one.address.as_str()).collect();
    let from = machines.reached.first().map(|machine| &machine.connection);
    let apis = match (from, kubeconfig) {
        (Some(from), Some(text)) => apis(from, text, &addresses, &seen).await,
        (_, _) => Vec::new(),
    };
    Ok(Looked { machines: seen, apis })
}

fn is_at(node: &Node, old: &StateNode) -> bool {
    old.is_at(&node.address) || node.internal_address.is_some_and(|address| old.is_at(&address.to_string()))
}

/// As the first node of the inventory is reached, at the old one's address.
fn as_node(old: &StateNode, inventory: &crate::inventory::Inventory) -> Node {
    let ssh = inventory.nodes.first().map(|node| node.ssh.clone()).unwrap_or_default();
    Node {
        name: old.name.clone(),
        address: old.address.clone(),
        internal_address: old.internal_address.parse().ok().filter(|_| old.internal_address != old.address),
        roles: old.roles,
        ssh: crate::inventory::Ssh { host: None, ..ssh },
        labels: Default::default(),
        taints: Vec::new(),
        docker_socket: "/var/run/docker.sock".into(),
    }
}

fn refuse_unknown(gone: &[String], others: &[Node]) -> Result<(), Failure> {
    let Some(unknown) = gone.iter().find(|name| !others.iter().any(|node| node.name == **name)) else { return Ok(()) };
    let names = others.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
    let hint = match names.is_empty() {
        true => "every machine of the old cluster is in the inventory; leave --gone out".to_owned(),
        false => format!("machines of the old cluster that are not in the inventory: {names}"),
    };
    Err(Failure::new(
        Exit::Usage,
        format!("--gone {unknown}: the backup's cluster has no such machine beside those of the inventory"),
    )
    .hint(format!("{hint}; nothing was touched")))
}

fn refuse_living(gone: &[String], seen: &[RebuildMachine]) -> Result<(), Failure> {
    let living = |name: &&String| {
        seen.iter().any(|one| one.name == **name && !matches!(one.seen, MachineSeen::Unreached { .. }))
    };
    match gone.iter().find(living) {
        None => Ok(()),
        Some(name) => Err(Failure::new(Exit::Usage, format!("--gone {name}: it answers over SSH"))
            .hint("leave it out: what is on that machine is looked at; nothing was touched")),
    }
}

fn machine(
    node: &Node,
    observed: &NodeObservation,
    (new, old): (bool, Option<OldNode>),
    state: &StateFile,
    gone: &[String],
) -> RebuildMachine {
    let seen = match &observed.outcome {
        Outcome::Unreachable { reason, .. } => {
            MachineSeen::Unreached { why: reason.clone(), gone: gone.contains(&node.name) }
        }
        Outcome::Reached(reached) => judged(&reached.facts, state),
    };
    RebuildMachine { name: node.name.clone(), address: node.address.clone(), new, etcd: node.roles.etcd, old, seen }
}

/// What the facts of a machine come to.
pub fn judged(facts: &NodeFacts, state: &StateFile) -> MachineSeen {
    let unseen = |what: &str, why: &facts::Unseen| MachineSeen::Unseen { why: format!("{what}: {}", why.0) };
    let containers = match &facts.containers {
        Ok(containers) => containers.iter().filter(|one| one.has_label()).collect::<Vec<_>>(),
        Err(why) => return unseen("its containers", why),
    };
    let data = match facts.leftovers.as_ref().map(|all| all.iter().find(|one| one.path == DATA)) {
        Ok(Some(folder)) => folder.state,
        Ok(None) => FolderState::Absent,
        Err(why) => return unseen(DATA, why),
    };
    match &facts.authority {
        Ok(Some(authority)) if !state.knows(authority) => {
            return MachineSeen::AnotherCa { authority: authority.short().to_string() };
        }
        Ok(_) => {}
        Err(why) if !containers.is_empty() => return unseen("whose cluster it is", why),
        Err(_) => {}
    }
    let running: Vec<String> =
        containers.iter().filter(|one| one.state == ContainerState::Running).map(|one| one.name.clone()).collect();
    match data {
        FolderState::Full => MachineSeen::Data { running: running.iter().any(|name| name == "etcd") },
        FolderState::Unreadable => MachineSeen::Unseen { why: format!("{DATA} cannot be looked into") },
        FolderState::Absent | FolderState::Empty
            if containers.is_empty() && !matches!(facts.authority, Ok(Some(_))) =>
        {
            MachineSeen::Nothing
        }
        FolderState::Absent | FolderState::Empty if matches!(facts.authority, Ok(Some(_))) => {
            MachineSeen::Remains { running }
        }
        FolderState::Absent | FolderState::Empty => {
            let names = containers.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
            MachineSeen::Unproved { what: format!("containers of a cluster ({names})") }
        }
    }
}

/// Asks for the old cluster's API at each of its addresses, by way of a machine that was reached.
async fn apis(from: &Connection, kubeconfig: &str, addresses: &[&str], seen: &[RebuildMachine]) -> Vec<ApiSeen> {
    let Ok(access) = Access::from_yaml(kubeconfig) else { return Vec::new() };
    let access = Arc::new(access);
    let asked = addresses.iter().map(async |address| {
        let answers = match asked(from, &access, address).await {
            Answer::Lives => true,
            // Without etcd it is one of the remains; on a machine that nobody can look at it may be more.
            Answer::Listens if seen.iter().any(|one| one.address == **address && is_looked_at(&one.seen)) => {
                return None;
            }
            Answer::Listens => false,
            Answer::Nothing => return None,
        };
        Some(ApiSeen { at: (*address).to_owned(), answers })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn is_looked_at(seen: &MachineSeen) -> bool {
    !matches!(seen, MachineSeen::Unreached { .. })
}

enum Answer {
    /// It gave what is in etcd.
    Lives,
    /// It bears a certificate of the cluster's CA.
    Listens,
    Nothing,
}

async fn asked(from: &Connection, access: &Access, address: &str) -> Answer {
    let door = Door { connection: from.clone(), host: address.to_owned(), port: API_PORT };
    let Ok(forward) = Forward::start(vec![door]).await else { return Answer::Nothing };
    let route = Route::Through { port: forward.address().port() };
    let Ok(cluster) = Cluster::open(access, route).await else { return Answer::Nothing };
    if let Ok(Ok(_)) = timeout(ANSWER, cluster_uid(&cluster)).await {
        return Answer::Lives;
    }
    match timeout(ANSWER, cluster.version()).await {
        Ok(Ok(_) | Err(ClusterError::Refused { .. })) => Answer::Listens,
        Ok(Err(ClusterError::NotTrusted { cause, .. })) => match cause {
            Distrust::OtherCa => Answer::Nothing,
            Distrust::Ended
            | Distrust::NotYetValid
            | Distrust::OtherName
            | Distrust::OurCertificate
            | Distrust::Other => Answer::Listens,
        },
        Ok(Err(_)) | Err(_) => Answer::Nothing,
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
