//! CAs of played clusters, with what RKE makes of them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};

/// A cluster's CA.
pub struct Authority {
    pub pem: String,
    key: String,
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kube-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Authority { pem: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    /// The CA of a state file; `None` when a part of it is not there.
    pub fn of(bundle: &Value) -> Option<Authority> {
        let text = |field: &str| bundle.pointer(&format!("/kube-ca/{field}"))?.as_str().map(str::to_owned);
        Some(Authority { pem: text("certificatePEM")?, key: text("keyPEM")? })
    }

    /// Certificate and key for these names.
    fn sign(&self, name: &str, addresses: &[String]) -> (String, String) {
        let issuer = Issuer::from_ca_cert_pem(&self.pem, KeyPair::from_pem(&self.key).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(addresses.to_vec()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    }

    /// `certificatesBundle` of a state file, as far as anybody reads it; `api` is the address of the first control plane.
    pub fn bundle(&self, api: &str) -> Value {
        let (certificate, key) = self.sign("kube-admin", &[]);
        let encode = |text: &str| crate::said::base64(text.as_bytes());
        let config = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: played\n  cluster:\n    server: \"https://{api}:6443\"\n\
             \x20   certificate-authority-data: {}\ncontexts:\n- name: played\n  context: {{cluster: played, user: kube-admin}}\n\
             current-context: played\nusers:\n- name: kube-admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            encode(&self.pem),
            encode(&certificate),
            encode(&key),
        );
        json!({
            "kube-ca": {"certificatePEM": self.pem, "keyPEM": self.key},
            "kube-admin": {"certificatePEM": certificate, "keyPEM": key, "config": config},
        })
    }

    /// How the API server of this cluster speaks TLS: nobody without a certificate of this CA is heard.
    pub fn server(&self, addresses: &[String]) -> Arc<ServerConfig> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (certificate, key) = self.sign("kube-apiserver", addresses);
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.pem)).unwrap();
        let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_client_cert_verifier(clients);
        Arc::new(config.with_single_cert(vec![der(&certificate)], key).unwrap())
    }
}
