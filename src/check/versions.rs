//! Which versions fit each other: a dated table with sources, for use without a network.
//!
//! Sources: the data that rke carries (rancher/rke v1.8.0, data/data.json: K8sVersionInfo, K8sVersionDockerInfo), Chart.yaml of
//! rancher/rancher at the tags (kubeVersion), cert-manager/website content/docs/releases, github.com/rancher-archives/rke
//! releases, SUSE KB 000021513 (RKE's end of life).

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

/// What RKE's data say of a Kubernetes minor: which RKE and which Rancher take it.
#[derive(Debug, Clone, Copy)]
pub struct KubernetesLine {
    pub minor: u64,
    pub rke: (Line, Line),
    pub rancher: (Line, Line),
    /// Accepted Docker releases.
    pub docker: &'static [&'static str],
}

type Line = (u64, u64);

const DOCKER_24: &[&str] =
    &["1.13", "17.03", "17.06", "17.09", "18.06", "18.09", "19.03", "20.10", "23.0", "24.0", "25.0"];
const DOCKER_27_4: &[&str] = &[
    "1.13", "17.03", "17.06", "17.09", "18.06", "18.09", "19.03", "20.10", "23.0", "24.0", "25.0", "26.0", "26.1",
    "27.0", "27.1", "27.2", "27.3", "27.4",
];
const DOCKER_27_5: &[&str] = &[
    "1.13", "17.03", "17.06", "17.09", "18.06", "18.09", "19.03", "20.10", "23.0", "24.0", "25.0", "26.0", "26.1",
    "27.0", "27.1", "27.2", "27.3", "27.4", "27.5",
];

/// Newest last. 1.30 to 1.32 have no upper end in the data; RKE ended with 1.8, and Rancher on it with 2.11.
pub const KUBERNETES: &[KubernetesLine] = &[
    KubernetesLine { minor: 25, rke: ((1, 4), (1, 5)), rancher: ((2, 7), (2, 8)), docker: DOCKER_24 },
    KubernetesLine { minor: 26, rke: ((1, 4), (1, 5)), rancher: ((2, 7), (2, 8)), docker: DOCKER_24 },
    KubernetesLine { minor: 27, rke: ((1, 5), (1, 6)), rancher: ((2, 8), (2, 9)), docker: DOCKER_27_4 },
    KubernetesLine { minor: 28, rke: ((1, 5), (1, 7)), rancher: ((2, 8), (2, 10)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 29, rke: ((1, 6), (1, 7)), rancher: ((2, 9), (2, 10)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 30, rke: ((1, 6), (1, 8)), rancher: ((2, 9), (2, 11)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 31, rke: ((1, 7), (1, 8)), rancher: ((2, 10), (2, 11)), docker: DOCKER_27_5 },
    KubernetesLine { minor: 32, rke: ((1, 8), (1, 8)), rancher: ((2, 11), (2, 11)), docker: DOCKER_27_5 },
];

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

/// The highest Kubernetes minor that a Rancher's chart accepts (`kubeVersion` in its Chart.yaml), and the lowest that its
/// support matrix names, where that was seen.
#[derive(Debug, Clone, Copy)]
pub struct RancherLine {
    pub line: Line,
    pub lowest: Option<u64>,
    pub highest: u64,
}

pub const RANCHER: &[RancherLine] = &[
    RancherLine { line: (2, 8), lowest: None, highest: 28 },
    RancherLine { line: (2, 9), lowest: None, highest: 30 },
    RancherLine { line: (2, 10), lowest: None, highest: 31 },
    RancherLine { line: (2, 11), lowest: Some(30), highest: 32 },
    RancherLine { line: (2, 12), lowest: None, highest: 33 },
    RancherLine { line: (2, 13), lowest: None, highest: 34 },
    RancherLine { line: (2, 14), lowest: None, highest: 35 },
    RancherLine { line: (2, 15), lowest: None, highest: 36 },
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
            assert!(line.rke.0 <= line.rke.1 && line.rancher.0 <= line.rancher.1, "{line:?}");
        }
    }
}
