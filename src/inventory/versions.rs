//! Which versions fit each other: the one dated table, with sources, for use without a network. What is pinned
//! (`defaults`), what an inventory may ask for (`rules`) and what the checks say are read off it.
//!
//! Sources: the data that rke carries (rancher/rke v1.8.0, data/data.json: K8sVersionInfo, K8sVersionDockerInfo,
//! K8sVersionRKESystemImages), Chart.yaml of rancher/rancher at the tags (kubeVersion), cert-manager/website
//! content/docs/releases, github.com/rancher-archives/rke releases, SUSE KB 000021513 (RKE's end of life).

use std::fmt;

/// The day this table was last compared with its sources.
pub const AS_OF: &str = "2026-08-31";

/// RKE's own end of life (SUSE KB 000021513).
pub const RKE_ENDED: &str = "31 July 2025";

/// The last Rancher that runs on a cluster of RKE (its chart's pre-upgrade hook from 2.12 on; rancher/rancher#51003).
pub const LAST_RANCHER_ON_RKE: (u64, u64) = (2, 11);

/// `v1.32.2-rancher1-1` or `1.32.2`: what counts for comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    pub minor: u64,
    pub patch: u64,
}

impl KubernetesVersion {
    /// `None` when it is no version of Kubernetes 1.
    pub fn read(text: &str) -> Option<Self> {
        let plain = text.trim_start_matches('v').split(['-', '+']).next()?;
        let mut parts = plain.split('.').map(str::parse::<u64>);
        match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
            (Ok(1), Ok(minor), Ok(patch), None) => Some(KubernetesVersion { minor, patch }),
            _ => None,
        }
    }
}

impl KubernetesVersion {
    /// With the patch: `1.32.2`.
    pub fn whole(self) -> String {
        format!("1.{}.{}", self.minor, self.patch)
    }
}

/// The Kubernetes that an image carries, by its tag: 1.32.2 for `registry:5000/rancher/hyperkube:v1.32.2-rancher1`;
/// `None` when the tag says none.
pub fn version_of_image(image: &str) -> Option<KubernetesVersion> {
    let named = image.split('@').next()?.rsplit('/').next()?;
    KubernetesVersion::read(named.split_once(':')?.1)
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

/// Major and minor of a version such as `v1.8.0`.
pub fn line_of(version: &str) -> Option<(u64, u64)> {
    let version = semver::Version::parse(version.trim_start_matches('v')).ok()?;
    Some((version.major, version.minor))
}

/// What RKE's data say of a Kubernetes minor: which RKE supports it.
#[derive(Debug, Clone, Copy)]
pub struct KubernetesLine {
    pub minor: u64,
    pub rke: (Line, Line),
    /// Accepted Docker releases.
    pub docker: &'static [&'static str],
}

type Line = (u64, u64);

const DOCKER_27_4: &[&str] = &[
    "1.13", "17.03", "17.06", "17.09", "18.06", "18.09", "19.03", "20.10", "23.0", "24.0", "25.0", "26.0", "26.1",
    "27.0", "27.1", "27.2", "27.3", "27.4",
];
const DOCKER_27_5: &[&str] = &[
    "1.13", "17.03", "17.06", "17.09", "18.06", "18.09", "19.03", "20.10", "23.0", "24.0", "25.0", "26.0", "26.1",
    "27.0", "27.1", "27.2", "27.3", "27.4", "27.5",
];

/// Newest last; older ones go with no Rancher that cowhand installs. 1.30 to 1.32 have no upper end in the data; RKE ended
/// with 1.8.
pub const KUBERNETES: &[KubernetesLine] = &[
    KubernetesLine { minor: 27, rke: ((1, 5), (1, 6)), docker: DOCKER_27_4 },
    KubernetesLine { minor: 28, rke: ((1, 5), (1, 7)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 29, rke: ((1, 6), (1, 7)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 30, rke: ((1, 6), (1, 8)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 31, rke: ((1, 7), (1, 8)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 32, rke: ((1, 8), (1, 8)), docker: DOCKER_27_5 },
];

/// Every version of these minors that an rke release carries images for. Only v1.8.0 was read (its data/data.json,
/// K8sVersionRKESystemImages); the lists of later releases are longer, of what length is not known here.
const RKE_LISTS: &[(&str, &[&str])] = &[(
    "v1.8.0",
    &[
        "v1.30.2-rancher1-1",
        "v1.30.3-rancher1-1",
        "v1.30.4-rancher1-1",
        "v1.30.5-rancher1-1",
        "v1.30.6-rancher1-1",
        "v1.30.7-rancher1-1",
        "v1.30.8-rancher1-1",
        "v1.30.9-rancher1-1",
        "v1.30.10-rancher1-1",
        "v1.31.2-rancher2-1",
        "v1.31.3-rancher1-1",
        "v1.31.4-rancher1-1",
        "v1.31.5-rancher1-1",
        "v1.31.6-rancher1-1",
        "v1.32.2-rancher1-1",
    ],
)];

/// The Kubernetes versions that this rke release has images for; `None` when its list was not read.
pub fn rke_list(rke: &str) -> Option<&'static [&'static str]> {
    RKE_LISTS.iter().find(|(release, _)| *release == rke).map(|(_, list)| *list)
}

/// Added to RKE's data after v1.8.0 (rancher/kontainer-driver-metadata#1653 of 24 April 2025).
const DOCKER_LATER: &[&str] = &["28.0", "28.1"];
const DOCKER_LATER_SINCE: &str =
    "kontainer-driver-metadata#1653 of 24 April 2025, which rke v1.8.3 of May 2025 should carry (not verified)";
const DOCKER_LATER_RKE: semver::Version = semver::Version::new(1, 8, 3);

pub fn kubernetes_line(minor: u64) -> Option<&'static KubernetesLine> {
    KUBERNETES.iter().find(|line| line.minor == minor)
}

/// Whether RKE takes a Docker release for a Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DockerSupport {
    Listed,
    /// Only data newer than those that were read say so.
    ListedLater {
        since: &'static str,
    },
    NotListed {
        listed: &'static [&'static str],
    },
    /// The Kubernetes is not in the table.
    NoList,
}

