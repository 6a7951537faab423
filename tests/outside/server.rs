//! A small Rancher on two loopback ports, real TLS and real WebSockets, that can be told to misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cowhand::facts::outside::{Open, Opened, Origin, provider};
use futures::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

pub const NAME: &str = "rancher.example.com";

/// How it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The proxy in front drops X-Forwarded-Proto: over https, too, everything is redirected to https.
    Loops,
    /// Plain http is sent to plain http first.
    TwoHops,
    /// A WebSocket is cut off after this many milliseconds of silence.
    CutsSilence(u64),
    /// It opens WebSockets and never answers a ping.
    Deaf,
    /// As Rancher answers who has no token.
    WantsToken,
    /// A proxy that knows no upgrade.
    NoUpgrade,
    /// Nobody listens on port 80.
    NoPlain,
    NoCacerts,
    /// Who offers TLS 1.1 gets it.
    AlsoAncient,
}

/// A CA, and what it signed.
pub struct Ca {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub fn make() -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "the test's CA");
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::from_ca_cert_pem(&pem, key).unwrap();
        Ca { pem, issuer }
    }

    fn serve(&self, name: &str) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_string()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        config.with_no_client_auth().with_single_cert(chain, key).unwrap()
    }
}

/// The two ports, in the place of 80 and 443.
pub struct Rancher {
    http: SocketAddr,
    https: SocketAddr,
}

impl Rancher {
    /// `signer` signs for `name`; `cacerts` is what `/cacerts` hands out.
    pub async fn start(fault: Fault, signer: &Ca, name: &str, cacerts: &str) -> Rancher {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(signer.serve(name)));
        let cacerts: Arc<str> = if fault == Fault::NoCacerts { "".into() } else { cacerts.into() };
        let (http, https) = (listen().await, listen().await);
        let rancher = Rancher { http: http.local_addr().unwrap(), https: https.local_addr().unwrap() };
        if fault != Fault::NoPlain {
            let cacerts = cacerts.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = http.accept().await {
                    tokio::spawn(converse(stream, false, fault, cacerts.clone()));
                }
            });
        }
        tokio::spawn(async move {
            while let Ok((stream, _)) = https.accept().await {
                let (acceptor, cacerts) = (acceptor.clone(), cacerts.clone());
                tokio::spawn(async move {
                    match fault {
                        Fault::AlsoAncient if offers_ancient(&stream).await => ancient(stream).await,
                        _ => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                converse(stream, true, fault, cacerts).await;
                            }
                        }
                    }
                });
            }
        });
        rancher
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl Open for Rancher {
    async fn open(&self, _: &Origin, _: &str, port: u16) -> Result<Opened, String> {
        let place = if port == 443 { self.https } else { self.http };
        let stream = TcpStream::connect(place).await.map_err(|error| error.to_string())?;
        let from = stream.local_addr().ok().map(|address| address.ip());
        Ok(Opened { wire: Box::new(stream), way: "on loopback".into(), from })
    }
}

/// Whether the ClientHello's version is 1.1 (3.2); newer clients say 3.3 there.
async fn offers_ancient(stream: &TcpStream) -> bool {
    let mut start = [0; 11];
    while stream.peek(&mut start).await.is_ok_and(|length| (1..11).contains(&length)) {
        tokio::task::yield_now().await;
    }
    start[9..] == [3, 2]
}

/// A ServerHello of TLS 1.1 and no more of it.
async fn ancient(mut stream: TcpStream) {
    let mut hello = [0; 1024];
    // whoever asked may be gone
    let _ = stream.read(&mut hello).await;
    let _ = stream.write_all(&[22, 3, 2, 0, 4, 2, 0, 0, 0]).await;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut stream: S,
    secure: bool,
    fault: Fault,
    cacerts: Arc<str>,
) {
    while let Some(head) = head(&mut stream).await {
        let page = head.split(' ').nth(1).unwrap_or_default().to_string();
        if let Some(key) = field(&head, "sec-websocket-key") {
            match fault {
                Fault::WantsToken => say(&mut stream, 401, "", "failed authentication").await,
                Fault::NoUpgrade => say(&mut stream, 400, "", "this path is a websocket").await,
                _ => return websocket(stream, &key, fault).await,
            }
            continue;
        }
        let over_https =
            (secure && fault != Fault::Loops) || field(&head, "x-forwarded-proto").as_deref() == Some("https");
        match page.as_str() {
            "/ping" => say(&mut stream, 200, "", "pong").await,
            _ if !over_https => {
                let target = match (fault, page.as_str()) {
                    (Fault::TwoHops, "/") => format!("http://{NAME}/elsewhere"),
                    _ => format!("https://{NAME}{page}"),
                };
                say(&mut stream, 302, &format!("location: {target}\r\n"), "").await;
            }
            "/cacerts" => say(&mut stream, 200, "", &cacerts).await,
            "/v3/settings/cacerts" => {
                let setting = serde_json::json!({"value": &*cacerts}).to_string();
                say(&mut stream, 200, "", &setting).await;
            }
            _ => say(&mut stream, 200, "", "a page").await,
        }
    }
}

/// The head of the next request, in small letters but for its first line and values.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn field(head: &str, name: &str) -> Option<String> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_string())
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, status: u16, fields: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{fields}\r\n{body}");
    // whoever asked may be gone
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
}

async fn websocket<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, key: &str, fault: Fault) {
    let accept = derive_accept_key(key.as_bytes());
    let text = format!(
        "HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
    if fault == Fault::Deaf {
        // hears, and says nothing
        while stream.read_u8().await.is_ok() {}
        return;
    }
    let patience = match fault {
        Fault::CutsSilence(milliseconds) => Duration::from_millis(milliseconds),
        _ => Duration::from_secs(60),
    };
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Ok(Some(Ok(_))) = tokio::time::timeout(patience, socket.next()).await {
        let _ = socket.flush().await;
    }
}
