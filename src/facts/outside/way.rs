//! One way from outside to Rancher: where it begins, what it is asked, and how it is opened.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use rustls::RootCertStore;

use crate::remote::Wire;

/// Limit for each single step of a probe.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// Where a client stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This machine; where it cannot connect, a node does so in its place, and the evidence says so.
    Laptop,
    /// The node of this name, and nobody else.
    Node(String),
}

/// What is spoken at the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// TLS on 443, plain http on 80.
    Tls,
    /// Only plain http on 80: a node in mode external, whose TLS is the balancer's.
    Plain,
}

/// One way from outside to Rancher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// How findings call it, e.g. `n1` or `n1→dns 10.0.0.12`.
    pub name: String,
    pub origin: Origin,
    /// The address that is connected to; the name asked for is always Rancher's host name.
    pub address: String,
    pub entrance: Entrance,
    /// Whether DNS led here: agents come by no other way.
    pub by_name: bool,
}

/// What every path is asked.
pub struct Questions<'a> {
    pub hostname: &'a str,
    /// The only roots that a browser is supposed to know.
    pub roots: &'a RootCertStore,
    pub agent: AgentTrust<'a>,
    /// The other mode, to be looked at besides.
    pub other: Option<AgentTrust<'a>>,
    /// How long a WebSocket is held silent; `None` only opens it.
    pub silence: Option<Duration>,
}

/// A stream that was opened.
pub struct Opened {
    pub wire: Box<dyn Wire>,
    /// For people: `10.0.0.11:443, directly`.
    pub way: String,
    /// Our own address on it, where it is known.
    pub from: Option<IpAddr>,
}

/// Opens a stream to an address and port.
pub trait Open: Sync {
    fn open(&self, from: &Origin, address: &str, port: u16) -> impl Future<Output = Result<Opened, String>> + Send;
}

/// What an agent trusts.
#[derive(Debug, Clone, Copy)]
pub enum AgentTrust<'a> {
    /// `agent-tls-mode: strict`: what `/cacerts` holds, and nothing else.
    Strict,
    /// `agent-tls-mode: system-store`: the roots of the agent's own system.
    SystemStore(&'a RootCertStore),
}

/// Runs a step within its limit.
pub(super) async fn limited<T>(step: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(STEP, step).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", STEP.as_secs())),
    }
}
