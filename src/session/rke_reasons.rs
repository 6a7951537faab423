//! Why rke has to run over the cluster, and when a cluster that does not answer may be left to it.

use serde_json::{Map, Value};

use crate::engine::Change;
use crate::engine::change::Sign;
use crate::engine::rke::node_marks::MarksChange;
use crate::engine::rules::{self, Refusal};
use crate::failure::{Exit, Failure};
use crate::inventory::Delivery;
use crate::plan::{Guard, MarkNodes, Step};
use crate::session::away;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;
use crate::session::members;
use crate::session::rke_api;
use crate::session::rke_api::Found;
use crate::session::seeing::ClusterSeen;
use crate::session::stopped;

/// The cluster's API as plans are made with it. `None` also where it is ill while a container of RKE on a node stands
/// still (`rke up` starts that), or where no control plane has an API server and its port is taken by something else: the
/// port check of an rke that was killed, which the next one takes up again.
pub async fn reach(inputs: &Inputs<'_>) -> Result<Option<ClusterApi>, Failure> {
    if !inputs.project.inventory.engine.builds_nodes() {
        return inputs.reach().await;
    }
    match rke_api::look(inputs.project, inputs.machines).await? {
        Found::Api(reached) => Ok(Some(*reached)),
        Found::Nothing => Ok(None),
        Found::InTheWay { ill, failure } if !(ill && stopped::may_be_mended(inputs).await) => Err(failure),
        Found::InTheWay { .. } => Ok(None),
    }
}

/// Why `rke up` has to run; empty when it has nothing to do.
pub fn reasons(inputs: &Inputs<'_>, seen: &ClusterSeen) -> Vec<Change> {
    if inputs.project.state().is_none() {
        return vec![Change::Create];
    }
    if !seen.changes.is_empty() {
        return seen.changes.clone();
    }
    if !seen.stopped.is_empty() {
        return unknown(seen.stopped.clone());
    }
    let Some(applied) = seen.addon_applied else { return unknown([Sign::NothingListens]) };
    // RKE records the control plane before workers and addons, so a killed run shows only in the cluster itself.
    // rke starts nothing on a node that nobody reaches; that one is told by `away`.
    let away = away::names(inputs);
    for node in &inputs.project.inventory.nodes {
        let name = node.name.to_lowercase();
        match seen.nodes.iter().find(|seen| seen.name == name) {
            None => return unknown([Sign::NotJoined { node: name }]),
            Some(seen) if !seen.ready && !away.contains(&name) => {
                return unknown([Sign::NotReady { node: name, message: seen.message.clone() }]);
            }
            Some(_) => {}
        }
    }
    if inputs.project.inventory.rancher.delivery == Delivery::Helm {
        return Vec::new();
    }
    if !applied {
        return unknown([Sign::AddonNotApplied]);
    }
    unknown(seen.addon_missing.iter().map(|object| Sign::AddonObject { object: object.clone() }))
}

/// What carries the changes out: rke, and before it what lets it go on where a run was ended before any node was Ready; see
/// [`begun_anew`](crate::engine::rke::redirect::begun_anew).
pub fn steps(
    seen: &ClusterSeen,
    (config, cluster_yml): (Map<String, Value>, String),
    because: Vec<Change>,
) -> Vec<Step> {
    let as_seen = Guard::StateIs { digest: seen.state.clone() };
    if let Some(anew) = &seen.begun_anew {
        let forget = Step::ForgetApplied { guards: vec![as_seen, Guard::NeverNetworked] };
        let guards = vec![Guard::StateIs { digest: Some(anew.clone()) }];
        return vec![forget, Step::RkeUp { cluster_yml, config, because, guards }];
    }
    let mut guards = vec![as_seen];
    if seen.answers && because.iter().any(rules::is_about_members) {
        guards.push(Guard::MembersAre { nodes: seen.nodes.iter().map(|node| node.name.clone()).collect() });
    }
    let changes = rules::member_changes(&because, &seen.etcd);
    guards.extend((!changes.is_empty()).then_some(Guard::MemberRule { changes }));
    vec![Step::RkeUp { cluster_yml, config, because, guards }]
}

/// The same where labels and taints alone differ: rke does not run.
pub fn marks(seen: &ClusterSeen, (config, cluster_yml): (Map<String, Value>, String), change: MarksChange) -> Step {
    let mut nodes: Vec<String> = seen.nodes.iter().map(|node| node.name.clone()).collect();
    nodes.sort();
    let guards = vec![Guard::StateIs { digest: seen.state.clone() }, Guard::MembersAre { nodes }];
    Step::MarkNodes(Box::new(MarkNodes { cluster_yml, config, change, guards }))
}

fn unknown(signs: impl IntoIterator<Item = Sign>) -> Vec<Change> {
    signs.into_iter().map(|sign| Change::Unknown { sign }).collect()
}

/// What the rules of the engine have against these changes of a cluster that lives; etcd is asked only where a member comes
/// or goes.
///
/// # Errors
/// The refusal, with what to do instead.
pub async fn refuse(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<(), Failure> {
    let (Some(state), Some((config, _))) = (inputs.project.state(), inputs.cluster_yml()) else { return Ok(()) };
    let kubelets: Vec<String> = match reached {
        Some(reached) => reached.cluster.nodes().await.map_err(unseen)?.into_iter().map(|node| node.version).collect(),
        None => Vec::new(),
    };
    let changes = state.changes(&config, &kubelets);
    let etcd = match rules::touches_etcd(&changes) {
        true => members::for_rule(inputs.machines).await?,
        false => Vec::new(),
    };
    let found = rules::refusals(&changes, &etcd);
    if found.is_empty() {
        return Ok(());
    }
    let seen: Vec<String> = found.iter().map(ToString::to_string).collect();
    let remedies: Vec<String> = found.iter().map(Refusal::remedy).collect();
    Err(Failure::new(Exit::ChecksFailed, "RKE cannot change this in a living cluster without harm")
        .because(seen.join("\n"))
        .hint(remedies.join("; ")))
}
