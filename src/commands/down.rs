//! Removes what `up` made, after the cluster's name was typed, and looks afterwards that nothing is left.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::alone::Alone;
use super::look::heading;
use super::machines::{Machine, Machines};
use super::run::{Keeping, Remover, enter, guarded, untouched};
use super::site::Site;
use super::take_away::TakeAway;
use super::up::{finish, finished, start};
use super::{Answer, Connect, Context, world};
use crate::execute::{Event, Outcome, Stage, Tell};
use crate::remote::{Remote, Stdin, Words};
use crate::report::{Exit, Failure, Shower, TerminalAsk};

/// What was said to `down`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Down {
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    #[command(flatten)]
    pub connect: Connect,
}

/// Takes away what `rke remove` leaves on a node, and says what is still there.
const SWEEP: &str = include_str!("../execute/sweep.sh");
/// Unmounting and deleting may take a while on a slow disk.
const SWEEP_LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

pub async fn run(context: &Context, wanted: Down) -> Answer {
    let site = Site::open(context)?;
    confirm(context, &site, wanted.yes.as_deref()).await?;
    context.log_into(&site.workspace, "down");
    Shower::during(&context.console, &context.stop, async |tell, pauser| {
        let (kept, mut journal) = Keeping::new();
        let tell = tell.and(kept);
        let began = Instant::now();
        let summary = heading(&site);
        let cluster = site.inventory.name.clone();
        tell.event(Event::RunStarted { command: "down", cluster, summary, stages: vec![Stage::Remove] });
        let stage = start(&tell, Stage::Remove);
        let connected = guarded(&context.stop, async {
            Ok(Machines::connect(&site.inventory, &wanted.connect, context, Some(pauser)).await)
        });
        let answer = match connected.await.map_err(untouched) {
            Err(failure) => Err(failure),
            Ok(machines) => {
                let answer = match machines.unreached() {
                    Some(failure) => Err(failure),
                    None if site.rke().is_none() => leave(context, &site, &machines, &tell, &mut journal).await,
                    None => remove(context, &site, &machines, &tell, &mut journal).await,
                };
                machines.disconnect().await;
                answer
            }
        };
        match &answer {
            Ok(text) => finish(&tell, Stage::Remove, Outcome::Changed, text, stage),
            Err(failure) => finish(&tell, Stage::Remove, Outcome::Failed, &failure.error, stage),
        }
        let answer = answer.map(|_| Exit::Done);
        tell.event(finished(&answer, began));
        drop(tell);
        journal.finish().await;
        answer
    })
    .await
}

async fn confirm(context: &Context, site: &Site, yes: Option<&str>) -> Result<(), Failure> {
    let name = site.inventory.name.as_str();
    let refused =
        |error: String| Failure::new(Exit::Usage, error).hint(format!("`cowhand down --yes {name}` removes it"));
    match yes {
        Some(said) if said == name => Ok(()),
        Some(said) => Err(refused(format!("--yes says `{said}`, but this cluster is `{name}`; nothing was touched"))),
        None => {
            let question = match site.rke() {
                Some(_) => format!(
                    "this removes the cluster `{name}` and Rancher with all its data from {} nodes",
                    site.inventory.nodes.len()
                ),
                None => format!("this removes Rancher and what cowhand made for it from `{name}`; the cluster stays"),
            };
            let ask = TerminalAsk::new(context.console.err, None);
            let typed = guarded(&context.stop, async { Ok(ask.typed(name, &question).await) }).await;
            match typed.map_err(untouched)? {
                Some(true) => Ok(()),
                Some(false) => Err(refused(format!("that was not `{name}`; nothing was touched"))),
                None => Err(refused("removing a cluster has to be confirmed, and nobody is there to ask".into())),
            }
        }
    }
}

