//! One node of the cluster: emptied for work on its machine, opened again, or taken out.

use std::time::Duration;

use crate::failure::{Exit, Failure};
use crate::plan::drain::Agreed;
use crate::play::Event;
use crate::session::drain;
use crate::session::leave::{self, Wanted as Leave};
use crate::session::leaving::Leaving;
use crate::session::machines::Machines;
use crate::session::open::{Opening, Session};
use crate::session::preflight::skips;
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context, Skip};

#[derive(Debug, Clone, clap::Args)]
pub struct Node {
    #[command(subcommand)]
    wanted: Wanted,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Wanted {
    /// Close a node for new pods and evict those on it, as PodDisruptionBudgets allow
    ///
    /// Pods of DaemonSets and of the kubelet's own files stay. Nothing is evicted that would be lost, unless you agree to it. The machine itself is not touched: what runs on it of Kubernetes goes on, etcd too.
    #[command(after_long_help = "\
Examples:
  cowhand node drain n2 --plan    # which pods would go, and what holds them
  cowhand node drain n2
  cowhand node uncordon n2        # when the work on the machine is done")]
    Drain(Drain),
    /// Open a node for pods again
    Uncordon(Uncordon),
    /// Take a node out of the cluster: empty it, remove it from etcd, clean its machine, and let rke go on without it
    ///
    /// In this order: closed for new pods, pods evicted as PodDisruptionBudgets allow, its API server stopped, its etcd member removed (by id, and only while etcd keeps its majority), the cluster's data and keys removed from its machine and seen to be gone, its Node deleted, cluster.rkestate changed, `rke up` over the nodes that stay. A machine that is not proved to be this cluster's is not touched. A run that was cut off goes on when the same command is given again.
    ///
    /// Three nodes with all roles always stay. Where one is to be replaced, the new one is in the inventory first; a dead one leaves before the new one joins.
    #[command(after_long_help = "\
Examples:
  cowhand node remove n4 --plan          # its pods, its member, what is on its machine
  cowhand node remove n4
  cowhand node remove n1 --unreachable   # its machine is lost; `cowhand up` then lets the new one join")]
    Remove(Remove),
}

#[derive(Debug, Clone, clap::Args)]
struct Drain {
    /// The node, by its name in the cluster
    name: String,
    #[command(flatten)]
    agreed: Agreed,
    /// How long it may take, e.g. 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = limit)]
    limit: Duration,
    /// Only say what it would do
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Clone, clap::Args)]
struct Remove {
    /// The node, by its name in the cluster
    name: String,
    /// Name of the node, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    yes: Option<String>,
    /// Its machine is lost: remove it without cleaning it. The keys on its disk stay good until the cluster gets another CA
    #[arg(long)]
    unreachable: bool,
    #[command(flatten)]
    agreed: Agreed,
    /// How long its pods may take to go, e.g. 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = limit)]
    limit: Duration,
    /// Only say what it would do
    #[arg(long, conflicts_with = "yes")]
    plan: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Clone, clap::Args)]
struct Uncordon {
    /// The node, by its name in the cluster
    name: String,
    #[command(flatten)]
    connect: Connect,
}

impl Node {
    /// Whether it only looks.
    pub fn looks(&self) -> bool {
        match &self.wanted {
            Wanted::Drain(wanted) => wanted.plan,
            Wanted::Remove(wanted) => wanted.plan,
            Wanted::Uncordon(_) => false,
        }
    }
}

/// A length of time that people write, e.g. `90s` or `1h 30m`.
fn limit(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time, such as 10m");
    let read: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(read).map_err(|_| wrong())
}

pub async fn run(context: &Context, wanted: Node) -> Answer {
    match wanted.wanted {
        Wanted::Drain(wanted) if wanted.plan => plan(context, &wanted).await,
        Wanted::Drain(wanted) => {
            let Drain { name, agreed, limit, connect, plan: _ } = wanted;
            play(context, "node drain", &connect, async |session| drain::drain(session, &name, agreed, limit).await)
                .await
        }
        Wanted::Remove(wanted) => remove(context, wanted).await,
        Wanted::Uncordon(Uncordon { name, connect }) => {
            play(context, "node uncordon", &connect, async |session| drain::uncordon(session, &name).await).await
        }
    }
}

async fn play(
    context: &Context,
    command: &'static str,
    connect: &Connect,
    work: impl AsyncFnOnce(&Session<'_>) -> Result<String, Failure>,
) -> Answer {
    let project = Project::open(context)?;
    session(context, command, (&project, connect), work).await
}

async fn session(
    context: &Context,
    command: &'static str,
    (project, connect): (&Project, &Connect),
    work: impl AsyncFnOnce(&Session<'_>) -> Result<String, Failure>,
) -> Answer {
    let skips = skips(project, &Skip::default())?;
    let opening = Opening { command, project, connect, skips, stages: Vec::new() };
    Session::during(context, opening, async |session| {
        let text = work(session).await?;
        session.tell.event(Event::Result { text });
        Ok(Exit::Done)
    })
    .await
}

async fn plan(context: &Context, wanted: &Drain) -> Answer {
    let project = Project::open(context)?;
    let machines = Machines::connect(&project.inventory, &wanted.connect, context, None).await;
    let reached = drain::api(&project, &machines).await?;
    let (draining, held) = drain::look(&reached.cluster, &wanted.name, wanted.agreed).await?;
    machines.disconnect().await;
    context.console.data("draining", &(&draining, &held), |_| {
        let evicted = draining.evicted.iter().map(|pod| format!("  - {pod}\n"));
        let held = held.iter().map(|held| format!("  held for now: {held}\n"));
        let lines: String = evicted.chain(held).collect();
        format!(
            "{} would be closed; {} pods would go, {} stay that belong to it\n{lines}",
            draining.node,
            draining.evicted.len(),
            draining.stay
        )
    })?;
    Ok(Exit::Done)
}

async fn remove(context: &Context, wanted: Remove) -> Answer {
    let Remove { name, yes, unreachable, agreed, limit, plan, connect } = wanted;
    let leaving = Leaving::of(Project::open(context)?, &name, agreed)?;
    let yes: Vec<String> = yes.into_iter().collect();
    let wanted = Leave { leaving: &leaving, connect: &connect, limit, unreachable, yes: &yes };
    let project = &leaving.project;
    if !plan {
        return session(context, "node remove", (project, &connect), async |session| {
            leave::remove(session, &wanted).await
        })
        .await;
    }
    let machines = Machines::connect(&project.inventory, &connect, context, None).await;
    let planned = leave::plan(&wanted, &machines, context).await;
    machines.disconnect().await;
    let planned = planned?;
    context.console.data("leaving", &planned, |_| planned.text())?;
    Ok(Exit::Done)
}
