//! The player: a run, in the order in which it happens.

use crate::failure::{Exit, Failure};
use crate::plan::{Cluster, Stage, StagePlan, Step};
use crate::play::{Event, Outcome};
use crate::session::ahead::{self, Ahead};
use crate::session::begin::{Accepted, Begun, alone, begin, check, late};
use crate::session::open::Session;
use crate::session::proof::{prove, verify};
use crate::session::recover::recover;
use crate::session::run::{Run, guarded};
use crate::session::stage_result::settle;
use crate::session::{Answer, backup, once_more, removal, rotate, stages, telling, up_result};

/// What was said to the run as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said {
    /// Replace the CA although agents of other clusters know only the former one.
    pub replace_ca: bool,
    /// Change Rancher's host name although agents of other clusters know only the former one.
    pub move_agents: bool,
    /// Recover over a state file that is there.
    pub force: bool,
}

/// Stages that belong together, as a verb or a run file lists them.
pub async fn play(session: &Session<'_>, stages: &[Stage], said: &Said) -> Answer {
    for stage in stages.iter().copied() {
        match stage {
            // What builds is one run from its check to its proof.
            Stage::Cluster | Stage::Ingress | Stage::CertManager | Stage::Rancher => {
                return up(session, stages, said).await;
            }
            Stage::Check if stages.iter().any(|stage| stage.builds()) => {}
            Stage::Check => drop(check(session).await?),
            Stage::Verify => drop(session.stage(stage, verify(session)).await?),
            Stage::Remove => drop(session.stage(stage, changed(removal::remove(session))).await?),
            Stage::Recover => drop(session.stage(stage, changed(recover(session, said.force))).await?),
            Stage::Backup => drop(session.stage(stage, changed(backup::take_usual(session))).await?),
            Stage::Rotate => drop(session.stage(stage, changed(rotate::rotate(session, &[]))).await?),
            Stage::Restore | Stage::Compare => {
                return Err(Failure::new(Exit::Bug, format!("`{}` is a stage of rebuild alone", stage.name())));
            }
        }
    }
    Ok(Exit::Done)
}

async fn changed(work: impl Future<Output = Result<String, Failure>>) -> Result<(Outcome, String), Failure> {
    Ok((Outcome::Changed, work.await?))
}

/// A run of `up`: what happens, in order.
async fn up(session: &Session<'_>, list: &[Stage], said: &Said) -> Answer {
    let accepted = Accepted { replace_ca: said.replace_ca, move_agents: said.move_agents };
    let checked = check(session).await?;
    let (alone, checked) = alone(session, checked).await?;
    telling::keep(session.project, Stage::Check, &checked.findings);
    let mut begun = begin(session, &checked.project, alone, accepted).await?;
    for stage in list.iter().copied().filter(|stage| *stage != Stage::Check) {
        session.stage(stage, build(session, &mut begun, (stage, list))).await?;
    }
    if list.contains(&Stage::Verify) {
        session.tell.event(Event::Result { text: up_result::text(&begun.inputs) });
    }
    Ok(Exit::Done)
}

/// One stage: planned from what is seen, shown, done, and looked at again.
async fn build(
    session: &Session<'_>,
    begun: &mut Begun<'_>,
    (stage, list): (Stage, &[Stage]),
) -> Result<(Outcome, String), Failure> {
    if stage == Stage::Verify {
        return prove(session, begun).await;
    }
    needed(begun, stage)?;
    let played = async {
        let plan = plan(session, begun, stage).await?;
        show(session, begun, &plan);
        let before = done_ahead(session, begun, stage);
        let changes = carry_out(session, begun, (&plan, list)).await? || before;
        let stands = look_again(session, begun, stage).await?;
        Ok((if changes { Outcome::Changed } else { Outcome::Unchanged }, stands))
    };
    let ended = played.await;
    ended.map_err(|failure| if begun.changed { late(failure) } else { unbegun(failure) })
}

/// # Errors
/// When the stage needs a cluster, and none answers.
fn needed(begun: &Begun<'_>, stage: Stage) -> Result<(), Failure> {
    match (stage.needs().cluster, &begun.reached) {
        (Cluster::Nothing, _) | (Cluster::Api | Cluster::Pods, Some(_)) => Ok(()),
        (Cluster::Api | Cluster::Pods, None) => {
            Err(Failure::new(Exit::StepFailed, "the Kubernetes API does not answer")
                .hint("look at the newest log in .cowhand/logs; `cowhand up` again goes on from here"))
        }
    }
}

