//! Certificates judged before anything is touched: offline, all findings at once, each with why and fix.

mod chain;
mod constraints;
mod form;
#[cfg(test)]
mod hostile_tests;
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
use super::checksum::{ca_checksum, survives_secret};
use super::key::{Fit, PrivateKeyFacts, fits};
use super::material::handed_out;
use super::pem::{self, Block};
use rules::{CA_CHECKSUM, CA_KEPT, KEY_MISMATCH};
pub use rules::{RULES, Rule};

/// What to judge: the files' bytes as they are, and the times to judge them by.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The name that users and agents call: a DNS name or an IP address.
    pub hostname: &'a str,
    pub certificate: Option<&'a [u8]>,
    pub key: Option<&'a [u8]>,
    pub ca: Option<&'a [u8]>,
    pub ca_key: Option<&'a [u8]>,
    /// CAs that agents shall trust beside the one above.
    pub also_trust: Option<&'a [u8]>,
    /// What the ACME server's own certificate is held against.
    pub acme_server_ca: Option<&'a [u8]>,
    /// The certificate is said to come from a CA that clients know.
    pub public_ca: bool,
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

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";
const CA: &str = "tls.ca";
const CA_KEY: &str = "tls.ca_key";
const ALSO_TRUST: &str = "tls.also_trust";
const ACME_SERVER_CA: &str = "tls.acme.server_ca";

/// Judges everything that is given. What is not given is not judged; what must be given is for [`super::picture()`] to say.
pub fn judge(request: &Request<'_>) -> Vec<Judgement> {
    let mut bench = Bench::default();
    let chain_ders = request.certificate.and_then(|bytes| form::certificates(&mut bench, CERTIFICATE, bytes));
    let key = request.key.and_then(|bytes| form::private_key(&mut bench, KEY, bytes));
    let ca_ders = request.ca.and_then(|bytes| form::certificates(&mut bench, CA, bytes));
    let ca_key = request.ca_key.and_then(|bytes| form::private_key(&mut bench, CA_KEY, bytes));
    let also_ders = request.also_trust.and_then(|bytes| form::certificates(&mut bench, ALSO_TRUST, bytes));
    let server_ders = request.acme_server_ca.and_then(|bytes| form::certificates(&mut bench, ACME_SERVER_CA, bytes));
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
            if chain.is_empty() && request.ca_key.is_some() {
                constraints::may_name(&mut bench, seen, request.hostname);
            }
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
    single::node_clocks(&mut bench, &chain.iter().chain(&ca).collect::<Vec<_>>(), request.node_clocks);
    // last, because it goes by what the others found
    strict::strict(&mut bench, CERTIFICATE, &chain, &ca, request.hostname, request.now);
    if let Some(bytes) = request.ca {
        ca_text(&mut bench, bytes, request.also_trust, !ca.is_empty());
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
        if request.ca.is_none() {
            chain::leads_to_public(bench, CERTIFICATE, &climb, chain);
        }
    } else {
        chain::leads_to_ca(bench, CERTIFICATE, &climb, chain, ca);
    }
    chain::path_length(bench, CERTIFICATE, &climb);
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

/// The CA's text as it will be sent, and what agents will make of it.
fn ca_text(bench: &mut Bench, bytes: &[u8], also: Option<&[u8]>, readable: bool) {
    if !readable {
        return;
    }
    let (Ok(read), Ok(also)) = (pem::read(bytes), also.map(pem::read).transpose()) else { return };
    let ca = pem::tidy(&read, Block::is_certificate);
    let beside = also.map(|read| pem::tidy(&read, Block::is_certificate));
    let sent = handed_out(&ca, beside.as_deref().map(String::as_str));
    let checksum = ca_checksum(&sent);
    let own = std::str::from_utf8(bytes).map(ca_checksum).unwrap_or_default();
    let note = match (own == checksum, &beside) {
        (true, _) => "",
        (false, None) => "; it is that of the tidied text, the file itself has another one",
        (false, Some(_)) => "; it is that of both files together",
    };
    bench.pass(&CA_CHECKSUM, CA, format!("agents will compute {checksum}{note}"));
    match survives_secret(sent.as_bytes()) {
        Ok(()) => bench.pass(&CA_KEPT, CA, format!("{} bytes of plain text", sent.len())),
        Err(why) => bench.fail(&CA_KEPT, CA, why.to_string(), String::new()),
    }
}
