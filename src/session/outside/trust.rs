//! What clients trust, and what agents must find in `/cacerts`.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use crate::check::outside::Cacerts;
use crate::facts::cluster::NAMESPACE;
use crate::failure::{Exit, Failure};
use crate::session::cluster_api::ClusterApi;
use crate::session::project::Project;
use crate::tls::{Picture, Predicted, Trust, ca_checksum, issuer_name};

/// What is to be trusted, and why.
pub(crate) struct Trusting {
    /// The only roots that a browser is supposed to know.
    pub roots: RootCertStore,
    /// How to call them.
    pub name: String,
    pub cacerts: Cacerts,
    /// What this machine's system trusts.
    pub system: RootCertStore,
}

pub(crate) async fn trusting(project: &Project, picture: &Picture, reached: &ClusterApi) -> Result<Trusting, Failure> {
    let system = system();
    let mut cacerts = predicted(&picture.predicted);
    let (roots, name) = match &picture.trust {
        Trust::System => (system.clone(), "the system's roots".into()),
        Trust::Pem(pem) => (parse(pem), given(project)),
        Trust::ReadFromCluster { secret, key } => {
            let pem = last_certificate(&read(reached, secret, key).await?);
            // Rancher's setting is the text of the CA that it made (rancher/rancher: pkg/tls/tls.go).
            if cacerts == Cacerts::Any && !pem.is_empty() {
                cacerts = Cacerts::Checksum(ca_checksum(&pem));
            }
            (parse(&pem), format!("the CA in secret {secret}"))
        }
        Trust::AsIssued { secret, key } => {
            let pem = last_certificate(&read(reached, secret, key).await?);
            let issuer = issuer_name(pem.as_bytes()).unwrap_or_else(|| "nobody".into());
            (
                parse(&pem),
                format!("an intermediate of {issuer} that came with it (not proved against a root given by you)"),
            )
        }
    };
    Ok(Trusting { roots, name, cacerts, system })
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn parse(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates.collect::<Vec<_>>());
    roots
}

fn predicted(predicted: &Predicted) -> Cacerts {
    match predicted {
        Predicted::Checksum(sum) => Cacerts::Checksum(sum.clone()),
        Predicted::Empty => Cacerts::Empty,
        Predicted::KnownAfterInstall { .. } => Cacerts::Any,
    }
}

async fn read(reached: &ClusterApi, secret: &str, key: &str) -> Result<String, Failure> {
    let data = reached.cluster.read_secret(NAMESPACE, secret).await.map_err(|error| {
        Failure::with_cause(Exit::NotVerified, format!("secret {NAMESPACE}/{secret} cannot be read"), &error)
    })?;
    let bytes = data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.expose_secret().to_vec());
    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
}

fn given(project: &Project) -> String {
    let made = project.made_ca().map(|ca| ca.certificate);
    let file = project.inventory.rancher.tls.ca.clone().or(made).unwrap_or_default();
    format!("the CA in {}", file.file_name().unwrap_or_default().to_string_lossy())
}

fn last_certificate(pem: &str) -> String {
    pem.rfind("-----BEGIN CERTIFICATE-----").map(|start| pem[start..].to_string()).unwrap_or_default()
}
