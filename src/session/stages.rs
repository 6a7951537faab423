//! What each stage would do, planned from what is there now.

use crate::engine;
use crate::engine::change::lines;
use crate::facts;
use crate::facts::owner::{Claim, Mark};
use crate::failure::{Exit, Failure};
use crate::inventory::IngressProvider;
use crate::plan::ingress::TRAEFIK;
use crate::plan::{self, Stage, StagePlan, Step, Wait};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::hostname::NameChange;
use crate::session::inputs::Inputs;
use crate::session::seeing::{CertManagerSeen, ClusterSeen, RancherSeen, Seen, rancher_wanted, recorded, see};
use crate::session::{addons, adoption, away, ownership, rancher_version, rke_reasons};

/// See [`crate::session::ahead`].
const BESIDE: &str = "ingress and cert-manager begin as soon as every node is Ready, while rke is still at work";

/// Sees what the stage needs to know, once, and plans it from that, where [`refuse`] forbids nothing; `reached` is the cluster,
/// when it answers. `check` and `verify` change nothing. `early` are the plans that still hold.
pub async fn plan(
    inputs: &Inputs<'_>,
    stage: Stage,
    reached: Option<&ClusterApi>,
    early: &mut Vec<StagePlan>,
) -> Result<StagePlan, Failure> {
    if let Some(at) = early.iter().position(|plan| plan.stage == stage) {
        return Ok(early.remove(at).without(&away::names(inputs)));
    }
    let seen = see(inputs, stage, reached).await?;
    let plan = planned(inputs, stage, seen)?;
    Ok(plan.without(&away::names(inputs)))
}

/// What to know of a stage beside its steps, for whoever asks for everything.
pub fn details(inputs: &Inputs<'_>, stage: Stage) -> Vec<String> {
    let hook =
        |hook: &String| format!("only helm runs this hook of Rancher's chart, RKE's addon leaves it out: {hook}");
    match stage {
        Stage::Cluster => inputs.parts.dropped_hooks.iter().map(hook).collect(),
        Stage::Check
        | Stage::Ingress
        | Stage::CertManager
        | Stage::Rancher
        | Stage::Verify
        | Stage::Remove
        | Stage::Recover
        | Stage::Backup
        | Stage::Rotate
        | Stage::Restore
        | Stage::Compare => Vec::new(),
    }
}

