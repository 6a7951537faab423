//! What runs in a cluster that is taken over: Rancher, by Helm's record, its Ingress and its Secrets. Nothing is changed.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::Value;

use crate::cluster::{Cluster, ObjectRef, ReleaseRecord};
use crate::engine::rke::adopt::{Certificate, Named, RancherPart, Running, SecretFile, TLS_FOLDER, TlsFiles, running};
use crate::facts;
use crate::failure::{Exit, Failure};
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE, RANCHER};
use crate::session::cluster_api::unseen;
use crate::tls::{CA_ISSUER, INGRESS_SECRET};

/// What was found of Rancher.
#[derive(Debug, Default)]
pub struct Found {
    /// With what cluster.yml says of it already, where Helm has no release.
    pub part: RancherPart,
    pub named: Vec<Named>,
    /// To be written beside the inventory.
    pub files: Vec<SecretFile>,
    /// Files that were written on the way.
    pub written: Vec<PathBuf>,
    /// What to know of it.
    pub notes: Vec<String>,
}

/// Looks at the cluster; `addon` is what its cluster.yml has of Rancher.
pub async fn rancher(cluster: &Cluster, addon: Option<RancherPart>) -> Result<Found, Failure> {
    let records = cluster.release_records(NAMESPACE).await.map_err(unseen)?;
    let release = records.into_iter().find(|record| record.chart == RANCHER);
    let Some(release) = release else { return without_release(cluster, addon).await };
    if release.name != RANCHER {
        let error = format!(
            "Helm calls Rancher's release `{}` here, and cowhand knows one called `{RANCHER}` only",
            release.name
        );
        return Err(Failure::new(Exit::ChecksFailed, error)
            .hint("Helm cannot rename a release; `--offline` writes the inventory from the files alone; nothing on the cluster was changed"));
    }
    let mut found = Found::default();
    let (part, files) = running(&seen(cluster, release).await?, &mut found.named);
    found.part = part;
    found.files = files_of(cluster, files).await?;
    found.files.extend(one(cluster, BOOTSTRAP_SECRET, "bootstrapPassword", "secrets/bootstrap-password").await?);
    found.notes.extend(facts::inhabitants::cert_manager(cluster).await.map_err(unseen)?.controller.map(|there| {
        format!("cert-manager {} in namespace {} is used, and left as it is", there.version, there.namespace)
    }));
    Ok(found)
}

async fn without_release(cluster: &Cluster, addon: Option<RancherPart>) -> Result<Found, Failure> {
    let there = facts::inhabitants::rancher(cluster).await.map_err(unseen)?;
    let note = match (there.image, &addon) {
        (None, None) => {
            "no Rancher runs in this cluster: fill in the open lines for the one that `up` shall install".to_owned()
        }
        (None, Some(_)) => "`addons` have a Rancher that does not run in the cluster".into(),
        (Some(image), _) => {
            format!(
                "Rancher runs ({image}), and no release of Helm has it: `up` refuses to install another one over it"
            )
        }
    };
    Ok(Found { part: addon.unwrap_or_default(), notes: vec![note], ..Found::default() })
}

async fn seen(cluster: &Cluster, release: ReleaseRecord) -> Result<Running, Failure> {
    let ingress = ObjectRef::new("networking.k8s.io/v1", "Ingress", Some(NAMESPACE), RANCHER);
    let ingress = cluster.get(&ingress).await.map_err(unseen)?.unwrap_or_default();
    let text = |pointer: &str| ingress.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let secret = |name: &str| ObjectRef::new("v1", "Secret", Some(NAMESPACE), name);
    let certificate = match cluster.metadata(&secret(INGRESS_SECRET)).await.map_err(unseen)? {
        None => Certificate::Absent,
        Some(metadata) if metadata.pointer("/annotations/cert-manager.io~1certificate-name").is_some() => {
            Certificate::Renewed
        }
        Some(_) => Certificate::Given,
    };
    Ok(Running {
        version: release.chart_version,
        values: release.values,
        host: text("/spec/rules/0/host"),
        class: text("/spec/ingressClassName").or(text("/metadata/annotations/kubernetes.io~1ingress.class")),
        certificate,
        made_ca: cluster.metadata(&secret(CA_ISSUER)).await.map_err(unseen)?.is_some(),
    })
}

async fn files_of(cluster: &Cluster, wanted: TlsFiles) -> Result<Vec<SecretFile>, Failure> {
    let path = |name: &str| format!("{TLS_FOLDER}/{name}");
    let mut files = Vec::new();
    if wanted.pair {
        files.extend(one(cluster, INGRESS_SECRET, "tls.crt", &path("certificate.pem")).await?);
        files.extend(one(cluster, INGRESS_SECRET, "tls.key", &path("key.pem")).await?);
    }
    if wanted.ca {
        files.extend(one(cluster, "tls-ca", "cacerts.pem", &path("ca.pem")).await?);
    }
    Ok(files)
}

/// An entry of a Secret as a file.
async fn one(cluster: &Cluster, secret: &str, key: &str, path: &str) -> Result<Option<SecretFile>, Failure> {
    let data = cluster.read_secret(NAMESPACE, secret).await.map_err(unseen)?;
    let text = |bytes: &SecretSlice<u8>| Some(std::str::from_utf8(bytes.expose_secret()).ok()?.trim_end().to_owned());
    let text = data.as_ref().and_then(|data| text(data.get(key)?)).filter(|text| !text.is_empty());
    Ok(text.map(|text| SecretFile { path: PathBuf::from(path), text: SecretString::from(text) }))
}
