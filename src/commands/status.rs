//! One screen: nodes, etcd, ingress, cert-manager, Rancher, certificates and their days left.

use secrecy::ExposeSecret;
use serde::Serialize;

use super::look::heading;
use super::machines::Machines;
use super::site::Site;
use super::verify::nothing_there;
use super::world::{self, Reached};
use super::{Answer, Connect, Context};
use crate::cluster::{ClusterError, Condition, NodeSeen, Seen, cert_manager_ready};
use crate::facts::cluster::{IngressClass, NAMESPACE, RancherSeen, ingress_classes, rancher};
use crate::facts::etcd::{self, Member};
use crate::plan::cert_manager::CERT_MANAGER;
use crate::report::{Exit, Failure, Look, Table};
use crate::tls;

/// What was said to `status`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Status {
    #[command(flatten)]
    pub connect: Connect,
}

/// Everything on the screen.
#[derive(Serialize)]
struct Sight {
    cluster: String,
    kubernetes: String,
    nodes: Vec<NodeSeen>,
    etcd: Vec<Member>,
    #[serde(skip)]
    etcd_is_ours: bool,
    ingress: Vec<IngressClass>,
    cert_manager: String,
    rancher: Option<RancherSeen>,
    certificates: Vec<CertificateLine>,
}

/// One certificate of the picture.
#[derive(Serialize)]
struct CertificateLine {
    what: String,
    issuer: String,
    days_left: i64,
    renewed_by: &'static str,
}

pub async fn run(context: &Context, wanted: Status) -> Answer {
    let site = Site::open(context)?;
    let machines = Machines::connect(&site.inventory, &wanted.connect, context, None).await;
    let Some(reached) = world::reach(&site, &machines).await? else {
        return Err(machines.unreached().unwrap_or_else(|| nothing_there(&site)));
    };
    let sight = see(&site, &machines, &reached).await?;
    machines.disconnect().await;
    context.console.data("status", &sight, |look| format!("{}\n\n{}", heading(&site), text(&sight, look)))?;
    Ok(Exit::Done)
}

async fn see(site: &Site, machines: &Machines, reached: &Reached) -> Result<Sight, Failure> {
    let cluster = &reached.cluster;
    let unseen = |error: ClusterError| {
        Failure::with_cause(Exit::Unreachable, "the cluster cannot be looked at", &error).maybe_hint(error.hint())
    };
    let etcd = match machines.reached.iter().find(|machine| machine.node.roles.etcd && site.rke().is_some()) {
        None => Vec::new(),
        Some(machine) => etcd::gather(&machine.connection).await.unwrap_or_default(),
    };
    Ok(Sight {
        cluster: site.inventory.name.clone(),
        kubernetes: cluster.version().await.map_err(unseen)?,
        nodes: cluster.nodes().await.map_err(unseen)?,
        etcd,
        etcd_is_ours: site.rke().is_some(),
        ingress: ingress_classes(cluster).await.map_err(unseen)?,
        cert_manager: cert_manager(reached).await,
        rancher: rancher(cluster).await.map_err(unseen)?,
        certificates: certificates(site, reached).await?,
    })
}

/// The first thing that cert-manager lacks, or that it lacks nothing.
pub(super) async fn cert_manager(reached: &Reached) -> String {
    let there = crate::facts::inhabitants::cert_manager(&reached.cluster).await.ok().and_then(|seen| seen.controller);
    let place = there.map_or((CERT_MANAGER.into(), CERT_MANAGER.into()), |place| (place.namespace, place.name));
    for condition in cert_manager_ready(&place.0, &place.1) {
        match (reached.cluster.look(&condition).await, &condition) {
            (Ok(Seen::Met(_)), _) => {}
            (Ok(Seen::NotYet(_) | Seen::Never(_)), Condition::CrdEstablished { .. }) => return "not installed".into(),
            (Ok(Seen::NotYet(seen) | Seen::Never(seen)), what) => return format!("{what}: {seen}"),
            (Err(error), _) => return error.to_string(),
        }
    }
    "accepts issuers".into()
}

async fn certificates(site: &Site, reached: &Reached) -> Result<Vec<CertificateLine>, Failure> {
    let mut lines = Vec::new();
    let acme_or_ca = site.inventory.rancher.tls.issuer != crate::inventory::TlsIssuer::Blank;
    let renewer = if acme_or_ca { "cert-manager" } else { "you: new files, then `cowhand up`" };
    let secret = reached.cluster.read_secret(NAMESPACE, tls::INGRESS_SECRET).await.ok().flatten();
    if let Some(pem) = secret.as_ref().and_then(|data| data.get("tls.crt")) {
        lines.extend(line("Rancher's certificate", pem.expose_secret(), renewer));
    }
    let material = site.material(&site.tls_files()?)?;
    if let Some(ca) = material.ca() {
        lines.extend(line("the CA clients trust", ca.as_bytes(), "you"));
    }
    if let Some(state) = world::state(site) {
        for (name, pem) in state.certificates() {
            let renewer = crate::facts::certificates::rke_renewer(name).words();
            lines.extend(line(&format!("rke {name}"), pem.as_bytes(), renewer));
        }
    }
    Ok(lines)
}

fn line(what: &str, pem: &[u8], renewed_by: &'static str) -> Option<CertificateLine> {
    let leaf = tls::describe(pem, jiff::Timestamp::now()).ok()?.into_iter().next()?;
    Some(CertificateLine { what: what.into(), issuer: leaf.issuer, days_left: leaf.days_left, renewed_by })
}

fn text(sight: &Sight, look: &Look) -> String {
    let mut nodes = Table::new(["node", "state", "version", "roles", "address"]);
    for node in &sight.nodes {
        let state = if node.ready { "Ready".to_string() } else { format!("not Ready: {}", node.message) };
        let address = node.addresses.first().map(|(_, address)| address.clone()).unwrap_or_default();
        nodes.row([node.name.clone(), state, node.version.clone(), node.roles.join(","), address]);
    }
    let healthy = sight.etcd.iter().filter(|member| member.healthy).count();
    let classes: Vec<String> =
        sight.ingress.iter().map(|class| format!("{} ({})", class.name, class.controller)).collect();
    let rancher = match &sight.rancher {
        None => "not installed".to_string(),
        Some(seen) => format!("{}, {} of {} ready on {}", seen.image, seen.ready, seen.wanted, seen.nodes.join(", ")),
    };
    let mut certificates = Table::new(["certificate", "days left", "issuer", "renewed by"]);
    let mut sorted: Vec<&CertificateLine> = sight.certificates.iter().collect();
    sorted.sort_by_key(|line| line.days_left);
    for line in sorted {
        certificates.row([line.what.clone(), line.days_left.to_string(), line.issuer.clone(), line.renewed_by.into()]);
    }
    // Whoever built a cluster that was there before has its etcd, too.
    let etcd = match sight.etcd_is_ours {
        true => format!("  etcd          {healthy} of {} members healthy\n", sight.etcd.len()),
        false => String::new(),
    };
    format!(
        "{}\n{etcd}  ingress       {}\n  cert-manager  {}\n  rancher       {rancher}\n\n{}",
        nodes.text(look),
        classes.join(", "),
        sight.cert_manager,
        certificates.text(look),
    )
}
