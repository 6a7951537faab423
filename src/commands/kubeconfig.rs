//! The way for kubectl and helm into the cluster.

use super::{Answer, Context};
use crate::report::{Exit, Failure};

/// What was said to `kubeconfig`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Kubeconfig {
    /// Print the path of the file only
    #[arg(long, conflicts_with = "print")]
    pub path: bool,
    /// Print the file itself; it holds a key
    #[arg(long)]
    pub print: bool,
}

pub async fn run(context: &Context, _wanted: Kubeconfig) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand kubeconfig` is not built yet"))
}
