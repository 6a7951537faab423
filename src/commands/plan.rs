//! What `up` would do, with the text that would be sent; nothing changes.

use super::{Answer, Connect, Context, Skip};
use crate::report::{Exit, Failure};

/// What was said to `plan`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: Plan) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand plan` is not built yet"))
}
