//! Everything that is wrong, said before anything is touched.

use super::{Answer, Connect, Context, Skip};
use crate::report::{Exit, Failure};

/// What was said to `check`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Check {
    /// Judge only what needs no machine: inventory, versions, certificates
    #[arg(long)]
    pub offline: bool,
    /// List all checks with their reason and touch nothing
    #[arg(long, conflicts_with = "offline")]
    pub list: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: Check) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand check` is not built yet"))
}