/// Removes from a cluster that was there before what cowhand made in it.
async fn leave(
    context: &Context,
    site: &Site,
    machines: &Machines,
    tell: &Tell,
    journal: &mut Keeping,
) -> Result<String, Failure> {
    let _lock = enter(site, "down", journal)?;
    let reached = guarded(&context.stop, world::reach(site, machines)).await?;
    let reached = reached.ok_or_else(|| super::verify::nothing_there(site))?;
    let alone = Alone::take(site, machines, "down", &context.stop, tell).await?;
    let stop = alone.stop().clone();
    let answer = async { TakeAway::new(site, &reached, &stop, tell).await?.run().await }.await;
    alone.end(machines, answer).await
}

async fn remove(
    context: &Context,
    site: &Site,
    machines: &Machines,
    tell: &Tell,
    journal: &mut Keeping,
) -> Result<String, Failure> {
    let _lock = enter(site, "down", journal)?;
    let alone = Alone::take(site, machines, "down", &context.stop, tell).await?;
    let answer = take_away(site, machines, alone.stop(), tell).await;
    alone.end(machines, answer).await
}

/// Nobody gets here without the lock of every node.
async fn take_away(site: &Site, machines: &Machines, stop: &CancellationToken, tell: &Tell) -> Result<String, Failure> {
    let step = |error: crate::execute::WorkspaceError| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint());
    refuse_foreign(site, machines).await?;
    if let Some(note) = site.workspace.mend_state().map_err(step)? {
        tell.warning(note);
    }
    if site.workspace.cluster_state().exists() {
        Remover { site, machines, stop, tell }.rke_remove().await?;
    } else {
        tell.note("there is no cluster.rkestate: only what lies on the nodes is removed");
    }
    tell.progress(Stage::Remove, "taking away what rke leaves on the nodes");
    let left = guarded(stop, sweep(machines, tell)).await?;
    if !left.is_empty() {
        return Err(Failure::new(Exit::StepFailed, "something of the cluster is still on the nodes")
            .because(left.join("\n"))
            .hint("a reboot of the node ends what holds it; then `cowhand down` again"));
    }
    site.workspace.forget_cluster().map_err(step)?;
    let file = site.workspace.cluster_yml();
    if file.exists() {
        std::fs::remove_file(&file).map_err(|error| {
            Failure::with_cause(Exit::StepFailed, format!("{} cannot be removed", file.display()), &error)
        })?;
    }
    Ok(format!("nothing of `{}` is left on {} nodes", site.inventory.name, machines.reached.len()))
}

/// A cluster on the nodes that this workspace does not know is somebody else's.
async fn refuse_foreign(site: &Site, machines: &Machines) -> Result<(), Failure> {
    let inventory = &site.inventory;
    let observed = crate::facts::gather(&inventory.nodes, &inventory.rancher.hostname, &machines.answers).await;
    let Some(running) = observed.running_authority() else { return Ok(()) };
    if site.workspace_facts()?.state.knows(running) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::ChecksFailed,
        format!("the cluster on these nodes (CA {}) is not this workspace's", running.short()),
    )
    .hint("if it is yours, `cowhand recover-state` brings its state file here first; then `cowhand down` again"))
}

async fn sweep(machines: &Machines, tell: &Tell) -> Result<Vec<String>, Failure> {
    let sweeps = machines.reached.iter().map(|machine| sweep_one(machine, tell));
    let all = futures::future::join_all(sweeps).await;
    let mut left = Vec::new();
    for one in all {
        left.extend(one?);
    }
    Ok(left)
}

async fn sweep_one(machine: &Machine, tell: &Tell) -> Result<Vec<String>, Failure> {
    let words = Words::new("sh").arg("-s").sudo().within(SWEEP_LIMIT);
    let name = &machine.node.name;
    let said = machine.connection.text(&words, Stdin::Text(SWEEP.into())).await.map_err(|error| {
        Failure::with_cause(Exit::StepFailed, format!("{name} could not be swept"), &error).maybe_hint(error.hint())
    })?;
    let mut left = Vec::new();
    for line in said.lines().skip_while(|line| *line != "== left").skip(1) {
        match line.strip_prefix("kept ") {
            Some(path) => tell.note(format!("{name}: the etcd snapshots in {path} are kept")),
            None => left.push(format!("{name}: {line}")),
        }
    }
    Ok(left)
}
