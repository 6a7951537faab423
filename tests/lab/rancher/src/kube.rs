//! The little that is needed of the Kubernetes API: Secrets of the own namespace, read and created.

use crate::config::Config;
use crate::log;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub type Data = BTreeMap<String, String>;

/// Where Secrets are kept: in the cluster, or (outside of one) nowhere.
pub enum Store {
    Memory,
    Cluster(Client),
}

pub struct Client {
    address: String,
    namespace: String,
    token_dir: PathBuf,
    tls: TlsConnector,
}

impl Store {
    pub fn new(config: &Config) -> Result<Self> {
        let Some(address) = &config.kubernetes else { return Ok(Self::Memory) };
        let tls = connector(&config.service_account_dir.join("ca.crt"))?;
        let namespace = config.namespace.clone();
        Ok(Self::Cluster(Client {
            address: address.clone(),
            namespace,
            token_dir: config.service_account_dir.clone(),
            tls,
        }))
    }

    /// The data of the Secret, created with `fresh` when there is none. Retried for a minute: a pod may start before
    /// its network does.
    pub async fn get_or_create(&self, name: &str, kind: &str, fresh: Data) -> Result<Data> {
        let Self::Cluster(client) = self else { return Ok(fresh) };
        for attempt in 1.. {
            match client.get_or_create(name, kind, &fresh).await {
                Err(error) if attempt < 30 => {
                    log::error(
                        "kubernetes",
                        json!({"secret": name, "attempt": attempt, "error": format!("{error:#}")}),
                    );
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                result => return result,
            }
        }
        unreachable!("the last attempt returns")
    }
}

impl Client {
    async fn get_or_create(&self, name: &str, kind: &str, fresh: &Data) -> Result<Data> {
        if let Some(found) = self.get(name).await? {
            log::info("secret found", json!({"secret": name}));
            return Ok(found);
        }
        if self.create(name, kind, fresh).await? {
            log::info("secret created", json!({"secret": name}));
            return Ok(fresh.clone());
        }
        log::info("secret made by another replica", json!({"secret": name}));
        self.get(name).await?.with_context(|| format!("secret {name} is gone again"))
    }

    async fn get(&self, name: &str) -> Result<Option<Data>> {
        let path = format!("/api/v1/namespaces/{}/secrets/{name}", self.namespace);
        match self.request(Method::GET, &path, None).await? {
            (StatusCode::OK, body) => decode(&body).map(Some),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, _) => bail!("GET {path}: {status}"),
        }
    }

    /// Whether it was ours that was created.
    async fn create(&self, name: &str, kind: &str, data: &Data) -> Result<bool> {
        let path = format!("/api/v1/namespaces/{}/secrets", self.namespace);
        let data: Map<String, Value> = data.iter().map(|(k, v)| (k.clone(), STANDARD.encode(v).into())).collect();
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data});
        match self.request(Method::POST, &path, Some(secret)).await?.0 {
            StatusCode::CREATED => Ok(true),
            StatusCode::CONFLICT => Ok(false),
            status => bail!("POST {path}: {status}"),
        }
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Bytes)> {
        tokio::time::timeout(Duration::from_secs(10), self.exchange(method, path, body))
            .await
            .map_err(|_| anyhow!("no answer from {} within 10 s", self.address))?
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Bytes)> {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_string())?;
        let tcp = TcpStream::connect(&self.address).await.with_context(|| format!("cannot reach {}", self.address))?;
        let stream = self.tls.connect(name, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        // read each time: the kubelet rotates it
        let token =
            fs::read_to_string(self.token_dir.join("token")).context("cannot read the service account token")?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("authorization", format!("Bearer {}", token.trim()))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.map(|json| json.to_string()).unwrap_or_default())))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

fn connector(ca: &Path) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(ca).with_context(|| format!("cannot read {}", ca.display()))? {
        roots.add(cert?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn decode(body: &[u8]) -> Result<Data> {
    let secret: Value = serde_json::from_slice(body)?;
    let data = secret["data"].as_object().context("a secret without data")?;
    data.iter()
        .map(|(name, value)| {
            let bytes = STANDARD.decode(value.as_str().context("not a string")?)?;
            Ok((name.clone(), String::from_utf8(bytes)?))
        })
        .collect()
}
