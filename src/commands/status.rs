//! One screen: nodes, etcd, ingress, cert-manager, Rancher, certificates and their days left.

use crate::failure::{Exit, Failure};
use crate::report::Verbosity;
use crate::session::inputs::{self, nothing_there};
use crate::session::machines::Machines;
use crate::session::preflight::heading;
use crate::session::project::Project;
use crate::session::status::see;
use crate::session::{Answer, Connect, Context, generated};

/// What was said to `status`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Status {
    /// End with exit code 5 when anything is wrong; with -q nothing else is said
    #[arg(long)]
    pub fail: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Status) -> Answer {
    let project = Project::open(context)?;
    let machines = Machines::connect(&project.inventory, &wanted.connect, context, None).await;
    if let Some(cut) = generated::cut_off_kubeconfig(&project) {
        context.console.talk(&cut);
    }
    let Some(reached) = inputs::reach(&project, &machines).await? else {
        return Err(machines.unreached().unwrap_or_else(|| nothing_there(&project)));
    };
    let status = see(&project, &machines, &reached).await?;
    machines.disconnect().await;
    // From a monitor, no news is good news.
    if !(wanted.fail && context.console.verbosity == Verbosity::Quiet) {
        context.console.data("status", &status, |look| format!("{}\n\n{}", heading(&project), status.text(look)))?;
    }
    match (wanted.fail, status.problems.as_slice()) {
        (false, _) | (true, []) => Ok(Exit::Done),
        (true, [one]) => Err(Failure::new(Exit::ChecksFailed, one)),
        (true, several) => {
            let count = format!("{} problems", several.len());
            Err(Failure::new(Exit::ChecksFailed, count).because(several.join("\n")))
        }
    }
}