/// RKE compares major and minor only (rancher/rke v1.8.0, docker/docker.go, IsSupportedDockerVersion).
pub fn docker_for(kubernetes: KubernetesVersion, rke: &str, release: Option<(u32, u32)>) -> DockerSupport {
    let Some(line) = kubernetes_line(kubernetes.minor) else { return DockerSupport::NoList };
    let same = |listed: &&&str| {
        let numbers = listed.split_once('.').map(|(major, minor)| (major.parse().ok(), minor.parse().ok()));
        release.is_some_and(|(major, minor)| numbers == Some((Some(major), Some(minor))))
    };
    if line.docker.iter().any(|listed| same(&listed)) {
        return DockerSupport::Listed;
    }
    let newer_rke = semver::Version::parse(rke.trim_start_matches('v')).is_ok_and(|rke| rke >= DOCKER_LATER_RKE);
    if newer_rke && DOCKER_LATER.iter().any(|listed| same(&listed)) {
        return DockerSupport::ListedLater { since: DOCKER_LATER_SINCE };
    }
    DockerSupport::NotListed { listed: line.docker }
}

/// From these patches on the images need an `RKE Extended Life` subscription (release notes of rke v1.8.11 and v1.8.14).
pub const SUBSCRIPTION_ONLY: &[KubernetesVersion] =
    &[KubernetesVersion { minor: 31, patch: 14 }, KubernetesVersion { minor: 32, patch: 11 }];

pub fn needs_subscription(version: KubernetesVersion) -> bool {
    SUBSCRIPTION_ONLY.iter().any(|from| from.minor == version.minor && version.patch >= from.patch)
}

/// The highest Kubernetes minor that a Rancher's chart accepts (`kubeVersion` in the Chart.yaml of its newest patch), and the
/// lowest that the line supports. The chart itself has no lower end. Sources of the lower ends: 2.9 to 2.11 RKE's data
/// (K8sVersionInfo, maxRancherVersion: 1.26 ends with 2.8, 1.27 with 2.9, 1.28 and 1.29 with 2.10); 2.12 its release notes
/// ("Kubernetes v1.30 is no longer supported"); 2.13 to 2.15 rancher/rancher#51253, #53764, #55306.
#[derive(Debug, Clone, Copy)]
pub struct RancherLine {
    pub line: Line,
    pub lowest: u64,
    pub highest: u64,
    /// The newest patch on the table's day (tags of rancher/rancher).
    pub patch: u64,
}

impl RancherLine {
    pub fn newest(&self) -> semver::Version {
        semver::Version::new(self.line.0, self.line.1, self.patch)
    }
}

/// From the oldest that cowhand installs on.
pub const RANCHER: &[RancherLine] = &[
    RancherLine { line: (2, 9), lowest: 27, highest: 30, patch: 12 },
    RancherLine { line: (2, 10), lowest: 28, highest: 31, patch: 12 },
    RancherLine { line: (2, 11), lowest: 30, highest: 32, patch: 16 },
    RancherLine { line: (2, 12), lowest: 31, highest: 33, patch: 12 },
    RancherLine { line: (2, 13), lowest: 32, highest: 34, patch: 8 },
    RancherLine { line: (2, 14), lowest: 33, highest: 35, patch: 4 },
    RancherLine { line: (2, 15), lowest: 34, highest: 36, patch: 0 },
];

pub fn rancher_line(version: &semver::Version) -> Option<&'static RancherLine> {
    RANCHER.iter().find(|rancher| rancher.line == (version.major, version.minor))
}

