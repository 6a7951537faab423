//! What every path has to give back, and what an answer is held to be.

use std::net::IpAddr;

use crate::check::Verdict;
use crate::facts::outside::{Answer, Asked, NotOpened};
use crate::inventory::AgentTlsMode;
use crate::tls::ca_checksum;

/// What every path has to give back.
#[derive(Debug, Clone)]
pub struct Expected {
    pub hostname: String,
    /// Who signs the chain, for people: `the CA in ca.pem`, `the system's roots`.
    pub trust: String,
    /// Whether that is what any system trusts.
    pub public: bool,
    /// The checksum agents will compute over `/cacerts`, in hex.
    pub cacerts: Cacerts,
    /// What a failure on port 80 counts: an ingress that was there already may not listen on it.
    pub plain: Verdict,
    /// What counts who accepts TLS 1.1: an ingress that was there already is somebody else's to configure.
    pub old_tls: Verdict,
    /// From whom the nodes believe forwarded headers, in mode external.
    pub balancers: Vec<IpAddr>,
    pub agents: AgentTlsMode,
    /// Whether WebSockets were to be held silent.
    pub thorough: bool,
}

/// What `/cacerts` has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cacerts {
    Checksum(String),
    /// Rancher was told to trust nothing of its own (`--no-cacerts`).
    Empty,
    /// Rancher made its CA itself; nothing could be predicted.
    Any,
}

/// A verdict and its evidence.
pub(super) type Said = (Verdict, String);

/// What was answered in the place of what was asked for.
pub(super) fn unexpected(what: &str, answer: &Asked) -> String {
    match answer {
        Ok(Answer { status, body, .. }) => format!("{what} answered {}", brief(*status, body)),
        Err(error) => format!("{what}: {error}"),
    }
}

/// The status, and the beginning of what came with it.
pub(super) fn brief(status: u16, body: &str) -> String {
    let first: String = body.lines().next().unwrap_or_default().chars().take(60).collect();
    if first.is_empty() { status.to_string() } else { format!("{status} `{first}`") }
}

pub(super) fn ping(answer: &Asked) -> Said {
    match answer {
        Ok(answer) if answer.status == 200 && answer.body.trim() == "pong" => (Verdict::Pass, "pong".into()),
        other => (Verdict::Fail, unexpected("/ping", other)),
    }
}

/// A CA text as it was served, against what was predicted.
pub(super) fn compare(expected: &Cacerts, served: &str) -> Said {
    let served = ca_checksum(served);
    match (expected, served.is_empty()) {
        (Cacerts::Empty, true) => (Verdict::Pass, "empty, as agents in system-store mode expect".into()),
        (Cacerts::Empty, false) => (Verdict::Fail, format!("a CA with checksum {served}, expected none")),
        (Cacerts::Checksum(wanted), _) if *wanted == served => (Verdict::Pass, format!("checksum {served}")),
        (Cacerts::Checksum(wanted), true) => (Verdict::Fail, format!("empty, expected checksum {wanted}")),
        (Cacerts::Checksum(wanted), false) => (Verdict::Fail, format!("checksum {served}, expected {wanted}")),
        (Cacerts::Any, false) => (Verdict::Pass, format!("checksum {served}, of the CA that Rancher made")),
        (Cacerts::Any, true) => (Verdict::Fail, "empty, expected the CA that Rancher made".into()),
    }
}

/// Rancher opens no WebSocket to strangers: it answers 401 before it looks at the upgrade (rancher/remotedialer: server.go).
/// Then the request came through; whether an upgrade does, nobody saw.
pub(super) fn websocket(opened: &Result<(), NotOpened>) -> Said {
    match opened {
        Ok(()) => (Verdict::Pass, "opens, and answers a ping".into()),
        Err(NotOpened::Answered { status: 401, .. }) => {
            (Verdict::Warn, "not seen: Rancher answers 401 to who has no token, before it looks at the upgrade".into())
        }
        Err(NotOpened::Answered { status, body }) => {
            (Verdict::Fail, format!("answered {} in the place of an upgrade", brief(*status, body)))
        }
        Err(NotOpened::Broken(error)) => (Verdict::Fail, error.clone()),
    }
}
