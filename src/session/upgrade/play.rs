//! The steps: a backup, then for each step its line in the inventory, a run of `up`, and a look at what runs.

use std::time::Duration;

use tokio::time::Instant;

use crate::check::Skips;
use crate::failure::{Exit, Failure};
use crate::inventory::versions::KubernetesVersion;
use crate::plan::upgrade::{Before, Move, Product, Targets, UpgradePlan};
use crate::plan::{Stage, playbook};
use crate::play::{Event, Outcome};
use crate::session::open::{Opening, Session};
use crate::session::player;
use crate::session::project::Project;
use crate::session::run::guarded;
use crate::session::upgrade::see::{self, Seen};
use crate::session::upgrade::{record, write};
use crate::session::{Answer, Connect, Context, backup, inputs};

/// For pods of the version before to end: Rancher's own time to end is below it.
const SETTLING: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_secs(2);

/// What was said, and what came of it.
pub struct Said<'a> {
    pub asked: &'a [String],
    pub skips: Skips,
    pub connect: &'a Connect,
}

/// A rollout that has not ended is a step, too: from a version to itself.
pub fn with_unfinished(mut path: Vec<Move>, seen: &Seen, wanted: &Targets) -> Vec<Move> {
    let there = path.iter().any(|one| one.product == Product::Rancher);
    let unfinished = seen.rollout.as_ref().and_then(|rollout| rollout.unfinished());
    if let (false, Some(to), Some(why)) = (there, &wanted.rancher, unfinished) {
        let version = to.to_string();
        let one = Move {
            product: Product::Rancher,
            from: version.clone(),
            to: version,
            because: vec![format!("it was begun before: {why}")],
            restarts: vec!["only what has not ended".into()],
            with_next: false,
        };
        path.insert(0, one);
    }
    path
}

/// # Errors
/// At the first step that fails, with where it stands.
pub async fn play(context: &Context, project: Project, plan: &UpgradePlan, said: Said<'_>) -> Answer {
    if !plan.path.is_empty() {
        save(context, &project, plan, &said).await?;
    }
    let steps: Vec<&Move> = plan.path.iter().filter(|step| !step.with_next).collect();
    let mut project = project;
    let mut began = record::begun(&project, said.asked)?;
    for (index, step) in steps.iter().enumerate() {
        project = written(context, project, step.product.key(), &step.to)?;
        let done = one(context, &project, &mut began, step, &said).await;
        done.map_err(|failure| stands(failure, &steps, index))?;
    }
    // What runs already, and the inventory did not say.
    for line in &plan.inventory {
        project = written(context, project, line.key, &line.to)?;
    }
    began.ended = true;
    if !steps.is_empty() {
        record::write(&project, &began)?;
    }
    Ok(Exit::Done)
}

/// The backup of before, which has to be of level 3.
async fn save(context: &Context, project: &Project, plan: &UpgradePlan, said: &Said<'_>) -> Result<(), Failure> {
    match &plan.before {
        Before::NoBackup => return Ok(()),
        Before::Missing { why, remedy } => {
            let error = format!("{why}, and an upgrade has no other way back; nothing was touched");
            return Err(Failure::new(Exit::ChecksFailed, error).hint(remedy));
        }
        Before::Backup { .. } => {}
    }
    let skips = Skips::default();
    let opening = Opening { command: "upgrade", project, connect: said.connect, skips, stages: vec![Stage::Backup] };
    let taken = async |session: &Session<'_>| {
        let work = async { Ok((Outcome::Changed, backup::take_usual(session).await?)) };
        session.stage(Stage::Backup, work).await.map(|_| Exit::Done)
    };
    Session::during(context, opening, taken).await.map(drop).map_err(|failure| {
        let hint = failure.hint.clone().map(|hint| format!("{hint}; ")).unwrap_or_default();
        // It is the whole run that did not begin.
        let exit = if failure.exit == Exit::NotVerified { Exit::ChecksFailed } else { failure.exit };
        Failure { exit, ..failure }.hint(format!("{hint}nothing was upgraded: it begins with a backup of level 3"))
    })
}

