//! One screen: nodes, etcd, ingress, cert-manager, Rancher, certificates and their days left.

use secrecy::ExposeSecret;
use serde::Serialize;

use super::certs::renewers;
use super::look::heading;
use super::machines::Machines;
use super::site::Site;
use super::verify::nothing_there;
use super::world::{self, Reached};
use super::{Answer, Connect, Context};
use crate::cluster::{ClusterError, Condition, NodeSeen, Seen, cert_manager_ready};
use crate::facts::certificates::{Renewer, Unseen, rke_renewer};
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
    /// What could not be looked at, and why.
    unseen: Vec<Unseen>,
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
    let mut seen = Lines::default();
    let etcd = match machines.reached.iter().find(|machine| machine.node.roles.etcd) {
        _ if site.rke().is_none() => Vec::new(),
        None => seen.or_unseen(ETCD, Err("no node with etcd is reached by ssh")).unwrap_or_default(),
        Some(machine) => seen.or_unseen(ETCD, etcd::gather(&machine.connection).await).unwrap_or_default(),
    };
    certificates(site, reached, &mut seen).await;
    Ok(Sight {
        cluster: site.inventory.name.clone(),
        kubernetes: cluster.version().await.map_err(unseen)?,
        nodes: cluster.nodes().await.map_err(unseen)?,
        etcd,
        etcd_is_ours: site.rke().is_some(),
        ingress: ingress_classes(cluster).await.map_err(unseen)?,
        cert_manager: cert_manager(reached).await,
        rancher: rancher(cluster).await.map_err(unseen)?,
        certificates: seen.lines,
        unseen: seen.unseen,
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

const ETCD: &str = "etcd's members";

/// Certificates, and what was not seen.
#[derive(Default)]
struct Lines {
    lines: Vec<CertificateLine>,
    unseen: Vec<Unseen>,
}

impl Lines {
    /// What there is; a reason why there is nothing is kept.
    fn or_unseen<T>(&mut self, place: &str, answer: Result<T, impl ToString>) -> Option<T> {
        answer.map_err(|why| self.unseen.push(Unseen { place: place.into(), why: why.to_string() })).ok()
    }

    /// The first certificate of a text.
    fn add(&mut self, what: &str, pem: &[u8], renewer: Renewer) {
        let Some(all) = self.or_unseen(what, tls::describe(pem, jiff::Timestamp::now())) else { return };
        let first = all.into_iter().next();
        self.lines.extend(first.map(|leaf| CertificateLine {
            what: what.into(),
            issuer: leaf.issuer,
            days_left: leaf.days_left,
            renewed_by: renewer.words(),
        }));
    }
}

async fn certificates(site: &Site, reached: &Reached, seen: &mut Lines) {
    let (rancher, ca) = ("Rancher's certificate", "the CA clients trust");
    let secret = seen.or_unseen(rancher, reached.cluster.read_secret(NAMESPACE, tls::INGRESS_SECRET).await).flatten();
    if let Some(pem) = secret.as_ref().and_then(|data| data.get("tls.crt")) {
        seen.add(rancher, pem.expose_secret(), renewers(site).leaf);
    }
    let material = site.tls_files().and_then(|files| site.material(&files)).map_err(|failure| failure.error);
    if let Some(pem) = seen.or_unseen(ca, material).as_ref().and_then(|material| material.ca()) {
        seen.add(ca, pem.as_bytes(), Renewer::Ca);
    }
    if site.rke().is_none() {
        return;
    }
    let state =
        world::state(site).ok_or_else(|| format!("there is no whole {}", site.workspace.cluster_state().display()));
    for (name, pem) in seen.or_unseen("RKE's own certificates", state).iter().flat_map(|state| state.certificates()) {
        if !pem.is_empty() {
            seen.add(&format!("rke {name}"), pem.as_bytes(), rke_renewer(name));
        }
    }
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
    let etcd = match sight.unseen.iter().find(|one| one.place == ETCD) {
        Some(unseen) => format!("  etcd          not seen: {}\n", unseen.why),
        None if sight.etcd_is_ours => format!("  etcd          {healthy} of {} members healthy\n", sight.etcd.len()),
        None => String::new(),
    };
    let unseen = sight.unseen.iter().filter(|one| one.place != ETCD);
    let unseen: String = unseen.map(|one| format!("\nnot seen: {}: {}", one.place, one.why)).collect();
    format!(
        "{}\n{etcd}  ingress       {}\n  cert-manager  {}\n  rancher       {rancher}\n\n{}{unseen}",
        nodes.text(look),
        classes.join(", "),
        sight.cert_manager,
        certificates.text(look),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(seen: Lines) -> String {
        let sight = Sight {
            cluster: "prod".into(),
            kubernetes: "v1.32.2".into(),
            nodes: vec![],
            etcd: vec![],
            etcd_is_ours: true,
            ingress: vec![],
            cert_manager: "not installed".into(),
            rancher: None,
            certificates: seen.lines,
            unseen: seen.unseen,
        };
        text(&sight, &Look::PLAIN)
    }

    #[test]
    fn what_was_not_seen_is_said_in_its_place() {
        let mut seen = Lines::default();
        assert_eq!(seen.or_unseen::<()>(ETCD, Err("docker does not answer")), None);
        assert_eq!(seen.or_unseen("x", Ok::<_, String>(1)), Some(1));
        seen.add("Rancher's certificate", b"nothing", Renewer::CertManager);
        seen.add("the CA clients trust", include_bytes!("../../tests/data/tls/root.pem"), Renewer::Ca);
        let told = sight(seen);
        assert!(told.contains("etcd          not seen: docker does not answer"), "{told}");
        assert!(told.contains("not seen: Rancher's certificate: "), "{told}");
        assert!(told.contains("you: a new CA, in three runs") && !told.contains("members healthy"), "{told}");
    }
}