/// What forbids a stage, whichever it is, is met before the first one changes anything. Gives the plans that were made for
/// it: they hold as long as nothing is changed.
///
/// # Errors
/// The refusal, as the stage itself would say it.
pub async fn refuse(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<Vec<StagePlan>, Failure> {
    traefik_in_the_way(inputs, reached).await?;
    addons::refuse(inputs)?;
    adoption::refuse_anew(&inputs.project.inventory, &inputs.project.workspace, inputs.project.state().is_some())?;
    rke_reasons::refuse(inputs, reached).await?;
    if inputs.machines.unreached().is_some() {
        planned(inputs, Stage::Cluster, see(inputs, Stage::Cluster, reached).await?)?;
    }
    if let Some(reached) = reached {
        ownership::refuse(inputs.project, reached).await?;
        let running = facts::inhabitants::rancher_version(&reached.cluster).await.map_err(unseen)?;
        rancher_version::refuse_older(inputs, running.as_ref())?;
    }
    let mut plans = Vec::new();
    if !inputs.project.inventory.engine.builds_nodes() {
        // A cluster of rke is this folder's own: whose its ingress is, its own stage asks.
        plans.push(planned(inputs, Stage::Ingress, see(inputs, Stage::Ingress, reached).await?)?);
    }
    plans.push(planned(inputs, Stage::CertManager, see(inputs, Stage::CertManager, reached).await?)?);
    Ok(plans)
}

/// The plan of the stage, from what was seen.
fn planned(inputs: &Inputs<'_>, stage: Stage, seen: Seen) -> Result<StagePlan, Failure> {
    match seen {
        Seen::Cluster(seen) => cluster(inputs, *seen),
        Seen::Ingress(found) => {
            plan::ingress::plan(&inputs.project.inventory, &inputs.picture.ingress.traefik_values, &found)
                .map_err(|foreign| Failure::of(Exit::ChecksFailed, &foreign))
        }
        Seen::CertManager(seen) => {
            let CertManagerSeen { found, version } = *seen;
            plan::cert_manager::plan(&inputs.project.inventory, inputs.picture.needs_cert_manager, &version, &found)
                .map_err(|foreign| Failure::of(Exit::ChecksFailed, &foreign))
        }
        Seen::Rancher(seen) => rancher(inputs, *seen),
        Seen::Nothing => Ok(StagePlan { stage, steps: Vec::new(), notes: Vec::new() }),
    }
}

fn cluster(inputs: &Inputs<'_>, seen: ClusterSeen) -> Result<StagePlan, Failure> {
    let mut steps = Vec::new();
    let inventory = &inputs.project.inventory;
    let mut notes: Vec<String> = seen.agents.iter().chain(&seen.rolled).cloned().collect();
    steps.extend(seen.renamed.as_ref().and_then(NameChange::step));
    if let Some((config, cluster_yml)) = inputs.cluster_yml() {
        let mut because = rke_reasons::reasons(inputs, &seen);
        if let Some(change) = seen.marks.as_ref().filter(|_| because.is_empty()) {
            steps.push(rke_reasons::marks(&seen, (config, cluster_yml), change.clone()));
        } else if !because.is_empty() {
            // rke has to run anyway, and sets labels and taints on the way.
            because.extend(seen.marks.iter().flat_map(|change| change.because.clone()));
            away::refuse_rke(inputs, &lines(&because))?;
            if because.contains(&engine::Change::Create) {
                notes.push(BESIDE.into());
            }
            steps.extend(rke_reasons::steps(&seen, (config, cluster_yml), because));
            steps.extend(seen.awaited.missing(inputs).into_iter().map(Step::Secret));
        }
    }
    if inventory.engine.builds_nodes() {
        let names = inventory.nodes.iter().map(|node| node.name.to_lowercase()).collect();
        steps.push(Step::Wait(Wait::NodesReady { names }));
    } else {
        notes.push("the existing cluster itself is not changed; no StorageClass is needed".into());
        notes.extend(to_pin(inputs));
        steps.extend(seen.claim.as_ref().and_then(|claim| mark(inputs, claim)));
    }
    Ok(StagePlan { stage: Stage::Cluster, steps, notes })
}

/// What `up` keeps of the cluster in the workspace.
fn to_pin(inputs: &Inputs<'_>) -> Option<String> {
    let project = inputs.project;
    let line = project.cluster_line().filter(|_| project.identity.pinned.is_none())?;
    Some(format!(
        "this inventory works on {line} from its first run on: `up` pins that cluster, and no other one is taken for it"
    ))
}

/// The mark of this inventory, before anything else comes to the cluster.
fn mark(inputs: &Inputs<'_>, claim: &Claim) -> Option<Step> {
    let wanted = match claim {
        Claim::Ours(_) | Claim::Built | Claim::Another(_) | Claim::NotTaken { .. } | Claim::OtherHost(_) => {
            return None;
        }
        // `up` has made the UID by then; a plan does not.
        Claim::Older | Claim::Free => Mark {
            inventory: inputs.project.inventory.name.clone(),
            uid: inputs.project.owner().uid.unwrap_or_else(|| "(made by the first `cowhand up`)".into()),
        },
    };
    let object = Mark::object();
    let because = vec![format!("+ {object}")];
    Some(Step::Apply {
        what: format!("the mark of this inventory, {object}"),
        manifests: vec![wanted.manifest()],
        because,
    })
}

/// RKE's nginx binds the nodes' ports 80 and 443, and would wait for ever where Traefik has them.
async fn traefik_in_the_way(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<(), Failure> {
    let (IngressProvider::Nginx, Some(reached)) = (inputs.project.inventory.ingress.provider, reached) else {
        return Ok(());
    };
    if !recorded(inputs, reached, TRAEFIK).await?.ours {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "Traefik, which cowhand installed, has ports 80 and 443 of the nodes: nginx could not start beside it")
        .hint("keep `ingress.provider: traefik`; or `helm uninstall traefik --namespace traefik` first: Rancher is not reached from then on until `cowhand up` has ended"))
}

fn rancher(inputs: &Inputs<'_>, seen: RancherSeen) -> Result<StagePlan, Failure> {
    let RancherSeen { mut found, running, awaited } = seen;
    rancher_version::refuse_older(inputs, running.as_ref())?;
    let mut wanted = rancher_wanted(inputs);
    if let Some(release) = found.release.as_ref().filter(|_| inputs.project.inventory.is_adopted()) {
        plan::rancher::keep_secrets(&mut wanted.values, &release.values);
    }
    // By then the stage before has sent them.
    found.secrets_as_wanted.extend(awaited.missing(inputs).into_iter().map(|secret| secret.name));
    Ok(plan::rancher::plan(&wanted, &found))
}
