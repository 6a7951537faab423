//! Why rke has to run over the cluster, and when a cluster that does not answer may be left to it.

use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};

use crate::cluster::{ASKER, Apply};
use crate::engine::Change;
use crate::engine::change::Sign;
use crate::engine::rke::redirect::begun_anew;
use crate::engine::rke::state::State;
use crate::engine::rke::stopped;
use crate::engine::rules::{self, Refusal};
use crate::facts;
use crate::failure::{Exit, Failure};
use crate::inventory::Delivery;
use crate::plan::{Guard, Step};
use crate::session::away;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::guards;
use crate::session::inputs::Inputs;
use crate::session::members;
use crate::session::rke_api;
use crate::session::rke_api::Found;

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
        Found::InTheWay { ill, failure } if !(ill && may_be_mended(inputs).await) => Err(failure),
        Found::InTheWay { .. } => Ok(None),
    }
}

async fn may_be_mended(inputs: &Inputs<'_>) -> bool {
    let asked = members::asked(inputs.machines).await;
    let roles = inputs.machines.reached.iter().map(|machine| machine.node.roles);
    !stopped_on(inputs, &asked).is_empty() || stopped::has_no_api_server(roles.zip(&asked))
}

/// Why `rke up` has to run; empty when it has nothing to do.
pub async fn reasons(
    inputs: &Inputs<'_>,
    state: Option<&State>,
    reached: Option<&ClusterApi>,
    config: &Map<String, Value>,
) -> Result<Vec<Change>, Failure> {
    let Some(state) = state else { return Ok(vec![Change::Create]) };
    let nodes = match reached {
        Some(reached) => reached.cluster.nodes().await.map_err(unseen)?,
        None => Vec::new(),
    };
    let kubelets: Vec<String> = nodes.iter().map(|node| node.version.clone()).collect();
    let changes = state.changes(config, &kubelets);
    if !changes.is_empty() {
        return Ok(changes);
    }
    let stopped = stopped(inputs).await;
    if !stopped.is_empty() {
        return Ok(unknown(stopped));
    }
    let Some(reached) = reached else { return Ok(unknown([Sign::NothingListens])) };
    // RKE records the control plane before workers and addons, so a killed run shows only in the cluster itself.
    // rke starts nothing on a node that nobody reaches; that one is told by `away`.
    let away = away::names(inputs);
    for node in &inputs.project.inventory.nodes {
        let name = node.name.to_lowercase();
        match nodes.iter().find(|seen| seen.name == name) {
            None => return Ok(unknown([Sign::NotJoined { node: name }])),
            Some(seen) if !seen.ready && !away.contains(&name) => {
                return Ok(unknown([Sign::NotReady { node: name, message: seen.message.clone() }]));
            }
            Some(_) => {}
        }
    }
    if inputs.project.inventory.rancher.delivery == Delivery::Helm {
        return Ok(Vec::new());
    }
    let wanted = config.get("addons").and_then(Value::as_str).unwrap_or_default();
    let addon = facts::cluster::addon(&reached.cluster).await.map_err(unseen)?;
    if addon.text.as_deref().map(str::trim) != Some(wanted.trim()) || !addon.job_complete {
        return Ok(unknown([Sign::AddonNotApplied]));
    }
    // Not as the one that added the mounts of a TLS set-up to the addon's Deployment: they would seem to be too much.
    let asking = Apply { manager: ASKER, ..Apply::default() };
    let missing = reached.cluster.diff(&inputs.parts.addon, &asking).await.map_err(unseen)?;
    Ok(unknown(missing.iter().map(|one| Sign::AddonObject { object: one.object.to_string() })))
}

/// What carries the changes out: rke, and before it what lets it go on where a run was ended before any node was Ready; see
/// [`begun_anew`].
pub async fn steps(
    inputs: &Inputs<'_>,
    reached: Option<&ClusterApi>,
    (config, cluster_yml): (Map<String, Value>, String),
    because: Vec<Change>,
) -> Result<Vec<Step>, Failure> {
    let state = inputs.project.workspace.state_bytes();
    let state = state.map_err(|error| Failure::of(Exit::ChecksFailed, &error))?;
    let as_seen = Guard::StateIs { digest: state.as_ref().map(|bytes| guards::digest(bytes)) };
    if let Some(reached) = reached
        && let Some(anew) = state.as_ref().and_then(|bytes| begun_anew(std::str::from_utf8(bytes).ok()?))
        && networked_by_rke(&config)
        && facts::cluster::never_networked(&reached.cluster).await.map_err(unseen)?
    {
        let digest = Some(guards::digest(Zeroizing::new(anew).as_bytes()));
        let forget = Step::ForgetApplied { guards: vec![as_seen, Guard::NeverNetworked] };
        let guards = vec![Guard::StateIs { digest }];
        return Ok(vec![forget, Step::RkeUp { cluster_yml, config, because, guards }]);
    }
    let mut guards = vec![as_seen];
    if let Some(reached) = reached.filter(|_| because.iter().any(rules::is_about_members)) {
        guards.push(Guard::MembersAre { nodes: guards::members(reached).await? });
    }
    if rules::touches_etcd(&because) && !because.contains(&Change::Create) {
        let changes = rules::member_changes(&because, &members::for_rule(inputs.machines).await?);
        guards.extend((!changes.is_empty()).then_some(Guard::MemberRule { changes }));
    }
    Ok(vec![Step::RkeUp { cluster_yml, config, because, guards }])
}

/// Whether rke brings the network, and so has a job for it.
fn networked_by_rke(config: &Map<String, Value>) -> bool {
    config.get("network").and_then(|network| network.get("plugin")?.as_str()) != Some("none")
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

/// Containers of RKE that stand still, whichever node they are on: nobody else starts them again.
async fn stopped(inputs: &Inputs<'_>) -> Vec<Sign> {
    stopped_on(inputs, &members::asked(inputs.machines).await)
}

fn stopped_on(inputs: &Inputs<'_>, asked: &[facts::EtcdAsked]) -> Vec<Sign> {
    let all = inputs.machines.reached.iter().zip(asked);
    all.flat_map(|(machine, asked)| stopped::stopped(machine.node.roles, asked)).collect()
}
