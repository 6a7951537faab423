//! Everything, in the order of `playbooks/up.yml`.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::agents::Agents;
use super::alone::Alone;
use super::look::{Looked, heading, look, skips, unanswered};
use super::machines::Machines;
use super::run::{Keeping, Run, enter, guarded, point_state, untouched};
use super::settle::settle;
use super::site::Site;
use super::world::{Reached, World};
use super::{Answer, Connect, Context, Skip, keepsakes, outside, prepare, stages};
use crate::check;
use crate::execute::{Event, Lock, Outcome, Stage, Tell};
use crate::inventory::Engine;
use crate::plan::playbook;
use crate::report::{Exit, Failure, Pauser, Shower};

/// What was said to `up`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Up {
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
    /// Replace the CA at once, although agents of other clusters know only the former one and will be locked out
    #[arg(long)]
    pub replace_ca: bool,
}

pub async fn run(context: &Context, wanted: Up) -> Answer {
    let site = Site::open(context)?;
    context.log_into(&site.workspace, "up");
    let skips = skips(&site, &wanted.skip)?;
    Shower::during(&context.console, &context.stop, async |tell, pauser| {
        let began = Instant::now();
        let (kept, mut journal) = Keeping::new();
        let tell = tell.and(kept);
        let answer = walk(context, &site, &wanted, &skips, &tell, &mut journal, pauser).await;
        tell.event(finished(&answer, began));
        drop(tell);
        journal.finish().await;
        answer
    })
    .await
}

async fn walk(
    context: &Context,
    site: &Site,
    wanted: &Up,
    skips: &check::Skips,
    tell: &Tell,
    journal: &mut Keeping,
    pauser: Pauser,
) -> Answer {
    let stages = playbook::up();
    let cluster = site.inventory.name.clone();
    tell.event(Event::RunStarted { command: "up", cluster, summary: heading(site), stages: stages.clone() });
    let began = start(tell, Stage::Check);
    let looked = looked(context, site, wanted, skips, tell, journal, pauser);
    let ready = match looked.instrument(tracing::info_span!("stage", name = "check")).await {
        Ok(ready) => ready,
        Err(failure) => {
            finish(tell, Stage::Check, Outcome::Failed, &failure.error, began);
            return Err(failure);
        }
    };
    finish(tell, Stage::Check, Outcome::Passed, &ready.counts, began);
    let Ready { site, machines, cleared, alone, _lock, .. } = ready;
    let acting = Acting { stages: &stages, skips, alone: &alone, tell, replace_ca: wanted.replace_ca };
    let answer = act(&site, &machines, &cleared, &acting).await;
    let answer = alone.end(&machines, answer).await;
    machines.disconnect().await;
    answer
}

/// What has to be there before anything is changed.
struct Ready {
    /// With what only the cluster that is there could say.
    site: Site,
    machines: Machines,
    cleared: check::Cleared,
    /// What the checks came to, in a line.
    counts: String,
    alone: Alone,
    _lock: Lock,
}

/// Looks at everything and, when nothing stands against it, locks workspace and nodes.
async fn looked(
    context: &Context,
    site: &Site,
    wanted: &Up,
    skips: &check::Skips,
    tell: &Tell,
    journal: &mut Keeping,
    pauser: Pauser,
) -> Result<Ready, Failure> {
    let machines = guarded(&context.stop, async {
        Ok(Machines::connect(&site.inventory, &wanted.connect, context, Some(pauser)).await)
    })
    .await
    .map_err(untouched)?;
    let looked = guarded(&context.stop, look(site, Some(&machines), skips)).await.map_err(untouched)?;
    let Looked { report, cluster } = looked;
    for finding in &report.findings {
        tell.event(Event::Finding { finding: finding.clone() });
    }
    let counts = crate::report::Counts::of(&report.findings).text();
    if let Some(failure) = machines.unreached().or_else(|| unanswered(site, cluster.as_ref())) {
        return Err(failure);
    }
    let cleared =
        check::gate(report).map_err(|blocked| Failure::of(Exit::ChecksFailed, &blocked).maybe_hint(blocked.hint()))?;
    // Nothing but this run's log has changed on any disk up to here; from here on this run is alone.
    let lock = enter(site, "up", journal)?;
    let alone = Alone::take(site, &machines, "up", &context.stop, tell).await?;
    Ok(Ready { site: site.fitted(cluster.as_ref()), machines, cleared, counts, alone, _lock: lock })
}

/// What a run that changes things goes by.
struct Acting<'a> {
    stages: &'a [Stage],
    skips: &'a check::Skips,
    alone: &'a Alone,
    tell: &'a Tell,
    replace_ca: bool,
}

