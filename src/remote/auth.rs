//! Proving who we are: which keys are offered, in which order, and what is said when none is taken.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{self, Algorithm, Certificate, HashAlg, PrivateKey, PublicKey};
use russh::{AgentAuthError, MethodKind, MethodSet};
use tokio::net::UnixStream;

use super::guard::Handle;
use super::host_key::shown;
use super::keyring::{self, KeyFile, Keyring};
use super::route::{IdentityFile, Route};

/// How a round of authentication ended without a login.
pub(super) enum Denied {
    /// The server would take this key; its passphrase is needed first.
    Locked(PathBuf),
    NoIdentity {
        tried: Vec<String>,
        accepts: Vec<String>,
    },
    Broken(russh::Error),
}

impl From<russh::Error> for Denied {
    fn from(error: russh::Error) -> Self {
        Denied::Broken(error)
    }
}

type Agent = AgentClient<UnixStream>;

/// One key to offer.
struct Candidate {
    label: String,
    key: PublicKey,
    certificate: Option<Certificate>,
    source: Source,
}

enum Source {
    Agent,
    File(PathBuf),
}

impl Candidate {
    fn same(&self, key: &KeyData, certificate: bool) -> bool {
        self.key.key_data() == key && self.certificate.is_some() == certificate
    }
}

/// Everything there is to offer for one route.
struct Offer {
    agent: Option<Agent>,
    held: Vec<AgentIdentity>,
    candidates: Vec<Candidate>,
    /// For people: what was offered or left out, and why.
    tried: Vec<String>,
}

/// Offers one key after the other: chosen files first, then the agent's, then files with usual names.
pub(super) async fn authenticate(handle: &mut Handle, route: &Route, keyring: &Keyring) -> Result<(), Denied> {
    let mut offer = Offer { agent: None, held: Vec::new(), candidates: Vec::new(), tried: Vec::new() };
    offer.ask_agent(handle, route).await;
    for file in route.identities.iter().filter(|file| file.chosen) {
        offer.add_file(file, route, keyring)?;
    }
    if !route.identities_only {
        offer.add_agent();
    }
    for file in route.identities.iter().filter(|file| !file.chosen) {
        offer.add_file(file, route, keyring)?;
    }
    let mut accepts = Vec::new();
    if offer.candidates.is_empty() {
        match handle.authenticate_none(&route.user).await? {
            AuthResult::Success => {
                tracing::debug!(method = "none", "taken");
                return Ok(());
            }
            AuthResult::Failure { remaining_methods, .. } => accepts = names(&remaining_methods),
        }
    }
    for candidate in std::mem::take(&mut offer.candidates) {
        match offer.present(&candidate, handle, route, keyring).await? {
            Err(reason) => {
                tracing::debug!(method = "publickey", key = %candidate.label, %reason, "not offered");
                offer.tried.push(format!("{}: {reason}", candidate.label));
            }
            Ok(AuthResult::Success) => {
                tracing::debug!(method = "publickey", key = %candidate.label, "taken");
                return Ok(());
            }
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                tracing::debug!(method = "publickey", key = %candidate.label, partial_success, "refused");
                let word = if partial_success { "taken, but more is asked for" } else { "refused" };
                offer.tried.push(format!("{}: {word}", candidate.label));
                accepts = names(&remaining_methods);
                if handle.is_closed() || !remaining_methods.contains(&MethodKind::PublicKey) {
                    break;
                }
            }
        }
    }
    Err(Denied::NoIdentity { tried: offer.tried, accepts })
}

fn names(methods: &MethodSet) -> Vec<String> {
    methods.iter().map(String::from).collect()
}

impl Offer {
    /// Connects to the agent and lists its keys; an agent that does not answer is a line in the error, not an error.
    async fn ask_agent(&mut self, handle: &Handle, route: &Route) {
        let Some(socket) = &route.agent else { return };
        let mut agent = match Agent::connect_uds(socket).await {
            Ok(agent) => agent,
            Err(error) => return self.tried.push(format!("agent at {}: {error}", shown(socket))),
        };
        if let Some(binding) = handle.agent_session_binding() {
            // Agents other than OpenSSH's do not know this request, and need not.
            let _ = agent.bind_session(binding, false).await;
        }
        match agent.request_identities().await {
            Ok(held) => {
                if held.is_empty() {
                    self.tried.push(format!("agent at {}: it holds no key", shown(socket)));
                }
                self.held = held;
                self.agent = Some(agent);
            }
            Err(error) => self.tried.push(format!("agent at {}: its keys cannot be listed: {error}", shown(socket))),
        }
    }

