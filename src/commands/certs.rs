//! Every certificate in the picture: served, in the cluster, of RKE itself; with days left and who renews it.

use crate::failure::Exit;
use crate::report::{Verbosity, certificates};
use crate::session::certificates::see;
use crate::session::machines::Machines;
use crate::session::preflight::heading;
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context};

/// What was said to `certs`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Certs {
    /// End with exit code 5 when a certificate ends within so many days, or a place could not be seen
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..))]
    pub fail_within: Option<i64>,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Certs) -> Answer {
    let project = Project::open(context)?;
    let machines = Machines::connect(&project.inventory, &wanted.connect, context, None).await;
    let found = see(&project, &machines).await;
    machines.disconnect().await;
    // From cron, no news is good news.
    if !(wanted.fail_within.is_some() && context.console.verbosity == Verbosity::Quiet) {
        let text = |look: &_| format!("{}\n\n{}", heading(&project), certificates::text(&found, look));
        context.console.data("certs", &found, text)?;
    }
    wanted.fail_within.map_or(Ok(()), |days| certificates::judged(&found, days))?;
    Ok(Exit::Done)
}
