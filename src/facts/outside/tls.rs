//! TLS handshakes: one that lets everything through and remembers, one that trusts as it should, and one of old times.

use std::sync::{Arc, Mutex, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Open, Path, limited};
use crate::remote::Wire;

pub(super) type Stream = tokio_rustls::client::TlsStream<Box<dyn Wire>>;

#[derive(Debug, Clone)]
pub struct TlsSeen {
    /// e.g. `TLSv1_3`.
    pub protocol: String,
    /// DER, as served: leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Whether a client that knows only the expected roots would trust it for Rancher's name.
    pub trusted: Result<(), String>,
}

/// What a client gets that speaks TLS 1.1 and nothing newer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OldTls {
    Refused,
    /// The server went on with the handshake.
    Accepted,
    Unseen(String),
}

/// The crypto provider, made once: ring, as everywhere in this house.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// A handshake that succeeds whatever the certificate is, and what these roots say of it.
pub(super) async fn shake(
    wire: Box<dyn Wire>,
    hostname: &str,
    roots: &RootCertStore,
) -> Result<(Stream, TlsSeen), String> {
    let witness = Arc::new(Witness::new(roots)?);
    let stream = handshake(wire, hostname, witness.clone()).await?;
    let protocol = stream.get_ref().1.protocol_version().map_or("unknown".into(), |version| format!("{version:?}"));
    let (chain, trusted) = witness.testimony();
    Ok((stream, TlsSeen { protocol, chain, trusted }))
}

/// A handshake in which the certificate does not matter: it is judged elsewhere.
pub(super) async fn shake_blindly(wire: Box<dyn Wire>, hostname: &str) -> Result<Stream, String> {
    handshake(wire, hostname, Arc::new(Witness::new(&RootCertStore::empty())?)).await
}

/// A handshake as a client makes it that trusts these roots.
pub(super) async fn shake_honestly(
    wire: Box<dyn Wire>,
    hostname: &str,
    roots: &RootCertStore,
) -> Result<Stream, String> {
    let verifier = honest(roots)?.ok_or("there is no root to trust")?;
    handshake(wire, hostname, verifier).await
}

async fn handshake(
    wire: Box<dyn Wire>,
    hostname: &str,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Stream, String> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from(hostname.to_string()).map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    limited(async { connector.connect(name, wire).await.map_err(|error| error.to_string()) }).await
}

fn honest(roots: &RootCertStore) -> Result<Option<Arc<WebPkiServerVerifier>>, String> {
    if roots.is_empty() {
        return Ok(None);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider()).build();
    verifier.map(Some).map_err(|error| error.to_string())
}

type Testimony = (Vec<Vec<u8>>, Result<(), String>);

/// Lets every handshake through and remembers what was served and whether it could be trusted.
#[derive(Debug)]
struct Witness {
    honest: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Testimony>,
}

impl Witness {
    fn new(roots: &RootCertStore) -> Result<Witness, String> {
        Ok(Witness {
            honest: honest(roots)?,
            algorithms: provider().signature_verification_algorithms,
            seen: Mutex::new((Vec::new(), Err("no certificate was served".into()))),
        })
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
    ) -> Result<ServerCertVerified, Error> {
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

    // The key must be the certificate's all the same: without that the testimony would be of somebody else's chain.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Offers TLS 1.1 and looks whether the server goes on with it. rustls speaks nothing older than 1.2, so the one message
/// that it takes is put together here.
pub(super) async fn offer_old(open: &impl Open, path: &Path, hostname: &str) -> OldTls {
    let answer = limited(async {
        let mut wire = open.open(&path.origin, &path.address, 443).await?.wire;
        let mut answer = [0; 6];
        wire.write_all(&client_hello(hostname)).await.map_err(|error| error.to_string())?;
        // A server that hangs up has refused as well.
        let read = wire.read_exact(&mut answer).await;
        Ok(read.is_ok().then_some(answer))
    });
    match answer.await {
        // a record of type handshake (22) that begins with a ServerHello (2), RFC 4346
        Ok(Some([22, _, _, _, _, 2])) => OldTls::Accepted,
        Ok(_) => OldTls::Refused,
        Err(error) => OldTls::Unseen(error),
    }
}

/// A ClientHello of TLS 1.1 (RFC 4346) with the server's name.
fn client_hello(hostname: &str) -> Vec<u8> {
    const VERSION: [u8; 2] = [3, 2];
    /// ECDHE and RSA with AES in CBC mode and SHA-1: what any server has that still speaks 1.1.
    const SUITES: [u8; 12] = [0xc0, 0x09, 0xc0, 0x0a, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35];
    let name = counted(2, [vec![0], counted(2, hostname.as_bytes().to_vec())].concat());
    let extensions = [
        [vec![0, 0], counted(2, name)].concat(),
        // groups: x25519, secp256r1, secp384r1
        [vec![0, 10], counted(2, counted(2, vec![0, 29, 0, 23, 0, 24]))].concat(),
        // points: uncompressed
        [vec![0, 11], counted(2, counted(1, vec![0]))].concat(),
    ];
    // Nobody goes on with this handshake, so what should be random need not be.
    let random = [0x5a; 32].to_vec();
    let parts = [
        VERSION.to_vec(),
        random,
        counted(1, vec![]),
        counted(2, SUITES.to_vec()),
        counted(1, vec![0]),
        counted(2, extensions.concat()),
    ];
    let hello = [vec![1], counted(3, parts.concat())].concat();
    [vec![22, 3, 1], counted(2, hello)].concat()
}

/// The bytes behind their count, which has `width` bytes.
fn counted(width: usize, bytes: Vec<u8>) -> Vec<u8> {
    let count = (bytes.len() as u64).to_be_bytes();
    [count[8 - width..].to_vec(), bytes].concat()
}
