//! What `up` would do now: a plan for each of its stages.

use crate::check;
use crate::cluster::Condition;
use crate::failure::{Exit, Failure};
use crate::plan::rancher::{NAMESPACE, RANCHER};
use crate::plan::{Stage, StagePlan, playbook};
use crate::play::Tell;
use crate::report::{Console, Verbosity};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;
use crate::session::machines::Machines;
use crate::session::preflight::{Preflight, heading, look, unanswered};
use crate::session::project::Project;
use crate::session::{away, generated, hostname, prepare, rke_reasons as why_rke, stages};

/// A plan for every stage of `up`.
///
/// # Errors
/// When a check blocks, which is shown, or something refuses.
pub async fn planned(
    console: &Console,
    project: &Project,
    machines: &Machines,
    skips: &check::Skips,
    tell: &Tell,
) -> Result<Vec<StagePlan>, Failure> {
    let Preflight { report, cluster } = look(project, Some(machines), skips).await?;
    let away = away::go_on(project, machines)?;
    if let Some(failure) = unanswered(project, cluster.as_ref()) {
        return Err(failure);
    }
    if let Err(blocked) = check::gate(report.without(&away)) {
        console.findings(&heading(project), &blocked.report.findings, 0.0)?;
        return Err(Failure::of(Exit::ChecksFailed, &blocked));
    }
    let project = &project.fitted(cluster.as_ref());
    generated::refuse_another_ca(project, machines).await?;
    let inputs = Inputs::see(project, machines, tell).await?;
    let reached = why_rke::reach(&inputs).await?;
    let mut early = stages::refuse(&inputs, reached.as_ref()).await?;
    let mut plans = vec![prepare::plan(project)];
    let broken = project.workspace_facts()?.broken.filter(|_| project.inventory.engine.keeps_state());
    plans[0].notes.extend(broken.map(|(seen, will)| format!("{seen}: {will}")));
    plans[0].notes.extend(generated::cut_off_kubeconfig(project));
    plans[0].notes.extend(away::notes(machines));
    if let Some(reached) = &reached
        && let Some(change) = hostname::change(project, reached).await
    {
        plans[0].notes.extend(change.parts());
        plans[0].notes.extend(change.refuse(false).err().map(refusal));
    }
    for stage in playbook::up().map_err(|error| Failure::of(Exit::Bug, &error))? {
        let mut plan = stages::plan(&inputs, stage, reached.as_ref(), &mut early).await?;
        if let (Stage::Rancher, Some(reached)) = (stage, &reached) {
            plan.notes.extend(unready(reached).await?);
        }
        if console.verbosity == Verbosity::Verbose {
            plan.notes.extend(stages::details(&inputs, stage));
        }
        plans.push(plan);
    }
    Ok(plans)
}

fn refusal(failure: Failure) -> String {
    format!("`cowhand up` refuses: {}; {}", failure.error, failure.hint.unwrap_or_default())
}

/// A rollout that has not ended changes nothing in a plan, and is worth knowing.
async fn unready(reached: &ClusterApi) -> Result<Option<String>, Failure> {
    let rancher = Condition::DeploymentReady { namespace: NAMESPACE.into(), name: RANCHER.into() };
    let seen = reached.cluster.unready(&rancher).await.map_err(unseen)?;
    Ok(seen.map(|seen| format!("{rancher} is not ready: {seen}; `cowhand up` waits for it")))
}