/// Kubernetes minors that a cert-manager was tested with (cert-manager/website, content/docs/releases).
pub const CERT_MANAGER: &[(Line, u64, u64)] = &[
    ((1, 11), 21, 27),
    ((1, 12), 22, 32),
    ((1, 13), 21, 27),
    ((1, 14), 24, 31),
    ((1, 15), 25, 32),
    ((1, 16), 25, 32),
    ((1, 17), 29, 33),
    ((1, 18), 29, 33),
    ((1, 19), 31, 35),
    ((1, 20), 32, 35),
    ((1, 21), 33, 36),
];

/// From this Rancher on its chart asks for at least this cert-manager, in its notes after installing
/// (rancher/rancher: chart/templates/NOTES.txt, 2.14).
pub const CERT_MANAGER_FOR_RANCHER: (Line, Line) = ((2, 14), (1, 15));

/// Lines of cert-manager that were tested with a Kubernetes minor, newest last.
pub fn cert_managers_for(minor: u64) -> impl Iterator<Item = Line> {
    CERT_MANAGER
        .iter()
        .filter(move |(_, lowest, highest)| (*lowest..=*highest).contains(&minor))
        .map(|(line, _, _)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_rke_writes_them() {
        let read = |text: &str| KubernetesVersion::read(text).map(|version| (version.minor, version.patch));
        assert_eq!(read("v1.32.2-rancher1-1"), Some((32, 2)));
        assert_eq!(read("1.33.4+rke2r1"), Some((33, 4)));
        assert_eq!(read("v1.32"), None);
        assert_eq!(read("v2.0.0"), None);
        assert_eq!(read("latest"), None);
    }

    #[test]
    fn docker_by_major_and_minor() {
        let kubernetes = KubernetesVersion { minor: 32, patch: 2 };
        assert_eq!(docker_for(kubernetes, "v1.8.0", Some((27, 5))), DockerSupport::Listed);
        assert_eq!(docker_for(kubernetes, "v1.8.0", Some((20, 10))), DockerSupport::Listed);
        assert!(matches!(docker_for(kubernetes, "v1.8.0", Some((28, 1))), DockerSupport::NotListed { .. }));
        assert!(matches!(docker_for(kubernetes, "v1.8.3", Some((28, 1))), DockerSupport::ListedLater { .. }));
        assert!(matches!(docker_for(kubernetes, "v1.8.3", Some((28, 2))), DockerSupport::NotListed { .. }));
        assert!(matches!(docker_for(kubernetes, "v1.8.0", None), DockerSupport::NotListed { .. }));
        let unknown = KubernetesVersion { minor: 40, patch: 0 };
        assert_eq!(docker_for(unknown, "v1.8.0", Some((27, 5))), DockerSupport::NoList);
    }

    #[test]
    fn the_table_is_in_order_and_dated() {
        assert!(KUBERNETES.is_sorted_by_key(|line| line.minor));
        assert!(CERT_MANAGER.is_sorted_by_key(|(line, _, _)| *line));
        assert!(RANCHER.is_sorted_by_key(|rancher| (rancher.line, rancher.highest)));
        assert!(AS_OF.parse::<jiff::civil::Date>().is_ok());
        for line in KUBERNETES {
            assert!(line.rke.0 <= line.rke.1, "{line:?}");
        }
        for (release, list) in RKE_LISTS {
            let line = line_of(release).unwrap();
            let minors: Vec<u64> = list.iter().map(|one| KubernetesVersion::read(one).unwrap().minor).collect();
            let takes = KUBERNETES.iter().filter(|one| one.rke.0 <= line && line <= one.rke.1).map(|one| one.minor);
            let mut listed = minors.clone();
            listed.dedup();
            assert!(minors.is_sorted() && listed.iter().copied().eq(takes), "{release}: {listed:?}");
        }
    }

    #[test]
    fn no_row_is_out_of_reach_and_what_is_pinned_is_in_the_table() {
        use super::super::defaults;
        let on_rke: Vec<&RancherLine> = RANCHER.iter().filter(|rancher| rancher.line <= LAST_RANCHER_ON_RKE).collect();
        for line in KUBERNETES {
            let fits = |rancher: &&RancherLine| (rancher.lowest..=rancher.highest).contains(&line.minor);
            assert!(on_rke.iter().any(fits), "no Rancher that cowhand installs takes {line:?}");
        }
        let oldest = (defaults::OLDEST_RANCHER.major, defaults::OLDEST_RANCHER.minor);
        assert_eq!(RANCHER[0].line, oldest);
        assert!(rke_list(defaults::RKE_VERSION).unwrap().contains(&defaults::KUBERNETES_VERSION));
        for rancher in RANCHER {
            let version = semver::Version::new(rancher.line.0, rancher.line.1, 0);
            let chart = line_of(&defaults::cert_manager_chart(&version).version).unwrap();
            for minor in rancher.lowest..=rancher.highest {
                assert!(cert_managers_for(minor).any(|line| line == chart), "{version}: {chart:?} and 1.{minor}");
            }
            assert!(version < semver::Version::new(2, 14, 0) || chart >= CERT_MANAGER_FOR_RANCHER.1);
        }
    }
}
