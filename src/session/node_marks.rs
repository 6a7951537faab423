//! Labels and taints of nodes, changed without rke, so that a real `rke up` finds nothing new afterwards: the Nodes, and
//! everything in which RKE keeps what it applied.
//!
//! In this order, so that a run that is ended anywhere leaves a state from which the next one arrives, with whatever inventory:
//! first the state says what is asked for, as rke itself begins; last it says what is applied.

use std::collections::BTreeMap;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Map, Value};

use crate::cluster::NodePatch;
use crate::engine::rke::node_marks::{self, MarksChange, NodeMarks, Written, as_rke_writes, written};
use crate::engine::rke::state::State;
use crate::failure::{Exit, Failure};
use crate::local::{Secrecy, WorkspaceError};
use crate::plan::{MarkNodes, Stage, Step};
use crate::play::Event;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;
use crate::session::run::Run;

/// RKE's objects, each with one key of its own name (rancher/rke v1.8.0: cluster/state.go, cluster/addons.go).
const NAMESPACE: &str = "kube-system";
const STATE: &str = "full-cluster-state";
const ADDON: &str = "rke-user-addon";

/// Whether labels and taints are all that differs; `None` also where RKE's Secret is not one that can be kept up: then all is
/// rke's.
///
/// # Errors
/// What could not be asked.
pub async fn see(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    config: &Map<String, Value>,
) -> Result<Option<MarksChange>, Failure> {
    let Some(state) = inputs.project.state() else { return Ok(None) };
    let nodes = reached.cluster.list("v1", "Node", None, None).await.map_err(unseen)?;
    let Some(found) = node_marks::change(&state, config, &nodes) else { return Ok(None) };
    let kept = kept(reached).await?;
    let text = kept.as_ref().and_then(|bytes| std::str::from_utf8(bytes.expose_secret()).ok());
    let same = text.and_then(|text| State::parse(text).ok()).is_some_and(|kept| kept.ca_pem() == state.ca_pem());
    let writable = text.is_some_and(|text| written(text, config, Written::Whole).is_some());
    Ok(Some(found).filter(|_| same && writable))
}

async fn kept(reached: &ClusterApi) -> Result<Option<SecretSlice<u8>>, Failure> {
    let secret = reached.cluster.read_secret(NAMESPACE, STATE).await.map_err(unseen)?;
    Ok(secret.and_then(|mut data| data.remove(STATE)))
}

impl Run<'_> {
    pub(super) async fn mark_nodes(
        &self,
        stage: Stage,
        step: &Step,
        wanted: &MarkNodes,
        reached: Option<&ClusterApi>,
    ) -> Result<(), Failure> {
        let reached = reached
            .ok_or_else(|| Failure::new(Exit::StepFailed, "the Kubernetes API does not answer").because(step))?;
        let began = std::time::Instant::now();
        let name = step.to_string();
        self.tell.event(Event::StepStarted { stage, step: name.clone(), text: step.text() });
        self.keep_cluster_yml(&wanted.config)?;
        self.inputs.project.workspace.keep_state_aside().map_err(failed)?;
        self.write_state(&wanted.config, Written::Desired)?;
        for node in &wanted.change.nodes {
            let done = reached.cluster.mark_node(&node.node, &patch(node)).await;
            done.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
        }
        self.write_addon(reached, wanted).await?;
        self.write_kept(reached, &wanted.config).await?;
        self.write_state(&wanted.config, Written::Whole)?;
        self.tell.event(Event::StepFinished { stage, step: name, seconds: began.elapsed().as_secs_f64() });
        Ok(())
    }

    fn write_state(&self, config: &Map<String, Value>, which: Written) -> Result<(), Failure> {
        let workspace = &self.inputs.project.workspace;
        let bytes = workspace.state_bytes().map_err(failed)?;
        let after = bytes.and_then(|bytes| written(std::str::from_utf8(&bytes).ok()?, config, which));
        let after = after.ok_or_else(|| Failure::new(Exit::StepFailed, "cluster.rkestate knows other nodes"))?;
        let text = Zeroizing::new(format!("{after:#}"));
        workspace.write(&workspace.cluster_state(), text.as_bytes(), Secrecy::Private).map_err(failed)
    }

    /// The first line of the addon notes what was asked for; rke would run its job again for another text.
    async fn write_addon(&self, reached: &ClusterApi, wanted: &MarkNodes) -> Result<(), Failure> {
        let addons = |config: &Map<String, Value>| config.get("addons").and_then(Value::as_str).map(str::to_owned);
        let (Some(former), Some(text)) = (addons(&wanted.change.former), addons(&wanted.config)) else { return Ok(()) };
        let there = crate::facts::cluster::addon(&reached.cluster).await.map_err(unseen)?.text;
        if there.is_none_or(|there| there.trim() != former.trim()) {
            return Ok(());
        }
        let done = reached.cluster.write_config_map(NAMESPACE, ADDON, ADDON, &text).await;
        done.map_err(|error| Failure::of(Exit::StepFailed, &error))
    }

    async fn write_kept(&self, reached: &ClusterApi, config: &Map<String, Value>) -> Result<(), Failure> {
        let kept = kept(reached).await?;
        let text = kept.as_ref().and_then(|bytes| std::str::from_utf8(bytes.expose_secret()).ok());
        let after = text.and_then(|text| written(text, config, Written::Whole));
        let changed = || {
            Failure::new(
                Exit::StepFailed,
                format!("secret {NAMESPACE}/{STATE} is another one than when it was planned"),
            )
            .hint("run the same command again: it plans from what is there now")
        };
        let after = Zeroizing::new(as_rke_writes(&after.ok_or_else(changed)?));
        let data = BTreeMap::from([(STATE.to_owned(), SecretSlice::from(after.as_bytes().to_vec()))]);
        let done = reached.cluster.update_secret(NAMESPACE, STATE, &data).await;
        done.map_err(|error| Failure::of(Exit::StepFailed, &error))
    }
}

fn failed(error: WorkspaceError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}

fn patch(node: &NodeMarks) -> NodePatch<'_> {
    NodePatch {
        set: node.set.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        drop: node.drop.iter().map(String::as_str).collect(),
        add: &node.add,
        remove: &node.remove,
    }
}
