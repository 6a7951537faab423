//! Removes what `up` made.

use super::{Answer, Connect, Context};
use crate::report::{Exit, Failure};

/// What was said to `down`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Down {
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: Down) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand down` is not built yet"))
}
