//! Where looking ends and doing begins: everything seen, everything that forbids a stage asked, and what only cowhand can
//! make made.

use crate::check;
use crate::failure::{Exit, Failure};
use crate::plan::{Stage, StagePlan};
use crate::play::{Outcome, Tell};
use crate::session::agents::Agents;
use crate::session::ahead::Ahead;
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs::Inputs;
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::preflight::{Preflight, look, unanswered};
use crate::session::project::Project;
use crate::session::recheck::{Decisive, behind_the_lock};
use crate::session::run::{guarded, point_state, untouched};
use crate::session::run_lock::RunLock;
use crate::session::{away, generated, hostname, ownership, prepare, rke_reasons as why_rke, stages, telling};

/// What the checks have cleared.
pub struct Checked {
    /// What decides, as it was when it was judged.
    pub before: Decisive,
    /// With what only the cluster that is there could say.
    pub project: Project,
    pub findings: Vec<check::Finding>,
    _cleared: check::Cleared,
}

/// Looks at every machine and the cluster, and tells all that is wrong.
///
/// # Errors
/// When anything stands against going on.
pub async fn check(session: &Session<'_>) -> Result<Checked, Failure> {
    let mut checked = None;
    session
        .stage(Stage::Check, async {
            let (ready, counts) = judged(session).await?;
            checked = Some(ready);
            Ok((Outcome::Passed, counts))
        })
        .await?;
    checked.ok_or_else(|| Failure::new(Exit::Bug, "the checks passed without a word"))
}

async fn judged(session: &Session<'_>) -> Result<(Checked, String), Failure> {
    let machines = session.machines().await?;
    let Session { context, project, skips, tell, .. } = session;
    let looked = guarded(&context.stop, async {
        let before = Decisive::see(project, machines).await?;
        Ok((before, look(project, Some(machines), skips).await?))
    });
    let (before, Preflight { report, cluster }) = looked.await.map_err(untouched)?;
    let away = away::go_on(project, machines);
    let report = report.without(away.as_deref().unwrap_or_default());
    telling::tell(&telling::last(project), Stage::Check, &report.findings, tell);
    let counts = crate::report::Counts::of(&report.findings).text();
    let findings = report.findings.clone();
    away?;
    if let Some(failure) = unanswered(project, cluster.as_ref()) {
        return Err(failure);
    }
    away::notes(machines).into_iter().for_each(|note| tell.warning(note));
    let cleared = check::gate(report).map_err(|blocked| Failure::of(Exit::ChecksFailed, &blocked))?;
    let project = project.fitted(cluster.as_ref());
    Ok((Checked { before, project, findings, _cleared: cleared }, counts))
}

/// The cluster for this run alone, and checks that hold behind its lock: where a node changed meanwhile, all is checked again.
///
/// # Errors
/// When another run was at work, or anything stands against going on.
pub async fn alone<'s>(session: &'s Session<'_>, checked: Checked) -> Result<(&'s RunLock, Checked), Failure> {
    let alone = session.alone().await?;
    let machines = session.machines().await?;
    let see = async || guarded(alone.stop(), Decisive::see(session.project, machines)).await;
    let again = async |changed: &[String]| {
        changed.iter().for_each(|line| session.tell.warning(format!("{line}; checked again")));
        check(session).await.map(|checked| (checked.before.clone(), checked))
    };
    let checked = behind_the_lock(session.project, (checked.before.clone(), checked), see, again).await?;
    Ok((alone, checked))
}

/// Everything that the stages of a run go by, and what they have done so far.
pub struct Begun<'a> {
    pub inputs: Inputs<'a>,
    pub alone: &'a RunLock,
    /// The cluster's API, as soon as it answers.
    pub reached: Option<ClusterApi>,
    pub agents: Agents,
    pub replace_ca: bool,
    /// Plans that were made to see what forbids them; they hold until something is changed.
    pub early: Vec<StagePlan>,
    /// What later stages did beside rke.
    pub ahead: Vec<Ahead>,
    /// Something was changed, or may have been.
    pub changed: bool,
}

/// What was said to be done although agents of other clusters are lost by it.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    pub replace_ca: bool,
    pub move_agents: bool,
}

