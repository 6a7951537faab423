//! One screen: nodes, etcd, ingress, cert-manager, Rancher, certificates.

use super::{Answer, Connect, Context};
use crate::report::{Exit, Failure};

/// What was said to `status`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Status {
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, _wanted: Status) -> Answer {
    context.wanted()?;
    Err(Failure::new(Exit::Bug, "`cowhand status` is not built yet"))
}
