//! `rebuild`: a cluster from a backup, on machines that hold nothing of it any more.
//!
//! Looked at and refused, or planned and confirmed; then what is left of the old cluster goes, etcd's data are made fit and
//! put in place, `up` builds on them, what stands is compared with what was saved, and only then Rancher starts. Cut off
//! anywhere, the same command arrives: see [`progress`].

mod compare;
mod fit;
mod ground;
mod jar;
mod look;
mod place;
mod plan;
mod progress;

use std::path::PathBuf;

use crate::backup::OpenBackup;
use crate::engine::rke::state::State;
use crate::facts::StateFile;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::plan::rebuild::{Against, MachineSeen, RebuildPlan, against};
use crate::play::{Event, Outcome};
use crate::session::confirm::{Asking, Confirmed};
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::player::{self, Said};
use crate::session::run::{guarded, untouched};
use crate::session::{Answer, adoption, removal};
use jar::{Images, Jar};
use progress::{Phase, Progress};

pub use ground::{lay_out, refuse, refuse_another_ca};

/// What was said to `rebuild`.
pub struct Wanted {
    /// The backup, for people.
    pub file: PathBuf,
    pub gone: Vec<String>,
    pub yes: Vec<String>,
    /// Only look, and show what would be done.
    pub plan: bool,
}

/// Stages before Rancher may start, and those after it.
pub const STAGES: [Stage; 8] = [
    Stage::Restore,
    Stage::Check,
    Stage::Cluster,
    Stage::Ingress,
    Stage::CertManager,
    Stage::Compare,
    Stage::Rancher,
    Stage::Verify,
];

/// The whole of it.
pub async fn play(session: &Session<'_>, wanted: &Wanted, mut open: OpenBackup) -> Answer {
    let project = session.project;
    let begun = Progress::of(&project.workspace, &open.label.sha256)?;
    let machines = session.machines_for(Stage::Restore.needs()).await?;
    let looked = guarded(&session.context.stop, see(session, machines, &open, wanted, begun.as_ref()));
    let (plan, begun) = looked.await.map_err(untouched)?;
    if wanted.plan {
        session.tell.event(Event::Shown { what: "rebuild", text: plan.to_string(), data: data(&plan)? });
        return Ok(Exit::Done);
    }
    confirm(session, &plan, &wanted.yes).await?;
    match begun.filter(|begun| begun.phase == Phase::Placed) {
        Some(begun) => guarded(session.alone().await?.stop(), clear(machines, &open, &begun)).await?,
        None => drop(session.stage(Stage::Restore, restore(session, wanted, &mut open)).await?),
    }
    player::play(session, &STAGES[1..5], &Said::default()).await?;
    let compared = async {
        let compared = guarded(session.stop(), compare::compare(session, &open)).await?;
        Ok((Outcome::Passed, compared))
    };
    session.stage(Stage::Compare, compared).await?;
    let ended = player::play(session, &STAGES[6..], &Said::default()).await?;
    Progress::forget(&project.workspace)?;
    Ok(ended)
}

fn data(plan: &RebuildPlan) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(plan).map_err(|error| Failure::new(Exit::Bug, error))
}

/// Looks, refuses what must not be, and plans. What an earlier run of the same rebuild has put on the machines is no reason
/// against it; the answer says how far that one came.
async fn see(
    session: &Session<'_>,
    machines: &Machines,
    open: &OpenBackup,
    wanted: &Wanted,
    begun: Option<&Progress>,
) -> Result<(RebuildPlan, Option<Progress>), Failure> {
    adoption::refuse(&session.project.inventory, &session.project.workspace, "rebuilt over")?;
    ground::refuse(session.project, open)?;
    let state = StateFile::read(wanted.file.clone(), open.state());
    let kubeconfig = State::parse(open.state()).ok().and_then(|state| state.kubeconfig().map(str::to_owned));
    let looked = look::look(session, machines, &state, kubeconfig.as_deref(), &wanted.gone).await?;
    let begun = begun.filter(|begun| plan::still_there(begun, &looked.machines)).cloned();
    let against = match &begun {
        Some(begun) => plan::against_going_on(begun, &looked),
        None => against(&looked.machines, &looked.apis),
    };
    if !against.is_empty() {
        return Err(refused(&session.project.inventory.name, &against));
    }
    let goes_on = begun.as_ref().is_some_and(|begun| begun.phase == Phase::Placed);
    Ok((plan::plan(session.project, open, &wanted.file, looked.machines, goes_on), begun))
}

fn refused(name: &str, against: &[Against]) -> Failure {
    let mut fixes: Vec<String> = Vec::new();
    for one in against {
        if !fixes.contains(&one.fix) {
            fixes.push(one.fix.clone());
        }
    }
    fixes.push("nothing was touched".into());
    let seen = against.iter().map(|one| one.seen.as_str()).collect::<Vec<_>>().join("\n");
    Failure::new(Exit::ChecksFailed, format!("`{name}` is not rebuilt: it is not proved that the old cluster is gone"))
        .because(seen)
        .hint(fixes.join("\n"))
}