async fn plan(session: &Session<'_>, begun: &mut Begun<'_>, stage: Stage) -> Result<StagePlan, Failure> {
    let Begun { inputs, alone, reached, agents, replace_ca, early, changed, ahead: _ } = begun;
    if *changed {
        early.clear();
    }
    let late = match stage {
        Stage::Rancher => guarded(alone.stop(), agents.ask_late(inputs, reached.as_ref(), *replace_ca)).await?,
        Stage::Check
        | Stage::Cluster
        | Stage::Ingress
        | Stage::CertManager
        | Stage::Verify
        | Stage::Remove
        | Stage::Recover
        | Stage::Backup
        | Stage::Rotate
        | Stage::Restore
        | Stage::Compare => Vec::new(),
    };
    for note in late {
        session.tell.note(note);
    }
    guarded(alone.stop(), stages::plan(inputs, stage, reached.as_ref(), early)).await
}

fn show(session: &Session<'_>, begun: &Begun<'_>, plan: &StagePlan) {
    plan.notes.iter().for_each(|note| session.tell.note(note));
    stages::details(&begun.inputs, plan.stage).into_iter().for_each(|detail| session.tell.detail(detail));
}

/// From the first step that changes something on, the run has changed something, however it ends. What shows only after the
/// steps' own waits is planned and done as well.
async fn carry_out(
    session: &Session<'_>,
    begun: &mut Begun<'_>,
    (plan, list): (&StagePlan, &[Stage]),
) -> Result<bool, Failure> {
    let Begun { inputs, alone, reached, changed, ahead, .. } = begun;
    let run = at_work(session, inputs, alone);
    let mut changes = plan.steps.iter().any(Step::changes);
    *changed |= changes;
    let later = ahead::stages_beside(plan, list);
    let side = async |ended| ahead::play(&run, later, ended).await;
    let done = ahead::beside(run.carry_out(plan.stage, &plan.steps, reached), side).await?;
    ahead.extend(done);
    if let Some(more) = guarded(run.stop, once_more::again(inputs, plan, reached.as_ref())).await? {
        changes |= more.steps.iter().any(Step::changes);
        *changed |= changes;
        run.carry_out(plan.stage, &more.steps, reached).await?;
    }
    Ok(changes)
}

/// Shows what the stage did beside rke; whether that changed anything.
fn done_ahead(session: &Session<'_>, begun: &mut Begun<'_>, stage: Stage) -> bool {
    let done: Vec<Ahead> = begun.ahead.extract_if(.., |ahead| ahead.stage == stage).collect();
    done.iter().flat_map(|ahead| &ahead.events).for_each(|event| session.tell.pass_on(event));
    done.iter().any(|ahead| ahead.changed)
}

/// What stands now, in a line.
async fn look_again(session: &Session<'_>, begun: &Begun<'_>, stage: Stage) -> Result<String, Failure> {
    let run = at_work(session, &begun.inputs, begun.alone);
    guarded(run.stop, settle(&run, stage, begun.reached.as_ref())).await
}

fn at_work<'r>(
    session: &'r Session<'_>,
    inputs: &'r crate::session::inputs::Inputs<'r>,
    alone: &'r crate::session::run_lock::RunLock,
) -> Run<'r> {
    Run { inputs, alone, stop: alone.stop(), tell: &session.tell, skips: &session.skips }
}

/// A failure when nothing is changed yet: its code must not say that something was.
fn unbegun(mut failure: Failure) -> Failure {
    if failure.exit == Exit::StepFailed {
        failure.exit = Exit::ChecksFailed;
        let hint = failure.hint.map(|hint| format!("{hint}; ")).unwrap_or_default();
        failure.hint = Some(format!("{hint}this run changed nothing"));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_changed_nothing_does_not_end_as_if_it_had() {
        let told = unbegun(Failure::new(Exit::StepFailed, "etcd has 2 of 3 healthy members").hint("look there"));
        assert_eq!(
            (told.exit, told.hint.as_deref()),
            (Exit::ChecksFailed, Some("look there; this run changed nothing"))
        );
        assert_eq!(unbegun(Failure::new(Exit::Unreachable, "n1 is gone")).exit, Exit::Unreachable);
    }
}
