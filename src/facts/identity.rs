//! Which cluster a machine belongs to: known by its CA, on the node and in RKE's state file.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Fact, Unseen};

/// SHA-256 of a CA certificate (DER).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaFingerprint([u8; 32]);

impl CaFingerprint {
    /// Of the first certificate in a PEM text.
    pub fn from_pem(pem: &str) -> Fact<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
            .map_err(|error| Unseen(format!("the CA certificate cannot be read: {error}")))?;
        if block.label != "CERTIFICATE" {
            return Err(Unseen(format!("a certificate was expected, a {} was found", block.label)));
        }
        Ok(CaFingerprint(Sha256::digest(&block.contents).into()))
    }

    /// The first two bytes, as people compare them at a glance: `5f:2c…`.
    pub fn short(&self) -> String {
        format!("{:02x}:{:02x}…", self.0[0], self.0[1])
    }
}

impl fmt::Display for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaFingerprint({})", self.short())
    }
}

/// What lies in the workspace, as far as checks need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceFacts {
    pub state: StateFile,
    /// What is wrong with that file as it lies there, and what `up` will do about it.
    pub broken: Option<(String, String)>,
}

/// RKE's `cluster.rkestate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFile {
    Absent,
    Present {
        path: PathBuf,
        /// The CAs of the desired and of the applied state; they differ while a CA is being changed.
        authorities: Vec<CaFingerprint>,
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
        for half in [state.desired, state.current].into_iter().flatten() {
            let Some(authority) = half.certificates.and_then(|bundle| bundle.authority) else { continue };
            match CaFingerprint::from_pem(&authority.pem) {
                Ok(found) if authorities.contains(&found) => {}
                Ok(found) => authorities.push(found),
                Err(reason) => return StateFile::Unreadable { path, reason: reason.0 },
            }
        }
        StateFile::Present { path, authorities }
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

#[derive(Deserialize)]
struct HalfState {
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
