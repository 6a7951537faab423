//! What `status` shows, and what of it is wrong.

use serde::Serialize;

use crate::check::{EtcdMember, Finding};
use crate::cluster::NodeSeen;
use crate::facts::certificates::{Renewer, Unseen};
use crate::facts::cluster::{IngressClass, RancherSeen};
use crate::report::certificates::SOON;
use crate::report::{Cell, Look, Table, Tone, one_line};
use crate::tls;

pub const ETCD: &str = "etcd's members";

/// How the names of RKE's own certificates begin.
const OF_RKE: &str = "rke ";

/// Everything on the screen.
#[derive(Serialize)]
pub struct Status {
    pub cluster: String,
    pub kubernetes: String,
    pub nodes: Vec<NodeSeen>,
    /// Nodes of the inventory that ssh does not reach.
    pub unreached: Vec<Unreached>,
    /// What to say where the cluster's mark is another's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    pub etcd: Vec<EtcdMember>,
    /// What is wrong with the cluster's members.
    pub members: Vec<Finding>,
    #[serde(skip)]
    pub etcd_is_ours: bool,
    pub ingress: Vec<IngressClass>,
    /// What serves Rancher's class.
    pub ingress_stands: String,
    #[serde(skip)]
    pub ingress_is_well: bool,
    pub cert_manager: String,
    #[serde(skip)]
    pub cert_manager_is_well: bool,
    pub rancher: Option<RancherSeen>,
    /// The newest backup, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    pub certificates: Vec<CertificateLine>,
    /// What could not be looked at, and why.
    pub unseen: Vec<Unseen>,
    /// Everything that is wrong, a line each.
    pub problems: Vec<String>,
}

#[derive(Serialize)]
pub struct Unreached {
    pub node: String,
    pub why: String,
}

/// One certificate of the picture.
#[derive(Clone, Serialize)]
pub struct CertificateLine {
    pub what: String,
    pub issuer: String,
    pub days_left: i64,
    pub renewed_by: &'static str,
}

/// Certificates, and what was not seen.
#[derive(Default)]
pub struct Lines {
    pub lines: Vec<CertificateLine>,
    pub unseen: Vec<Unseen>,
}

impl Lines {
    /// What there is; a reason why there is nothing is kept.
    pub fn or_unseen<T>(&mut self, place: &str, answer: Result<T, impl ToString>) -> Option<T> {
        answer.map_err(|why| self.unseen.push(Unseen { place: place.into(), why: why.to_string() })).ok()
    }

