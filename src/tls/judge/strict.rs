//! What an agent in mode strict would make of the whole, before there is a server to ask.

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::super::agent::{AgentCertificate, Refused, Trial, try_out};
use super::super::certificate::shown;
use super::rules::{
    CA_MISMATCH, CHAIN_INCOMPLETE, CRITICAL, EXPIRED, KEY_KIND, NAME, NOT_A_CA, NOT_YET_VALID, PATH_LENGTH,
    SERVER_AUTH, STRICT, WEAK_SIGNATURE,
};
use super::{Bench, Grade, Judgement, Seen};

/// The whole at once, by the library that cowhand's own probes use.
pub(super) fn strict(
    bench: &mut Bench,
    file: &str,
    chain: &[Seen<'_>],
    ca: &[Seen<'_>],
    hostname: &str,
    now: Timestamp,
) {
    let Some(leaf) = chain.first().filter(|_| !ca.is_empty()) else { return };
    // named by their own findings; and webpki asks no root for its end, its path length or its right to sign, as Go does
    let mut against: Vec<&str> =
        bench.judgements.iter().filter(|found| refuses(found)).map(|found| found.rule.id).collect();
    against.dedup();
    if !against.is_empty() {
        return bench.fail(&STRICT, file, format!("it would be refused: {}", against.join(", ")), String::new());
    }
    match try_as_agent(chain, ca, hostname, now) {
        Err(seen) => return bench.fail(&STRICT, file, format!("it would be refused: {seen}"), String::new()),
        Ok(false) => {
            let seen = "it could not be tried here: a signature on the way cannot be computed";
            return bench.warn(&STRICT, file, seen.into(), "see the other findings".into());
        }
        // webpki takes no certificate that is its own CA; agents do
        Ok(true) if ca.iter().any(|ca| ca.der == leaf.der) => {
            return bench.pass(&STRICT, file, format!("it would be accepted for {hostname}"));
        }
        Ok(true) => {}
    }
    match try_strictly(chain, ca, hostname, now) {
        Ok(()) => bench.pass(&STRICT, file, format!("it would be accepted for {hostname}")),
        Err(Untried::Refused(why)) => {
            let said = format!(
                "agents would accept it, but cowhand's own look from outside, and other clients that are as strict, would not: {}",
                shown(&why)
            );
            bench.fail(&STRICT, file, said, String::new());
        }
        Err(Untried::Impossible(why)) => {
            bench.warn(
                &STRICT,
                file,
                format!("it could not be tried here: {}", shown(&why)),
                "see the other findings".into(),
            );
        }
    }
}

fn read_by_agent<'a>(all: &[Seen<'a>]) -> Result<Vec<AgentCertificate<'a>>, String> {
    all.iter().map(|seen| seen.agent.clone().map_err(|why| format!("{}: {why}", seen.subject))).collect()
}

/// By the rules of Go, of which agents are made; `false` where a signature cannot be computed here.
fn try_as_agent(chain: &[Seen<'_>], ca: &[Seen<'_>], hostname: &str, now: Timestamp) -> Result<bool, String> {
    let (sent, roots) = (read_by_agent(chain)?, read_by_agent(ca)?);
    let Some((leaf, sent)) = sent.split_first() else { return Ok(true) };
    try_out(&Trial { leaf, sent, roots: &roots, hostname, now }).map_err(|Refused { der, why }| {
        let at = chain.iter().chain(ca).find(|seen| seen.der == der).map_or("it", |seen| seen.subject.as_str());
        format!("{at}: {}", shown(&why.to_string()))
    })
}

/// Faults that Go's verification stops at.
fn refuses(found: &Judgement) -> bool {
    let stops = [
        &KEY_KIND,
        &CRITICAL,
        &NAME,
        &CHAIN_INCOMPLETE,
        &CA_MISMATCH,
        &NOT_A_CA,
        &PATH_LENGTH,
        &EXPIRED,
        &NOT_YET_VALID,
        &WEAK_SIGNATURE,
        &SERVER_AUTH,
    ];
    found.grade == Grade::Fail && stops.contains(&found.rule)
}

enum Untried {
    Refused(String),
    Impossible(String),
}

fn try_strictly(chain: &[Seen<'_>], ca: &[Seen<'_>], hostname: &str, now: Timestamp) -> Result<(), Untried> {
    let judge = |error: webpki::Error| match error {
        webpki::Error::UnsupportedSignatureAlgorithmContext(_)
        | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | webpki::Error::UnsupportedCertVersion
        | webpki::Error::MaximumSignatureChecksExceeded
        | webpki::Error::MaximumPathBuildCallsExceeded => Untried::Impossible(error.to_string()),
        webpki::Error::NameConstraintViolation => {
            Untried::Refused("a CA on the way may not sign for this name (name constraints)".into())
        }
        other => Untried::Refused(other.to_string()),
    };
    let ders = |seen: &[Seen<'_>]| seen.iter().map(|seen| CertificateDer::from(seen.der.to_vec())).collect::<Vec<_>>();
    let (trusted, sent) = (ders(ca), ders(chain));
    let anchors: Vec<_> = trusted.iter().filter_map(|ca| anchor_from_trusted_cert(ca).ok()).collect();
    let Some((leaf, rest)) = sent.split_first() else { return Ok(()) };
    let seconds = u64::try_from(now.as_second()).map_err(|_| Untried::Impossible("the clock is before 1970".into()))?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let name = ServerName::try_from(hostname.to_owned()).map_err(|error| Untried::Impossible(error.to_string()))?;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let leaf = EndEntityCert::try_from(leaf).map_err(judge)?;
    leaf.verify_for_usage(algorithms, &anchors, rest, at, KeyUsage::server_auth(), None, None).map_err(judge)?;
    leaf.verify_is_valid_for_subject_name(&name).map_err(judge)
}
