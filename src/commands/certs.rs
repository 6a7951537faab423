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
use crate::facts::certificates::{Certificates, Placed, Renewer, rke_renewer};
use crate::facts::cluster::NAMESPACE;
use crate::inventory::TlsMode;
use crate::plan::cert_manager::CERT_MANAGER;
use crate::report::{Exit, Failure, Look, Table, Tone, Verbosity};
use crate::tls::{INGRESS_SECRET, Origin, Sense, table_cell};

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
    let unseen = seen.unseen.iter().map(|one| format!("{} was not seen: {}", one.place, one.why));
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
    format!("{} ({}) {when}; renewed by {}", of.subject, places(row), row.one.renewer.words())
}

/// Who renews what clients are served, as the inventory has it.
fn leaf_renewer(site: &Site) -> Renewer {
    let tls = &site.inventory.rancher.tls;
    if tls.mode == TlsMode::External {
        return Renewer::Balancer;
    }
    match table_cell(tls).map(|cell| cell.sense) {
        Some(Sense::Makes(recipe)) => match recipe.origin {
            Origin::ChartIssuer | Origin::CaIssuer | Origin::AcmeIssuer => Renewer::CertManager,
            Origin::Files | Origin::PodFiles => Renewer::Files,
            Origin::Balancer => Renewer::Balancer,
            Origin::PodCa | Origin::PodOwn => Renewer::Rancher,
        },
        Some(Sense::Refused { .. }) | None => Renewer::Owner,
    }
}

async fn outside(site: &Site, machines: &Machines, seen: &mut Certificates, now: Timestamp) {
    for one in served(site, machines).await {
        let place = format!("served by {}", one.way);
        match one.chain {
            Ok(chain) => seen.chain(&place, &chain, leaf_renewer(site), now),
            Err(why) => seen.not_seen(&place, why),
        }
    }
}

async fn inside(site: &Site, reached: &Reached, seen: &mut Certificates, now: Timestamp) {
    let places = [
        (NAMESPACE, INGRESS_SECRET, "tls.crt", leaf_renewer(site)),
        (NAMESPACE, "tls-ca", "cacerts.pem", Renewer::Ca),
        (NAMESPACE, "cattle-issuer-ca", "tls.crt", Renewer::Ca),
        (NAMESPACE, "cattle-server-keys", "cert.pem", Renewer::Files),
        (NAMESPACE, "tls-rancher", "tls.crt", Renewer::Rancher),
        (NAMESPACE, "tls-rancher-internal-ca", "tls.crt", Renewer::Rancher),
        (NAMESPACE, "tls-rancher-internal", "tls.crt", Renewer::Rancher),
        (CERT_MANAGER, "cert-manager-webhook-ca", "tls.crt", Renewer::CertManager),
    ];
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
        }
        Err(failure) => seen.not_seen("the inventory's TLS files", failure.error),
    }
    if site.rke().is_none() {
        return;
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
            Some(row) => row.places.push(&one.place),
            None => rows.push(Row { one, places: vec![&one.place] }),
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
        table.row([days, subject, names, issuer, row.one.renewer.words().into(), places(&row)]);
    }
    let mut text = table.text(look);
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
    fn what_was_not_seen_is_no_pass() {
        assert_eq!(judged(&seen(), 12), Ok(Exit::Done));
        let failure = judged(&seen(), 13).unwrap_err();
        assert_eq!((failure.exit, failure.error.as_str()), (Exit::ChecksFailed, "1 certificate ends within 13 days"));
        let mut unseen = seen();
        unseen.not_seen("the cluster", "no answer");
        let failure = judged(&unseen, 0).unwrap_err();
        assert!(failure.to_string().contains("1 place") || failure.error.contains("1 place"), "{failure:?}");
    }
}
