//! Proof from outside that browsers and agents would trust what they get.

use super::{Answer, Connect, Context};
use crate::report::{Exit, Failure};

/// What was said to `verify`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Verify {
    /// Also watch that a WebSocket survives more than the 60 s of silence that proxies usually allow
    #[arg(long)]
    pub thorough: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: Verify) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand verify` is not built yet"))
}
