//! etcd's own snapshot stream (Maintenance.Snapshot, gRPC over HTTP/2) and a member's status.
//!
//! It goes over whatever stream it is given, so that nothing of the snapshot lies on a node's disk.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::proto;
use crate::failure::innermost;
use crate::remote::Wire;

/// How long a member may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// etcd sends 32 KiB in a message.
const LARGEST_MESSAGE: usize = 4 << 20;
/// Length of a message's head: whether it is compressed, and how long it is.
const HEAD: usize = 5;

/// PEM of the cluster's CA, and the pair with which the API server itself logs in to etcd.
#[derive(Clone, Copy)]
pub struct Tls<'a> {
    pub ca: &'a str,
    pub certificate: &'a str,
    pub key: &'a str,
}

/// What a member says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberStatus {
    pub id: u64,
    pub leader: u64,
    pub version: String,
    pub revision: u64,
    pub term: u64,
    pub index: u64,
    pub learner: bool,
    /// Alarms and the like.
    pub errors: Vec<String>,
}

impl MemberStatus {
    pub fn leads(&self) -> bool {
        self.id == self.leader
    }
}

/// Asks a member for its status.
pub async fn status(wire: Box<dyn Wire>, tls: Tls<'_>) -> Result<MemberStatus, String> {
    let mut answer = call(wire, tls, "/etcdserverpb.Maintenance/Status").await?;
    let message = answer.message().await?.ok_or("etcd gave no answer")?;
    read_status(&message).ok_or_else(|| "etcd's answer cannot be read".to_owned())
}

/// etcd v3.5: api/etcdserverpb/rpc.proto, StatusResponse.
fn read_status(message: &[u8]) -> Option<MemberStatus> {
    let header = proto::bytes(message, 1)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(MemberStatus {
        id: proto::number(header, 2)?,
        revision: proto::number(header, 3)?,
        version: proto::bytes(message, 2).map(text).unwrap_or_default(),
        leader: proto::number(message, 4)?,
        index: proto::number(message, 5)?,
        term: proto::number(message, 6)?,
        errors: proto::all_bytes(message, 8).into_iter().map(text).collect(),
        learner: proto::number(message, 10)? != 0,
    })
}

/// A snapshot that is on its way.
pub struct Snapshot {
    answer: Stream,
}

impl Snapshot {
    pub async fn begin(wire: Box<dyn Wire>, tls: Tls<'_>) -> Result<Snapshot, String> {
        Ok(Snapshot { answer: call(wire, tls, "/etcdserverpb.Maintenance/Snapshot").await? })
    }

    /// The next piece, and how many bytes of the database are still to come; etcd's hash is the last piece. `None` at the end.
    pub async fn piece(&mut self) -> Result<Option<(Vec<u8>, u64)>, String> {
        let Some(message) = self.answer.message().await? else { return Ok(None) };
        let broken = || "etcd's answer cannot be read".to_owned();
        let left = proto::number(&message, 2).ok_or_else(broken)?;
        let bytes = proto::bytes(&message, 3).unwrap_or_default().to_vec();
        Ok(Some((bytes, left)))
    }
}

/// Messages that come, one after the other.
struct Stream {
    body: Incoming,
    bytes: Vec<u8>,
    /// The conversation ends with its sender.
    _sender: SendRequest<Full<Bytes>>,
}

impl Stream {
    /// The next message; `None` when etcd ended the stream and said that all went well.
    async fn message(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(message) = next(&mut self.bytes)? {
                return Ok(Some(message));
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let frame = frame.map_err(|_| format!("etcd said nothing for {} s", SILENCE.as_secs()))?;
            let Some(frame) = frame else { return Err("etcd's answer ended half-way".into()) };
            let frame = frame.map_err(|error| innermost(&error))?;
            match frame.into_data() {
                Ok(data) => self.bytes.extend_from_slice(&data),
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    refuse(&trailers)?;
                    return if self.bytes.is_empty() { Ok(None) } else { Err("etcd's answer is cut off".into()) };
                }
            }
        }
    }
}

