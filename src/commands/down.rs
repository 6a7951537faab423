//! Removes what `up` made, after the cluster's name was typed, and looks afterwards that nothing is left.

use crate::check::Skips;
use crate::failure::{Exit, Failure};
use crate::plan::playbook;
use crate::report::Shower;
use crate::session::machines::Machines;
use crate::session::open::{Opening, Session};
use crate::session::player::{Said, play};
use crate::session::project::Project;
use crate::session::run::{guarded, untouched};
use crate::session::{Answer, Connect, Context, TakeOver, removal};

/// What was said to `down`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Down {
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    /// Only show what would be removed and what would be kept
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub take_over: TakeOver,
}

pub async fn run(context: &Context, wanted: Down) -> Answer {
    let project = Project::open(context)?.taking_over(&wanted.take_over)?;
    if wanted.plan {
        removal::refuse_unnamed(&project)?;
        return planned(context, &project, &wanted).await;
    }
    removal::refuse(&project)?;
    let yes: Vec<String> = wanted.yes.into_iter().collect();
    removal::confirm(context, &project, &yes, None).await?;
    let stages = playbook::down().map_err(|error| Failure::of(Exit::Bug, &error))?;
    let (connect, skips) = (&wanted.connect, Skips::default());
    let opening = Opening { command: "down", project: &project, connect, skips, stages: stages.clone() };
    Session::during(context, opening, async |session| play(session, &stages, &Said::default()).await).await
}

/// What would go, from what is there now.
async fn planned(context: &Context, project: &Project, wanted: &Down) -> Answer {
    if project.inventory.engine.is_shared() {
        return Err(Failure::new(Exit::Usage, "--plan is for clusters that cowhand builds")
            .hint("in a cluster that was there before, `cowhand down` says what it keeps and why, as it goes"));
    }
    let found = Shower::during(&context.console, &context.stop, async |_, screen| {
        let machines = guarded(&context.stop, async {
            Ok(Machines::connect(&project.inventory, &wanted.connect, context, Some(screen)).await)
        });
        let machines = machines.await.map_err(untouched)?;
        let found = match machines.unreached() {
            Some(failure) => Err(failure),
            None => removal::find(project, &machines, &context.stop).await,
        };
        machines.disconnect().await;
        found
    });
    let plan = found.await?.plan;
    super::plan::show(context, project, &[plan], "down")?;
    Ok(Exit::Done)
}