    /// The first certificate of a text.
    pub fn add(&mut self, what: &str, pem: &[u8], renewer: Renewer) {
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

impl Status {
    /// The same with [`Status::problems`] filled in. What was not seen is one: unknown is not good.
    pub fn judged(mut self) -> Status {
        let mut found: Vec<String> = Vec::new();
        found.extend(self.mark.clone());
        let unready = self.nodes.iter().filter(|node| !node.ready);
        found.extend(unready.map(|node| format!("node {} is not Ready: {}", node.name, node.message)));
        let unreached = self.unreached.iter();
        found.extend(unreached.map(|one| format!("node {} is not reached by ssh: {}", one.node, one.why)));
        let ill = self.etcd.iter().filter(|member| !member.healthy);
        found.extend(ill.map(|member| format!("etcd's member {} is down: {}", member.name, member.error)));
        found.extend(self.members.iter().filter(|one| one.blocks()).map(|one| one.seen.clone()));
        found.extend((!self.ingress_is_well).then(|| format!("ingress: {}", self.ingress_stands)));
        found.extend((!self.cert_manager_is_well).then(|| format!("cert-manager: {}", self.cert_manager)));
        match &self.rancher {
            None => found.push("Rancher is not installed".into()),
            Some(seen) if seen.ready < seen.wanted => {
                found.push(format!("Rancher: {} of {} replicas ready", seen.ready, seen.wanted));
            }
            Some(_) => {}
        }
        found.extend(self.certificates.iter().filter(|line| line.days_left < SOON).map(CertificateLine::ending));
        found.extend(self.unseen.iter().map(|one| format!("not seen: {}: {}", one.place, one.why)));
        self.problems = found.iter().map(|line| one_line(line)).collect();
        self
    }

    pub fn text(&self, look: &Look) -> String {
        let rancher = self.rancher.as_ref().map_or_else(|| "not installed".to_owned(), rancher_line);
        let mut text = self.table_of_nodes(look) + "\n";
        let mut line = |name: &str, said: &str| text += &format!("  {name:<12}  {}\n", one_line(said));
        self.mark.iter().for_each(|said| line("mark", said));
        for one in &self.unreached {
            line("ssh", &format!("{} is not reached: {}", one.node, one.why));
        }
        for one in &self.members {
            line("members", &one.seen);
            line("", &format!("fix: {}", one.fix));
        }
        // Whoever built a cluster that was there before has its etcd, too.
        match self.unseen.iter().find(|one| one.place == ETCD) {
            Some(unseen) => line("etcd", &format!("not seen: {}", unseen.why)),
            None if self.etcd_is_ours => line("etcd", &etcd_words(&self.etcd)),
            None => {}
        }
        line("ingress", &self.ingress_stands);
        line("cert-manager", &self.cert_manager);
        line("rancher", &rancher);
        self.backup.iter().for_each(|said| line("backup", said));
        text + "\n" + &self.table_of_certificates(look) + &self.ending(look)
    }

    fn table_of_nodes(&self, look: &Look) -> String {
        let mut nodes = Table::new(["node", "state", "version", "roles", "address"]);
        for node in &self.nodes {
            let ready = if node.ready { "Ready".to_string() } else { format!("not Ready: {}", node.message) };
            let state = if node.unschedulable { format!("{ready}, closed for pods") } else { ready };
            let address = node.addresses.first().map(|(_, address)| address.clone()).unwrap_or_default();
            nodes.row([&node.name, &state, &node.version, &node.roles.join(","), &address].map(Cell::from));
        }
        nodes.text(look)
    }

    /// The next to end first; RKE's own in one line, unless one of them ends soon.
    fn table_of_certificates(&self, look: &Look) -> String {
        let mut table = Table::new(["certificate", "days left", "issuer", "renewed by"]);
        let mut sorted: Vec<&CertificateLine> = self.certificates.iter().collect();
        sorted.sort_by_key(|line| line.days_left);
        let far = |line: &&&CertificateLine| line.what.starts_with(OF_RKE) && line.days_left >= SOON;
        let of_rke = sorted.iter().filter(far).count();
        let mut told = false;
        for line in &sorted {
            if far(&line) && of_rke > 1 {
                if !told {
                    let name = line.what.trim_start_matches(OF_RKE);
                    let what = format!("rke: {of_rke} certificates, {name} ends first");
                    table.row([&what, &line.days_left.to_string(), &line.issuer, line.renewed_by].map(Cell::from));
                }
                told = true;
                continue;
            }
            let days = line.days_left.to_string();
            let days = if line.days_left < SOON { Cell::painted(Tone::Bad, days) } else { days.into() };
            let [what, issuer, by] = [&line.what, &line.issuer, line.renewed_by].map(Cell::from);
            table.row([what, days, issuer, by]);
        }
        table.text(look)
    }

    fn ending(&self, look: &Look) -> String {
        if self.problems.is_empty() {
            return "\nno problem was found\n".to_owned();
        }
        let lines = self.problems.iter().map(|line| format!("  {}\n", look.wrap(line, 4)));
        format!("\n{}\n{}", look.paint(Tone::Bad, "problems"), lines.collect::<String>())
    }
}

impl CertificateLine {
    fn ending(&self) -> String {
        match self.days_left {
            ..0 => format!("the certificate `{}` has ended; renewed by {}", self.what, self.renewed_by),
            days => format!("the certificate `{}` ends in {days} days; renewed by {}", self.what, self.renewed_by),
        }
    }
}

/// `2 of 3 members healthy: n1 is down (its container …)`.
fn etcd_words(members: &[EtcdMember]) -> String {
    let (healthy, ill): (Vec<&EtcdMember>, Vec<&EtcdMember>) = members.iter().partition(|member| member.healthy);
    let ill: Vec<String> = ill.iter().map(|one| format!("{} is down ({})", one.name, one.error)).collect();
    let ill = if ill.is_empty() { String::new() } else { format!(": {}", ill.join(", ")) };
    format!("{} of {} members healthy{ill}", healthy.len(), members.len())
}

/// Pods of the wanted image, and those of the former one that still serve.
fn rancher_line(seen: &RancherSeen) -> String {
    let on = if seen.nodes.is_empty() { String::new() } else { format!(" on {}", seen.nodes.join(", ")) };
    let old = match seen.old_ready {
        0 => String::new(),
        1 => "; 1 pod of the former image still serves".into(),
        count => format!("; {count} pods of the former image still serve"),
    };
    format!("{}, {} of {} ready{on}{old}", seen.image, seen.ready, seen.wanted)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
