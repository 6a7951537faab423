//! Whether a container that bears one of the names that RKE gives was made by RKE.

use super::Container;

/// The containers that RKE labels with their names (rancher/rke v1.8.0, cluster/plan.go).
pub const LABELLED: &[&str] = &[
    "etcd",
    "kubelet",
    "kube-proxy",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "nginx-proxy",
    "service-sidekick",
];

/// Those without a label: snapshots, and helpers that are gone when rke is done (rancher/rke v1.8.0: services, cluster, pki,
/// hosts).
pub const UNLABELLED: &[&str] = &[
    "etcd-rolling-snapshots",
    "etcd-snapshot-once",
    "etcd-extract-statefile",
    "extract-statefile-configmap",
    "etcd-remove-snapshot",
    "rke-etcd-port-listener",
    "rke-cp-port-listener",
    "rke-worker-port-listener",
    "rke-port-checker",
    "cert-deployer",
    "cert-fetcher",
    "cluster-state-deployer",
    "file-deployer",
    "etcd-fix-perm",
    "rke-bundle-cert",
    "rke-log-linker",
    "rke-log-cleaner",
    "kube-cleaner",
    "etcd-Serve-backup",
    "etcd-checksum-checker",
    "etcd-restore",
    "etcd-download-backup",
    "rke-selinux-checker",
];

/// What RKE runs under the names without a label, as the last part of a repository: mirrors keep that one.
pub const REPOSITORIES: &[&str] = &["rke-tools", "hyperkube", "mirrored-coreos-etcd", "coreos-etcd"];

impl Container {
    /// Whether it bears RKE's label for its own name. A copy of an image of such a container (`docker commit`) bears the label
    /// under another name.
    pub fn has_label(&self) -> bool {
        self.label.as_deref() == Some(self.name.as_str())
    }

    /// Whether RKE made it. `images` are the system images that the inventory names.
    pub fn is_of_rke(&self, images: &[&str]) -> bool {
        let helper = UNLABELLED.contains(&self.name.as_str()) && self.label.is_none();
        self.has_label()
            || helper && (images.contains(&self.image.as_str()) || REPOSITORIES.contains(&self.repository()))
    }

    /// Whether rke would take it for its own by its name, and remove, start or replace it, although it is somebody else's.
    pub fn is_foreign(&self, images: &[&str]) -> bool {
        let name = self.name.as_str();
        (LABELLED.contains(&name) || UNLABELLED.contains(&name)) && !self.is_of_rke(images)
    }

    /// `rke-tools` of `mirror.test:5000/rancher/rke-tools:v0.1.111@sha256:…`.
    fn repository(&self) -> &str {
        let name = self.image.split('@').next().unwrap_or_default();
        let last = name.rsplit('/').next().unwrap_or_default();
        last.split(':').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ContainerState;

    fn container(name: &str, label: Option<&str>, image: &str) -> Container {
        let label = label.map(str::to_owned);
        Container { name: name.into(), state: ContainerState::Running, status: "Up".into(), label, image: image.into() }
    }

    #[test]
    fn a_labelled_name_is_proved_by_its_label_alone() {
        assert!(container("nginx-proxy", Some("nginx-proxy"), "own/tools:1").is_of_rke(&[]));
        assert!(container("nginx-proxy", None, "nginx:1.27").is_foreign(&[]));
        assert!(container("nginx-proxy", None, "rancher/rke-tools:v0.1.111").is_foreign(&[]));
        // From `docker commit kubelet`.
        assert!(container("etcd", Some("kubelet"), "copy").is_foreign(&[]));
    }

    #[test]
    fn a_name_without_a_label_is_proved_by_its_image() {
        for image in
            ["rancher/rke-tools:v0.1.111", "mirror.test:5000/x/rke-tools:v1", "rke-tools@sha256:ab", "lab/tools:v1"]
        {
            assert!(container("etcd-rolling-snapshots", None, image).is_of_rke(&["lab/tools:v1"]), "{image}");
        }
        for image in ["somebody/snapshots:1", "rke-tools.test/mine:1", "mine/not-rke-tools:1", "1f2e3d4c5b6a"] {
            assert!(container("etcd-rolling-snapshots", None, image).is_foreign(&["lab/tools:v1"]), "{image}");
        }
    }

    #[test]
    fn other_names_are_nobodys_business() {
        assert!(!container("etcd-browser", None, "etcd-browser:1").is_foreign(&[]));
        assert!(!container("etcd-browser", None, "rancher/rke-tools:1").is_of_rke(&[]));
    }
}
