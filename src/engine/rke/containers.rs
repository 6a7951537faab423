//! Names of the containers that rke makes and ends (rancher/rke v1.8.0: services, pki, hosts, cluster).

const NAMES: &[&str] = &[
    "cert-deployer",
    "cert-fetcher",
    "cluster-state-deployer",
    "etcd",
    "etcd-checksum-checker",
    "etcd-download-backup",
    "etcd-extract-statefile",
    "etcd-fix-perm",
    "etcd-remove-snapshot",
    "etcd-restore",
    "etcd-rolling-snapshots",
    "etcd-Serve-backup",
    "etcd-snapshot-once",
    "extract-statefile-configmap",
    "file-deployer",
    "kube-apiserver",
    "kube-cleaner",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "nginx-proxy",
    "rke-bundle-cert",
    "rke-cp-port-listener",
    "rke-etcd-port-listener",
    "rke-log-cleaner",
    "rke-log-linker",
    "rke-port-checker",
    "rke-selinux-checker",
    "rke-worker-port-listener",
    "service-sidekick",
];

/// Whether rke makes one of this name; what it puts aside while another takes its place is called `old-…`.
pub fn is_of_rke(container: &str) -> bool {
    NAMES.contains(&container.strip_prefix("old-").unwrap_or(container))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rke_makes_and_what_is_somebody_elses() {
        assert!(["etcd", "old-kubelet", "rke-log-linker", "service-sidekick"].into_iter().all(is_of_rke));
        assert!(!["postgres", "old-postgres", "etcd2", "", "old-", "7f3a9d"].into_iter().any(is_of_rke));
    }
}
