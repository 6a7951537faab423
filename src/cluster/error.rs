//! What can go wrong between us and a cluster, told in one sentence each.

use crate::failure::{Hint, innermost};
use std::path::PathBuf;

use kube::client::RustlsTlsError;

/// An error of the Kubernetes API or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("the kubeconfig cannot be used: {why}")]
    Kubeconfig { why: String },
    /// Nothing that speaks Kubernetes answered; `why` is the innermost cause.
    #[error("no answer from {server}: {why}")]
    NoAnswer { server: String, why: String },
    /// Something answered, but it is not the cluster of the kubeconfig (or takes our certificate for a stranger's).
    #[error("{server} is not trusted: {why}")]
    NotTrusted { server: String, cause: Distrust, why: String },
    #[error("{doing}: refused with {code} {reason}: {message}")]
    Refused { doing: String, code: u16, reason: String, message: String },
    #[error("{doing}: the cluster knows no {kind} of {api_version}")]
    UnknownKind { doing: String, api_version: String, kind: String },
    #[error("a manifest lacks {missing} ({seen})")]
    Manifest { missing: &'static str, seen: String },
    #[error("{doing}: the answer cannot be read: {why}")]
    Answer { doing: String, why: String },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// Why one side does not trust the other one's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// The server's certificate does not lead to the kubeconfig's CA.
    OtherCa,
    /// The server's certificate has ended.
    Ended,
    NotYetValid,
    OtherName,
    /// The server does not take our client certificate.
    OurCertificate,
    /// Anything else that is wrong with the handshake.
    Other,
}

impl ClusterError {
    pub(super) fn from_kube(server: &str, doing: &str, error: kube::Error) -> Self {
        let doing = doing.to_owned();
        match error {
            kube::Error::Api(status) => ClusterError::Refused {
                doing,
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.clone(),
            },
            error @ (kube::Error::Auth(_) | kube::Error::RustlsTls(_)) => {
                ClusterError::Kubeconfig { why: proof_failed(&error) }
            }
            kube::Error::SerdeError(error) => ClusterError::Answer { doing, why: error.to_string() },
            other => {
                let why = innermost(&other);
                match distrust(&why) {
                    Some((cause, why)) => ClusterError::NotTrusted { server: server.into(), cause, why },
                    None => ClusterError::NoAnswer { server: server.into(), why },
                }
            }
        }
    }

    /// Whether trying again shortly is worth it: the API blinks while a cluster comes up, webhooks start late, and
    /// kinds appear after their definitions.
    pub fn is_passing(&self) -> bool {
        match self {
            ClusterError::NoAnswer { .. } | ClusterError::UnknownKind { .. } => true,
            ClusterError::Refused { code, message, .. } => match code {
                // A namespace that is still being removed, or not yet there for the API server that was asked.
                403 => message.contains("is being terminated"),
                404 => message.contains("namespaces \""),
                409 | 429 | 500..=599 => true,
                _ => false,
            },
            ClusterError::Kubeconfig { .. }
            | ClusterError::NotTrusted { .. }
            | ClusterError::Manifest { .. }
            | ClusterError::Answer { .. }
            | ClusterError::Write { .. } => false,
        }
    }

    /// Whether the user is known and may not do this.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, ClusterError::Refused { code: 403, .. })
    }
}

impl Hint for ClusterError {
    fn hint(&self) -> Option<String> {
        match self {
            ClusterError::NotTrusted { .. } => Some(
                "the kubeconfig belongs to another cluster, or the cluster got a new CA; fetch the kubeconfig anew"
                    .into(),
            ),
            ClusterError::Refused { code: 401, .. } => Some(
                "the cluster does not know the kubeconfig's user: it may be of a former cluster, or expired".into(),
            ),
            ClusterError::UnknownKind { .. } => {
                Some("the definition (CRD) of this kind is not installed, or not established yet".into())
            }
            ClusterError::Kubeconfig { .. }
            | ClusterError::NoAnswer { .. }
            | ClusterError::Refused { .. }
            | ClusterError::Manifest { .. }
            | ClusterError::Answer { .. }
            | ClusterError::Write { .. } => None,
        }
    }
}

