//! Every certificate in the picture: served, in the cluster, of RKE itself; with days left and who renews it.

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::look::heading;
use super::machines::Machines;
use super::outside::served;
use super::site::Site;
use super::verify::nothing_there;
use super::world::{self, Reached};
use super::{Answer, Connect, Context};
use crate::cluster::{Access, Identity};
use crate::facts::certificates::{Certificates, Placed, Renewer, Renewers, rke_renewer};
use crate::facts::cluster::NAMESPACE;
use crate::inventory::{Engine, Existing};
use crate::plan::cert_manager::CERT_MANAGER;
use crate::report::{Exit, Failure, Look, Table, Tone, Verbosity};
use crate::tls::{INGRESS_SECRET, table_cell};

/// Warned of without being asked.
const SOON: i64 = 30;

/// What was said to `certs`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Certs {
    /// End with exit code 5 when a certificate ends within so many days, or a place could not be seen
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..))]
    pub fail_within: Option<i64>,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Certs) -> Answer {
    let site = Site::open(context)?;
    let now = Timestamp::now();
    let mut seen = Certificates::default();
    let machines = Machines::connect(&site.inventory, &wanted.connect, context, None).await;
    outside(&site, &machines, &mut seen, now).await;
    match world::reach(&site, &machines).await {
        Ok(Some(reached)) => inside(&site, &reached, &mut seen, now).await,
        Ok(None) => {
            let failure = machines.unreached().unwrap_or_else(|| nothing_there(&site));
            seen.not_seen("the cluster's secrets and webhooks", failure.error);
        }
        Err(failure) => seen.not_seen("the cluster's secrets and webhooks", failure.error),
    }
    machines.disconnect().await;
    workspace(&site, &mut seen, now);
    // From cron, no news is good news.
    if wanted.fail_within.is_some() && context.console.verbosity == Verbosity::Quiet {
        return wanted.fail_within.map_or(Ok(Exit::Done), |days| judged(&seen, days));
    }
    context.console.data("certs", &seen, |look| format!("{}\n\n{}", heading(&site), text(&seen, look)))?;
    match wanted.fail_within {
        Some(days) => judged(&seen, days),
        None => Ok(Exit::Done),
    }
}

/// Unknown is never a pass.
fn judged(seen: &Certificates, days: i64) -> Answer {
    let ending = rows(seen).into_iter().filter(|row| row.one.certificate.days_left < days);
    let ending: Vec<String> = ending.map(|row| line(&row)).collect();
    let unseen = seen.unseen.iter().map(|one| format!("not seen: {}: {}", one.place, one.why));
    let why: Vec<String> = ending.iter().cloned().chain(unseen).collect();
    if why.is_empty() {
        return Ok(Exit::Done);
    }
    let error = match ending.len() {
        0 if seen.unseen.len() == 1 => "1 place could not be seen".to_string(),
        0 => format!("{} places could not be seen", seen.unseen.len()),
        1 => format!("1 certificate ends within {days} days"),
        count => format!("{count} certificates end within {days} days"),
    };
    Err(Failure::new(Exit::ChecksFailed, error).because(why.join("\n")))
}

fn line(row: &Row<'_>) -> String {
    let of = &row.one.certificate;
    let when = if of.days_left < 0 { "has ended".to_string() } else { format!("ends in {} days", of.days_left) };
    format!("{} ({}) {when}; renewed by {}", of.subject, places(row), row.renewer.words())
}

/// Who renews what clients are served, as the inventory has it.
pub(super) fn renewers(site: &Site) -> Renewers {
    Renewers::of(table_cell(&site.inventory.rancher.tls))
}

async fn outside(site: &Site, machines: &Machines, seen: &mut Certificates, now: Timestamp) {
    for one in served(site, machines).await {
        let place = format!("served by {}", one.way);
        match one.chain {
            Ok(chain) => seen.chain(&place, &chain, renewers(site), now),
            Err(why) => seen.not_seen(&place, why),
        }
    }
}

/// Secrets with certificates that Rancher, cert-manager and RKE's nginx keep, and who renews them: namespace, name, key.
/// (rancher/webhook: pkg/server; rancher/dynamiclistener; ingress-nginx: kube-webhook-certgen.)
const KEPT: [(&str, &str, &str, Renewer); 11] = [
    (NAMESPACE, "tls-ca", "cacerts.pem", Renewer::Ca),
    (NAMESPACE, "cattle-issuer-ca", "tls.crt", Renewer::Ca),
    (NAMESPACE, "cattle-server-keys", "cert.pem", Renewer::Files),
    (NAMESPACE, "tls-rancher-internal-ca", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "tls-rancher-internal", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "serving-cert", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "cattle-webhook-ca", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "cattle-webhook-tls", "tls.crt", Renewer::Rancher),
    (CERT_MANAGER, "cert-manager-webhook-ca", "tls.crt", Renewer::CertManager),
    ("ingress-nginx", "ingress-nginx-admission", "ca", Renewer::Owner),
    ("ingress-nginx", "ingress-nginx-admission", "cert", Renewer::Owner),
];

