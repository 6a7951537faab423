//! What a browser or an agent gets when it comes from outside: one probe for each way to Rancher.
//!
//! Nothing is judged here. The TLS handshake is let through whatever the certificate is, so that a wrong one can be
//! shown as evidence; whether a client with only the expected root would have trusted it is recorded beside it.

mod agent;
mod http;
mod tls;
mod way;
mod websocket;

use std::net::IpAddr;

use super::gather::chain;

pub use agent::{AgentSeen, Trusted};
pub use http::{Answer, Asked, Hop};
pub use tls::{OldTls, TlsSeen, provider};
pub use way::{AgentTrust, Entrance, Open, Opened, Origin, Path, Questions};
use way::{STEP, limited};
pub use websocket::{NotOpened, SocketSeen};

/// Where the browser's pages listen for news; agents have [`agent::CONNECT`].
const SUBSCRIBE: &str = "/v3/subscribe";

/// What came back along one path.
#[derive(Debug, Clone)]
pub struct PathSeen {
    pub path: Path,
    /// What was found, or why the address could not be connected to.
    pub outcome: Result<Reached, String>,
}

/// The far end answered.
#[derive(Debug, Clone)]
pub struct Reached {
    /// By which way, e.g. `10.0.0.11:443, directly`.
    pub way: String,
    pub seen: Seen,
}

#[derive(Debug, Clone)]
pub enum Seen {
    Tls(Box<Secure>),
    Plain(Box<Plain>),
}

#[derive(Debug, Clone)]
pub struct Secure {
    /// Everything behind the handshake, or why there was none.
    pub tls: Result<Box<Inside>, String>,
    /// `http://NAME/`, redirects followed.
    pub plain: Vec<Hop>,
}

/// What was found behind a TLS handshake.
#[derive(Debug, Clone)]
pub struct Inside {
    pub handshake: TlsSeen,
    /// What a client gets that speaks TLS 1.1 at best.
    pub old: OldTls,
    pub ping: Asked,
    pub cacerts: Asked,
    /// `https://NAME/`, redirects followed.
    pub front: Vec<Hop>,
    pub websocket: SocketSeen,
    /// Only where agents come along.
    pub agent: Option<AgentSeen>,
}

/// A node in mode external.
#[derive(Debug, Clone)]
pub struct Plain {
    /// The address that the node saw us come from, where it is known.
    pub from: Option<IpAddr>,
    pub ping: Asked,
    /// `http://NAME/`; the redirect to https is not followed, it leads to the balancer.
    pub plain: Vec<Hop>,
    /// `http://NAME/` with `X-Forwarded-Proto: https`.
    pub forwarded: Asked,
}

/// Walks one path from end to end. Each answer is evidence; nothing stops the probe but the path's own end.
pub async fn probe(open: &impl Open, path: &Path, questions: &Questions<'_>) -> PathSeen {
    let outcome = match path.entrance {
        Entrance::Tls => secure(open, path, questions).await,
        Entrance::Plain => plain(open, path, questions).await,
    };
    PathSeen { path: path.clone(), outcome }
}

async fn secure(open: &impl Open, path: &Path, questions: &Questions<'_>) -> Result<Reached, String> {
    let hostname = questions.hostname;
    let Opened { wire, way, .. } = limited(open.open(&path.origin, &path.address, 443)).await?;
    let behind = async {
        let (stream, handshake) = tls::shake(wire, hostname, questions.roots).await?;
        Ok(Box::new(inside(open, path, questions, stream, handshake).await))
    };
    // side by side: a WebSocket that is held silent must not keep the rest waiting
    let plain = http::follow(open, path, hostname, http::Url::front(hostname, false));
    let (tls, plain) = futures::join!(behind, plain);
    Ok(Reached { way, seen: Seen::Tls(Box::new(Secure { tls, plain })) })
}

async fn inside(
    open: &impl Open,
    path: &Path,
    questions: &Questions<'_>,
    stream: tls::Stream,
    handshake: TlsSeen,
) -> Inside {
    let hostname = questions.hostname;
    let pages = async {
        match http::converse(stream).await {
            Ok(mut sender) => {
                let ping = http::get(&mut sender, hostname, "/ping", &[]).await;
                (ping, http::get(&mut sender, hostname, "/cacerts", &[]).await)
            }
            Err(error) => (Err(error.clone()), Err(error)),
        }
    };
    let walk_as_agent = async {
        match path.by_name {
            true => Some(agent::walk(open, path, questions).await),
            false => None,
        }
    };
    let ((ping, cacerts), front, old, agent, websocket) = futures::join!(
        pages,
        http::follow(open, path, hostname, http::Url::front(hostname, true)),
        tls::offer_old(open, path, hostname),
        walk_as_agent,
        websocket::probe(open, path, hostname, SUBSCRIBE, questions.silence),
    );
    Inside { handshake, old, ping, cacerts, front, websocket, agent }
}

async fn plain(open: &impl Open, path: &Path, questions: &Questions<'_>) -> Result<Reached, String> {
    let hostname = questions.hostname;
    let Opened { wire, way, from } = limited(open.open(&path.origin, &path.address, 80)).await?;
    let (ping, forwarded) = match http::converse(wire).await {
        Ok(mut sender) => {
            let ping = http::get(&mut sender, hostname, "/ping", &[]).await;
            (ping, http::get(&mut sender, hostname, "/", &[("x-forwarded-proto", "https")]).await)
        }
        Err(error) => (Err(error.clone()), Err(error)),
    };
    let plain = http::follow(open, path, hostname, http::Url::front(hostname, false)).await;
    Ok(Reached { way, seen: Seen::Plain(Box::new(Plain { from, ping, plain, forwarded })) })
}
