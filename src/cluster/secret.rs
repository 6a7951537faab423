//! Secrets: written, compared by digest, read; their contents never in an error or a log.

use data_encoding::HEXLOWER;
use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use super::{Cluster, ClusterError, FIELD_MANAGER};

/// What can be told about a Secret without telling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDigest {
    /// `Opaque`, `kubernetes.io/tls`…
    pub kind: String,
    /// SHA-256 in lower-case hex of each key's bytes.
    pub keys: BTreeMap<String, String>,
}

impl SecretDigest {
    /// The digest of a Secret that is still to be written.
    pub fn of(kind: &str, data: &BTreeMap<String, SecretSlice<u8>>) -> Self {
        let digest = |bytes: &SecretSlice<u8>| HEXLOWER.encode(&Sha256::digest(bytes.expose_secret()));
        SecretDigest { kind: kind.into(), keys: data.iter().map(|(key, bytes)| (key.clone(), digest(bytes))).collect() }
    }
}

impl Cluster {
    /// Makes or updates a Secret by server-side apply; keys that we wrote before and no longer name are removed.
    /// The type of a Secret that is there cannot be changed (the API refuses with 422).
    pub async fn apply_secret(
        &self,
        namespace: &str,
        name: &str,
        kind: &str,
        data: &BTreeMap<String, SecretSlice<u8>>,
    ) -> Result<(), ClusterError> {
        let bytes = data.iter().map(|(key, bytes)| (key.clone(), ByteString(bytes.expose_secret().to_vec())));
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some(namespace.into()),
                ..ObjectMeta::default()
            },
            type_: Some(kind.into()),
            data: Some(bytes.collect()),
            ..Secret::default()
        };
        let doing = format!("apply secret {namespace}/{name}");
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let answer = self.secrets(namespace).patch(name, &parameters, &Patch::Apply(&secret)).await;
        answer.map(drop).map_err(|error| discreet(self.error(&doing, error)))
    }

    /// Writes these keys of a Secret that is there and another's, who writes them as well; the rest stays.
    pub async fn update_secret(
        &self,
        namespace: &str,
        name: &str,
        data: &BTreeMap<String, SecretSlice<u8>>,
    ) -> Result<(), ClusterError> {
        let encoded = |bytes: &SecretSlice<u8>| data_encoding::BASE64.encode(bytes.expose_secret());
        let data: BTreeMap<&String, String> = data.iter().map(|(key, bytes)| (key, encoded(bytes))).collect();
        let doing = format!("write secret {namespace}/{name}");
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(serde_json::json!({"data": data}));
        let answer = self.secrets(namespace).patch(name, &parameters, &patch).await;
        answer.map(drop).map_err(|error| discreet(self.error(&doing, error)))
    }

    /// Takes away keys that somebody else put into a Secret, as cert-manager does with `ca.crt`.
    pub async fn drop_secret_keys(&self, namespace: &str, name: &str, keys: &[String]) -> Result<(), ClusterError> {
        let gone: serde_json::Map<_, _> = keys.iter().map(|key| (key.clone(), serde_json::Value::Null)).collect();
        let doing = format!("clear secret {namespace}/{name}");
        let patch = Patch::Merge(serde_json::json!({"data": gone}));
        let answer = self.secrets(namespace).patch(name, &PatchParams::default(), &patch).await;
        answer.map(drop).map_err(|error| discreet(self.error(&doing, error)))
    }

    /// The digest of a Secret that is there.
    pub async fn secret_digest(&self, namespace: &str, name: &str) -> Result<Option<SecretDigest>, ClusterError> {
        let found = self.find_secret(namespace, name).await?;
        Ok(found.map(|(kind, data)| SecretDigest::of(&kind, &data)))
    }

    /// The contents of a Secret, e.g. RKE's `kube-system/full-cluster-state`.
    pub async fn read_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretSlice<u8>>>, ClusterError> {
        Ok(self.find_secret(namespace, name).await?.map(|(_, data)| data))
    }

    async fn find_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(String, BTreeMap<String, SecretSlice<u8>>)>, ClusterError> {
        let doing = format!("read secret {namespace}/{name}");
        let found = self.secrets(namespace).get_opt(name).await;
        let found = found.map_err(|error| discreet(self.error(&doing, error)))?;
        Ok(found.map(|secret| {
            let data = secret.data.unwrap_or_default();
            let data = data.into_iter().map(|(key, bytes)| (key, SecretSlice::from(bytes.0))).collect();
            (secret.type_.unwrap_or_else(|| "Opaque".into()), data)
        }))
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// The API's own message may quote what it was sent; only where it cannot is it kept.
fn discreet(error: ClusterError) -> ClusterError {
    match error {
        ClusterError::Refused { doing, code, reason, message: _ } if !matches!(code, 401 | 403 | 404) => {
            ClusterError::Refused {
                doing,
                code,
                reason,
                message: "its message is not shown, it may quote the secret".into(),
            }
        }
        ClusterError::Answer { doing, why: _ } => ClusterError::Answer { doing, why: "it is not a Secret".into() },
        ClusterError::Refused { .. }
        | ClusterError::Kubeconfig { .. }
        | ClusterError::NoAnswer { .. }
        | ClusterError::NotTrusted { .. }
        | ClusterError::UnknownKind { .. }
        | ClusterError::Manifest { .. }
        | ClusterError::Write { .. } => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha256_of_the_bytes() {
        let data = BTreeMap::from([("k".to_owned(), SecretSlice::from(b"abc".to_vec()))]);
        let digest = SecretDigest::of("Opaque", &data);
        // FIPS 180-2, appendix B.1
        assert_eq!(digest.keys["k"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_refusal_does_not_quote_the_secret() {
        let error =
            ClusterError::Refused { doing: "x".into(), code: 422, reason: "Invalid".into(), message: "CANARY".into() };
        assert!(!discreet(error).to_string().contains("CANARY"));
    }
}
