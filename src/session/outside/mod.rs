//! Proof from outside: every way to Rancher, walked and judged.

mod paths;
mod replicas;
mod served;
mod trust;

use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;

use crate::check::dns::Meant;
use crate::check::outside::{Expected, judge, judge_name, shut, unasked};
use crate::check::{Finding, Verdict};
use crate::facts::dns::{resolve, resolve_on};
use crate::facts::outside::{AgentTrust, Origin, Questions, probe};
use crate::failure::{Exit, Failure};
use crate::inventory::{AgentTlsMode, IngressProvider, TlsMode};
use crate::session::cluster_api::ClusterApi;
use crate::session::machines::{Machines, Reach};
use crate::session::members;
use crate::session::project::Project;
use crate::tls::Picture;
use paths::{Named, paths};
pub use served::served;
use trust::Trusting;

/// How closely is looked.
#[derive(Clone, Copy)]
pub struct Depth<'a> {
    /// For how long every path's WebSocket is held silent, all side by side; `None`: not at all.
    pub silence: Option<Duration>,
    /// Hears what takes long.
    pub tell: &'a (dyn Fn(String) + Sync),
}

/// As `up` looks: nothing is waited for.
pub const USUAL: Depth<'static> = Depth { silence: None, tell: &|_| {} };

/// Walks every path side by side and judges what came back; three replicas on three nodes and the cluster's members are
/// looked at as well. What is skipped, the caller knows.
pub async fn verify(
    project: &Project,
    machines: &Machines,
    picture: &Picture,
    reached: &ClusterApi,
) -> Result<Vec<Finding>, Failure> {
    prove(project, machines, picture, reached, USUAL).await
}

/// As [`verify`], as closely as asked for.
pub async fn prove(
    project: &Project,
    machines: &Machines,
    picture: &Picture,
    reached: &ClusterApi,
    depth: Depth<'_>,
) -> Result<Vec<Finding>, Failure> {
    let inventory = &project.inventory;
    let trusting = trust::trusting(project, picture, reached).await?;
    let names = names(project, machines).await;
    let meant = meant(project).await;
    let mut findings: Vec<Finding> =
        names.iter().map(|named| judge_name(&meant, whence(&named.origin), &named.found)).collect();
    let mut paths = paths(inventory, &names);
    findings.extend(unreached(machines));
    let ways = crate::session::entry_points::ways_in(project, reached).await.map_err(|error| {
        Failure::with_cause(Exit::NotVerified, "the ways into the cluster cannot be looked at", &error)
    })?;
    findings.extend(ways.shut.iter().map(|(name, why)| shut(name, why)));
    paths.extend(ways.open);
    let (strict, by_system) = (AgentTrust::Strict, AgentTrust::SystemStore(&trusting.system));
    let (agent, other) = match picture.agent_tls_mode {
        AgentTlsMode::Strict => (strict, by_system),
        AgentTlsMode::SystemStore => (by_system, strict),
    };
    let questions = Questions {
        hostname: &inventory.rancher.hostname,
        roots: &trusting.roots,
        agent,
        other: Some(other),
        silence: depth.silence,
    };
    let reach = Reach { machines };
    let walks = join_all(paths.iter().map(|path| probe(&reach, path, &questions)));
    let seen = accompanied(walks, depth, paths.len()).await;
    findings.extend(judge(&expected(project, picture, &trusting, depth), &seen));
    findings.push(replicas::replicas(project, reached).await?);
    if project.inventory.engine.builds_nodes() {
        findings.extend(members::judged(project, &members::see_through(machines, reached).await)?);
    }
    Ok(findings)
}

/// From a node without SSH nobody can ask what its DNS says, nor go where it leads.
fn unreached(machines: &Machines) -> impl Iterator<Item = Finding> {
    let failed = machines.answers.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    failed.map(|(name, error)| unasked(name, error))
}

fn expected(project: &Project, picture: &Picture, trusting: &Trusting, depth: Depth<'_>) -> Expected {
    Expected {
        hostname: project.inventory.rancher.hostname.clone(),
        trust: trusting.name.clone(),
        public: picture.trust == crate::tls::Trust::System,
        cacerts: trusting.cacerts.clone(),
        plain: match project.inventory.ingress.provider {
            IngressProvider::Existing => Verdict::Warn,
            IngressProvider::Nginx | IngressProvider::Traefik => Verdict::Fail,
        },
        old_tls: match (project.inventory.ingress.provider, project.inventory.rancher.tls.mode) {
            (IngressProvider::Existing, TlsMode::Ingress | TlsMode::Rancher) => Verdict::Warn,
            (IngressProvider::Existing, TlsMode::External) | (IngressProvider::Nginx | IngressProvider::Traefik, _) => {
                Verdict::Fail
            }
        },
        balancers: project.inventory.load_balancers.clone(),
        agents: picture.agent_tls_mode,
        thorough: depth.silence.is_some(),
    }
}

fn whence(origin: &Origin) -> &str {
    match origin {
        Origin::Laptop => "",
        Origin::Node(node) => node,
    }
}

/// Rancher's name, as this machine and every node that was reached resolve it.
async fn names(project: &Project, machines: &Machines) -> Vec<Named> {
    let hostname = &project.inventory.rancher.hostname;
    let here = async { Named { origin: Origin::Laptop, found: resolve(project.inventory.dns_server, hostname).await } };
    let there = join_all(machines.reached.iter().map(|machine| async {
        let found = resolve_on(&machine.connection, hostname).await;
        Named { origin: Origin::Node(machine.node.name.clone()), found }
    }));
    let (here, there) = futures::join!(here, there);
    std::iter::once(here).chain(there).collect()
}

/// Where the name should lead; nodes that the inventory gives by name are resolved first.
async fn meant(project: &Project) -> Meant {
    let mut meant = Meant::of(&project.inventory);
    if project.inventory.load_balancers.is_empty() {
        let named = project.inventory.nodes.iter().filter(|node| node.address.parse::<IpAddr>().is_err());
        for found in join_all(named.map(|node| resolve(project.inventory.dns_server, &node.address))).await {
            meant.addresses.extend(found.unwrap_or_default());
        }
    }
    meant
}

/// Says now and then how long it still takes.
async fn accompanied<T>(walks: impl Future<Output = T>, depth: Depth<'_>, paths: usize) -> T {
    /// Between two words about a long silence.
    const EVERY: Duration = Duration::from_secs(20);
    let Some(silence) = depth.silence else { return walks.await };
    (depth.tell)(format!(
        "{paths} paths are tested; each WebSocket is then kept open without traffic for {} s",
        silence.as_secs()
    ));
    let mut walks = std::pin::pin!(walks);
    let mut waited = Duration::ZERO;
    loop {
        match tokio::time::timeout(EVERY, &mut walks).await {
            Ok(seen) => return seen,
            Err(_) => {
                waited += EVERY;
                (depth.tell)(format!("silent for {} of {} s", waited.as_secs(), silence.as_secs()));
            }
        }
    }
}
