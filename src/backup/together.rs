//! Level 3: whether RKE's state and etcd's snapshot are of one and the same cluster.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::database::Contents;
use super::{encryption, stored};
use crate::engine::rke::state::State;
use crate::tls;

/// What one question came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Proved,
    /// There is nothing to prove it by.
    Open,
    Contradicted,
}

/// One question, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub what: String,
    pub verdict: Verdict,
    pub seen: String,
}

/// What the backup says of itself.
pub struct Claims<'a> {
    /// UID of namespace kube-system.
    pub uid: &'a str,
    /// As the API says it, e.g. `v1.32.2`.
    pub kubernetes: &'a str,
}

type Seen = Result<String, Missing>;

enum Missing {
    Open(String),
    Contradicted(String),
}

fn open(why: impl Into<String>) -> Seen {
    Err(Missing::Open(why.into()))
}

fn contradicted(why: impl Into<String>) -> Seen {
    Err(Missing::Contradicted(why.into()))
}

/// What has to be proved, and not only not contradicted.
const NEEDED: [&str; 3] = [UID, CA, SERVICE_ACCOUNT];
const UID: &str = "the cluster's UID";
const CA: &str = "the cluster's CA";
const SERVICE_ACCOUNT: &str = "the key of service accounts";

/// Asks every question.
pub fn judge(contents: &Contents, state: &State, claims: &Claims<'_>) -> Vec<Proof> {
    let asked = [
        (UID, uid(contents, claims.uid)),
        (CA, ca(contents, state)),
        (SERVICE_ACCOUNT, service_account(contents, state)),
        ("the encryption of Secrets", secrets(contents, state)),
        ("the nodes", nodes(contents, state)),
        ("the version of Kubernetes", version(state, claims.kubernetes)),
    ];
    asked.into_iter().map(proof).collect()
}

/// Whether all of it comes to level 3.
pub fn is_reached(proofs: &[Proof]) -> bool {
    let proved = |what: &&str| proofs.iter().any(|proof| proof.what == **what && proof.verdict == Verdict::Proved);
    NEEDED.iter().all(proved) && proofs.iter().all(|proof| proof.verdict != Verdict::Contradicted)
}

fn proof((what, seen): (&str, Seen)) -> Proof {
    let (verdict, seen) = match seen {
        Ok(seen) => (Verdict::Proved, seen),
        Err(Missing::Open(why)) => (Verdict::Open, why),
        Err(Missing::Contradicted(why)) => (Verdict::Contradicted, why),
    };
    Proof { what: what.into(), verdict, seen }
}

fn uid(contents: &Contents, claimed: &str) -> Seen {
    match contents.value(stored::KUBE_SYSTEM).and_then(stored::uid) {
        Some(uid) if uid == claimed => Ok(format!("namespace kube-system in the snapshot has it: {uid}")),
        Some(uid) => contradicted(format!("the snapshot is of cluster {uid}, the backup says {claimed}")),
        None => open("the snapshot has no namespace kube-system that can be read"),
    }
}

fn ca(contents: &Contents, state: &State) -> Seen {
    let Some(ours) = state.ca_pem().map(str::trim) else { return open("the state has no CA") };
    let places = [(stored::ROOT_CA, "ca.crt"), (stored::CLIENT_CA, "client-ca-file")];
    let found: Vec<(&str, String)> = places
        .into_iter()
        .filter_map(|(place, key)| Some((place, stored::data(contents.value(place)?)?.remove(key)?)))
        .map(|(place, bytes)| (place, String::from_utf8_lossy(&bytes).trim().to_owned()))
        .collect();
    match found.iter().find(|(_, pem)| pem != ours) {
        Some((place, _)) => contradicted(format!("{place} in the snapshot names another CA than the state")),
        None if found.is_empty() => open("the snapshot names no CA"),
        None => Ok(format!("{} in the snapshot names the state's", list(found.iter().map(|(place, _)| *place)))),
    }
}

/// By a token that the cluster issued and keeps; where none is kept, by rke's own copy of the state.
fn service_account(contents: &Contents, state: &State) -> Seen {
    let Some(key) = state.service_account_key() else { return contradicted("the state has no such key") };
    let Some(public) = tls::public_half(key) else {
        return open("the state's key is of a kind that is not known here");
    };
    for (name, token) in tokens(contents, state) {
        return match verifies(&token, &public) {
            Some(true) => Ok(format!("it verifies the token in {name}")),
            Some(false) => contradicted(format!("it does not verify the token in {name}")),
            None => continue,
        };
    }
    let Some(inner) = inner_state(contents, state) else {
        return open("the snapshot keeps no token, and no copy of the state that can be read");
    };
    match inner.service_account_key().and_then(tls::public_half) {
        Some(other) if other == public => Ok("rke's own copy of the state in the snapshot has the same".into()),
        Some(_) => contradicted("rke's own copy of the state in the snapshot has another"),
        None => open("rke's own copy of the state in the snapshot has none"),
    }
}

