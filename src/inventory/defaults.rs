//! What is taken when the inventory does not say: every version that an inventory can name. As of 2026-11-22.
//! Helm's, which it cannot, stands in `commands/world.rs`.

use semver::Version;

use super::model::{Chart, ChartSource};

/// RKE1's first 1.8 release; later ones default to Kubernetes images that need a subscription
/// (github.com/rancher-archives/rke/releases, v1.8.14). RKE1 ended on 31 July 2025.
pub const RKE_VERSION: &str = "v1.8.0";

/// Kubernetes in RKE's spelling, with publicly pullable images (same source).
pub const KUBERNETES_VERSION: &str = "v1.32.2-rancher1-1";

/// 2.11 is the last line of Rancher that runs on a cluster built by RKE1 (rancher/rancher#51003).
pub const RANCHER_VERSION: Version = Version::new(2, 11, 3);

/// Three replicas, one a node (default of the published chart).
pub const RANCHER_REPLICAS: u8 = 3;

/// Where the Docker socket lies on every distribution that RKE supports.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// The first line of Rancher that cowhand does not know to run on RKE1.
pub const FIRST_WITHOUT_RKE: Version = Version::new(2, 12, 0);

/// The first Rancher whose chart knows `agentTLSMode`, which cowhand always decides (rancher/rancher#45628).
pub const OLDEST_RANCHER: Version = Version::new(2, 9, 0);

/// Rancher's chart; its version is Rancher's own. Source: ranchermanager.docs.rancher.com, "Choosing a Rancher Version".
pub fn rancher_chart(version: &Version) -> Chart {
    chart("https://releases.rancher.com/server-charts/stable", "rancher", &version.to_string())
}

/// Traefik's chart 37.3.0 brings Traefik v3.6.0 (traefik-helm-chart, Changelog of 2025-11-10).
pub fn traefik_chart() -> Chart {
    chart("https://traefik.github.io/charts", "traefik", "37.3.0")
}

/// cert-manager's chart, of a release that supports the Kubernetes versions of that Rancher line.
/// Source: cert-manager.io/docs/releases (1.17: Kubernetes 1.29 to 1.33, 1.18 the same, 1.19: to 1.35, 1.21: to 1.36).
pub fn cert_manager_chart(rancher: &Version) -> Chart {
    let version = match (rancher.major, rancher.minor) {
        (2, ..=11) => "v1.17.4",
        (2, 12) => "v1.18.6",
        (2, 13) => "v1.19.4",
        _ => "v1.21.1",
    };
    chart("https://charts.jetstack.io", "cert-manager", version)
}

/// The first minor of Kubernetes 1 that the Rancher chart refuses (`kubeVersion` in Chart.yaml of the newest patch of each
/// line, as of 2026-07-30); `None` for a line that is not known.
pub fn kubernetes_bound(rancher: &Version) -> Option<u64> {
    match (rancher.major, rancher.minor) {
        (2, 9) => Some(31),
        (2, 10) => Some(32),
        (2, 11) => Some(33),
        (2, 12) => Some(34),
        (2, 13) => Some(35),
        (2, 14) => Some(36),
        (2, 15) => Some(37),
        _ => None,
    }
}

fn chart(url: &str, name: &str, version: &str) -> Chart {
    let source = ChartSource::Repository { url: url.to_owned(), name: name.to_owned() };
    Chart { source, version: version.to_owned() }
}