/// Why a user's proof (exec plugin, token file) was not had. What a plugin printed on stdout is a secret and is not told.
pub(super) fn proof_failed(error: &kube::Error) -> String {
    use kube::client::AuthError;
    match error {
        kube::Error::Auth(AuthError::AuthExec(why)) => why.clone(),
        kube::Error::RustlsTls(RustlsTlsError::InvalidPrivateKey(error)) => own_certificate(error),
        kube::Error::RustlsTls(RustlsTlsError::AddRootCertificate(error)) => {
            format!("a CA certificate in it is not taken: {error}")
        }
        other => innermost(other),
    }
}

/// rustls calls every certificate that it cannot read "peer certificate", also the one that we would show.
fn own_certificate(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => match format!("{why:?}") {
            old if old.contains("UnsupportedCertVersion") => {
                "the client certificate of its user is of X.509 version 1, which is \
                not taken here: have one of version 3 made, as `openssl x509 -req -extfile …` does"
                    .to_owned()
            }
            other => format!("the client certificate of its user is not taken: {other}"),
        },
        rustls::Error::InconsistentKeys(_) => {
            "the client key of its user does not belong to the client certificate".to_owned()
        }
        other => format!("the client key of its user is not taken: {other}"),
    }
}

/// What rustls says about a certificate (or the server about ours), in plain words.
fn distrust(why: &str) -> Option<(Distrust, String)> {
    const FOREIGN: &str = "its certificate is not signed by the CA of the kubeconfig";
    const OURS: &str = "it does not know the CA that signed the kubeconfig's client certificate";
    let known = [
        ("UnknownIssuer", Distrust::OtherCa, FOREIGN),
        ("BadSignature", Distrust::OtherCa, FOREIGN),
        ("certificate expired", Distrust::Ended, "its certificate has expired"),
        (
            "CertificateExpired",
            Distrust::OurCertificate,
            "it says that the kubeconfig's client certificate has expired",
        ),
        ("Expired", Distrust::Ended, "its certificate has expired"),
        ("certificate not valid yet", Distrust::NotYetValid, "its certificate is not valid yet; compare the clocks"),
        ("NotValidYet", Distrust::NotYetValid, "its certificate is not valid yet; compare the clocks"),
        ("UnknownCA", Distrust::OurCertificate, OURS),
        ("UnknownCa", Distrust::OurCertificate, OURS),
    ];
    if let Some((_, cause, words)) = known.iter().find(|(token, _, _)| why.contains(token)) {
        return Some((*cause, (*words).to_owned()));
    }
    if why.contains("not valid for name") {
        let names = why.split_once("; ").map(|(_, names)| format!(": {names}"));
        return Some((
            Distrust::OtherName,
            format!("its certificate is for another name{}", names.unwrap_or_default()),
        ));
    }
    let certificate = why.contains("invalid peer certificate") || why.contains("received fatal alert");
    certificate.then(|| (Distrust::Other, why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> ClusterError {
        ClusterError::Refused { doing: "apply x".into(), code, reason: String::new(), message: message.into() }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(refused(500, "Internal error occurred: failed calling webhook").is_passing());
        assert!(refused(409, "the object has been modified").is_passing());
        assert!(refused(403, "because it is being terminated").is_passing());
        assert!(!refused(403, "User \"x\" cannot patch").is_passing());
        assert!(refused(403, "User \"x\" cannot patch").is_forbidden() && !refused(409, "x").is_forbidden());
        assert!(refused(404, "namespaces \"a\" not found").is_passing());
        assert!(!refused(422, "spec is invalid").is_passing());
    }

    #[test]
    fn certificates_are_told_in_plain_words() {
        let (cause, words) = distrust("invalid peer certificate: UnknownIssuer").unwrap();
        assert_eq!(
            (cause, words.as_str()),
            (Distrust::OtherCa, "its certificate is not signed by the CA of the kubeconfig")
        );
        assert_eq!(distrust("connection refused"), None);
        assert!(distrust("received fatal alert: CertificateRequired").is_some());
    }
}
