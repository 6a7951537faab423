//! Credentials from a program that the kubeconfig's user names (exec plugin; kubernetes.io:
//! reference/access-authn-authz/authentication, client-go credential plugins).
//!
//! kube would run it for each client and helm for each call, and it may ask a person for a code each time. Here it runs once,
//! for all who go to the API, and again only when what it gave is about to end.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use kube::client::AuthError;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::Mutex;
use tower::BoxError;
use tower::filter::AsyncPredicate;

use super::ClusterError;
use data_encoding::BASE64;

/// Somebody may have to answer the program.
pub(super) const PROOF_LIMIT: Duration = Duration::from_secs(60);
/// What ends sooner is not used any more, as kube has it.
const SOON: SignedDuration = SignedDuration::from_secs(60);
const NOTHING: &str = "the program that its user names gave no credentials";

/// What the program gave; at least a token or a certificate.
pub(super) struct Proof {
    token: Option<SecretString>,
    /// PEM of the certificate and of its key.
    certificate: Option<(String, SecretString)>,
    until: Option<Timestamp>,
}

/// The answer's status, as the program writes it: JSON, which is YAML too.
#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<Timestamp>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Proof {
    fn read(answer: &[u8]) -> Option<Proof> {
        let status = serde_yaml::from_slice::<Answer>(answer).ok()?.status?;
        let key = status.client_key_data.map(SecretString::from);
        let proof = Proof {
            token: status.token.map(SecretString::from),
            certificate: status.client_certificate_data.zip(key),
            until: status.expiration_timestamp,
        };
        (proof.token.is_some() || proof.certificate.is_some()).then_some(proof)
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Puts the certificate where the program stood.
    pub(super) fn identify(&self, user: &mut AuthInfo) {
        user.exec = None;
        if let Some((certificate, key)) = &self.certificate {
            user.client_certificate_data = Some(BASE64.encode(certificate.as_bytes()));
            user.client_key_data = Some(BASE64.encode(key.expose_secret().as_bytes()).into());
        }
    }

    /// All of it: for a client that asks nobody again.
    pub(super) fn give(&self, user: &mut AuthInfo) {
        self.identify(user);
        user.token.clone_from(&self.token);
    }
}

/// Whether what ends then may still be used; what has no end, for ever.
pub(super) fn lasts(until: Option<Timestamp>) -> bool {
    until.is_none_or(|until| Timestamp::now() + SOON < until)
}

/// The program of a user whom nothing else proves: what stands in the kubeconfig itself goes first, as kube has it.
pub(super) fn asked(user: &AuthInfo) -> Option<&ExecConfig> {
    let else_proved = user.auth_provider.is_some()
        || user.username.is_some() && user.password.is_some()
        || user.token.is_some()
        || user.token_file.is_some();
    user.exec.as_ref().filter(|_| !else_proved)
}

/// What the program gave last, for all clients of one kubeconfig.
#[derive(Default)]
pub(super) struct Proofs(Mutex<Option<Arc<Proof>>>);

impl Proofs {
    /// # Errors
    /// What the program itself says when it fails; never its words or its environment, which may hold secrets.
    pub(super) async fn current(&self, exec: &ExecConfig) -> Result<Arc<Proof>, String> {
        let mut held = self.0.lock().await;
        if let Some(proof) = held.as_ref().filter(|proof| lasts(proof.until)) {
            return Ok(proof.clone());
        }
        let proof = Arc::new(ask(exec).await?);
        *held = Some(proof.clone());
        Ok(proof)
    }
}

pub(super) fn unproved(why: String) -> ClusterError {
    ClusterError::Kubeconfig { why }
}

async fn ask(exec: &ExecConfig) -> Result<Proof, String> {
    let program = exec.command.as_deref().ok_or("its user names a program without a `command`")?;
    let interactive = exec.interactive_mode != Some(ExecInteractiveMode::Never);
    let mut command = Command::new(program);
    command.args(exec.args.iter().flatten()).envs(variables(exec)).kill_on_drop(true);
    command.env("KUBERNETES_EXEC_INFO", question(exec, interactive).to_string());
    let (stdin, stderr) = match interactive {
        true => (Stdio::inherit(), Stdio::inherit()),
        false => (Stdio::null(), Stdio::piped()),
    };
    let started = command.stdin(stdin).stdout(Stdio::piped()).stderr(stderr).spawn();
    let child =
        started.map_err(|error| format!("the program that its user names cannot be started: {}", error.kind()))?;
    let output = match tokio::time::timeout(PROOF_LIMIT, child.wait_with_output()).await {
        Ok(ended) => {
            ended.map_err(|error| format!("the program that its user names cannot be heard: {}", error.kind()))?
        }
        Err(_) => return Err(format!("{NOTHING} within {} s", PROOF_LIMIT.as_secs())),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
        return Err(format!("the program that its user names failed with {}: {last}", output.status));
    }
    Proof::read(&output.stdout).ok_or_else(|| NOTHING.to_owned())
}

fn variables(exec: &ExecConfig) -> impl Iterator<Item = (&String, &String)> {
    exec.env.iter().flatten().filter_map(|one| Some((one.get("name")?, one.get("value")?)))
}

fn question(exec: &ExecConfig, interactive: bool) -> Value {
    let mut spec = json!({"interactive": interactive});
    if let Some(cluster) = &exec.cluster {
        spec["cluster"] = json!(cluster);
    }
    json!({"apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec})
}

/// Puts the token on each request, asked for anew when it is about to end.
#[derive(Clone)]
pub(super) struct Bearer {
    pub exec: ExecConfig,
    pub proofs: Arc<Proofs>,
}

impl Bearer {
    async fn header(&self) -> Result<HeaderValue, String> {
        let proof = self.proofs.current(&self.exec).await?;
        let token = proof.token.as_ref().ok_or(NOTHING)?;
        let header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut header = header.map_err(|_| "the token that its user's program gave is no header")?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl<B: Send + 'static> AsyncPredicate<http::Request<B>> for Bearer {
    type Future = BoxFuture<'static, Result<http::Request<B>, BoxError>>;
    type Request = http::Request<B>;

    fn check(&mut self, mut request: http::Request<B>) -> Self::Future {
        let bearer = self.clone();
        Box::pin(async move {
            // kube's own error comes through its layers as what it is.
            let failed = |why| BoxError::from(kube::Error::Auth(AuthError::AuthExec(why)));
            request.headers_mut().insert(AUTHORIZATION, bearer.header().await.map_err(failed)?);
            Ok(request)
        })
    }
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
