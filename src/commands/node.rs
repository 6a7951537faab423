//! One node of the cluster: emptied for work on its machine, and opened again.

use std::time::Duration;

use crate::failure::Exit;
use crate::plan::drain::Agreed;
use crate::play::Event;
use crate::session::drain;
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
struct Uncordon {
    /// The node, by its name in the cluster
    name: String,
    #[command(flatten)]
    connect: Connect,
}

impl Node {
    /// Whether it only looks.
    pub fn looks(&self) -> bool {
        matches!(&self.wanted, Wanted::Drain(drain) if drain.plan)
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
        Wanted::Uncordon(Uncordon { name, connect }) => {
            play(context, "node uncordon", &connect, async |session| drain::uncordon(session, &name).await).await
        }
    }
}

async fn play(
    context: &Context,
    command: &'static str,
    connect: &Connect,
    work: impl AsyncFnOnce(&Session<'_>) -> Result<String, crate::failure::Failure>,
) -> Answer {
    let project = Project::open(context)?;
    let skips = skips(&project, &Skip::default())?;
    let opening = Opening { command, project: &project, connect, skips, stages: Vec::new() };
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
