//! The certificate on 443: the mounted one, or one signed by `tls-rancher` for the name that was asked for.

use crate::ca::Ca;
use crate::log;
use anyhow::{Context, Result};
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::json;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// The names that every certificate of Rancher's own listener carries.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "rancher.cattle-system"];
/// Anyone can ask for any name: there has to be an end to what is kept.
const MOST_NAMES: usize = 64;

/// TLS with the certificate and key that were mounted.
pub fn mounted(cert: &str, key: &str) -> Result<ServerConfig> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(cert.as_bytes()).collect::<Result<_, _>>().context("cert.pem")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("key.pem")?;
    Ok(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?)
}

/// TLS with certificates made when they are asked for. Until `server-url` is known any name gets one; afterwards only
/// its host does, as Rancher's own listener filters.
pub fn dynamic(ca: Arc<Ca>, server_host: Option<&str>) -> Result<ServerConfig> {
    let key = KeyPair::generate()?;
    let resolver = Resolver { ca, key, server_host: server_host.map(str::to_string), made: Mutex::default() };
    Ok(ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
}

struct Resolver {
    ca: Arc<Ca>,
    key: KeyPair,
    server_host: Option<String>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Resolver {
    fn certificate(&self, asked: Option<&str>) -> Result<Arc<CertifiedKey>> {
        let host = self.server_host.as_deref().or(asked).unwrap_or_default();
        let mut made = self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = made.get(host) {
            return Ok(known.clone());
        }
        let names = [host].into_iter().filter(|name| !name.is_empty() && !ALWAYS.contains(name)).chain(ALWAYS);
        let names: Vec<String> = names.map(str::to_string).collect();
        let certificate = self.ca.issue(&self.key, &names)?;
        let chain = std::iter::once(certificate.der().clone())
            .chain(CertificateDer::pem_slice_iter(self.ca.pem.as_bytes()).filter_map(Result::ok))
            .collect();
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).map_err(anyhow::Error::msg)?;
        let certified = Arc::new(CertifiedKey::new(chain, any_supported_type(&key)?));
        if made.len() >= MOST_NAMES {
            made.clear();
        }
        made.insert(host.to_string(), certified.clone());
        Ok(certified)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificate(hello.server_name())
            .inspect_err(|error| log::error("certificate", json!({"error": format!("{error:#}")})))
            .ok()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("server_host", &self.server_host).finish_non_exhaustive()
    }
}
