//! Replicas and a Kubernetes API that keeps Secrets as the real one does.

mod common;

use common::{Server, cacerts, get, plain, request, strict};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Secrets = Arc<Mutex<BTreeMap<String, Value>>>;

const SECRETS: &str = "/api/v1/namespaces/cattle-system/secrets";

async fn api(secrets: Secrets, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let answer =
        |status: u16, body: &Value| Response::builder().status(status).body(Full::from(body.to_string())).unwrap();
    if request.headers()["authorization"] != "Bearer the-token" {
        return answer(401, &Value::Null);
    }
    let name = request.uri().path().strip_prefix(SECRETS).unwrap().trim_start_matches('/').to_string();
    if request.method() == Method::GET {
        let secrets = secrets.lock().unwrap();
        return secrets.get(&name).map_or_else(|| answer(404, &Value::Null), |secret| answer(200, secret));
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let secret: Value = serde_json::from_slice(&body).unwrap();
    let name = secret["metadata"]["name"].as_str().unwrap().to_string();
    let mut secrets = secrets.lock().unwrap();
    if secrets.contains_key(&name) {
        return answer(409, &Value::Null);
    }
    secrets.insert(name, secret.clone());
    answer(201, &secret)
}

/// Its port; `dir` gets what a pod finds of its service account.
async fn start_api(secrets: Secrets, dir: &Path) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_string()]).unwrap();
    fs::write(dir.join("ca.crt"), made.cert.pem()).unwrap();
    fs::write(dir.join("token"), "the-token\n").unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, secrets) = (acceptor.clone(), secrets.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let service = service_fn(move |request| {
                    let secrets = secrets.clone();
                    async move { Ok::<_, Infallible>(api(secrets, request).await) }
                });
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn all_replicas_have_the_same_ca_and_the_same_password() {
    let (secrets, dir) = (Secrets::default(), tempfile::tempdir().unwrap());
    let port = start_api(secrets.clone(), dir.path()).await.to_string();
    let dir = dir.path().to_str().unwrap().to_string();
    let replicas = (0..3).map(|_| {
        let (port, dir) = (port.clone(), dir.clone());
        tokio::task::spawn_blocking(move || {
            let kubernetes = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", port.as_str())];
            let rest = [("LAB_RANCHER_TOKEN_DIR", dir.as_str()), ("CATTLE_BOOTSTRAP_PASSWORD", "")];
            Server::start(&[], &[kubernetes, rest].concat())
        })
    });
    let replicas: Vec<Server> =
        futures_util::future::join_all(replicas.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();

    let ca = cacerts(&replicas[0]).await;
    for replica in &replicas {
        assert_eq!(cacerts(replica).await, ca);
        assert!(strict(replica, &ca, "rancher.test").await.is_ok());
    }
    let kept = secrets.lock().unwrap().clone();
    assert_eq!(kept["tls-rancher"]["type"], "kubernetes.io/tls");
    assert_eq!(decode(&kept["tls-rancher"]["data"]["tls.crt"]).trim(), ca);
    let password = decode(&kept["bootstrap-secret"]["data"]["bootstrapPassword"]);
    for replica in &replicas {
        let body = format!(r#"{{"username":"admin","password":"{password}"}}"#);
        let path = "/v3-public/localProviders/local?action=login";
        let login = request("POST", path, &[("x-forwarded-proto", "https")], &body);
        assert_eq!(plain(replica, login).await.status(), 201);
        assert_eq!(plain(replica, get("/healthz", &[])).await.status(), 200);
    }
}

fn decode(value: &Value) -> String {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}
