//! The kubeconfig of a cluster that is there: the file itself, looked at without asking the cluster.

use std::path::{Path, PathBuf};

use super::Unseen;
use crate::cluster::{Access, ClusterError, Identity};
use crate::tls;

/// What a kubeconfig says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeconfigSeen {
    pub path: PathBuf,
    /// The file's content as far as it can be used, or why not.
    pub usable: Result<Usable, Unseen>,
}

impl KubeconfigSeen {
    /// Whether asking the cluster makes sense: there is something to prove oneself with, even if it has expired.
    pub fn can_ask(&self) -> bool {
        self.usable.as_ref().is_ok_and(|usable| match usable.proof {
            Proof::Certificate { .. } | Proof::Secret | Proof::Program(_) | Proof::Nothing => true,
            Proof::BadCertificate(_) | Proof::NoTokenFile(_) | Proof::NoProgram { .. } | Proof::Provider(_) => false,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// The context that is meant: the named one, or the current one.
    pub context: String,
    /// e.g. `https://10.0.0.11:6443`.
    pub server: String,
    pub proof: Proof,
}

/// How its user proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Certificate {
        subject: String,
        not_before: jiff::Timestamp,
        not_after: jiff::Timestamp,
    },
    BadCertificate(String),
    /// A token or a password, which only the API can judge.
    Secret,
    NoTokenFile(PathBuf),
    Program(String),
    NoProgram {
        command: String,
        install_hint: Option<String>,
    },
    Provider(String),
    Nothing,
}

/// Reads the file; `context` is the current one unless given. Reaches nobody.
pub fn kubeconfig(path: &Path, context: Option<&str>) -> KubeconfigSeen {
    let access = Access::from_file(path, context).map_err(|error| match error {
        ClusterError::Kubeconfig { why } => Unseen(why),
        ClusterError::NoAnswer { .. }
        | ClusterError::NotTrusted { .. }
        | ClusterError::Refused { .. }
        | ClusterError::UnknownKind { .. }
        | ClusterError::Manifest { .. }
        | ClusterError::Answer { .. }
        | ClusterError::Write { .. } => Unseen(error.to_string()),
    });
    let usable = access.map(|access| Usable {
        context: access.context().to_owned(),
        server: access.server().to_owned(),
        proof: proof(access.identity()),
    });
    KubeconfigSeen { path: path.to_owned(), usable }
}

fn proof(identity: Identity) -> Proof {
    match identity {
        Identity::Certificate(Ok(pem)) => certificate(&pem),
        Identity::Certificate(Err(why)) => Proof::BadCertificate(why),
        Identity::Token | Identity::Password => Proof::Secret,
        Identity::TokenFile { there: true, .. } => Proof::Secret,
        Identity::TokenFile { path, there: false } => Proof::NoTokenFile(path),
        Identity::Program { command, found: true, .. } => Proof::Program(command),
        Identity::Program { command, found: false, install_hint } => Proof::NoProgram { command, install_hint },
        Identity::Provider(name) => Proof::Provider(name),
        Identity::Nothing => Proof::Nothing,
    }
}

fn certificate(pem: &[u8]) -> Proof {
    match tls::describe(pem, jiff::Timestamp::now()) {
        Ok(all) => match all.into_iter().next() {
            Some(leaf) => {
                Proof::Certificate { subject: leaf.subject, not_before: leaf.not_before, not_after: leaf.not_after }
            }
            None => Proof::BadCertificate("there is no certificate in it".into()),
        },
        Err(error) => Proof::BadCertificate(error.to_string()),
    }
}
