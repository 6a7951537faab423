//! What Rancher's agent does when it is registered, step by step (rancher/rancher v2.11: package/run.sh, then the tunnel
//! of rancher/remotedialer): the ping without looking at the certificate, the CA by its checksum, a handshake that trusts
//! what its mode says, the tunnel.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::{AgentTrust, Asked, NotOpened, Open, Path, Questions, http, limited, tls, websocket};

/// Where an agent's tunnel begins.
pub(super) const CONNECT: &str = "/v3/connect";

/// How an agent fared, one step after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSeen {
    /// `/ping`, without verification.
    pub ping: Asked,
    /// The text of `/cacerts`, without verification.
    pub cacerts: Asked,
    /// The field `value` of `/v3/settings/cacerts`, from which run.sh takes the CA; the same text is expected.
    pub setting: Result<String, String>,
    pub trust: Trusted,
    /// The tunnel, over a connection that is trusted; `None` when none is.
    pub connect: Option<Result<(), NotOpened>>,
    /// Whether an agent in the other mode would take the certificate, where that was asked.
    pub other: Option<Trusted>,
}

/// Whether an agent takes the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    Yes {
        /// How many roots it had to choose from.
        roots: usize,
    },
    /// Strict, and nothing in `/cacerts` to be strict about.
    NoCa,
    No(String),
}

pub(super) async fn walk(open: &impl Open, path: &Path, questions: &Questions<'_>) -> AgentSeen {
    let hostname = questions.hostname;
    let (ping, cacerts, setting) = fetch(open, path, hostname).await;
    let roots = |mode| match mode {
        AgentTrust::SystemStore(roots) => roots.clone(),
        AgentTrust::Strict => match &cacerts {
            Ok(answer) if answer.status == 200 => parse(&answer.body),
            Ok(_) | Err(_) => RootCertStore::empty(),
        },
    };
    let other = match questions.other {
        None => None,
        Some(mode) => Some(trust(open, path, hostname, mode, &roots(mode)).await.0),
    };
    let (trust, stream) = trust(open, path, hostname, questions.agent, &roots(questions.agent)).await;
    let connect = match stream {
        Some(stream) => Some(connect(stream, hostname).await),
        None => None,
    };
    AgentSeen { ping, cacerts, setting, trust, connect, other }
}

/// The handshake by these roots alone.
async fn trust(
    open: &impl Open,
    path: &Path,
    hostname: &str,
    mode: AgentTrust<'_>,
    roots: &RootCertStore,
) -> (Trusted, Option<tls::Stream>) {
    if roots.is_empty() && matches!(mode, AgentTrust::Strict) {
        return (Trusted::NoCa, None);
    }
    let shaken = async {
        let opened = limited(open.open(&path.origin, &path.address, 443)).await?;
        tls::shake_honestly(opened.wire, hostname, roots).await
    };
    match shaken.await {
        Ok(stream) => (Trusted::Yes { roots: roots.len() }, Some(stream)),
        Err(error) => (Trusted::No(error), None),
    }
}

async fn fetch(open: &impl Open, path: &Path, hostname: &str) -> (Asked, Asked, Result<String, String>) {
    let sender = async {
        let opened = limited(open.open(&path.origin, &path.address, 443)).await?;
        http::converse(tls::shake_blindly(opened.wire, hostname).await?).await
    };
    let mut sender = match sender.await {
        Ok(sender) => sender,
        Err(error) => return (Err(error.clone()), Err(error.clone()), Err(error)),
    };
    let ping = http::get(&mut sender, hostname, "/ping", &[]).await;
    let cacerts = http::get(&mut sender, hostname, "/cacerts", &[]).await;
    let setting = http::get(&mut sender, hostname, "/v3/settings/cacerts", &[]).await;
    (ping, cacerts, setting.and_then(|answer| value(answer.status, &answer.body)))
}

/// `jq -r .value`.
fn value(status: u16, body: &str) -> Result<String, String> {
    if status != 200 {
        return Err(format!("answered {status}"));
    }
    let setting: Value = serde_json::from_str(body).map_err(|error| format!("is no JSON: {error}"))?;
    match &setting["value"] {
        Value::String(text) => Ok(text.clone()),
        _ => Err("has no field `value`".into()),
    }
}

/// The tunnel over a connection that is trusted.
async fn connect(stream: tls::Stream, hostname: &str) -> Result<(), NotOpened> {
    let mut socket = websocket::upgrade(stream, hostname, CONNECT).await?;
    websocket::answers(&mut socket).await.map_err(NotOpened::Broken)
}

fn parse(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates.collect::<Vec<_>>());
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_run_sh_reads_it() {
        assert_eq!(value(200, r#"{"name": "cacerts", "value": "PEM"}"#), Ok("PEM".into()));
        assert_eq!(value(200, r#"{"value": ""}"#), Ok(String::new()));
        assert!(value(200, "<html>").unwrap_err().starts_with("is no JSON"));
        assert_eq!(value(404, r#"{"value": "PEM"}"#), Err("answered 404".into()));
        assert_eq!(value(200, r#"{"value": null}"#), Err("has no field `value`".into()));
    }
}