fn tokens(contents: &Contents, state: &State) -> Vec<(String, String)> {
    let secrets = contents.kept.iter().filter(|(key, _)| key.starts_with("secrets/"));
    secrets.filter_map(|(key, value)| Some((key.clone(), stored::token(&plain(value, state)?)?))).collect()
}

/// rke's own copy of its state: its Secret, or the ConfigMap of older releases.
fn inner_state(contents: &Contents, state: &State) -> Option<State> {
    let value = [stored::STATE, stored::OLD_STATE].into_iter().find_map(|key| contents.value(key))?;
    let text = stored::data(&plain(value, state)?)?.remove("full-cluster-state")?;
    State::parse(std::str::from_utf8(&text).ok()?).ok()
}

fn plain(value: &[u8], state: &State) -> Option<Vec<u8>> {
    if !stored::is_encrypted(value) {
        return Some(value.to_vec());
    }
    match encryption::open(value, state.encryption_config().unwrap_or_default()) {
        encryption::Tried::Opened(text) => Some(text),
        encryption::Tried::Shut(_) | encryption::Tried::Unknown(_) => None,
    }
}

fn secrets(contents: &Contents, state: &State) -> Seen {
    let encrypted = contents.kept.iter().filter(|(_, value)| stored::is_encrypted(value));
    let mut unknown = None;
    let mut opened = Vec::new();
    for (key, value) in encrypted {
        match encryption::open(value, state.encryption_config().unwrap_or_default()) {
            encryption::Tried::Opened(_) => opened.push(key.as_str()),
            encryption::Tried::Shut(why) => return contradicted(format!("{key}: {why}")),
            encryption::Tried::Unknown(why) => unknown = Some(format!("{key}: {why}")),
        }
    }
    match (unknown, opened.as_slice()) {
        (Some(why), _) => open(why),
        (None, []) => Ok("no Secret that was looked at is encrypted".into()),
        (None, [first, rest @ ..]) => Ok(format!("the state's keys open {first} and {} more", rest.len())),
    }
}

fn nodes(contents: &Contents, state: &State) -> Seen {
    let (there, wanted) = (contents.names("minions/"), state.node_names());
    let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| !there.contains(name)).collect();
    match missing.len() {
        _ if there.is_empty() => open("the snapshot has no Node"),
        0 => Ok(format!("each of the state is a Node of the snapshot: {}", list(wanted.iter().map(String::as_str)))),
        // One may have been deleted by hand; that none is there is another cluster.
        count if count < wanted.len() => open(format!("{} of the state: no Node of the snapshot", list(missing))),
        _ => contradicted(format!("none of the state's nodes is a Node of the snapshot, which has {}", list(there))),
    }
}

fn version(state: &State, said: &str) -> Seen {
    let Some(wanted) = state.kubernetes_version() else { return open("the state names none") };
    let bare = wanted.split("-rancher").next().unwrap_or(wanted);
    let patch = |text: &str| text.trim_start_matches('v').split(['+', '-']).next().unwrap_or_default().to_owned();
    match patch(bare) == patch(said) {
        true => Ok(format!("the API said {said}, the state says {wanted}")),
        false => contradicted(format!("the API said {said}, the state says {wanted}")),
    }
}

/// Whether an RSA key with this public half signed the token; `None` when it is not signed that way at all.
fn verifies(token: &str, public: &[u8]) -> Option<bool> {
    let (signed, signature) = token.trim().rsplit_once('.')?;
    let header = BASE64URL_NOPAD.decode(signed.split('.').next()?.as_bytes()).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    if header["alg"] != "RS256" {
        return None;
    }
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    let algorithm = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
    Some(algorithm.verify_signature(public, signed.as_bytes(), &signature).is_ok())
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub mod tests {
    use rustls::SignatureScheme;
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    pub const ONE: &str = include_str!("../../tests/data/backup/service-account-one.key");
    pub const OTHER: &str = include_str!("../../tests/data/backup/service-account-other.key");

    /// A token as the controller manager signs it.
    pub fn token(key: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", part(r#"{"alg":"RS256"}"#), part(r#"{"iss":"kubernetes/serviceaccount"}"#));
        let key = any_supported_type(&PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()).unwrap()))
    }

    #[test]
    fn a_token_is_verified_by_its_own_key_alone() {
        let (one, other) = (tls::public_half(ONE).unwrap(), tls::public_half(OTHER).unwrap());
        assert_eq!(verifies(&token(ONE), &one), Some(true));
        assert_eq!(verifies(&token(ONE), &other), Some(false));
        assert_eq!(verifies("not.a.token", &one), None);
    }
}
