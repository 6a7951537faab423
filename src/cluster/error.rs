//! What can go wrong between us and a cluster, told in one sentence each.

use std::error::Error;
use std::path::PathBuf;

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
    NotTrusted { server: String, why: String },
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
            error @ kube::Error::Auth(_) => ClusterError::Kubeconfig { why: proof_failed(&error) },
            kube::Error::SerdeError(error) => ClusterError::Answer { doing, why: error.to_string() },
            other => {
                let why = innermost(&other);
                match distrust(&why) {
                    Some(why) => ClusterError::NotTrusted { server: server.into(), why },
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

    pub fn hint(&self) -> Option<String> {
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
        kube::Error::Auth(AuthError::AuthExecStart(error)) => {
            format!("the program that its user names cannot be started: {}", error.kind())
        }
        // Its words and its environment may hold secrets.
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
            format!("the program that its user names failed with {}: {last}", out.status)
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => "the program that its user names gave no credentials".into(),
        other => innermost(other),
    }
}

/// The last error of a chain that says something; kube, hyper and reqwest wrap it in layers like "client error (Connect)".
pub fn innermost(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // An I/O error's own words carry the system's number, its kind does not.
        text = match cause.downcast_ref::<std::io::Error>() {
            Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
            _ => cause.to_string(),
        };
        next = cause.source();
    }
    if text == "deadline has elapsed" { "timed out".into() } else { text }
}

/// What rustls says about a certificate (or the server about ours), in plain words.
fn distrust(why: &str) -> Option<String> {
    let known = [
        ("UnknownIssuer", "its certificate is not signed by the CA of the kubeconfig"),
        ("BadSignature", "its certificate is not signed by the CA of the kubeconfig"),
        ("Expired", "its certificate has expired"),
        ("NotValidYet", "its certificate is not valid yet; compare the clocks"),
        ("UnknownCA", "it does not know the CA that signed the kubeconfig's client certificate"),
        ("UnknownCa", "it does not know the CA that signed the kubeconfig's client certificate"),
    ];
    if let Some((_, words)) = known.iter().find(|(token, _)| why.contains(token)) {
        return Some((*words).to_owned());
    }
    if why.contains("not valid for name") {
        let names = why.split_once("; ").map(|(_, names)| format!(": {names}"));
        return Some(format!("its certificate is for another name{}", names.unwrap_or_default()));
    }
    let certificate = why.contains("invalid peer certificate") || why.contains("received fatal alert");
    certificate.then(|| why.to_owned())
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
        let words = distrust("invalid peer certificate: UnknownIssuer").unwrap();
        assert_eq!(words, "its certificate is not signed by the CA of the kubeconfig");
        assert_eq!(distrust("connection refused"), None);
        assert!(distrust("received fatal alert: CertificateRequired").is_some());
    }
}
