//! Certificates judged before anything is touched: offline, all findings at once, each with why and fix.

mod bench;
mod ca_file;
mod chain;
mod constraints;
mod form;
#[cfg(test)]
mod hostile_tests;
mod known;
mod rules;
pub(super) mod signature;
mod single;
mod strict;
#[cfg(test)]
mod tests;

use secrecy::zeroize::Zeroizing;

use super::agent;
use super::certificate::{self, is_ca, name_text};
use super::key::{Fit, PrivateKeyFacts, fits};
use super::material::names::{ACME_SERVER_CA, ALSO_TRUST, CA, CA_KEY, CERTIFICATE, KEY};
use bench::{Bench, Part, Seen};
pub use bench::{Grade, Judgement, NodeClock, Request};
use rules::KEY_MISMATCH;
pub use rules::{RULES, Rule};

type Ders = Option<Vec<Zeroizing<Vec<u8>>>>;

/// Judges everything that is given. What is not given is not judged; what must be given is for [`super::picture()`] to say.
pub fn judge(request: &Request<'_>) -> Vec<Judgement> {
    let mut bench = Bench::default();
    let files = &request.files;
    let chain_ders = files.certificate.and_then(|bytes| form::certificates(&mut bench, CERTIFICATE, bytes));
    let key = files.key.and_then(|bytes| form::private_key(&mut bench, KEY, bytes));
    let ca_ders = files.ca.and_then(|bytes| form::certificates(&mut bench, CA, bytes));
    let ca_key = files.ca_key.and_then(|bytes| form::private_key(&mut bench, CA_KEY, bytes));
    let also_ders = files.also_trust.and_then(|bytes| form::certificates(&mut bench, ALSO_TRUST, bytes));
    let server_ders = files.acme_server_ca.and_then(|bytes| form::certificates(&mut bench, ACME_SERVER_CA, bytes));
    let mut chain = in_place(CERTIFICATE, &chain_ders);
    let ca = in_place(CA, &ca_ders);
    let also = in_place(ALSO_TRUST, &also_ders);

    let leaf = leaf_index(&chain);
    if !chain.is_empty() {
        chain::order(&mut bench, CERTIFICATE, &chain, leaf);
        // the rest is judged as if it stood in its place
        chain.swap(0, leaf);
        key_fits(&mut bench, KEY, key.as_ref(), &chain);
        judge_chain(&mut bench, request, &chain, &ca);
    }
    judge_ca(&mut bench, request, ca_key.as_ref(), &chain, &ca);
    for seen in &also {
        chain::may_sign(&mut bench, seen, Part::Trusted, None);
    }
    judge_each(&mut bench, request, [&chain, &ca, &also]);
    for seen in &in_place(ACME_SERVER_CA, &server_ders) {
        single::times(&mut bench, seen, request.now, true);
        single::algorithms(&mut bench, seen, false);
    }
    single::node_clocks(&mut bench, &chain.iter().chain(&ca).chain(&also).collect::<Vec<_>>(), request.node_clocks);
    // last, because it goes by what the others found
    strict::strict(&mut bench, CERTIFICATE, &chain, &ca, request.hostname, request.now);
    if let Some(bytes) = files.ca {
        ca_file::text(&mut bench, CA, bytes, request, &ca);
    }
    bench.judgements
}