/// Leaves the workspace as a whole run would have left it; a killed one may not have come that far.
fn tidy(site: &Site, tell: &Tell) -> Result<(), Failure> {
    let guard = site.workspace.guard_keys().and_then(|closed| Ok((closed, site.workspace.mend_state()?)));
    let (closed, mended) = guard.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))?;
    for note in closed.into_iter().chain(mended) {
        tell.warning(note);
    }
    if let Some(path) = keepsakes::restore_kubeconfig(site)? {
        tell.note(format!("{} was written again from cluster.rkestate", path.display()));
    }
    prepare::finish(site)
}

/// The world that stages are planned from, once nothing forbids them; CA and password are made by then.
async fn begin<'a>(
    site: &'a Site,
    machines: &'a Machines,
    acting: &Acting<'_>,
) -> Result<(World<'a>, Option<Reached>, Agents), Failure> {
    let Acting { tell, replace_ca, .. } = *acting;
    if !replace_ca {
        keepsakes::refuse_another_ca(site, machines).await?;
    }
    let mut world = World::see(site, machines, tell).await?;
    let reached = world.reach().await?;
    stages::refuse(&world, reached.as_ref()).await?;
    let mut agents = Agents::ask(&world, reached.as_ref(), replace_ca).await?;
    // From here on something is changed.
    if let Some(reached) = &reached
        && let Some(path) = keepsakes::restore_password(site, reached).await?
    {
        tell.note(format!("{} was lost; it is what the cluster has again", path.display()));
    }
    let missing = prepare::plan(site).steps;
    if !missing.is_empty() {
        prepare::carry_out(site, &missing)?;
        world = World::see(site, machines, tell).await.map_err(begun)?;
        agents = Agents::ask(&world, reached.as_ref(), replace_ca).await.map_err(begun)?;
    }
    if let Some((config, _)) = world.cluster_yml() {
        // A run that was killed left it pointed at its own front.
        point_state(site, &config)?;
    }
    Ok((world, reached, agents))
}

/// The stages that change something, and the proof at the end. Nobody gets here without the checks' leave.
async fn act(site: &Site, machines: &Machines, _cleared: &check::Cleared, acting: &Acting<'_>) -> Answer {
    let Acting { stages, skips, alone, tell, replace_ca } = *acting;
    let stop = alone.stop();
    tidy(site, tell)?;
    let (world, mut reached, mut agents) = guarded(stop, begin(site, machines, acting)).await?;
    let run = Run { world: &world, stop, tell, skips };
    let mut changed = false;
    for stage in stages.iter().copied() {
        match stage {
            Stage::Check | Stage::Remove => continue,
            Stage::Verify => {
                let span = tracing::info_span!("stage", name = stage.name());
                return verify(&run, reached.as_ref(), changed, acting).instrument(span).await;
            }
            Stage::Cluster | Stage::Ingress | Stage::CertManager | Stage::Rancher => {}
        }
        let began = start(tell, stage);
        let span = tracing::info_span!("stage", name = stage.name());
        let outcome = play(&run, stage, &mut reached, &mut agents, replace_ca).instrument(span).await;
        match outcome {
            Ok((changes, text)) => {
                changed |= changes;
                finish(tell, stage, if changes { Outcome::Changed } else { Outcome::Unchanged }, &text, began);
            }
            Err(failure) => {
                finish(tell, stage, Outcome::Failed, alone.word(&failure), began);
                return Err(begun(failure));
            }
        }
    }
    Ok(Exit::Done)
}

/// Plans a stage from what is there now, carries it out and looks again: whether it had something to change, and what stands.
async fn play(
    run: &Run<'_>,
    stage: Stage,
    reached: &mut Option<Reached>,
    agents: &mut Agents,
    replace_ca: bool,
) -> Result<(bool, String), Failure> {
    let Run { world, stop, tell, .. } = *run;
    let late = match stage {
        Stage::Rancher => guarded(stop, agents.ask_late(world, reached.as_ref(), replace_ca)).await?,
        Stage::Check | Stage::Cluster | Stage::Ingress | Stage::CertManager | Stage::Verify | Stage::Remove => {
            Vec::new()
        }
    };
    let plan = guarded(stop, stages::plan(world, stage, reached.as_ref())).await?;
    for note in late.iter().chain(&plan.notes) {
        tell.note(note);
    }
    let changes = plan.steps.iter().any(crate::plan::Step::changes);
    run.carry_out(stage, &plan.steps, reached).await?;
    let text = guarded(stop, settle(run, stage, reached.as_ref())).await?;
    Ok((changes, text))
}

/// A refusal when something is changed already: its code would say that nothing was.
fn begun(mut failure: Failure) -> Failure {
    if failure.exit == Exit::ChecksFailed {
        failure.exit = Exit::StepFailed;
    }
    failure
}

