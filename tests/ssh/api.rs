//! What a control plane's API port gives, told apart through a real sshd: each kind of trouble is an answer of its own.

use std::sync::Arc;
use std::time::Duration;

use cowhand::cluster::{Access, Distrust};
use cowhand::facts::api::{ApiAnswer, ask};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::{World, free_port};

const VERSION: &str = r#"{"major":"1","minor":"32","gitVersion":"v1.32.2","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
const UNKNOWN: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What serves with a certificate of this CA, which ends so many days from now.
fn acceptor(ca: &Ca, days: i64) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["10.0.0.11".to_string()]).unwrap();
    params.not_before = time::OffsetDateTime::now_utc() - time::Duration::days(30);
    params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days);
    let leaf = params.signed_by(&key, ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// The kubeconfig of a cluster with this CA.
fn access(ca: &Ca) -> Access {
    let base64 = |pem: String| {
        let bytes = k8s_openapi::ByteString(pem.into_bytes());
        serde_json::to_value(bytes).unwrap().as_str().unwrap().to_string()
    };
    let authority = base64(ca.pem());
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: 'https://10.0.0.11:6443', certificate-authority-data: {authority}}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\ncurrent-context: c\n\
         users: [{{name: u, user: {{token: x}}}}]\n"
    );
    Access::from_yaml(&text).unwrap()
}

/// Answers every request with what `path` gets: status and body.
async fn serve(acceptor: TlsAcceptor, answer: fn(&str) -> (&'static str, &'static str)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (wire, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust the certificate hangs up.
                let Ok(mut wire) = acceptor.accept(wire).await else { return };
                let mut request = vec![0; 8192];
                let Ok(length) = wire.read(&mut request).await else { return };
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let (status, body) = answer(request.split(' ').nth(1).unwrap_or_default());
                let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}", body.len());
                let _ = wire.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
                let _ = wire.shutdown().await;
            });
        }
    });
    port
}

fn healthy(path: &str) -> (&'static str, &'static str) {
    if path == "/version" { ("200 OK", VERSION) } else { ("200 OK", "ok") }
}

fn without_etcd(path: &str) -> (&'static str, &'static str) {
    match path {
        "/version" => ("200 OK", VERSION),
        _ => ("500 Internal Server Error", "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"),
    }
}

fn unknown(_: &str) -> (&'static str, &'static str) {
    ("401 Unauthorized", UNKNOWN)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_trouble_is_an_answer_of_its_own() {
    let world = World::new();
    let (_sshd, connection) = world.connected().await;
    let (ours, theirs) = (ca(), ca());
    let access = access(&ours);
    let answer = async |port: u16| ask(&connection, &access, port, Duration::from_secs(3)).await;

    let port = serve(acceptor(&ours, 30), healthy).await;
    assert_eq!(answer(port).await, ApiAnswer::Ready);
    let port = serve(acceptor(&ours, 30), without_etcd).await;
    assert_eq!(answer(port).await, ApiAnswer::NotReady("not ready: etcd".into()));
    let port = serve(acceptor(&ours, 30), unknown).await;
    let refused = answer(port).await;
    assert!(matches!(&refused, ApiAnswer::Refused(why) if why.contains("401")), "{refused:?}");
    let port = serve(acceptor(&theirs, 30), healthy).await;
    assert!(matches!(answer(port).await, ApiAnswer::NotTrusted(Distrust::OtherCa, _)));
    let port = serve(acceptor(&ours, -3), healthy).await;
    assert!(matches!(answer(port).await, ApiAnswer::NotTrusted(Distrust::Ended, _)));

    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let said = answer(silent.local_addr().unwrap().port()).await;
    assert!(matches!(said, ApiAnswer::Silent(_)), "{said:?}");
    assert_eq!(answer(free_port()).await, ApiAnswer::NothingListens);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sshd_that_forwards_nothing_is_no_node_without_an_api() {
    let world = World::new();
    let sshd = world.unknown_sshd("AllowTcpForwarding no");
    world.know(&sshd.known_line());
    let connection = crate::world::connect(world.target("n1", sshd.port)).await.unwrap();
    let ours = ca();
    let port = serve(acceptor(&ours, 30), healthy).await;
    let said = ask(&connection, &access(&ours), port, Duration::from_secs(3)).await;
    assert!(matches!(said, ApiAnswer::Silent(_)), "{said:?}");
}