/// What is asked of the CA file's certificates, which may be there to be trusted or to sign.
fn judge_ca(
    bench: &mut Bench,
    request: &Request<'_>,
    key: Option<&PrivateKeyFacts>,
    chain: &[Seen<'_>],
    ca: &[Seen<'_>],
) {
    if ca.is_empty() {
        return;
    }
    key_fits(bench, CA_KEY, key, ca);
    let signs = chain.is_empty() && request.files.ca_key.is_some();
    let part = if signs { Part::Signs } else { Part::Trusted };
    for seen in ca {
        chain::may_sign(bench, seen, part, chain.first());
    }
    if signs {
        for seen in ca {
            constraints::may_name(bench, seen, request.hostname);
            single::server_auth(bench, seen, false);
        }
        ca_file::chain_of_its_own(bench, CA, ca);
    }
}

/// What is asked of each one by itself: those that are sent, the CA file's, and those that are trusted beside it.
fn judge_each(bench: &mut Bench, request: &Request<'_>, [chain, ca, also]: [&[Seen<'_>]; 3]) {
    let is_among = |all: &[&Seen<'_>], seen: &Seen<'_>| all.iter().any(|one| one.der == seen.der);
    let sent: Vec<&Seen<'_>> = chain.iter().collect();
    let way = chain::climb(chain, ca).filter(|climb| climb.top == chain::Top::InCa).map(|climb| climb.path);
    // those that are sent were asked already
    for seen in ca.iter().filter(|seen| !is_among(&sent, seen)) {
        if way.as_ref().is_some_and(|way| is_among(way, seen)) {
            single::server_auth(bench, seen, false);
        }
    }
    let beside = also.iter().map(|seen| (seen, true));
    for (seen, beside) in chain.iter().chain(ca).map(|seen| (seen, false)).chain(beside) {
        let needed = !beside && way.as_ref().is_none_or(|way| is_among(way, seen));
        single::times(bench, seen, request.now, needed);
        single::critical(bench, seen, needed);
        single::algorithms(bench, seen, is_among(&sent, seen));
    }
}

fn judge_chain(bench: &mut Bench, request: &Request<'_>, chain: &[Seen<'_>], ca: &[Seen<'_>]) {
    let [leaf, others @ ..] = chain else { return };
    single::name(bench, leaf, request.hostname);
    single::life(bench, leaf, request.public_ca);
    single::server_auth(bench, leaf, true);
    for seen in others {
        single::server_auth(bench, seen, false);
        chain::may_sign(bench, seen, Part::Sent, None);
    }
    let Some(climb) = chain::climb(chain, ca) else { return };
    if ca.is_empty() {
        // an unreadable CA file has its own finding, and says nothing about the chain
        if request.files.ca.is_none() {
            chain::leads_to_public(bench, CERTIFICATE, &climb, chain, request.system_roots);
        }
    } else {
        chain::leads_to_ca(bench, CERTIFICATE, &climb, chain, ca);
    }
    chain::path_length(bench, CERTIFICATE, &chain::signers(&climb, ca));
}

fn in_place<'a>(file: &str, ders: &'a Ders) -> Vec<Seen<'a>> {
    let ders = ders.as_deref().unwrap_or_default();
    let parsed = ders.iter().filter_map(|der| certificate::parse(der).ok().map(|certificate| (der, certificate)));
    parsed
        .enumerate()
        .map(|(index, (der, certificate))| Seen {
            subject: match ders.len() {
                1 => file.to_owned(),
                _ => format!("{file} #{} ({})", index + 1, name_text(certificate.subject())),
            },
            der,
            certificate,
            agent: agent::read(der),
        })
        .collect()
}

/// The first certificate, unless that is a CA and another one is not.
fn leaf_index(chain: &[Seen<'_>]) -> usize {
    match chain.first() {
        Some(first) if is_ca(&first.certificate) => {
            chain.iter().position(|seen| !is_ca(&seen.certificate)).unwrap_or(0)
        }
        _ => 0,
    }
}

fn key_fits(bench: &mut Bench, file: &str, key: Option<&PrivateKeyFacts>, certificates: &[Seen<'_>]) {
    let (Some(key), Some(first)) = (key, certificates.first()) else { return };
    match fits(key, &first.certificate) {
        Fit::Fits => bench.pass(&KEY_MISMATCH, file, format!("it fits {}", first.subject)),
        Fit::CannotTell => {
            let seen = format!("whether it fits {} cannot be computed here for {}", first.subject, key.kind);
            bench.warn(
                &KEY_MISMATCH,
                file,
                seen,
                "compare `openssl x509 -noout -pubkey` with `openssl pkey -pubout`".into(),
            );
        }
        Fit::Differs => match certificates.iter().find(|seen| fits(key, &seen.certificate) == Fit::Fits) {
            Some(other) => {
                let seen = format!("it fits {}, not {}", other.subject, first.subject);
                bench.fail(
                    &KEY_MISMATCH,
                    file,
                    seen,
                    format!("put {} first, or give the key of {}", other.subject, first.subject),
                );
            }
            None => {
                let seen = format!("it ({}) does not fit {}", key.kind, first.subject);
                bench.fail(&KEY_MISMATCH, file, seen, String::new());
            }
        },
    }
}
