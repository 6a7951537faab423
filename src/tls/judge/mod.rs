//! Certificates judged before anything is touched: offline, all findings at once, each with why and fix.

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

use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use serde::Serialize;
use x509_parser::prelude::X509Certificate;

use super::certificate::{self, is_ca, name_text};
use super::key::{Fit, PrivateKeyFacts, fits};
use super::material::Files;
use super::material::names::{ACME_SERVER_CA, ALSO_TRUST, CA, CA_KEY, CERTIFICATE, KEY};
use rules::KEY_MISMATCH;
pub use rules::{RULES, Rule};

/// What to judge: the files' bytes as they are, and the times to judge them by.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The name that users and agents call: a DNS name or an IP address.
    pub hostname: &'a str,
    pub files: Files<'a>,
    /// Rancher hands out the first certificate of the CA file alone, written anew (see [`super::Cacerts::TlsRancher`]).
    pub first_ca_only: bool,
    /// The certificate is said to come from a CA that clients know.
    pub public_ca: bool,
    /// What this machine's system trusts, as DER; empty where it has no such store.
    pub system_roots: &'a [&'a [u8]],
    pub now: Timestamp,
    pub node_clocks: &'a [NodeClock],
}

/// What a node's own clock said at `Request::now`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeClock {
    pub node: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Pass,
    Warn,
    Fail,
}

/// One answer of one rule about one file, or one certificate in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    pub rule: &'static Rule,
    pub grade: Grade,
    /// E.g. `tls.key`, or `tls.certificate #2 (CN=Example Intermediate)`.
    pub subject: String,
    /// What was seen, in one line.
    pub seen: String,
    /// Empty for a pass.
    pub fix: String,
}

/// Collects judgements.
#[derive(Default)]
struct Bench {
    judgements: Vec<Judgement>,
}

impl Bench {
    fn say(&mut self, rule: &'static Rule, grade: Grade, subject: &str, seen: String, fix: String) {
        self.judgements.push(Judgement { rule, grade, subject: subject.to_owned(), seen, fix });
    }

    fn pass(&mut self, rule: &'static Rule, subject: &str, seen: String) {
        self.say(rule, Grade::Pass, subject, seen, String::new());
    }

    /// An empty `fix` stands for the rule's own.
    fn warn(&mut self, rule: &'static Rule, subject: &str, seen: String, fix: String) {
        self.say(rule, Grade::Warn, subject, seen, if fix.is_empty() { rule.fix.to_owned() } else { fix });
    }

    fn fail(&mut self, rule: &'static Rule, subject: &str, seen: String, fix: String) {
        self.say(rule, Grade::Fail, subject, seen, if fix.is_empty() { rule.fix.to_owned() } else { fix });
    }
}

/// A certificate in its place.
struct Seen<'a> {
    subject: String,
    der: &'a [u8],
    certificate: X509Certificate<'a>,
}

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
    if !ca.is_empty() {
        key_fits(&mut bench, CA_KEY, ca_key.as_ref(), &ca);
        for seen in &ca {
            chain::may_sign(&mut bench, seen, chain.first());
            if chain.is_empty() && files.ca_key.is_some() {
                constraints::may_name(&mut bench, seen, request.hostname);
            }
        }
        if chain.is_empty() && files.ca_key.is_some() {
            ca_file::chain_of_its_own(&mut bench, CA, &ca);
        }
    }
    for seen in &also {
        chain::may_sign(&mut bench, seen, None);
    }
    let way = chain::climb(&chain, &ca).filter(|climb| climb.top == chain::Top::InCa).map(|climb| climb.path);
    for (seen, beside) in chain.iter().chain(&ca).map(|seen| (seen, false)).chain(also.iter().map(|seen| (seen, true)))
    {
        let on_the_way = |way: &Vec<&Seen<'_>>| way.iter().any(|step| step.der == seen.der);
        let needed = !beside && way.as_ref().is_none_or(on_the_way);
        single::times(&mut bench, seen, request.now, needed);
        single::algorithms(&mut bench, seen);
    }
    for seen in &in_place(ACME_SERVER_CA, &server_ders) {
        single::times(&mut bench, seen, request.now, true);
        single::algorithms(&mut bench, seen);
    }
    single::node_clocks(&mut bench, &chain.iter().chain(&ca).chain(&also).collect::<Vec<_>>(), request.node_clocks);
    // last, because it goes by what the others found
    strict::strict(&mut bench, CERTIFICATE, &chain, &ca, request.hostname, request.now);
    if let Some(bytes) = files.ca {
        ca_file::text(&mut bench, CA, bytes, request, &ca);
    }
    bench.judgements
}

fn judge_chain(bench: &mut Bench, request: &Request<'_>, chain: &[Seen<'_>], ca: &[Seen<'_>]) {
    let [leaf, others @ ..] = chain else { return };
    single::name(bench, leaf, request.hostname);
    single::life(bench, leaf, request.public_ca);
    single::server_auth(bench, leaf, true);
    for seen in others {
        single::server_auth(bench, seen, false);
        chain::may_sign(bench, seen, None);
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
