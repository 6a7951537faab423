//! Everything, in the order of `playbooks/up.yml`.

use crate::failure::{Exit, Failure};
use crate::plan::playbook;
use crate::session::open::{Opening, Session};
use crate::session::player::{Said, play};
use crate::session::preflight::skips;
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context, Skip, TakeOver, adoption};

/// What was said to `up`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Up {
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub take_over: TakeOver,
    /// Replace the CA at once, although agents of other clusters know only the former one and will be locked out
    #[arg(long)]
    pub replace_ca: bool,
    /// Change Rancher's host name, although agents of other clusters know only the former one and have to be registered anew
    #[arg(long)]
    pub move_agents: bool,
}

pub async fn run(context: &Context, wanted: Up) -> Answer {
    let project = Project::open(context)?.taking_over(&wanted.take_over)?;
    if wanted.replace_ca {
        adoption::refuse(&project.inventory, &project.workspace, "given a new CA")?;
    }
    let skips = skips(&project, &wanted.skip)?;
    let stages = playbook::up().map_err(|error| Failure::of(Exit::Bug, &error))?;
    let opening = Opening { command: "up", project: &project, connect: &wanted.connect, skips, stages: stages.clone() };
    let said = Said { replace_ca: wanted.replace_ca, move_agents: wanted.move_agents, ..Said::default() };
    Session::during(context, opening, async |session| play(session, &stages, &said).await).await
}
