//! The cluster's members, asked of its API and of etcd on every node.

use std::time::Duration;

use futures::future::join_all;

use crate::check::{self, Finding};
use crate::cluster::NodeSeen;
use crate::engine::member_rule;
use crate::facts::{EtcdAsked, Fact, MembersSeen, Unseen, etcd};
use crate::failure::{Exit, Failure};
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs;
use crate::session::machines::Machines;
use crate::session::project::Project;

/// For an API that only looks as if it would answer: whoever needs it asks again, and longer.
const LIMIT: Duration = Duration::from_secs(5);

/// Everything that is asked before a plan is made; `None` with a cluster that was there before, whose members are its own
/// business.
pub async fn see(project: &Project, machines: &Machines) -> Option<MembersSeen> {
    if !project.inventory.engine.builds_nodes() {
        return None;
    }
    // Nobody is asked where nothing says that there is a cluster.
    if !project.workspace.cluster_state().exists() && !project.workspace.kubeconfig().exists() {
        return Some(MembersSeen::unasked("there is neither cluster.rkestate nor a kubeconfig here"));
    }
    let (api, etcd) = futures::join!(api(project, machines), asked(machines));
    Some(MembersSeen { api, etcd })
}

/// The same where the API has answered already.
pub async fn see_through(machines: &Machines, reached: &ClusterApi) -> MembersSeen {
    let (api, etcd) = futures::join!(reached.cluster.nodes(), asked(machines));
    MembersSeen { api: api.map_err(|error| Unseen(error.to_string())), etcd }
}

/// What every node that is reached says of RKE's containers on it and of etcd, side by side.
pub async fn asked(machines: &Machines) -> Vec<EtcdAsked> {
    let ask = async |machine: &crate::session::machines::Machine| EtcdAsked {
        node: machine.node.name.clone(),
        ..etcd::ask(&machine.connection, &machine.node.docker_socket).await
    };
    join_all(machines.reached.iter().map(ask)).await
}

async fn api(project: &Project, machines: &Machines) -> Fact<Vec<NodeSeen>> {
    let nodes = async {
        match inputs::reach(project, machines).await {
            Ok(Some(reached)) => reached.cluster.nodes().await.map_err(|error| Unseen(error.to_string())),
            Ok(None) => Err(Unseen("the Kubernetes API does not answer".into())),
            Err(Failure { error, because, .. }) => {
                Err(Unseen(std::iter::once(error).chain(because).collect::<Vec<_>>().join(": ")))
            }
        }
    };
    let late = |_| Err(Unseen(format!("the Kubernetes API is not ready within {} s", LIMIT.as_secs())));
    tokio::time::timeout(LIMIT, nodes).await.unwrap_or_else(late)
}

/// What `verify` says of the members of a cluster of rke.
pub fn judged(project: &Project, seen: &MembersSeen) -> Result<Vec<Finding>, Failure> {
    let workspace = project.workspace_facts()?;
    let context = check::Context {
        inventory: &project.inventory,
        observed: None,
        kubeconfig: None,
        cluster: None,
        members: Some(seen),
        images: None,
        now: jiff::Timestamp::now(),
        workspace: &workspace,
        certificates: &[],
        name: None,
    };
    Ok(check::proved(&context))
}

/// etcd's members, as the member rule asks for them.
///
/// # Errors
/// When nobody gives a list of them.
pub async fn for_rule(machines: &Machines) -> Result<Vec<member_rule::Member>, Failure> {
    member_rule::seen(&asked(machines).await).map_err(|unseen| {
        Failure::new(Exit::ChecksFailed, "it cannot be seen who is a member of etcd")
            .because(unseen.to_string())
            .hint("`docker logs --tail 50 etcd` on an etcd node tells why; nothing was changed")
    })
}

/// etcd's members by name, each healthy or with the reason why not.
pub async fn etcd(project: &Project, machines: &Machines) -> Result<Vec<check::EtcdMember>, Failure> {
    let asked = asked(machines).await;
    Ok(check::etcd_members(&project.inventory.nodes, &project.workspace_facts()?.state, &asked))
}
