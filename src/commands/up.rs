//! Everything, in the order of `playbooks/up.yml`.

use super::{Answer, Connect, Context, Skip};
use crate::report::{Exit, Failure};

/// What was said to `up`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Up {
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: Up) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand up` is not built yet"))
}
