//! Brings a lost `cluster.rkestate` back from the cluster itself, with nothing but SSH.

use crate::check::Skips;
use crate::plan::Stage;
use crate::session::open::{Opening, Session};
use crate::session::player::{Said, play};
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context, recover};

/// What was said to `recover-state`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RecoverState {
    /// Replace a state file that is there; it is kept aside first
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: RecoverState) -> Answer {
    let project = Project::open(context)?;
    recover::refuse(&project, wanted.force)?;
    let stages = vec![Stage::Recover];
    let opening = Opening {
        command: "recover-state",
        project: &project,
        connect: &wanted.connect,
        skips: Skips::default(),
        stages: stages.clone(),
    };
    let said = Said { force: wanted.force, ..Said::default() };
    Session::during(context, opening, async |session| play(session, &stages, &said).await).await
}
