//! The file of a CA that is to sign: the first certificate does, and what follows leads up from it.

use super::super::certificate::name_text;
use super::chain::{Top, climb, path_length};
use super::form::count;
use super::rules::CA_CHAIN;
use super::{Bench, Seen};

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
            format!("nothing leads up to it from the first one, {}, which signs", name_text(first.certificate.subject()))
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
