//! What goes into a backup beside etcd's snapshot, and what does not.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use crate::backup::{Part, STATE};
use crate::cluster::unpacked_record;
use crate::failure::{Exit, Failure};
use crate::inventory::{BucketCa, Chart, ChartSource, Inventory};
use crate::remote::read_regular;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::project::Project;

/// No certificate, key or state file comes near this (bytes).
const LARGEST: u64 = 64 << 20;

/// The workspace's own files, the inventory, and every file that it names.
pub fn of_workspace(project: &Project) -> Result<Vec<Part>, Failure> {
    let mut parts = vec![part(project, STATE, "rke's state", &project.workspace.cluster_state())?];
    parts.push(part(project, "inventory.yml", "the inventory", &project.file)?);
    if project.workspace.cluster_yml().exists() {
        parts.push(part(project, "cluster.yml", "rke's cluster.yml", &project.workspace.cluster_yml())?);
    }
    for (number, (key, path)) in named(project).into_iter().enumerate() {
        parts.push(part(project, &format!("files/{:02}", number + 1), &key, &path)?);
    }
    Ok(parts)
}

fn part(project: &Project, name: &str, what: &str, path: &Path) -> Result<Part, Failure> {
    let bytes = read_regular(path, LARGEST).map(Zeroizing::new).map_err(|error| {
        Failure::with_cause(Exit::ChecksFailed, format!("{} ({what}) cannot be read", path.display()), &error)
            .hint("a backup without it would not bring the cluster back; nothing was kept")
    })?;
    let shown = path.strip_prefix(project.workspace.folder()).unwrap_or(path).display().to_string();
    Ok(Part { name: name.into(), what: what.into(), path: Some(shown), bytes })
}

/// Files that the inventory names, and those that cowhand made for it, each with its key.
fn named(project: &Project) -> Vec<(String, PathBuf)> {
    let Inventory { rancher, engine, .. } = &project.inventory;
    let tls = &rancher.tls;
    let bucket = engine.rke_settings().and_then(|rke| rke.bucket_ca.as_ref()).and_then(|ca| match ca {
        BucketCa::File(path) => Some(path.clone()),
        BucketCa::Text(_) => None,
    });
    let made = project.made_ca();
    let all = [
        ("rancher.tls.certificate", tls.certificate.clone()),
        ("rancher.tls.key", tls.key.clone()),
        ("rancher.tls.ca", tls.ca.clone()),
        ("rancher.tls.ca_key", tls.ca_key.clone()),
        ("rancher.tls.also_trust", tls.also_trust.clone()),
        ("rancher.tls.acme.server_ca", tls.acme.as_ref().and_then(|acme| acme.server_ca.clone())),
        ("the CA that cowhand made", made.as_ref().map(|ca| ca.certificate.clone()).filter(|path| path.exists())),
        ("the key of the CA that cowhand made", made.map(|ca| ca.key).filter(|path| path.exists())),
        ("rancher.bootstrap_password", Some(project.password_file()).filter(|path| path.exists())),
        (BucketCa::KEY, bucket),
    ];
    all.into_iter().filter_map(|(key, path)| Some((key.to_owned(), path?))).collect()
}

/// What helm installed: release, chart, version and the values that were given.
pub async fn releases(reached: &ClusterApi) -> Result<Option<Part>, Failure> {
    let records = reached.cluster.list("v1", "Secret", None, Some("owner=helm,status=deployed")).await;
    let records = records.map_err(unseen)?;
    let told: Vec<Value> = records.iter().filter_map(release).collect();
    if told.is_empty() {
        return Ok(None);
    }
    let bytes = Zeroizing::new(serde_json::to_vec_pretty(&told).unwrap_or_default());
    Ok(Some(Part {
        name: "helm-releases.json".into(),
        what: "helm's releases and their values".into(),
        path: None,
        bytes,
    }))
}

