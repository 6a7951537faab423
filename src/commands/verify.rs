//! Proves from outside that browsers and agents trust what they get.

use std::time::{Duration, Instant};

use super::look::{heading, skips};
use super::machines::Machines;
use super::outside::{Depth, prove};
use super::site::Site;
use super::world::Reached;
use super::{Answer, Connect, Context, Skip, world};
use crate::check::Finding;
use crate::facts::cluster::ingress_classes;
use crate::inventory::Engine;
use crate::report::{Exit, Failure};

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
    let site = Site::open(context)?;
    let skips = skips(&site, &wanted.skip)?;
    let material = site.material(&site.tls_files()?)?;
    site.refuse(&material)?;
    let machines = Machines::connect(&site.inventory, &wanted.connect, context, None).await;
    let Some(reached) = world::reach(&site, &machines).await? else {
        let failure = machines.unreached().unwrap_or_else(|| nothing_there(&site));
        return Err(failure);
    };
    let site = fitted(&site, &reached).await;
    let picture = site.picture(&material)?;
    let tell = |text: String| context.console.talk(&text);
    let depth = Depth { silence: wanted.thorough.then_some(SILENCE), tell: &tell };
    let findings = prove(&site, &machines, &picture, &reached, depth).await?;
    let findings: Vec<Finding> = findings.into_iter().map(|finding| skips.mark(finding)).collect();
    machines.disconnect().await;
    context.console.findings(&heading(&site), &findings, began.elapsed().as_secs_f64())?;
    Ok(if findings.iter().any(Finding::blocks) { Exit::NotVerified } else { Exit::Done })
}

/// With the ingress class of the cluster that is there, as `plan` and `up` have it. Whoever may not read the classes can
/// still walk the ways to Rancher.
async fn fitted(site: &Site, reached: &Reached) -> Site {
    let classes = match &site.inventory.engine {
        Engine::Rke(_) => Vec::new(),
        Engine::Existing(_) => ingress_classes(&reached.cluster).await.unwrap_or_default(),
    };
    site.with_classes(&classes)
}

/// No cluster answers where one is looked for.
pub fn nothing_there(site: &Site) -> Failure {
    if site.rke().is_none() {
        return Failure::new(Exit::Unreachable, "the cluster does not answer")
            .hint("`cowhand check` tells why, and what helps");
    }
    let state = site.workspace.cluster_state();
    let why = match state.exists() {
        true => "the nodes are reached, but no Kubernetes API answers on them".to_string(),
        false => format!("there is no {}: this workspace has made no cluster yet", state.display()),
    };
    Failure::new(Exit::Unreachable, "no cluster answers")
        .because(why)
        .hint("`cowhand up` makes or mends it; `cowhand recover-state` brings a lost state file back")
}