async fn confirm(session: &Session<'_>, plan: &RebuildPlan, yes: &[String]) -> Result<(), Failure> {
    let name = &session.project.inventory.name;
    let asking = Asking {
        name,
        question: plan.to_string(),
        what: "rebuilding a cluster",
        another: "--yes takes the name of the cluster that is to be rebuilt",
        unasked: "without a terminal, `--yes` with the cluster's name confirms it; `--plan` only shows it",
    };
    if asking.ask(session.context, Some(session.screen.clone()), yes).await? == Confirmed::Given {
        plan.to_string().lines().for_each(|line| session.tell.note(line));
    }
    Ok(())
}

/// Everything up to the moment in which rke may start etcd.
async fn restore(session: &Session<'_>, wanted: &Wanted, open: &mut OpenBackup) -> Result<(Outcome, String), Failure> {
    let project = session.project;
    let alone = session.alone().await?;
    let machines = session.machines().await?;
    // Minutes may have passed while the name was typed, and machines come back.
    let begun = Progress::of(&project.workspace, &open.label.sha256)?;
    let (_, begun) = guarded(alone.stop(), see(session, machines, open, wanted, begun.as_ref())).await?;
    for path in ground::lay_out(project, open)? {
        session.tell.note(format!("{} is written from the backup", path.display()));
    }
    ground::put_state(project, open)?;
    let mut progress = begun.unwrap_or_else(|| Progress::new(&open.label.sha256));
    clean(session, wanted, open, &progress).await?;
    progress.keep(&project.workspace)?;
    guarded(alone.stop(), fill(session, machines, open, &progress)).await?;
    progress.phase = Phase::Placed;
    progress.keep(&project.workspace)?;
    guarded(alone.stop(), clear(machines, open, &progress)).await?;
    let nodes = machines.reached.iter().filter(|machine| machine.node.roles.etcd).count();
    Ok((
        Outcome::Changed,
        format!("etcd's data of revision {} are on {nodes} nodes, fit to start", open.contents.revision),
    ))
}

/// Takes away what is left of this cluster on the new machines, by the rules of `down`; the state is put back afterwards.
async fn clean(session: &Session<'_>, wanted: &Wanted, open: &OpenBackup, progress: &Progress) -> Result<(), Failure> {
    let project = session.project;
    let begun = Progress::of(&project.workspace, &progress.backup)?.is_some();
    let machines = session.machines().await?;
    let state = StateFile::read(wanted.file.clone(), open.state());
    let inventory = &project.inventory;
    let observed = crate::facts::gather(&inventory.nodes, &inventory.rancher.hostname, &machines.answers);
    let observed = guarded(session.stop(), async { Ok(observed.await) }).await?;
    let left = observed
        .reached()
        .any(|(_, reached)| matches!(look::judged(&reached.facts, &state), MachineSeen::Remains { .. }));
    if !left || begun {
        return Ok(());
    }
    session.tell.note("what is left of the old cluster is removed first, as `cowhand down` does");
    ground::put_old_state(project, open)?;
    let removed = removal::remove(session).await?;
    session.tell.note(removed);
    ground::put_state(project, open)
}

async fn fill(
    session: &Session<'_>,
    machines: &Machines,
    open: &mut OpenBackup,
    progress: &Progress,
) -> Result<(), Failure> {
    let images = images(open)?;
    let of_etcd = machines.reached.iter().filter(|machine| machine.node.roles.etcd);
    let jars: Vec<Jar> = of_etcd.map(|machine| Jar::new(machine, &images, &progress.id)).collect();
    let Some(first) = jars.first() else {
        return Err(Failure::new(Exit::Inventory, "no node of the inventory has the role etcd"));
    };
    let folder = session.project.workspace.folder();
    let mut again = Vec::new();
    for jar in &jars {
        again.push(jar.make().await?);
    }
    let mut fit = fit::fit(first, open, place::spool(folder)?, &session.tell).await?;
    let state = State::parse(open.state()).map_err(|error| Failure::of(Exit::StepFailed, &error))?;
    let ca = state.ca_pem().unwrap_or_default();
    place::place(&jars, &again, ca, &progress.id, &mut fit, &session.tell).await
}

/// What this rebuild needed on the nodes goes, once its data are in place. Before that it is the proof whose they are.
async fn clear(machines: &Machines, open: &OpenBackup, progress: &Progress) -> Result<(), Failure> {
    let images = images(open)?;
    for machine in &machines.reached {
        Jar::new(machine, &images, &progress.id).clear().await?;
    }
    Ok(())
}

/// The images of the backup's cluster: with them the data were written, and rke starts the same.
fn images(open: &OpenBackup) -> Result<Images, Failure> {
    let state = State::parse(open.state()).map_err(|error| Failure::of(Exit::ChecksFailed, &error))?;
    let image = |key: &str| {
        state.system_image(key).map(str::to_owned).ok_or_else(|| {
            Failure::new(Exit::ChecksFailed, format!("the state in the backup names no image for {key}"))
        })
    };
    Ok(Images { etcd: image("etcd")?, tools: image("alpine")? })
}
