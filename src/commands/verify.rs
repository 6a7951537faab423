//! Proves from outside that browsers and agents trust what they get.

use std::time::{Duration, Instant};

use crate::check::Finding;
use crate::failure::Exit;
use crate::session::inputs::nothing_there;
use crate::session::machines::Machines;
use crate::session::outside::{Depth, prove};
use crate::session::preflight::{heading, skips};
use crate::session::project::Project;
use crate::session::proof::fitted;
use crate::session::{Answer, Connect, Context, Skip, inputs};

/// What was said to `verify`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Verify {
    /// Also hold a WebSocket silent on every path, for longer than the 60 seconds that proxies usually allow
    #[arg(long)]
    pub thorough: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

/// Longer than the idle timeouts that proxies come with: 60 s in nginx and on an AWS ALB, 50 s in haproxy's examples.
const SILENCE: Duration = Duration::from_secs(65);

pub async fn run(context: &Context, wanted: Verify) -> Answer {
    let began = Instant::now();
    let project = Project::open(context)?;
    let skips = skips(&project, &wanted.skip)?;
    let material = project.material(&project.tls_files()?)?;
    project.refuse(&material)?;
    let machines = Machines::connect(&project.inventory, &wanted.connect, context, None).await;
    let Some(reached) = inputs::reach(&project, &machines).await? else {
        let failure = machines.unreached().unwrap_or_else(|| nothing_there(&project));
        return Err(failure);
    };
    let project = fitted(&project, &reached).await;
    let picture = project.picture(&material)?;
    let tell = |text: String| context.console.talk(&text);
    let depth = Depth { silence: wanted.thorough.then_some(SILENCE), tell: &tell };
    let findings = prove(&project, &machines, &picture, &reached, depth).await?;
    let findings: Vec<Finding> = findings.into_iter().map(|finding| skips.mark(finding)).collect();
    machines.disconnect().await;
    context.console.findings(&heading(&project), &findings, began.elapsed().as_secs_f64())?;
    Ok(if findings.iter().any(Finding::blocks) { Exit::NotVerified } else { Exit::Done })
}
