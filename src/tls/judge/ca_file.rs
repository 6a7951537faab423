//! The file of the CA as a whole: its text as agents will get it, and the chain of a CA that is to sign.

use super::super::certificate::name_text;
use super::super::checksum::{ca_checksum, survives_secret};
use super::super::material::handed_out;
use super::super::pem::{self, Block};
use super::chain::{Top, climb, path_length};
use super::form::count;
use super::rules::{CA_CHAIN, CA_CHECKSUM, CA_KEPT};
use super::{Bench, Request, Seen};

/// cert-manager signs with the first one and refuses to issue when the file is not one single chain (cert-manager:
/// pkg/util/pki, ParseSingleCertificateChain); Rancher signs with the first one, too.
pub(super) fn chain_of_its_own(bench: &mut Bench, file: &str, ca: &[Seen<'_>]) {
    let Some(climb) = climb(ca, &[]) else { return };
    let (Some(first), Some(last)) = (climb.path.first(), climb.path.last()) else { return };
    let issuer = last.certificate.issuer();
    let mut single = true;
    for seen in ca.iter().filter(|seen| climb.path.iter().all(|step| step.der != seen.der)) {
        single = false;
        let said = if seen.certificate.subject().as_raw() == issuer.as_raw() {
            format!("it has the name of the CA that issued {}, but did not sign it", last.subject)
        } else {
            format!(
                "nothing leads up to it from the first one, {}, which signs",
                name_text(first.certificate.subject())
            )
        };
        bench.fail(&CA_CHAIN, &seen.subject, said, String::new());
    }
    match climb.top {
        Top::InCa | Top::SelfSigned | Top::Missing if !single => {}
        Top::Missing => {
            let issuer = name_text(issuer);
            let said = format!("it is an intermediate of {issuer}, which is not in the file");
            let fix = format!(
                "append the certificate of {issuer}: agents take an intermediate for a root, other clients do not"
            );
            bench.warn(&CA_CHAIN, &last.subject, said, fix);
        }
        Top::InCa | Top::SelfSigned => {
            let top = name_text(last.certificate.subject());
            bench.pass(&CA_CHAIN, file, format!("{}, up to {top}", count(climb.path.len(), "certificate")));
        }
    }
    path_length(bench, file, &climb.path);
}

/// The CA's text as it will be sent, and what agents will make of it.
pub(super) fn text(bench: &mut Bench, file: &str, bytes: &[u8], request: &Request<'_>, ca: &[Seen<'_>]) {
    let Some(first) = ca.first() else { return };
    let (Ok(read), Ok(also)) = (pem::read(bytes), request.files.also_trust.map(pem::read).transpose()) else { return };
    let whole = pem::tidy(&read, Block::is_certificate);
    let beside = also.map(|read| pem::tidy(&read, Block::is_certificate));
    let sent = if request.first_ca_only {
        pem::encode_certificate(first.der)
    } else {
        handed_out(&whole, beside.as_deref().map(String::as_str))
    };
    let checksum = ca_checksum(&sent);
    let own = std::str::from_utf8(bytes).map(ca_checksum).unwrap_or_default();
    let note = match (own == checksum, &beside) {
        (true, _) => "",
        (false, _) if request.first_ca_only && ca.len() > 1 => {
            "; it is that of the first certificate, the only one that Rancher hands out with passthrough"
        }
        (false, None) => "; it is that of the tidied text, the file itself has another one",
        (false, Some(_)) => "; it is that of both files together",
    };
    bench.pass(&CA_CHECKSUM, file, format!("agents will compute {checksum}{note}"));
    match survives_secret(sent.as_bytes()) {
        Ok(()) => bench.pass(&CA_KEPT, file, format!("{} bytes of plain text", sent.len())),
        Err(why) => bench.fail(&CA_KEPT, file, why.to_string(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::material::{Files, Material};
    use super::super::tests::{at, data};
    use super::super::{Grade, judge};
    use super::*;

    #[test]
    fn the_checksum_said_is_that_of_the_text_that_is_sent() {
        let root = String::from_utf8(data("root.pem")).unwrap();
        let said = |bytes: &[u8]| {
            let now = at("2026-11-22T12:00:00Z");
            let request = Request {
                hostname: "x",
                files: Files { ca: Some(bytes), ..Files::default() },
                now,
                ..Request::default()
            };
            judge(&request).into_iter().find(|judgement| judgement.rule.id == "tls.ca-checksum").unwrap().seen
        };
        let plain = said(root.as_bytes());
        assert_eq!(plain, format!("agents will compute {}", ca_checksum(&root)));
        let windows = said(root.replace('\n', "\r\n").as_bytes());
        assert!(windows.starts_with(&plain) && windows.contains("the file itself has another one"), "{windows}");
    }

    #[test]
    fn what_is_trusted_beside_the_ca_is_judged_and_counted_in() {
        let judged = |also: &str| {
            let (ca, also) = (data("root.pem"), data(also));
            let now = at("2026-11-22T12:00:00Z");
            let files = Files { ca: Some(&ca), also_trust: Some(&also), ..Files::default() };
            judge(&Request { hostname: "x", files, now, ..Request::default() })
        };
        let faults = |also: &str| -> Vec<String> {
            let bad = judged(also).into_iter().filter(|one| one.grade != Grade::Pass);
            bad.map(|one| format!("{:?} {} {}", one.grade, one.rule.id, one.subject)).collect()
        };
        assert_eq!(faults("root-other.pem"), Vec::<String>::new());
        assert_eq!(faults("root-not-ca.pem"), ["Fail tls.not-a-ca tls.also_trust"]);
        assert_eq!(faults("root-expired.pem"), ["Warn tls.expired tls.also_trust"]);
        assert_eq!(faults("form-cut.pem"), ["Fail tls.unreadable tls.also_trust"]);
        let server = |name: &str| -> Vec<String> {
            let (bytes, now) = (data(name), at("2026-11-22T12:00:00Z"));
            let files = Files { acme_server_ca: Some(&bytes), ..Files::default() };
            let judged = judge(&Request { hostname: "x", files, now, ..Request::default() });
            judged.into_iter().filter(|one| one.grade == Grade::Fail).map(|one| one.rule.id.to_owned()).collect()
        };
        assert_eq!(server("root.pem"), Vec::<String>::new());
        assert_eq!(server("root.key"), ["tls.unreadable"]);
        assert_eq!(server("root-expired.pem"), ["tls.expired"]);
        let (ca, also) = (data("root.pem"), data("root-other.pem"));
        let material = Material::read(&Files { ca: Some(&ca), also_trust: Some(&also), ..Files::default() }).unwrap();
        let both = ca_checksum(&material.cacerts().unwrap());
        let said = judged("root-other.pem").into_iter().find(|one| one.rule.id == "tls.ca-checksum").unwrap().seen;
        assert_eq!(said, format!("agents will compute {both}; it is that of both files together"));
    }

    /// rancher/rancher: pkg/tls/tls.go takes the first certificate of Secret `tls-rancher` and encodes it anew.
    #[test]
    fn with_passthrough_the_checksum_is_that_of_the_first_certificate() {
        let said = |ca: &str, first_ca_only: bool| {
            let (bytes, now) = (data(ca), at("2026-11-22T12:00:00Z"));
            let files = Files { ca: Some(&bytes), ..Files::default() };
            let request = Request { hostname: "x", files, first_ca_only, now, ..Request::default() };
            judge(&request).into_iter().find(|judgement| judgement.rule.id == "tls.ca-checksum").unwrap().seen
        };
        let first = ca_checksum(&String::from_utf8(data("intermediate.pem")).unwrap());
        let words = format!(
            "agents will compute {first}; it is that of the first certificate, the only one that Rancher hands out with passthrough"
        );
        assert_eq!(said("ca-bundle.pem", true), words);
        assert!(!said("ca-bundle.pem", false).contains(&first));
        assert_eq!(said("root.pem", true), said("root.pem", false));
    }
}