    fn add_agent(&mut self) {
        for held in std::mem::take(&mut self.held) {
            self.add_held(held);
        }
    }

    fn add_held(&mut self, held: AgentIdentity) {
        let key = held.public_key().into_owned();
        let label = format!("agent key {} {}", held.comment(), super::known_hosts::fingerprint(&key));
        let certificate = match held {
            AgentIdentity::Certificate { certificate, .. } => Some(certificate),
            AgentIdentity::PublicKey { .. } => None,
        };
        if !self.candidates.iter().any(|known| known.same(key.key_data(), certificate.is_some())) {
            self.candidates.push(Candidate { label, key, certificate, source: Source::Agent });
        }
    }

    /// A key file: by the agent if that holds the key, else by the file itself. An encrypted file whose public half
    /// nobody knows cannot even be offered before it is unlocked.
    fn add_file(&mut self, file: &IdentityFile, route: &Route, keyring: &Keyring) -> Result<(), Denied> {
        let content = keyring.file(&file.path);
        let label = shown(&file.path);
        let reason = match &content {
            KeyFile::Absent if file.chosen => Some("there is no such file".to_string()),
            KeyFile::Useless(reason) => Some(reason.clone()),
            KeyFile::Locked(None) => return Err(Denied::Locked(file.path.clone())),
            KeyFile::Absent | KeyFile::Locked(Some(_)) | KeyFile::Ready(_) | KeyFile::PublicOnly(_) => None,
        };
        self.tried.extend(reason.map(|reason| format!("{label}: {reason}")));
        let Some(key) = content.public() else { return Ok(()) };
        let in_agent: Vec<_> =
            self.held.iter().filter(|held| held.public_key().key_data() == key.key_data()).cloned().collect();
        if !in_agent.is_empty() {
            in_agent.into_iter().for_each(|held| self.add_held(held));
            return Ok(());
        }
        if matches!(content, KeyFile::PublicOnly(_)) {
            let why = match keyring::is_hardware(key) {
                true => "it belongs to a hardware key, and no agent holds it: add it with ssh-add",
                false => "only its public half is there, and no agent holds the other",
            };
            self.tried.push(format!("{label}: {why}"));
            return Ok(());
        }
        let label = format!("{label} {}", super::known_hosts::fingerprint(key));
        let certificates = keyring::certificates(&file.path, &route.certificates, key).into_iter().map(Some);
        for certificate in certificates.chain([None]) {
            if !self.candidates.iter().any(|known| known.same(key.key_data(), certificate.is_some())) {
                let source = Source::File(file.path.clone());
                let label = if certificate.is_some() { format!("{label} with its certificate") } else { label.clone() };
                self.candidates.push(Candidate { label, key: key.clone(), certificate, source });
            }
        }
        Ok(())
    }

    /// Offers one key; the inner error is why it could not be offered.
    async fn present(
        &mut self,
        candidate: &Candidate,
        handle: &mut Handle,
        route: &Route,
        keyring: &Keyring,
    ) -> Result<Result<AuthResult, String>, Denied> {
        if let Err(reason) = route.algorithms.long_enough(candidate.key.key_data()) {
            return Ok(Err(reason));
        }
        let Some(hash) = hash_for(&candidate.key, handle).await? else {
            return Ok(Err("this server wants RSA with SHA-1, which is not safe".into()));
        };
        let (user, certificate) = (route.user.as_str(), candidate.certificate.clone());
        match &candidate.source {
            Source::Agent => {
                let Some(agent) = &mut self.agent else { return Ok(Err("the agent is gone".into())) };
                let result = match certificate {
                    Some(certificate) => handle.authenticate_certificate_with(user, certificate, hash, agent).await,
                    None => handle.authenticate_publickey_with(user, candidate.key.clone(), hash, agent).await,
                };
                match result {
                    Ok(result) => Ok(Ok(result)),
                    Err(AgentAuthError::Send(_)) => Err(Denied::Broken(russh::Error::Disconnect)),
                    Err(AgentAuthError::Key(error)) => Ok(Err(format!("the agent did not sign: {error}"))),
                }
            }
            Source::File(path) => {
                let key = match keyring.file(path) {
                    KeyFile::Ready(key) => Some(key),
                    KeyFile::Locked(_) | KeyFile::Absent | KeyFile::Useless(_) | KeyFile::PublicOnly(_) => None,
                };
                let mut signer = FileSigner(key);
                let result = match certificate {
                    Some(certificate) => {
                        handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await
                    }
                    None => handle.authenticate_publickey_with(user, candidate.key.clone(), hash, &mut signer).await,
                };
                match result {
                    Ok(result) => Ok(Ok(result)),
                    Err(SignError::Locked) => Err(Denied::Locked(path.clone())),
                    Err(SignError::Send) => Err(Denied::Broken(russh::Error::Disconnect)),
                    Err(SignError::Key(error)) => Err(Denied::Broken(error.into())),
                }
            }
        }
    }
}

