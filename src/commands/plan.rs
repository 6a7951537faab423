//! What `up` would do: each step and why; with `-v` the whole text of each. No machine and no cluster changes; on this disk, only what is fetched on the way.

use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::plan::{StagePlan, Step};
use crate::report::plan::{lines, text};
use crate::report::{Shower, Verbosity};
use crate::session::machines::Machines;
use crate::session::planned::planned;
use crate::session::preflight::{heading, skips};
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context, Skip, TakeOver};

/// What was said to `plan`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Plan {
    /// End with exit code 9 when something would be changed, with 0 when nothing would
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub take_over: TakeOver,
}

pub async fn run(context: &Context, wanted: Plan) -> Answer {
    let project = Project::open(context)?.taking_over(&wanted.take_over)?;
    let skips = skips(&project, &wanted.skip)?;
    // Shows downloads. Asked to stop, the whole command is dropped: nothing is under way that would have to end.
    let plans = Shower::during(&context.console, &CancellationToken::new(), async |tell, screen| {
        let machines = Machines::connect(&project.inventory, &wanted.connect, context, Some(screen)).await;
        let plans = planned(&context.console, &project, &machines, &skips, &tell).await?;
        machines.disconnect().await;
        Ok(plans)
    })
    .await?;
    // In a pipeline the code is the answer.
    if !(wanted.exit_code && context.console.verbosity == Verbosity::Quiet) {
        show(context, &project, &plans, "up")?;
    }
    let changes = plans.iter().flat_map(|plan| &plan.steps).any(Step::changes);
    Ok(if wanted.exit_code && changes { Exit::Changes } else { Exit::Done })
}

/// `verb` is the command that plays the plans.
pub(super) fn show(context: &Context, project: &Project, plans: &[StagePlan], verb: &str) -> Result<(), Failure> {
    let verbose = context.console.verbosity == Verbosity::Verbose;
    let text = |look: &_| format!("{}\n\n{}", heading(project), text(plans, look, verbose, verb));
    context.console.data("plan", &lines(plans), text)
}
