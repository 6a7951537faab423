//! Makes a cluster again from a backup, on machines that hold nothing of it any more.

use std::path::PathBuf;

use super::backup::Opens;
use crate::check::Skips;
use crate::session::open::{Opening, Session};
use crate::session::preflight::skips;
use crate::session::project::Project;
use crate::session::rebuild::{self, STAGES, Wanted};
use crate::session::{Answer, Connect, Context, Skip};

/// What was said to `rebuild`.
#[derive(Debug, clap::Args)]
pub struct Rebuild {
    /// The backup
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    #[command(flatten)]
    pub opens: Opens,
    /// A machine of the old cluster that cannot be asked and is gone for good; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub gone: Vec<String>,
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    /// Only look at every machine, and show what would be done and what would be lost
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, said: Rebuild) -> Answer {
    let project = Project::open(context)?;
    let skips: Skips = skips(&project, &said.skip)?;
    let open = said.opens.open(&said.from, "rebuilt")?;
    rebuild::refuse(&project, &open)?;
    let wanted = Wanted { file: said.from, gone: said.gone, yes: said.yes.into_iter().collect(), plan: said.plan };
    let opening =
        Opening { command: "rebuild", project: &project, connect: &said.connect, skips, stages: STAGES.to_vec() };
    Session::during(context, opening, async |session| rebuild::play(session, &wanted, open).await).await
}
