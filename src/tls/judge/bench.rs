//! What is judged, and the bench that collects the judgements.

use jiff::Timestamp;
use serde::Serialize;
use x509_parser::prelude::X509Certificate;

use super::rules::Rule;
use crate::tls::agent::{AgentCertificate, Fault};
use crate::tls::material::Files;

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
pub(super) struct Bench {
    pub(super) judgements: Vec<Judgement>,
}

impl Bench {
    pub(super) fn say(&mut self, rule: &'static Rule, grade: Grade, subject: &str, seen: String, fix: String) {
        self.judgements.push(Judgement { rule, grade, subject: subject.to_owned(), seen, fix });
    }

    pub(super) fn pass(&mut self, rule: &'static Rule, subject: &str, seen: String) {
        self.say(rule, Grade::Pass, subject, seen, String::new());
    }

    /// An empty `fix` stands for the rule's own.
    pub(super) fn warn(&mut self, rule: &'static Rule, subject: &str, seen: String, fix: String) {
        self.say(rule, Grade::Warn, subject, seen, if fix.is_empty() { rule.fix.to_owned() } else { fix });
    }

    pub(super) fn fail(&mut self, rule: &'static Rule, subject: &str, seen: String, fix: String) {
        self.say(rule, Grade::Fail, subject, seen, if fix.is_empty() { rule.fix.to_owned() } else { fix });
    }
}

/// What a CA's certificate is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The server sends it, to lead up to one that is trusted.
    Sent,
    Trusted,
    /// Certificates will be issued with it.
    Signs,
}

/// A certificate in its place.
pub(super) struct Seen<'a> {
    pub(super) subject: String,
    pub(super) der: &'a [u8],
    pub(super) certificate: X509Certificate<'a>,
    /// What agents read, or why they cannot.
    pub(super) agent: Result<AgentCertificate<'a>, Fault>,
}
