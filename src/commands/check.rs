//! Says everything that is wrong, before anything is touched.

use std::time::Instant;

use crate::check;
use crate::failure::{Exit, Failure};
use crate::session::machines::Machines;
use crate::session::preflight::{heading, look, skips};
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context, Skip, TakeOver};

/// What was said to `check`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Check {
    /// Judge only what needs no machine: inventory, versions, certificates
    #[arg(long)]
    pub offline: bool,
    /// List all checks, each with what it looks at, and touch nothing
    #[arg(long, conflicts_with = "offline")]
    pub list: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub take_over: TakeOver,
}

/// These say that a machine or the cluster was not seen at all.
const UNREACHED: [&str; 2] = ["ssh.reachable", "existing.reachable"];

pub async fn run(context: &Context, wanted: Check) -> Answer {
    if wanted.list {
        return list(context);
    }
    let began = Instant::now();
    let project = Project::open(context)?.taking_over(&wanted.take_over)?;
    let skips = skips(&project, &wanted.skip)?;
    let machines = match wanted.offline {
        true => None,
        false => Some(Machines::connect(&project.inventory, &wanted.connect, context, None).await),
    };
    let report = look(&project, machines.as_ref(), &skips).await?.report;
    context.console.findings(&heading(&project), &report.findings, began.elapsed().as_secs_f64())?;
    if report.blocking().any(|finding| UNREACHED.contains(&finding.check)) {
        return Ok(Exit::Unreachable);
    }
    Ok(if report.blocking().next().is_some() { Exit::ChecksFailed } else { Exit::Done })
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let all = check::listed();
    context.console.data("checks", &all, |look| {
        let line = |one: &check::Listed| format!("{}\n  {}\n", one.id, look.wrap(one.what, 2));
        all.iter().map(line).collect()
    })?;
    Ok(Exit::Done)
}