/// What no stage could do without, once nothing forbids any of them; CA and password are made by then.
pub async fn begin<'a>(
    session: &'a Session<'_>,
    project: &'a Project,
    alone: &'a RunLock,
    accepted: Accepted,
) -> Result<Begun<'a>, Failure> {
    let machines = session.machines().await?;
    let tell = &session.tell;
    let replace_ca = accepted.replace_ca;
    tidy(project, tell)?;
    // The CA and the first login's password count: a cluster will live by them.
    let changed = !prepare::plan(project).steps.is_empty();
    let begun = async {
        let (inputs, reached, early) = allowed(project, machines, tell, replace_ca).await?;
        let agents = Agents::ask(&inputs, reached.as_ref(), replace_ca).await?;
        if let Some(reached) = &reached
            && let Some(change) = hostname::change(project, reached).await
        {
            change.refuse(accepted.move_agents)?;
            change.parts().into_iter().for_each(|part| tell.warning(part));
        }
        let begun = Begun { inputs, alone, reached, agents, replace_ca, early, ahead: Vec::new(), changed };
        made(begun, tell).await
    };
    guarded(alone.stop(), begun).await
}

/// Leaves the workspace as a whole run would have left it; a killed one may not have come that far.
fn tidy(project: &Project, tell: &Tell) -> Result<(), Failure> {
    let guard = project.workspace.guard_keys().and_then(|closed| Ok((closed, project.workspace.mend_state()?)));
    let (closed, mended) = guard.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
    for note in closed.into_iter().chain(mended) {
        tell.warning(note);
    }
    if let Some(path) = generated::restore_kubeconfig(project)? {
        tell.note(format!("{} was written again from cluster.rkestate", path.display()));
    }
    project.made_ca().map_or(Ok(()), |ca| ca.finish(project))
}

/// The world that stages are planned from, where nothing forbids any of them.
async fn allowed<'a>(
    project: &'a Project,
    machines: &'a Machines,
    tell: &Tell,
    replace_ca: bool,
) -> Result<(Inputs<'a>, Option<ClusterApi>, Vec<StagePlan>), Failure> {
    if !replace_ca {
        generated::refuse_another_ca(project, machines).await?;
    }
    let inputs = Inputs::see(project, machines, tell).await?;
    let reached = why_rke::reach(&inputs).await?;
    let early = stages::refuse(&inputs, reached.as_ref()).await?;
    Ok((inputs, reached, early))
}

/// From here on something is changed: the pin of the cluster, the CA, the first login's password.
async fn made<'a>(mut begun: Begun<'a>, tell: &Tell) -> Result<Begun<'a>, Failure> {
    let project = begun.inputs.project;
    if let Some(reached) = &begun.reached {
        ownership::keep(project, reached).await?;
        if let Some(path) = generated::restore_password(project, reached).await? {
            tell.note(format!("{} was lost; it was written again from the cluster", path.display()));
        }
    }
    let missing = prepare::plan(project).steps;
    if !missing.is_empty() {
        for note in prepare::carry_out(project, &missing)? {
            tell.note(note);
        }
        begun.inputs = Inputs::see(project, begun.inputs.machines, tell).await.map_err(late)?;
        let agents = Agents::ask(&begun.inputs, begun.reached.as_ref(), begun.replace_ca);
        begun.agents = agents.await.map_err(late)?;
    }
    if let Some((config, _)) = begun.inputs.cluster_yml() {
        // A run that was killed left it pointed at its own front.
        point_state(project, &config)?;
    }
    Ok(begun)
}

/// A refusal when something is changed already: its code would say that nothing was.
pub fn late(mut failure: Failure) -> Failure {
    if matches!(failure.exit, Exit::ChecksFailed | Exit::NotHere) {
        failure.exit = Exit::StepFailed;
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_after_the_beginning_does_not_say_that_nothing_was_changed() {
        let refused = Failure::new(Exit::ChecksFailed, "cert-manager is somebody else's").hint("use it");
        let told = late(refused.clone());
        assert_eq!((told.exit, told.error, told.hint), (Exit::StepFailed, refused.error, refused.hint));
        assert_eq!(late(Failure::interrupted("it stays")).exit, Exit::Interrupted);
        assert_eq!(late(Failure::new(Exit::NotHere, "helm is not at hand")).exit, Exit::StepFailed);
    }
}
