//! What a browser or an agent gets when it comes from outside: one probe for each way to Rancher.
//!
//! Nothing is judged here. The TLS handshake is let through whatever the certificate is, so that a wrong one can be
//! shown as evidence; whether a client with only the expected root would have trusted it is recorded beside it.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::remote::Wire;

/// Limit for each single step of a probe.
const STEP: Duration = Duration::from_secs(10);
/// Rancher's answers to the probe's questions are small; more than this is not one of them.
const BODY_LIMIT: usize = 1 << 20;

/// One way from outside to Rancher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// How findings call it, e.g. `n1 (10.0.0.11)` or `dns rancher.example.com`.
    pub name: String,
    /// The address that is connected to; the name asked for is always Rancher's host name.
    pub address: String,
}

/// What came back along one path.
#[derive(Debug, Clone)]
pub struct PathSeen {
    pub path: Path,
    /// How the address was reached, or why not.
    pub reached: Result<String, String>,
    pub tls: Option<Result<TlsSeen, String>>,
    /// `GET /ping` over that TLS.
    pub ping: Option<Result<Answer, String>>,
    /// `GET /cacerts` over TLS.
    pub cacerts: Option<Result<Answer, String>>,
    /// `GET /` in plain http on port 80, redirect not followed.
    pub plain: Option<Result<Answer, String>>,
}

#[derive(Debug, Clone)]
pub struct TlsSeen {
    /// e.g. `TLSv1_3`.
    pub protocol: String,
    /// DER, as served: leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Whether a client that knows only the expected roots would trust it for Rancher's name.
    pub trusted: Result<(), String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

/// Opens a stream to an address and port, and says by which way.
pub trait Open: Sync {
    fn open(&self, address: &str, port: u16) -> impl Future<Output = Result<(Box<dyn Wire>, String), String>> + Send;
}

/// Walks one path from end to end. Each answer is evidence; nothing stops the probe but the path's own end.
pub async fn probe(open: &impl Open, path: &Path, hostname: &str, roots: &RootCertStore) -> PathSeen {
    let mut seen =
        PathSeen { path: path.clone(), reached: Err(String::new()), tls: None, ping: None, cacerts: None, plain: None };
    let (wire, way) = match limited(open.open(&path.address, 443)).await {
        Ok(opened) => opened,
        Err(error) => {
            seen.reached = Err(error);
            return seen;
        }
    };
    seen.reached = Ok(way);
    match shake(wire, hostname, roots).await {
        Err(error) => seen.tls = Some(Err(error)),
        Ok((stream, tls)) => {
            seen.tls = Some(Ok(tls));
            (seen.ping, seen.cacerts) = ask_both(stream, hostname).await;
        }
    }
    seen.plain = Some(plain(open, path, hostname).await);
    seen
}

async fn ask_both(
    stream: tokio_rustls::client::TlsStream<Box<dyn Wire>>,
    hostname: &str,
) -> (Option<Result<Answer, String>>, Option<Result<Answer, String>>) {
    let mut sender = match http(stream).await {
        Ok(sender) => sender,
        Err(error) => return (Some(Err(error)), None),
    };
    let ping = get(&mut sender, hostname, "/ping", &[]).await;
    let cacerts = get(&mut sender, hostname, "/cacerts", &[]).await;
    (Some(ping), Some(cacerts))
}

async fn plain(open: &impl Open, path: &Path, hostname: &str) -> Result<Answer, String> {
    let (wire, _) = limited(open.open(&path.address, 80)).await?;
    let mut sender = http(wire).await?;
    get(&mut sender, hostname, "/", &[]).await
}

/// Runs a step within its limit.
async fn limited<T>(step: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(STEP, step).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", STEP.as_secs())),
    }
}

type Sender = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn http<S: Wire + 'static>(stream: S) -> Result<Sender, String> {
    limited(async {
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Ends with the sender; its errors reach the caller through the requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    })
    .await
}

async fn get(sender: &mut Sender, host: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
    limited(async {
        sender.ready().await.map_err(|error| chain(&error))?;
        let mut request = http::Request::get(path).header("host", host).header("user-agent", "cowhand");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
        let status = response.status().as_u16();
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_string);
        let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|error| error.to_string())?;
        Ok(Answer { status, location, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
    })
    .await
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn shake(
    wire: Box<dyn Wire>,
    hostname: &str,
    roots: &RootCertStore,
) -> Result<(tokio_rustls::client::TlsStream<Box<dyn Wire>>, TlsSeen), String> {
    let witness = Arc::new(Witness::new(roots)?);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(hostname.to_string()).map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = limited(async { connector.connect(name, wire).await.map_err(|error| error.to_string()) }).await?;
    let protocol = stream.get_ref().1.protocol_version().map_or("unknown".into(), |version| format!("{version:?}"));
    let (chain, trusted) = witness.testimony();
    Ok((stream, TlsSeen { protocol, chain, trusted }))
}

/// The crypto provider, made once: ring, as everywhere in this house.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

type Testimony = (Vec<Vec<u8>>, Result<(), String>);

/// Lets every handshake through and remembers what was served and whether it could be trusted.
#[derive(Debug)]
struct Witness {
    honest: Option<Arc<WebPkiServerVerifier>>,
    seen: Mutex<Testimony>,
}

impl Witness {
    fn new(roots: &RootCertStore) -> Result<Witness, String> {
        let honest = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider())
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        };
        Ok(Witness { honest, seen: Mutex::new((Vec::new(), Err("no certificate was served".into()))) })
    }

    fn testimony(&self) -> Testimony {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_else(|poisoned| poisoned.into_inner().clone())
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(leaf).chain(intermediates).map(|der| der.as_ref().to_vec()).collect();
        let trusted = match &self.honest {
            None => Err("no root to trust was given".to_string()),
            Some(honest) => honest
                .verify_server_cert(leaf, intermediates, name, ocsp, now)
                .map(|_| ())
                .map_err(|error| error.to_string()),
        };
        if let Ok(mut seen) = self.seen.lock() {
            *seen = (chain, trusted);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