async fn inside(site: &Site, reached: &Reached, seen: &mut Certificates, now: Timestamp) {
    let served = renewers(site);
    // A CA of the user's own lies there where Rancher's pods sign with it.
    let own = if served.ca == Renewer::Ca && served.leaf == Renewer::Rancher { Renewer::Ca } else { Renewer::Rancher };
    let first = [(NAMESPACE, INGRESS_SECRET, "tls.crt", served), (NAMESPACE, "tls-rancher", "tls.crt", own.into())];
    let kept = KEPT.map(|(namespace, name, key, renewer)| (namespace, name, key, Renewers::from(renewer)));
    let places = first.into_iter().chain(kept);
    for (namespace, name, key, renewer) in places {
        let place = format!("secret {namespace}/{name}");
        match reached.cluster.read_secret(namespace, name).await {
            Ok(None) => {}
            Ok(Some(data)) => match data.get(key) {
                Some(pem) => seen.pem(&place, pem.expose_secret(), renewer, now),
                None => seen.not_seen(&place, format!("it has no {key}")),
            },
            Err(error) => seen.not_seen(&place, error),
        }
    }
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        match reached.cluster.list("admissionregistration.k8s.io/v1", kind, None, None).await {
            Ok(listed) => listed.iter().for_each(|one| seen.webhooks(one, now)),
            Err(error) => seen.not_seen(&format!("{kind}s"), error),
        }
    }
    match reached.cluster.list("apiregistration.k8s.io/v1", "APIService", None, None).await {
        Ok(listed) => listed.iter().for_each(|one| seen.api_service(one, now)),
        Err(error) => seen.not_seen("APIServices", error),
    }
}

/// With what the kubeconfig of a cluster that was there proves who one is, where that is a certificate.
fn kubeconfig(existing: &Existing, seen: &mut Certificates, now: Timestamp) {
    let place = format!("kubeconfig {}", existing.kubeconfig.display());
    match Access::from_file(&existing.kubeconfig, existing.context.as_deref()).map(|access| access.identity()) {
        Ok(Identity::Certificate(Ok(pem))) => seen.pem(&place, &pem, Renewer::Owner, now),
        Ok(Identity::Certificate(Err(why))) => seen.not_seen(&place, why),
        Ok(
            Identity::Token
            | Identity::TokenFile { .. }
            | Identity::Program { .. }
            | Identity::Password
            | Identity::Provider(_)
            | Identity::Nothing,
        ) => {}
        Err(error) => seen.not_seen(&place, error),
    }
}

/// What needs no cluster: the files that the inventory names, and RKE's own certificates.
fn workspace(site: &Site, seen: &mut Certificates, now: Timestamp) {
    match site.tls_files().and_then(|files| site.material(&files)) {
        Ok(material) => {
            if let Some(pem) = material.certificate() {
                seen.pem("file tls.certificate", pem.as_bytes(), Renewer::Files, now);
            }
            if let Some(pem) = material.cacerts() {
                seen.pem("file tls.ca", pem.as_bytes(), Renewer::Ca, now);
            }
            // Whoever runs that server gives it another one.
            if let Some(pem) = material.acme_server_ca() {
                seen.pem("file tls.acme.server_ca", pem.as_bytes(), Renewer::Owner, now);
            }
        }
        Err(failure) => seen.not_seen("the inventory's TLS files", failure.error),
    }
    match &site.inventory.engine {
        Engine::Rke(_) => {}
        Engine::Existing(existing) => return kubeconfig(existing, seen, now),
    }
    match world::state(site) {
        Some(state) => {
            for (name, pem) in state.certificates().into_iter().filter(|(_, pem)| !pem.is_empty()) {
                seen.pem(&format!("rke {name}"), pem.as_bytes(), rke_renewer(name), now);
            }
        }
        None => seen.not_seen("RKE's own", format!("there is no whole {}", site.workspace.cluster_state().display())),
    }
}

/// One certificate, wherever it is.
struct Row<'a> {
    one: &'a Placed,
    renewer: Renewer,
    places: Vec<&'a str>,
}

/// The next to end first; the same certificate at several places is one row.
fn rows(seen: &Certificates) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in &seen.certificates {
        let same =
            rows.iter_mut().find(|row| row.one.certificate.fingerprint_sha256 == one.certificate.fingerprint_sha256);
        match same {
            Some(row) if row.places.contains(&one.place.as_str()) => {}
            Some(row) => {
                row.renewer = row.renewer.stronger(one.renewer);
                row.places.push(&one.place);
            }
            None => rows.push(Row { one, renewer: one.renewer, places: vec![&one.place] }),
        }
    }
    rows.sort_by_key(|row| row.one.certificate.days_left);
    rows
}

/// `served on 6 ways, secret a/b, file tls.ca`.
fn places(row: &Row<'_>) -> String {
    let (served, others): (Vec<&str>, Vec<&str>) = row.places.iter().partition(|place| place.starts_with("served"));
    let ways = match served[..] {
        [] => None,
        [only] => Some(only.to_string()),
        [..] => Some(format!("served on {} ways", served.len())),
    };
    ways.into_iter().chain(others.into_iter().map(str::to_string)).collect::<Vec<_>>().join(", ")
}