/// Of a Secret with Helm's record, which the API gives in base64.
fn release(secret: &Value) -> Option<Value> {
    let record = BASE64.decode(secret["data"]["release"].as_str()?.as_bytes()).ok()?;
    let release: Value = serde_json::from_slice(&unpacked_record(&record)?).ok()?;
    let chart = &release["chart"]["metadata"];
    Some(json!({
        "name": release["name"], "namespace": release["namespace"], "revision": release["version"],
        "chart": chart["name"], "version": chart["version"], "app_version": chart["appVersion"],
        "values": release["config"],
    }))
}

/// What a rebuild does not bring back, by name.
pub async fn not_in_it(project: &Project, reached: &ClusterApi) -> Result<Vec<String>, Failure> {
    let volumes = reached.cluster.list("v1", "PersistentVolume", None, None).await.map_err(unseen)?;
    let mut lines: Vec<String> = volumes.iter().map(volume).collect();
    if lines.is_empty() {
        lines.push("data of PersistentVolumes: the cluster has none".into());
    }
    let Inventory { ingress, cert_manager, rancher, .. } = &project.inventory;
    let charts = [&ingress.chart, &cert_manager.chart, &rancher.chart].into_iter().filter_map(local);
    lines.extend(charts.map(|path| format!("the chart in {}", path.display())));
    lines.push("what lies on the nodes outside of etcd: images, logs, hostPath volumes, /etc".into());
    lines.push("keys and known_hosts of SSH: whoever rebuilds brings their own".into());
    Ok(lines)
}

fn volume(volume: &Value) -> String {
    let name = volume["metadata"]["name"].as_str().unwrap_or_default();
    let claim = &volume["spec"]["claimRef"];
    match (claim["namespace"].as_str(), claim["name"].as_str()) {
        (Some(namespace), Some(claim)) => format!("data of PersistentVolume {name} (claim {namespace}/{claim})"),
        (_, _) => format!("data of PersistentVolume {name} (claimed by nobody)"),
    }
}

fn local(chart: &Chart) -> Option<&Path> {
    match &chart.source {
        ChartSource::Path(path) => Some(path),
        ChartSource::Repository { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_release_is_told_with_the_values_that_were_given() {
        let told = json!({"name": "rancher", "namespace": "cattle-system", "version": 2, "config": {"replicas": 3},
            "chart": {"metadata": {"name": "rancher", "version": "2.11.3", "appVersion": "v2.11.3"}, "files": "much"}});
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(told.to_string().as_bytes()).unwrap();
        let twice = BASE64.encode(BASE64.encode(&packed.finish().unwrap()).as_bytes());
        let read = release(&json!({"data": {"release": twice}})).unwrap();
        assert_eq!((&read["chart"], &read["values"]["replicas"]), (&json!("rancher"), &json!(3)));
        assert!(!read.to_string().contains("much"));
        assert_eq!(release(&json!({"data": {"release": "?"}})), None);
    }

    #[test]
    fn every_file_that_is_there_goes_in_and_one_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        std::fs::create_dir_all(project.workspace.secrets()).unwrap();
        for path in [project.file.clone(), project.workspace.folder().join("ca.pem"), project.password_file()] {
            std::fs::write(path, "text").unwrap();
        }
        let missing = of_workspace(&project).err().unwrap();
        assert!(missing.error.contains("cluster.rkestate"), "{missing:?}");
        std::fs::write(project.workspace.cluster_state(), "{}").unwrap();
        let parts = of_workspace(&project).unwrap();
        let told: Vec<(&str, &str)> =
            parts.iter().map(|part| (part.name.as_str(), part.path.as_deref().unwrap_or_default())).collect();
        assert_eq!(
            told,
            [
                ("cluster.rkestate", "cluster.rkestate"),
                ("inventory.yml", "prod.yml"),
                ("files/01", "ca.pem"),
                ("files/02", "secrets/bootstrap-password"),
            ]
        );
    }
}
