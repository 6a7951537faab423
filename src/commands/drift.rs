//! What was applied and is seen otherwise now: who changed what by hand. Only looks.

use tokio_util::sync::CancellationToken;

use crate::failure::Exit;
use crate::report::{Shower, Verbosity, drift::text};
use crate::session::drift::{judged, see};
use crate::session::machines::Machines;
use crate::session::preflight::heading;
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context};

/// What was said to `drift`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Drift {
    /// End with exit code 9 when something has drifted, with 0 when nothing has
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Drift) -> Answer {
    let project = Project::open(context)?;
    // Shows downloads. Asked to stop, the whole command is dropped: nothing is under way that would have to end.
    let found = Shower::during(&context.console, &CancellationToken::new(), async |tell, screen| {
        let machines = Machines::connect(&project.inventory, &wanted.connect, context, Some(screen)).await;
        let found = see(&project, &machines, &tell).await;
        machines.disconnect().await;
        found
    })
    .await?;
    // In a pipeline the code is the answer.
    if !(wanted.exit_code && context.console.verbosity == Verbosity::Quiet) {
        context.console.data("drift", &found, |look| format!("{}\n\n{}", heading(&project), text(&found, look)))?;
    }
    if wanted.exit_code { judged(&found) } else { Ok(Exit::Done) }
}
