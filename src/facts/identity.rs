//! Which cluster a machine belongs to: known by its CA, on the node and in RKE's state file.

use std::path::PathBuf;

use serde::Deserialize;

use super::members::NodesOnly;
use super::owner::Pinned;
use super::{CaFingerprint, StateNodes};

/// What lies in the workspace, as far as checks need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceFacts {
    pub state: StateFile,
    /// What is wrong with that file as it lies there, and what `up` will do about it.
    pub broken: Option<(String, String)>,
    /// The leaf in RKE's state that ends first, by RKE's name, and its end.
    pub first_leaf: Option<(String, jiff::Timestamp)>,
    /// With engine existing, the cluster that the inventory was first run on.
    pub pinned: Option<Pinned>,
}

/// RKE's `cluster.rkestate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFile {
    Absent,
    Present {
        path: PathBuf,
        /// The CAs of the desired and of the applied state; they differ while a CA is being changed.
        authorities: Vec<CaFingerprint>,
        /// The nodes of both halves.
        nodes: StateNodes,
    },
    Unreadable {
        path: PathBuf,
        reason: String,
    },
}

impl StateFile {
    /// `text` is the file's content. RKE keeps the CA at `{desiredState,currentState}.certificatesBundle.kube-ca.certificatePEM`
    /// (rancher/rke v1.8.0, cluster/state.go and pki/pki.go).
    pub fn read(path: PathBuf, text: &str) -> Self {
        let state: State = match serde_json::from_str(text) {
            Ok(state) => state,
            Err(error) => return StateFile::Unreadable { path, reason: error.to_string() },
        };
        let mut authorities = Vec::new();
        let (desired, current) = (state.desired.unwrap_or_default(), state.current.unwrap_or_default());
        let nodes = StateNodes {
            applied: current.config.map(Vec::from),
            desired: desired.config.map(Vec::from).unwrap_or_default(),
        };
        for certificates in [desired.certificates, current.certificates].into_iter().flatten() {
            let Some(authority) = certificates.authority else { continue };
            match CaFingerprint::from_pem(&authority.pem) {
                Ok(found) if authorities.contains(&found) => {}
                Ok(found) => authorities.push(found),
                Err(reason) => return StateFile::Unreadable { path, reason: reason.0 },
            }
        }
        StateFile::Present { path, authorities, nodes }
    }

    /// The nodes of the cluster; none where there is no state that can be read.
    pub fn nodes(&self) -> Option<&StateNodes> {
        match self {
            StateFile::Present { nodes, .. } => Some(nodes),
            StateFile::Absent | StateFile::Unreadable { .. } => None,
        }
    }

    pub fn knows(&self, authority: &CaFingerprint) -> bool {
        match self {
            StateFile::Present { authorities, .. } => authorities.contains(authority),
            StateFile::Absent | StateFile::Unreadable { .. } => false,
        }
    }
}

/// Only what is needed: the file also holds every private key of the cluster, which never enters a value here.
#[derive(Deserialize)]
struct State {
    #[serde(rename = "desiredState")]
    desired: Option<HalfState>,
    #[serde(rename = "currentState")]
    current: Option<HalfState>,
}

#[derive(Deserialize, Default)]
struct HalfState {
    #[serde(rename = "rkeConfig")]
    config: Option<NodesOnly>,
    #[serde(rename = "certificatesBundle")]
    certificates: Option<Bundle>,
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "kube-ca")]
    authority: Option<Certificate>,
}

#[derive(Deserialize)]
struct Certificate {
    #[serde(rename = "certificatePEM")]
    pem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = include_str!("../../tests/data/facts/kube-ca.pem");

    fn state(pem: &str) -> String {
        let half = serde_json::json!({"certificatesBundle": {"kube-ca": {"certificatePEM": pem, "keyPEM": "secret"}}});
        serde_json::json!({"desiredState": half, "currentState": half}).to_string()
    }

    #[test]
    fn the_state_file_knows_its_own_authority_and_no_other() {
        let ours = CaFingerprint::from_pem(CA).unwrap();
        let file = StateFile::read("cluster.rkestate".into(), &state(CA));
        assert!(file.knows(&ours));
        assert!(!file.knows(&CaFingerprint([0; 32])));
        // what `openssl x509 -fingerprint -sha256` says of the file
        assert_eq!(ours.to_string(), include_str!("../../tests/data/facts/kube-ca.sha256").trim());
    }

    #[test]
    fn the_nodes_of_both_halves_are_read_and_nothing_else_of_them() {
        let node = |address: &str| serde_json::json!({"address": address, "hostnameOverride": "n", "role": ["etcd"], "sshKey": "CANARY"});
        let half = |address: &str| serde_json::json!({"rkeConfig": {"nodes": [node(address)], "services": {}}});
        let text = serde_json::json!({"desiredState": half("10.0.0.2"), "currentState": half("10.0.0.1")}).to_string();
        let file = StateFile::read("cluster.rkestate".into(), &text);
        let all: Vec<&str> = file.nodes().unwrap().all().iter().map(|node| node.address.as_str()).collect();
        assert_eq!(all, ["10.0.0.1", "10.0.0.2"]);
        assert!(!format!("{file:?}").contains("CANARY"));
        let begun = serde_json::json!({"desiredState": half("10.0.0.2"), "currentState": {}}).to_string();
        assert_eq!(StateFile::read("cluster.rkestate".into(), &begun).nodes().unwrap().applied, None);
        assert_eq!(StateFile::Absent.nodes(), None);
    }

    #[test]
    fn line_ends_do_not_change_the_fingerprint() {
        assert_eq!(CaFingerprint::from_pem(&CA.replace('\n', "\r\n")), CaFingerprint::from_pem(CA));
    }

    #[test]
    fn a_file_cut_short_is_unreadable_and_not_absent() {
        let text = state(CA);
        let file = StateFile::read("cluster.rkestate".into(), &text[..text.len() / 2]);
        assert!(matches!(file, StateFile::Unreadable { .. }));
    }

    #[test]
    fn a_key_in_the_place_of_the_certificate_is_named() {
        let reason =
            CaFingerprint::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap_err();
        assert!(reason.0.contains("PRIVATE KEY"));
    }
}
