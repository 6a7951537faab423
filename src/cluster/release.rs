//! What helm installed.

use serde::{Deserialize, Serialize};

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
