//! The screen of `certs`: every certificate once, with days left and who renews it.

use serde::Serialize;

use crate::facts::certificates::{Certificates, Placed, Renewer};
use crate::failure::{Exit, Failure};
use crate::report::{Cell, Look, Table, Tone, one_line};

/// Warned of without being asked.
pub const SOON: i64 = 30;

/// Everything on the screen.
#[derive(Serialize)]
pub struct CertificatesSeen {
    #[serde(flatten)]
    pub seen: Certificates,
    /// What to say where the cluster's mark is another's: then these are the certificates of its Rancher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// # Errors
/// When one ends within so many days, or a place was not seen: unknown is never a pass.
pub fn judged(found: &CertificatesSeen, days: i64) -> Result<(), Failure> {
    let CertificatesSeen { seen, mark } = found;
    let ending = rows(seen).into_iter().filter(|row| row.one.certificate.days_left < days);
    let ending: Vec<String> = ending.map(|row| line(&row)).collect();
    let unseen = seen.unseen.iter().map(|one| format!("not seen: {}: {}", one.place, one.why));
    let why: Vec<String> = mark.iter().cloned().chain(ending.iter().cloned()).chain(unseen).collect();
    if why.is_empty() {
        return Ok(());
    }
    let error = match ending.len() {
        0 if mark.is_some() => "these are the certificates of another inventory's Rancher".to_string(),
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
        [..] => Some(format!("served on {} paths", served.len())),
    };
    ways.into_iter().chain(others.into_iter().map(str::to_string)).collect::<Vec<_>>().join(", ")
}

pub fn text(found: &CertificatesSeen, look: &Look) -> String {
    let CertificatesSeen { seen, mark } = found;
    let mut table = Table::new(["days left", "subject", "names", "issuer", "renewed by", "where"]);
    for row in rows(seen) {
        let of = &row.one.certificate;
        let days = of.days_left.to_string();
        let days = if of.days_left < SOON { Cell::painted(Tone::Bad, days) } else { days.into() };
        let names = match &of.names[..] {
            [first, _, _, ..] => format!("{first}, … ({})", of.names.len()),
            few => few.join(", "),
        };
        let [subject, names, issuer, places] = [&of.subject, &names, &of.issuer, &places(&row)].map(Cell::from);
        table.row([days, subject, names, issuer, row.renewer.words().into(), places]);
    }
    let mut text = match seen.certificates.is_empty() {
        true => "no certificate was seen\n".to_owned(),
        false => table.text(look),
    };
    let ending: Vec<Row<'_>> = rows(seen).into_iter().filter(|row| row.one.certificate.days_left < SOON).collect();
    if !ending.is_empty() || !seen.unseen.is_empty() || mark.is_some() {
        text.push('\n');
    }
    if let Some(mark) = mark {
        text += &format!("warning: {}\n", one_line(mark));
    }
    for row in ending {
        text += &format!("warning: {}\n", one_line(&line(&row)));
    }
    for one in &seen.unseen {
        text += &format!("not seen: {}: {}\n", one_line(&one.place), one_line(&one.why));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::certificates::Renewers;

    const CHAIN: &[u8] = include_bytes!("../../tests/data/tls/chain.pem");

    fn found(seen: Certificates, mark: Option<&str>) -> CertificatesSeen {
        CertificatesSeen { seen, mark: mark.map(str::to_owned) }
    }

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
        assert_eq!(places(&rows[0]), "served on 2 paths, secret cattle-system/tls-rancher-ingress [1]");
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
        let shown = text(&found(seen.clone(), None), &Look::PLAIN);
        assert_eq!(shown, format!("no certificate was seen\n\n{told}\n"));
        assert!(judged(&found(seen, None), 0).unwrap_err().text(&Look::PLAIN).contains(told));
    }

    #[test]
    fn what_was_not_seen_is_no_pass() {
        assert_eq!(judged(&found(seen(), None), 12), Ok(()));
        let failure = judged(&found(seen(), None), 13).unwrap_err();
        assert_eq!((failure.exit, failure.error.as_str()), (Exit::ChecksFailed, "1 certificate ends within 13 days"));
        let mut unseen = seen();
        unseen.not_seen("the cluster", "no answer");
        let failure = judged(&found(unseen, None), 0).unwrap_err();
        assert!(failure.to_string().contains("1 place") || failure.error.contains("1 place"), "{failure:?}");
    }

    #[test]
    fn a_mark_of_another_is_said_and_no_pass() {
        let (seen, mark) = (seen(), Some("the cluster bears the mark of inventory `other`"));
        let found = found(seen, mark);
        let shown = text(&found, &Look::PLAIN);
        assert!(shown.contains("warning: the cluster bears the mark of inventory `other`\n"), "{shown}");
        let failure = judged(&found, 0).unwrap_err();
        assert!(failure.exit == Exit::ChecksFailed && failure.because[0] == mark.unwrap(), "{failure:?}");
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
}