fn text(seen: &Certificates, look: &Look) -> String {
    let mut table = Table::new(["days left", "subject", "names", "issuer", "renewed by", "where"]);
    for row in rows(seen) {
        let of = &row.one.certificate;
        let days = of.days_left.to_string();
        let days = if of.days_left < SOON { look.paint(Tone::Bad, &days) } else { days };
        let names = match &of.names[..] {
            [first, _, _, ..] => format!("{first}, … ({})", of.names.len()),
            few => few.join(", "),
        };
        let (subject, issuer) = (of.subject.clone(), of.issuer.clone());
        table.row([days, subject, names, issuer, row.renewer.words().into(), places(&row)]);
    }
    let mut text = match seen.certificates.is_empty() {
        true => "no certificate was seen\n".to_owned(),
        false => table.text(look),
    };
    let ending: Vec<Row<'_>> = rows(seen).into_iter().filter(|row| row.one.certificate.days_left < SOON).collect();
    if !ending.is_empty() || !seen.unseen.is_empty() {
        text.push('\n');
    }
    for row in ending {
        text += &format!("warning: {}\n", line(&row));
    }
    for one in &seen.unseen {
        text += &format!("not seen: {}: {}\n", one.place, one.why);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &[u8] = include_bytes!("../../tests/data/tls/chain.pem");

    fn seen() -> Certificates {
        let now = "2027-05-20T00:00:00Z".parse().unwrap();
        let mut seen = Certificates::default();
        for place in ["served by n1", "served by n2", "secret cattle-system/tls-rancher-ingress"] {
            seen.pem(place, CHAIN, Renewer::Files, now);
        }
        seen
    }

    #[test]
    fn the_same_certificate_is_one_row() {
        let all = seen();
        let rows = rows(&all);
        assert_eq!(rows.len(), 2);
        assert_eq!(places(&rows[0]), "served on 2 ways, secret cattle-system/tls-rancher-ingress [1]");
        assert!(
            line(&rows[0]).ends_with("ends in 12 days; renewed by you: new files, `cowhand up`"),
            "{}",
            line(&rows[0])
        );
    }

    #[test]
    fn without_a_certificate_there_is_no_table() {
        let mut seen = Certificates::default();
        seen.not_seen("the cluster's secrets and webhooks", "no answer");
        let told = "not seen: the cluster's secrets and webhooks: no answer";
        assert_eq!(text(&seen, &Look::PLAIN), format!("no certificate was seen\n\n{told}\n"));
        assert!(judged(&seen, 0).unwrap_err().text(&Look::PLAIN).contains(told));
    }

    #[test]
    fn what_was_not_seen_is_no_pass() {
        assert_eq!(judged(&seen(), 12), Ok(Exit::Done));
        let failure = judged(&seen(), 13).unwrap_err();
        assert_eq!((failure.exit, failure.error.as_str()), (Exit::ChecksFailed, "1 certificate ends within 13 days"));
        let mut unseen = seen();
        unseen.not_seen("the cluster", "no answer");
        let failure = judged(&unseen, 0).unwrap_err();
        assert!(failure.to_string().contains("1 place") || failure.error.contains("1 place"), "{failure:?}");
    }

    #[test]
    fn a_ca_that_agents_know_is_so_wherever_it_was_seen_first() {
        let now = "2027-05-20T00:00:00Z".parse().unwrap();
        let mut seen = Certificates::default();
        seen.pem("served by n1", CHAIN, Renewer::Files, now);
        seen.pem("file tls.ca", CHAIN, Renewers { leaf: Renewer::Owner, ca: Renewer::Ca }, now);
        let renewers: Vec<(bool, Renewer)> =
            rows(&seen).iter().map(|row| (row.one.certificate.is_ca, row.renewer)).collect();
        assert_eq!(renewers, [(false, Renewer::Files), (true, Renewer::Ca)]);
    }

    #[test]
    fn the_certificate_in_a_kubeconfig_is_one_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, user: &str| {
            let path = folder.path().join(name);
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
                 clusters: [{{name: c, cluster: {{server: 'https://10.0.0.1:6443'}}}}]\nusers: [{{name: u, user: {user}}}]\n"
            );
            std::fs::write(&path, text).unwrap();
            Existing { kubeconfig: path, context: None }
        };
        let chain = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/leaf.pem");
        let now = "2027-05-20T00:00:00Z".parse().unwrap();
        let look = |existing: Existing| {
            let mut seen = Certificates::default();
            kubeconfig(&existing, &mut seen, now);
            seen
        };
        let seen = look(file("certificate", &format!("{{client-certificate: '{chain}', client-key: '{chain}'}}")));
        assert_eq!((seen.certificates.len(), seen.unseen.len()), (1, 0), "{:?}", seen.unseen);
        assert!(
            seen.certificates[0].place.starts_with("kubeconfig ") && seen.certificates[0].certificate.days_left == 12
        );
        assert_eq!(look(file("token", "{token: x}")), Certificates::default());
        assert_eq!(look(file("gone", "{client-certificate: /no/such.pem}")).unseen.len(), 1);
    }
}
