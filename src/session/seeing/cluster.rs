//! What there is of the cluster itself: its nodes, its state file, what rke left undone.

use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};

use super::rancher::AwaitedSeen;
use crate::cluster::{ASKER, Apply, NodeSeen};
use crate::engine::Change;
use crate::engine::change::Sign;
use crate::engine::rke::node_marks::MarksChange;
use crate::engine::rke::redirect::begun_anew;
use crate::engine::{member_rule, rules};
use crate::facts;
use crate::facts::owner::Claim;
use crate::failure::{Exit, Failure};
use crate::inventory::Delivery;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::hostname::{self, NameChange};
use crate::session::inputs::Inputs;
use crate::session::{agents, guards, images, members, node_marks, ownership, stopped};

pub struct ClusterSeen {
    /// The API answered.
    pub answers: bool,
    /// Nodes of the API, by name; none where it does not answer.
    pub nodes: Vec<NodeSeen>,
    /// SHA-256 of the state file.
    pub state: Option<String>,
    /// The same of what the state file becomes where rke was killed before any node was Ready.
    pub begun_anew: Option<String>,
    /// How the wanted configuration differs from the state's.
    pub changes: Vec<Change>,
    /// etcd's members, where the changes touch one.
    pub etcd: Vec<member_rule::Member>,
    /// Containers that stand still. Asked for only where nothing else makes rke run, as the two below.
    pub stopped: Vec<Sign>,
    /// Whether RKE's job ran to its end with the wanted addons; `None` where the API does not answer.
    pub addon_applied: Option<bool>,
    /// Objects of the addon that are not as applied.
    pub addon_missing: Vec<String>,
    /// What to say of agents of other clusters.
    pub agents: Vec<String>,
    /// What a newer rke would bring besides.
    pub rolled: Option<String>,
    pub awaited: AwaitedSeen,
    /// Labels and taints differ, and nothing else: all else here is seen with the former ones.
    pub marks: Option<MarksChange>,
    /// Rancher's host name is another one.
    pub renamed: Option<NameChange>,
    /// Whose the cluster is, with engine existing.
    pub claim: Option<Claim>,
}

pub(super) async fn see(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<ClusterSeen, Failure> {
    let builds = inputs.project.inventory.engine.builds_nodes();
    let nodes = match reached {
        Some(reached) if builds => reached.cluster.nodes().await.map_err(unseen)?,
        Some(_) | None => Vec::new(),
    };
    let mut seen = ClusterSeen {
        answers: reached.is_some(),
        nodes,
        state: None,
        begun_anew: None,
        changes: Vec::new(),
        etcd: Vec::new(),
        stopped: Vec::new(),
        addon_applied: None,
        addon_missing: Vec::new(),
        agents: agents::notes(inputs, reached).await?,
        rolled: images::rolled(inputs.project).await,
        awaited: AwaitedSeen::see(inputs, reached).await?,
        marks: None,
        renamed: None,
        claim: None,
    };
    if let Some(reached) = reached {
        seen.renamed = hostname::change(inputs.project, reached).await;
    }
    if let Some(reached) = reached.filter(|_| !builds) {
        seen.claim = Some(ownership::refuse(inputs.project, reached).await?);
    }
    if let Some((config, _)) = inputs.cluster_yml() {
        if let Some(reached) = reached {
            seen.marks = node_marks::see(inputs, reached, &config).await?;
        }
        if let Some(former) = seen.marks.as_ref().map(|marks| marks.former.clone()) {
            state(inputs, reached, &former, &mut seen).await?;
            undone(inputs, reached, [&former, &config], &mut seen).await?;
            return Ok(seen);
        }
        state(inputs, reached, &config, &mut seen).await?;
        undone(inputs, reached, [&config, &config], &mut seen).await?;
    }
    Ok(seen)
}

/// The state file, and how it differs from what is wanted.
async fn state(
    inputs: &Inputs<'_>,
    reached: Option<&ClusterApi>,
    config: &Map<String, Value>,
    seen: &mut ClusterSeen,
) -> Result<(), Failure> {
    let bytes = inputs.project.workspace.state_bytes();
    let bytes = bytes.map_err(|error| Failure::of(Exit::ChecksFailed, &error))?;
    seen.state = bytes.as_ref().map(|bytes| guards::digest(bytes));
    let kubelets: Vec<String> = seen.nodes.iter().map(|node| node.version.clone()).collect();
    seen.changes = inputs.project.state().map(|state| state.changes(config, &kubelets)).unwrap_or_default();
    if rules::touches_etcd(&seen.changes) {
        seen.etcd = members::for_rule(inputs.machines).await?;
    }
    let anew = bytes.as_ref().and_then(|bytes| begun_anew(std::str::from_utf8(bytes).ok()?)).map(Zeroizing::new);
    if let (Some(reached), Some(anew)) = (reached, anew)
        && networked_by_rke(config)
        && facts::cluster::never_networked(&reached.cluster).await.map_err(unseen)?
    {
        seen.begun_anew = Some(guards::digest(anew.as_bytes()));
    }
    Ok(())
}

/// Whether rke brings the network, and so has a job for it.
fn networked_by_rke(config: &Map<String, Value>) -> bool {
    config.get("network").and_then(|network| network.get("plugin")?.as_str()) != Some("none")
}

/// What rke left undone, where nothing else makes it run. The addon is applied as either of the two has it.
async fn undone(
    inputs: &Inputs<'_>,
    reached: Option<&ClusterApi>,
    configs: [&Map<String, Value>; 2],
    seen: &mut ClusterSeen,
) -> Result<(), Failure> {
    if inputs.project.state().is_none() || !seen.changes.is_empty() {
        return Ok(());
    }
    seen.stopped = stopped::signs(inputs).await;
    let Some(reached) = reached else { return Ok(()) };
    let text =
        |config: &Map<String, Value>| config.get("addons").and_then(Value::as_str).unwrap_or_default().to_owned();
    let addon = facts::cluster::addon(&reached.cluster).await.map_err(unseen)?;
    let applied = configs.into_iter().any(|config| addon.is_applied(&text(config)));
    if inputs.project.inventory.rancher.delivery != Delivery::Helm && applied {
        // Not as the one that added the mounts of a TLS set-up to the addon's Deployment: they would seem to be too much.
        let asking = Apply { manager: ASKER, ..Apply::default() };
        let missing = reached.cluster.diff(&inputs.parts.addon, &asking).await.map_err(unseen)?;
        seen.addon_missing = missing.iter().map(|one| one.object.to_string()).collect();
    }
    seen.addon_applied = Some(applied);
    Ok(())
}