async fn verify(run: &Run<'_>, reached: Option<&Reached>, changed: bool, acting: &Acting<'_>) -> Answer {
    let began = start(run.tell, Stage::Verify);
    let findings = match proved(run, reached, changed, acting.skips).await {
        Ok(findings) => findings,
        Err(failure) => {
            finish(run.tell, Stage::Verify, Outcome::Failed, acting.alone.word(&failure), began);
            return Err(failure);
        }
    };
    for finding in &findings {
        run.tell.event(Event::Finding { finding: finding.clone() });
    }
    let counts = crate::report::Counts::of(&findings).text();
    if findings.iter().any(check::Finding::blocks) {
        finish(run.tell, Stage::Verify, Outcome::Failed, &counts, began);
        return Err(Failure::new(Exit::NotVerified, "Rancher is installed, but it is not reached as it should be")
            .because(failing(&findings))
            .hint("`cowhand verify` looks again; the findings above say where to look"));
    }
    finish(run.tell, Stage::Verify, Outcome::Passed, &counts, began);
    run.tell.event(Event::Result { text: result(run.world) });
    Ok(Exit::Done)
}

/// Seconds before each try of the proof.
const PAUSES: [u64; 6] = [0, 1, 2, 4, 8, 15];

/// What the proof found.
async fn proved(
    run: &Run<'_>,
    reached: Option<&Reached>,
    changed: bool,
    skips: &check::Skips,
) -> Result<Vec<check::Finding>, Failure> {
    let Some(reached) = reached else {
        return Err(Failure::new(Exit::NotVerified, "the Kubernetes API does not answer"));
    };
    let world = run.world;
    // The last step's pods may have come up a moment ago: the proof gets further tries before it counts. It is the
    // usual one each time; what takes a minute of silence is for `verify --thorough`.
    let mut findings = Vec::new();
    for pause in PAUSES {
        guarded(run.stop, async {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Ok(())
        })
        .await?;
        let seen = guarded(run.stop, outside::verify(world.site, world.machines, &world.picture, reached)).await?;
        findings = seen.into_iter().map(|finding| skips.mark(finding)).collect::<Vec<_>>();
        if !findings.iter().any(check::Finding::blocks) || !changed {
            break;
        }
    }
    Ok(findings)
}

fn failing(findings: &[check::Finding]) -> String {
    let failing = findings.iter().filter(|finding| finding.blocks());
    let lines: Vec<String> = failing
        .map(|one| format!("{} {}: {}", one.check, one.subject.as_deref().unwrap_or_default(), one.seen))
        .collect();
    lines.join("\n")
}

fn result(world: &World<'_>) -> String {
    let site = world.site;
    let rancher = &site.inventory.rancher;
    let agents = match &world.picture.predicted {
        crate::tls::Predicted::Checksum(sum) => format!("agents will see checksum {}…", &sum[..sum.len().min(12)]),
        crate::tls::Predicted::Empty => "agents go by their system's CA store".into(),
        crate::tls::Predicted::KnownAfterInstall { .. } => "agents will see the checksum of Rancher's own CA".into(),
    };
    let mut text = format!("https://{} answers on every path that was tried; {agents}\n", rancher.hostname);
    text += &format!("first login  user admin, bootstrap password in {}\n", site.password_file().display());
    if let Some((certificate, _)) = site.made_ca() {
        text += &format!("trust        {} (the CA for browsers)\n", certificate.display());
    }
    let kubeconfig = match &site.inventory.engine {
        Engine::Rke(_) => site.workspace.kubeconfig(),
        Engine::Existing(existing) => existing.kubeconfig.clone(),
    };
    let quoted = crate::remote::Words::new(kubeconfig.display().to_string()).line();
    text + &format!("kubectl      export KUBECONFIG={quoted}")
}

pub(super) fn finished(answer: &Answer, began: Instant) -> Event {
    let exit = answer.as_ref().map_or_else(|failure| failure.exit, |exit| *exit);
    Event::RunFinished { ok: exit == Exit::Done, seconds: began.elapsed().as_secs_f64(), exit: exit.code() }
}

pub(super) fn start(tell: &Tell, stage: Stage) -> Instant {
    tell.event(Event::StageStarted { stage });
    Instant::now()
}

pub(super) fn finish(tell: &Tell, stage: Stage, outcome: Outcome, text: &str, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    tell.event(Event::StageFinished { stage, outcome, text: text.into(), seconds });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_after_the_beginning_does_not_say_that_nothing_was_changed() {
        let refused = Failure::new(Exit::ChecksFailed, "cert-manager is somebody else's").hint("use it");
        let told = begun(refused.clone());
        assert_eq!((told.exit, told.error, told.hint), (Exit::StepFailed, refused.error, refused.hint));
        assert_eq!(begun(Failure::interrupted("it stays")).exit, Exit::Interrupted);
    }
}
