//! What cowhand makes once and a cluster then lives by: the CA that it signs with, and the first login's password.
//! A folder that lost them gets them back from the cluster; new ones are never made over those.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice};

use super::machines::Machines;
use super::prepare;
use super::site::Site;
use super::stages::unseen;
use super::world::{self, Reached};
use crate::cluster::ObjectRef;
use crate::execute::{Secrecy, WorkspaceError};
use crate::plan::Step;
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE};
use crate::report::{Exit, Failure};
use crate::tls;

/// # Errors
/// When `up` would make a CA, and the cluster has one that cowhand made before and this folder has not; or when there is a
/// cluster whose API does not tell.
pub async fn refuse_another_ca(site: &Site, machines: &Machines) -> Result<(), Failure> {
    if !prepare::plan(site).steps.iter().any(|step| matches!(step, Step::MakeCa { .. })) {
        return Ok(());
    }
    let Some(reached) = world::reach(site, machines).await? else { return refuse_unseen(site) };
    let secret = ObjectRef::new("v1", "Secret", Some(NAMESPACE), tls::CA_ISSUER);
    if reached.cluster.metadata(&secret).await.map_err(unseen)?.is_none() {
        return Ok(());
    }
    let lost = format!(
        "Rancher's certificate is from the CA in {secret}, and this folder has no CA: a new one would replace it"
    );
    let hint = match site.rke() {
        Some(_) => {
            "`cowhand recover-state` brings it back from the cluster; `cowhand up --replace-ca` makes a new one all the same"
        }
        None => {
            "copy ca.pem and secrets/ from the folder that made it, or give a CA as `tls.ca` and `tls.ca_key`; `cowhand up --replace-ca` makes a new one all the same"
        }
    };
    Err(Failure::new(Exit::ChecksFailed, lost).hint(hint))
}

/// Where RKE has begun a cluster, an API that is silent may serve Rancher with a CA whose files this folder lost.
fn refuse_unseen(site: &Site) -> Result<(), Failure> {
    let begun = site.workspace.will_have_state();
    if !begun.map_err(|error| Failure::of(Exit::ChecksFailed, &error).maybe_hint(error.hint()))? {
        return Ok(());
    }
    let unseen = "whether Rancher's certificate is from a CA that cowhand made cannot be seen: the API does not answer, and this folder has no CA";
    Err(Failure::new(Exit::ChecksFailed, unseen).hint(
        "copy ca.pem and secrets/ca-key.pem back from where they are kept, or see that the API answers (`docker logs kube-apiserver` \
         on a control plane), then `cowhand recover-state` brings them back; `cowhand up --replace-ca` makes a new CA all the same",
    ))
}

/// Writes the kubeconfig again from RKE's state: rke itself does so only when it runs.
pub fn restore_kubeconfig(site: &Site) -> Result<Option<PathBuf>, Failure> {
    let path = site.workspace.kubeconfig();
    let state = site.rke().filter(|_| !path.exists()).and_then(|_| world::state(site));
    let Some(text) = state.as_ref().and_then(|state| state.kubeconfig()) else { return Ok(None) };
    write(site, &path, &SecretSlice::from(text.as_bytes().to_vec()), Secrecy::Private)?;
    Ok(Some(path))
}

/// Writes what the folder lacks and the cluster has; tells the files.
pub async fn bring_back(site: &Site, reached: &Reached) -> Result<Vec<PathBuf>, Failure> {
    let mut written = Vec::new();
    let read = async |name: &str| reached.cluster.read_secret(NAMESPACE, name).await.map_err(unseen);
    if let Some((certificate, key)) = site.made_ca()
        && !(certificate.exists() && key.exists())
        && let Some(data) = read(tls::CA_ISSUER).await?
        && let (Some(pem), Some(key_pem)) = (data.get("tls.crt"), data.get("tls.key"))
        && tls::check_ca(pem.expose_secret(), key_pem.expose_secret()).is_ok()
        && is_part_of(&certificate, pem)
        && is_part_of(&key, key_pem)
    {
        for (path, bytes, secrecy) in [(key, key_pem, Secrecy::Private), (certificate, pem, Secrecy::Open)] {
            if !path.exists() {
                write(site, &path, bytes, secrecy)?;
                written.push(path);
            }
        }
    }
    written.extend(restore_password(site, reached).await?);
    Ok(written)
}

/// Whether the half that is here is the cluster's, or is not here at all.
fn is_part_of(path: &Path, bytes: &SecretSlice<u8>) -> bool {
    !path.exists()
        || std::fs::read(path)
            .map(Zeroizing::new)
            .is_ok_and(|there| there.trim_ascii() == bytes.expose_secret().trim_ascii())
}

/// Writes the first login's password that the cluster goes by, where this folder lost it: a new one would be of no use.
pub async fn restore_password(site: &Site, reached: &Reached) -> Result<Option<PathBuf>, Failure> {
    let file = site.password_file();
    if site.inventory.rancher.bootstrap_password.is_some() || file.exists() {
        return Ok(None);
    }
    let data = reached.cluster.read_secret(NAMESPACE, BOOTSTRAP_SECRET).await.map_err(unseen)?;
    let Some(bytes) = data.as_ref().and_then(|data| data.get("bootstrapPassword")) else { return Ok(None) };
    write(site, &file, bytes, Secrecy::Private)?;
    Ok(Some(file))
}

/// What this folder lacks of that which a cluster may give back.
pub fn lacks(site: &Site) -> bool {
    let ca = site.made_ca().is_some_and(|(certificate, key)| !(certificate.exists() && key.exists()));
    ca || (site.inventory.rancher.bootstrap_password.is_none() && !site.password_file().exists())
}

fn write(site: &Site, path: &Path, bytes: &SecretSlice<u8>, secrecy: Secrecy) -> Result<(), Failure> {
    let written: Result<(), WorkspaceError> = site.workspace.write(path, bytes.expose_secret(), secrecy);
    written.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_ca_is_made_while_a_clusters_api_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::of_test(folder.path());
        let machines = Machines { reached: Vec::new(), answers: Vec::new() };
        refuse_another_ca(&site, &machines).await.unwrap();
        std::fs::write(site.workspace.cluster_state(), r#"{"desiredState": {"certificatesBundle": {}}}"#).unwrap();
        let failure = refuse_another_ca(&site, &machines).await.unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert!(failure.error.contains("cannot be seen") && failure.hint.unwrap().contains("ca-key.pem"));
        // One that `up` will put aside is no cluster's.
        for broken in ["", "{}", "{\"desi"] {
            std::fs::write(site.workspace.cluster_state(), broken).unwrap();
            refuse_another_ca(&site, &machines).await.unwrap();
            let (seen, will) = site.workspace_facts().unwrap().broken.unwrap();
            assert!(seen.contains("/cluster.rkestate is ") && will.contains("`cowhand up` moves it"), "{seen}: {will}");
        }
        // With its CA in the folder nothing is made, and a cluster that is ill may be mended.
        let (certificate, key) = site.made_ca().unwrap();
        std::fs::create_dir_all(key.parent().unwrap()).unwrap();
        std::fs::write(certificate, "").unwrap();
        std::fs::write(key, "").unwrap();
        refuse_another_ca(&site, &machines).await.unwrap();
    }
}