/// Takes a whole message off the front.
fn next(bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != 0 || length > LARGEST_MESSAGE {
        return Err("etcd's answer cannot be read".into());
    }
    if bytes.len() < HEAD + length {
        return Ok(None);
    }
    let rest = bytes.split_off(HEAD + length);
    let whole = std::mem::replace(bytes, rest);
    Ok(Some(whole[HEAD..].to_vec()))
}

/// `grpc-status`, in the trailers or, where nothing else was said, in the headers.
fn refuse(headers: &http::HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => Ok(()),
        Some(code) => Err(format!("etcd refuses: {} (code {code})", text("grpc-message").unwrap_or("no reason"))),
        None => Err("etcd's answer ended without a word".into()),
    }
}

/// Calls a method with an empty message.
async fn call(wire: Box<dyn Wire>, tls: Tls<'_>, path: &str) -> Result<Stream, String> {
    let begun = async {
        let stream = shake(wire, tls).await?;
        let said = |error: hyper::Error| innermost(&error);
        let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(said)?;
        // Ends with the sender; its errors reach the caller through the answer.
        tokio::spawn(async move { drop(connection.await) });
        let request = http::Request::post(format!("https://127.0.0.1:2379{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(&[0; HEAD])))
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(said)?;
        if answer.headers().contains_key("grpc-status") {
            refuse(answer.headers())?;
        }
        if !answer.status().is_success() {
            return Err(format!("etcd answers with HTTP {}", answer.status().as_u16()));
        }
        Ok(Stream { body: answer.into_body(), bytes: Vec::new(), _sender: sender })
    };
    let limited = tokio::time::timeout(SILENCE, begun).await;
    limited.map_err(|_| format!("etcd did not answer within {} s", SILENCE.as_secs()))?
}

/// A handshake in which both sides have to be of the state's CA: it is the proof that this CA signed what the node bears.
async fn shake(wire: Box<dyn Wire>, tls: Tls<'_>) -> Result<tokio_rustls::client::TlsStream<Box<dyn Wire>>, String> {
    let unreadable = |_| "the state's certificates cannot be read".to_owned();
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(tls.ca.as_bytes()) {
        roots.add(ca.map_err(unreadable)?).map_err(|error| error.to_string())?;
    }
    let chain = CertificateDer::pem_slice_iter(tls.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).map_err(unreadable)?;
    let mut config = ClientConfig::builder_with_provider(crate::facts::outside::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.map_err(unreadable)?, key)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
    let shaken = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, wire).await;
    shaken.map_err(|error| innermost(&error))
}

#[cfg(test)]
mod tests {
    use super::proto::written;
    use super::*;

    #[test]
    fn messages_are_taken_one_by_one_whatever_the_pieces() {
        let mut bytes = Vec::new();
        for part in [&[0, 0, 0][..], &[0, 2, b'a'], b"b", &[0, 0, 0, 0, 0, 0]] {
            bytes.extend_from_slice(part);
        }
        assert_eq!(next(&mut bytes), Ok(Some(b"ab".to_vec())));
        assert_eq!(next(&mut bytes), Ok(Some(Vec::new())));
        assert_eq!((next(&mut bytes), bytes.len()), (Ok(None), 1));
        assert!(next(&mut vec![1, 0, 0, 0, 0]).is_err(), "compressed");
        assert!(next(&mut vec![0, 0xff, 0, 0, 0]).is_err(), "endless");
    }

    #[test]
    fn a_status_is_read_with_what_is_not_sent_for_being_zero() {
        let header = [written::number(2, 7), written::number(3, 4711)].concat();
        let message =
            [written::bytes(1, &header), written::bytes(2, b"3.5.16"), written::number(4, 9), written::number(6, 3)];
        let status = read_status(&message.concat()).unwrap();
        assert_eq!((status.id, status.leader, status.revision, status.term), (7, 9, 4711, 3));
        assert!(!status.leads() && !status.learner && status.version == "3.5.16");
    }

    #[test]
    fn only_a_good_end_is_one() {
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
        };
        assert_eq!(refuse(&headers(&[("grpc-status", "0")])), Ok(()));
        let why = refuse(&headers(&[("grpc-status", "14"), ("grpc-message", "no leader")])).unwrap_err();
        assert_eq!(why, "etcd refuses: no leader (code 14)");
        assert!(refuse(&headers(&[])).is_err());
    }
}
