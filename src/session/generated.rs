//! What cowhand makes once and a cluster then lives by: the CA that it signs with, and the first login's password.
//! A folder that lost them gets them back from the cluster; new ones are never made over those.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice};

use crate::cluster::{ObjectRef, whole_kubeconfig};
use crate::failure::{Exit, Failure};
use crate::local::{Secrecy, WorkspaceError};
use crate::plan::Step;
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs;
use crate::session::machines::Machines;
use crate::session::made_ca::MadeCa;
use crate::session::prepare;
use crate::session::project::Project;
use crate::tls;

/// # Errors
/// When `up` would make a CA, and the cluster has one that cowhand made before and this folder has not; or when there is a
/// cluster whose API does not tell.
pub async fn refuse_another_ca(project: &Project, machines: &Machines) -> Result<(), Failure> {
    if !prepare::plan(project).steps.iter().any(|step| matches!(step, Step::MakeCa { .. })) {
        return Ok(());
    }
    let Some(reached) = inputs::reach(project, machines).await? else { return refuse_unseen(project) };
    let secret = ObjectRef::new("v1", "Secret", Some(NAMESPACE), tls::CA_ISSUER);
    if reached.cluster.metadata(&secret).await.map_err(unseen)?.is_none() {
        return Ok(());
    }
    let lost = format!(
        "Rancher's certificate is from the CA in {secret}, and this folder has no CA: a new one would replace it"
    );
    let hint = match project.inventory.engine.keeps_state() {
        true => {
            "`cowhand recover-state` brings it back from the cluster; `cowhand up --replace-ca` makes a new one all the same"
        }
        false => {
            "copy ca.pem and secrets/ from the folder that made it, or give a CA as `tls.ca` and `tls.ca_key`; `cowhand up --replace-ca` makes a new one all the same"
        }
    };
    Err(Failure::new(Exit::ChecksFailed, lost).hint(hint))
}

/// Where RKE has begun a cluster, an API that is silent may serve Rancher with a CA whose files this folder lost.
fn refuse_unseen(project: &Project) -> Result<(), Failure> {
    let begun = project.workspace.will_have_state();
    if !begun.map_err(|error| Failure::of(Exit::ChecksFailed, &error))? {
        return Ok(());
    }
    let unseen = "whether Rancher's certificate is from a CA that cowhand made cannot be seen: the API does not answer, and this folder has no CA";
    Err(Failure::new(Exit::ChecksFailed, unseen).hint(
        "copy ca.pem and secrets/ca-key.pem back from where they are kept, or see that the API answers (`docker logs kube-apiserver` \
         on a control plane), then `cowhand recover-state` brings them back; `cowhand up --replace-ca` makes a new CA all the same",
    ))
}

/// Writes the kubeconfig again from RKE's state where the file is not there or not whole: rke itself does so only when it
/// runs. What there was of it is kept aside.
pub fn restore_kubeconfig(project: &Project) -> Result<Option<PathBuf>, Failure> {
    if !lacks_kubeconfig(project) {
        return Ok(None);
    }
    let state = project.state();
    let Some(text) = state.as_ref().and_then(|state| state.kubeconfig()) else { return Ok(None) };
    let path = project.workspace.kubeconfig();
    let kept = project.workspace.keep_aside(&path);
    kept.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
    write(project, &path, &SecretSlice::from(text.as_bytes().to_vec()), Secrecy::Private)?;
    Ok(Some(path))
}

/// Whether the kubeconfig is absent or cut off, and RKE's state has a copy of it.
pub fn lacks_kubeconfig(project: &Project) -> bool {
    let copy = || project.state().is_some_and(|state| state.kubeconfig().is_some());
    project.inventory.engine.keeps_state() && !is_whole(&project.workspace.kubeconfig()) && copy()
}

fn is_whole(kubeconfig: &Path) -> bool {
    let text = std::fs::read_to_string(kubeconfig).map(Zeroizing::new);
    text.is_ok_and(|text| whole_kubeconfig(&text).is_ok())
}

/// What to say where the file is there and cut off, by commands that write nothing.
pub fn cut_off_kubeconfig(project: &Project) -> Option<String> {
    let path = project.workspace.kubeconfig();
    (path.exists() && lacks_kubeconfig(project)).then(|| {
        format!(
            "{} is cut off: its copy in cluster.rkestate is used; `cowhand up` writes the file anew",
            path.display()
        )
    })
}