/// The hash to sign with: `Some(None)` for keys whose kind says it already, nothing for RSA that would need SHA-1.
async fn hash_for(key: &PublicKey, handle: &Handle) -> Result<Option<Option<HashAlg>>, russh::Error> {
    if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
        return Ok(Some(None));
    }
    Ok(match handle.best_supported_rsa_hash().await? {
        Some(Some(hash)) => Some(Some(hash)),
        Some(None) => None,
        // It did not say; every server since 2016 can do this one.
        None => Some(Some(HashAlg::Sha512)),
    })
}

/// Signs with a key from a file. russh cannot do so for RSA certificates (its issue 679), hence this one for all.
struct FileSigner(Option<Arc<PrivateKey>>);

#[derive(Debug)]
enum SignError {
    /// The server would take the key, so now its passphrase is worth asking for.
    Locked,
    Send,
    Key(keys::Error),
}

impl From<russh::SendError> for SignError {
    fn from(_: russh::SendError) -> Self {
        SignError::Send
    }
}

impl russh::Signer for FileSigner {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let Some(key) = self.0.clone() else { return Err(SignError::Locked) };
        let signature: Signature = match key.key_data() {
            KeypairData::Rsa(rsa) => (rsa, hash).try_sign(&to_sign),
            other => other.try_sign(&to_sign),
        }
        .map_err(|error| SignError::Key(keys::Error::SshKey(error.into())))?;
        let mut encoded = Vec::new();
        signature.encode(&mut encoded).map_err(|error| SignError::Key(keys::Error::SshEncoding(error)))?;
        // The packet ends with the signature as an SSH string: its length, then itself (RFC 4252, 7).
        encoded.encode(&mut to_sign).map_err(|error| SignError::Key(keys::Error::SshEncoding(error)))?;
        Ok(to_sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Nobody;
    use crate::remote::route::route;
    use crate::remote::target::Target;

    /// A hardware key's file, named by IdentityFile, with what an agent holds; what is offered, and what is said.
    fn offered(held: Vec<AgentIdentity>) -> (Vec<String>, Vec<String>) {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/remote/id_ed25519_sk"));
        let mut offer = Offer { agent: None, held, candidates: Vec::new(), tried: Vec::new() };
        let file = IdentityFile { path, chosen: true };
        let target = Target { host: "10.0.0.1".into(), user: Some("anna".into()), ..Target::default() };
        let route = route(&target, &[]).unwrap();
        let added = offer.add_file(&file, &route, &Keyring::new(Arc::new(Nobody)));
        assert!(added.is_ok(), "its passphrase is nobody's business");
        let labels = offer.candidates.into_iter().map(|one| {
            assert!(matches!(one.source, Source::Agent), "a file of this kind cannot sign");
            one.label
        });
        (labels.collect(), offer.tried)
    }

    #[test]
    fn a_hardware_key_in_the_agent_is_offered() {
        let text = include_str!("../../tests/data/remote/id_ed25519_sk");
        let key = PrivateKey::from_openssh(text).unwrap().public_key().clone();
        let (labels, tried) = offered(vec![AgentIdentity::PublicKey { key, comment: "anna's token".into() }]);
        assert!(labels.len() == 1 && labels[0].starts_with("agent key anna's token SHA256:"), "{labels:?}");
        assert!(tried.is_empty(), "{tried:?}");
    }

    #[test]
    fn a_hardware_key_that_no_agent_holds_says_so() {
        let (labels, tried) = offered(vec![]);
        assert!(labels.is_empty() && tried[0].ends_with("no agent holds it: add it with ssh-add"), "{tried:?}");
    }
}