/// The project with this line in its inventory.
fn written(context: &Context, project: Project, key: &str, value: &str) -> Result<Project, Failure> {
    let text = write::text(&project)?;
    let wanted = write::line(&project, &text, key, value);
    let judged = wanted.and_then(|wanted| Ok((write::project(&project, &wanted)?, wanted)));
    // A key that is not there, and whose default says the same, needs no line.
    let (future, wanted) = judged?;
    if wanted == text {
        return Ok(project);
    }
    if let Some(kept) = write::write(&project, &wanted)? {
        context.console.talk(&format!(
            "{}: {key}: {value}; the former file is kept as {}",
            project.file.display(),
            kept.display()
        ));
    }
    Ok(future)
}

async fn one(
    context: &Context,
    project: &Project,
    began: &mut record::Record,
    step: &Move,
    said: &Said<'_>,
) -> Result<(), Failure> {
    let stages = playbook::up().map_err(|error| Failure::of(Exit::Bug, &error))?;
    let opening = Opening {
        command: "upgrade",
        project,
        connect: said.connect,
        skips: said.skips.clone(),
        stages: stages.clone(),
    };
    let played = async |session: &Session<'_>| {
        session.tell.note(format!("step: {step}"));
        let machines = session.machines().await?;
        let reached = guarded(session.stop(), inputs::reach(project, machines)).await?;
        let reached = reached.ok_or_else(|| inputs::nothing_there(project))?;
        record::note(project, began, step, &reached).await?;
        player::play(session, &stages, &player::Said::default()).await?;
        let runs = guarded(session.stop(), runs(session, step)).await?;
        session.tell.event(Event::Result { text: runs });
        Ok(Exit::Done)
    };
    Session::during(context, opening, played).await.map(drop)
}

/// Waits until what runs is of the step's version, on every node and in every pod, and nothing of the one before is left.
async fn runs(session: &Session<'_>, step: &Move) -> Result<String, Failure> {
    let machines = session.machines().await?;
    let end = Instant::now() + SETTLING;
    loop {
        let reached = inputs::reach(session.project, machines).await?;
        let reached = reached.ok_or_else(|| inputs::nothing_there(session.project))?;
        let why = match behind(&see::see(session.project, &reached).await?, step) {
            None => {
                return Ok(format!("{} {} runs everywhere, and nothing of the version before", step.product, step.to));
            }
            Some(why) => why,
        };
        if Instant::now() + PAUSE > end {
            return Err(Failure::new(
                Exit::NotVerified,
                format!("{} {} does not run everywhere", step.product, step.to),
            )
            .because(why));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is not yet of the step's version.
fn behind(seen: &Seen, step: &Move) -> Option<String> {
    let is =
        |runs: Option<&str>| runs.map(|runs| runs.trim_start_matches('v')) == Some(step.to.trim_start_matches('v'));
    match step.product {
        Product::CertManager => {
            let runs = seen.runs.cert_manager.as_deref();
            (!is(runs)).then(|| format!("cert-manager {} runs", runs.unwrap_or("of no version")))
        }
        Product::Kubernetes => {
            let wanted = KubernetesVersion::read(&step.to);
            let other = seen.runs.kubernetes.iter().find(|(version, _)| KubernetesVersion::read(version) != wanted);
            other.map(|(version, nodes)| format!("kubelet {version} runs on {}", nodes.join(", ")))
        }
        Product::Rancher => match &seen.rollout {
            None => Some("Rancher's Deployment is not there".into()),
            Some(_) if !is(seen.runs.rancher.as_deref()) => {
                Some(format!("the Deployment is of {}", seen.runs.rancher.as_deref().unwrap_or("no version")))
            }
            Some(rollout) => rollout.unfinished(),
        },
    }
}

/// Where it stands when a step failed.
fn stands(failure: Failure, steps: &[&Move], index: usize) -> Failure {
    let of = steps.len();
    let done = match index {
        0 => "no step before it".to_owned(),
        done => {
            format!("done before it: {}", steps[..done].iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    };
    let hint = failure.hint.clone().map(|hint| format!("{hint}; ")).unwrap_or_default();
    let own = format!(
        "it stands at step {} of {of}: {} ({done}); the same command goes on, `cowhand rollback` says what leads back",
        index + 1,
        steps[index]
    );
    failure.hint(format!("{hint}{own}"))
}