/// Writes what the folder lacks and the cluster has; tells the files.
pub async fn bring_back(project: &Project, reached: &ClusterApi) -> Result<Vec<PathBuf>, Failure> {
    let mut written = Vec::new();
    let read = async |name: &str| reached.cluster.read_secret(NAMESPACE, name).await.map_err(unseen);
    if let Some(MadeCa { certificate, key }) = project.made_ca()
        && !(certificate.exists() && key.exists())
        && let Some(data) = read(tls::CA_ISSUER).await?
        && let (Some(pem), Some(key_pem)) = (data.get("tls.crt"), data.get("tls.key"))
        && tls::check_ca(pem.expose_secret(), key_pem.expose_secret()).is_ok()
        && is_part_of(&certificate, pem)
        && is_part_of(&key, key_pem)
    {
        for (path, bytes, secrecy) in [(key, key_pem, Secrecy::Private), (certificate, pem, Secrecy::Open)] {
            if !path.exists() {
                write(project, &path, bytes, secrecy)?;
                written.push(path);
            }
        }
    }
    written.extend(restore_password(project, reached).await?);
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
pub async fn restore_password(project: &Project, reached: &ClusterApi) -> Result<Option<PathBuf>, Failure> {
    let file = project.password_file();
    if project.inventory.rancher.bootstrap_password.is_some() || file.exists() {
        return Ok(None);
    }
    let data = reached.cluster.read_secret(NAMESPACE, BOOTSTRAP_SECRET).await.map_err(unseen)?;
    let Some(bytes) = data.as_ref().and_then(|data| data.get("bootstrapPassword")) else { return Ok(None) };
    write(project, &file, bytes, Secrecy::Private)?;
    Ok(Some(file))
}

/// What this folder lacks of that which only the cluster can give back.
pub fn lacks(project: &Project) -> bool {
    let ca = project.made_ca().is_some_and(|ca| !(ca.certificate.exists() && ca.key.exists()));
    ca || (project.inventory.rancher.bootstrap_password.is_none() && !project.password_file().exists())
}

fn write(project: &Project, path: &Path, bytes: &SecretSlice<u8>, secrecy: Secrecy) -> Result<(), Failure> {
    let written: Result<(), WorkspaceError> = project.workspace.write(path, bytes.expose_secret(), secrecy);
    written.map_err(|error| Failure::of(Exit::StepFailed, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_that_is_cut_anywhere_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let text = crate::cluster::kubeconfig_of_test();
        let file = project.workspace.kubeconfig();
        project.workspace.prepare().unwrap();
        std::fs::write(&file, &text[..9]).unwrap();
        assert_eq!(restore_kubeconfig(&project), Ok(None), "from where?");
        std::fs::write(project.workspace.cluster_state(), Project::state_of_test(&text)).unwrap();
        for length in 0..text.len() {
            std::fs::write(&file, &text[..length]).unwrap();
            assert!(cut_off_kubeconfig(&project).is_some());
            assert_eq!(restore_kubeconfig(&project), Ok(Some(file.clone())));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        assert!(cut_off_kubeconfig(&project).is_none());
        assert_eq!(restore_kubeconfig(&project), Ok(None), "a whole one stays as it is");
    }

    #[tokio::test]
    async fn no_ca_is_made_while_a_clusters_api_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let machines = Machines { reached: Vec::new(), answers: Vec::new() };
        refuse_another_ca(&project, &machines).await.unwrap();
        std::fs::write(
            project.workspace.cluster_state(),
            r#"{"desiredState": {"certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}}}}"#,
        )
        .unwrap();
        let failure = refuse_another_ca(&project, &machines).await.unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert!(failure.error.contains("cannot be seen") && failure.hint.unwrap().contains("ca-key.pem"));
        // One that `up` will put aside is no cluster's.
        for broken in ["", "{}", "{\"desi"] {
            std::fs::write(project.workspace.cluster_state(), broken).unwrap();
            refuse_another_ca(&project, &machines).await.unwrap();
            let (seen, will) = project.workspace_facts().unwrap().broken.unwrap();
            assert!(seen.contains("/cluster.rkestate is ") && will.contains("`cowhand up` moves it"), "{seen}: {will}");
        }
        // With its CA in the folder nothing is made, and a cluster that is ill may be mended.
        let MadeCa { certificate, key } = project.made_ca().unwrap();
        std::fs::create_dir_all(key.parent().unwrap()).unwrap();
        std::fs::write(certificate, "").unwrap();
        std::fs::write(key, "").unwrap();
        refuse_another_ca(&project, &machines).await.unwrap();
    }
}
