//! Brings a lost `cluster.rkestate` back from the running cluster.

use super::{Answer, Connect, Context};
use crate::report::{Exit, Failure};

/// What was said to `recover-state`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RecoverState {
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: RecoverState) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand recover-state` is not built yet"))
}
