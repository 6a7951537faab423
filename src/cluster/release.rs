//! What helm installed, and releases that a killed helm left locked.

use serde::{Deserialize, Serialize};

use super::{Cluster, ClusterError, Inhabitant};

/// One Helm release as `helm list` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Release {
    pub name: String,
    pub namespace: String,
    pub revision: String,
    pub status: ReleaseStatus,
    /// Name and version in one word, e.g. `rancher-2.11.3`.
    pub chart: String,
    #[serde(default)]
    pub app_version: String,
}

/// Helm's own words (helm: pkg/release/status.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    Deployed,
    Failed,
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
    Superseded,
    Uninstalled,
    Uninstalling,
    Unknown,
}

impl Cluster {
    /// Frees a release that a killed helm left pending ("another operation is in progress"), and says what it did.
    ///
    /// Only the record of the unfinished revision is removed (helm keeps each as a Secret); the objects stay and are
    /// adopted by the next `helm upgrade --install`. `helm uninstall` would free a first install too, but by deleting
    /// what runs, with old cert-managers even all certificates. The caller must know that no helm is running.
    pub async fn free_pending_release(&self, namespace: &str, release: &str) -> Result<Option<String>, ClusterError> {
        let labels = format!("owner=helm,name={release}");
        let records = self.secrets_by_label(namespace, &labels).await?;
        let label =
            |record: &Inhabitant, key: &str| record.metadata["labels"][key].as_str().unwrap_or_default().to_owned();
        let revision = |record: &Inhabitant| label(record, "version").parse::<u64>().unwrap_or(0);
        let Some(newest) = records.iter().max_by_key(|record| revision(record)) else { return Ok(None) };
        let status = label(newest, "status");
        if !status.starts_with("pending-") {
            return Ok(None);
        }
        self.delete(&newest.object).await?;
        Ok(Some(format!("release {namespace}/{release}: revision {} was left {status}, freed", revision(newest))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_helm_is_read() {
        let listed = r#"[{"name":"rancher","namespace":"cattle-system","revision":"2","updated":"2026-01-01 00:00:00 +0000 UTC",
            "status":"pending-upgrade","chart":"rancher-2.11.3","app_version":"v2.11.3"}]"#;
        let releases: Vec<Release> = serde_json::from_str(listed).unwrap();
        assert_eq!(releases[0].status, ReleaseStatus::PendingUpgrade);
        assert_eq!(releases[0].chart, "rancher-2.11.3");
    }
}
