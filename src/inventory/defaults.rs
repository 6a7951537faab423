//! What is taken when the inventory does not say: every pinned version in this one file. Which versions fit each other, and
//! of what day that knowledge is, stands in `versions`; a test there holds what is pinned against it.

use semver::Version;

use super::model::{Chart, ChartSource};

/// RKE1's first 1.8 release; later ones default to Kubernetes images that need a subscription
/// (github.com/rancher-archives/rke/releases, v1.8.14). RKE1 ended on 31 July 2025.
pub const RKE_VERSION: &str = "v1.8.0";

/// Whatever else is in PATH is passed over only when its major version differs.
pub const HELM_VERSION: &str = "v3.18.6";

/// Kubernetes in RKE's spelling, with publicly pullable images (same source).
pub const KUBERNETES_VERSION: &str = "v1.32.2-rancher1-1";

/// 2.11 is the last line of Rancher that runs on a cluster built by RKE1 (rancher/rancher#51003).
pub const RANCHER_VERSION: Version = Version::new(2, 11, 3);

/// Three replicas, one a node (default of the published chart).
pub const RANCHER_REPLICAS: u8 = 3;

/// Where the Docker socket lies on every distribution that RKE supports.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";

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

/// cert-manager's chart, of a release that was tested with every Kubernetes of that Rancher line.
pub fn cert_manager_chart(rancher: &Version) -> Chart {
    let version = match (rancher.major, rancher.minor) {
        (2, ..=10) => "v1.16.5",
        (2, 11) => "v1.17.4",
        (2, 12) => "v1.18.6",
        (2, 13) => "v1.19.4",
        _ => "v1.21.1",
    };
    chart("https://charts.jetstack.io", "cert-manager", version)
}

fn chart(url: &str, name: &str, version: &str) -> Chart {
    let source = ChartSource::Repository { url: url.to_owned(), name: name.to_owned() };
    Chart { source, version: version.to_owned() }
}
