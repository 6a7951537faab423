//! Objects of Kubernetes as the API server stores them in etcd: protobuf behind `k8s\0`, JSON, or encrypted.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::proto;

pub const STATE: &str = "secrets/kube-system/full-cluster-state";
/// Where older releases of rke kept it.
pub const OLD_STATE: &str = "configmaps/kube-system/full-cluster-state";
pub const ROOT_CA: &str = "configmaps/kube-system/kube-root-ca.crt";
pub const CLIENT_CA: &str = "configmaps/kube-system/extension-apiserver-authentication";
pub const KUBE_SYSTEM: &str = "namespaces/kube-system";
/// What level 3 asks for, below `/registry/`.
pub const ASKED: [&str; 5] = [STATE, OLD_STATE, ROOT_CA, CLIENT_CA, KUBE_SYSTEM];

const PROTOBUF: &[u8] = b"k8s\0";
const ENCRYPTED: &[u8] = b"k8s:enc:";
const TOKEN: &[u8] = b"kubernetes.io/service-account-token";

pub fn is_encrypted(value: &[u8]) -> bool {
    value.starts_with(ENCRYPTED)
}

/// Whether it may hold a token of a service account.
pub fn is_token(value: &[u8]) -> bool {
    value.windows(TOKEN.len()).any(|window| window == TOKEN)
}

/// Whether its framing is whole; what is stored in another way counts as such.
pub fn is_whole(value: &[u8]) -> bool {
    match value {
        [b'k', b'8', b's', 0, ..] => is_whole_envelope(value),
        [b'{', ..] => serde_json::from_slice::<IgnoredAny>(value).is_ok(),
        _ => true,
    }
}

/// An object without any field is left out of its envelope.
fn is_whole_envelope(value: &[u8]) -> bool {
    let envelope = value.get(PROTOBUF.len()..).unwrap_or_default();
    proto::fields(envelope).is_some() && proto::bytes(envelope, 2).is_none_or(|raw| proto::fields(raw).is_some())
}

/// The object itself in its envelope (runtime.Unknown).
fn raw(value: &[u8]) -> Option<&[u8]> {
    proto::bytes(value.strip_prefix(PROTOBUF)?, 2)
}

/// `metadata.uid`.
pub fn uid(value: &[u8]) -> Option<String> {
    let metadata = proto::bytes(raw(value)?, 1)?;
    text(proto::bytes(metadata, 5)?)
}

/// `data` of a ConfigMap or a Secret.
pub fn data(value: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let entries = proto::all_bytes(raw(value)?, 2);
    let entries = entries
        .into_iter()
        .map(|entry| Some((text(proto::bytes(entry, 1)?)?, proto::bytes(entry, 2).unwrap_or_default().to_vec())));
    entries.collect()
}

/// The token of a Secret of that type.
pub fn token(value: &[u8]) -> Option<String> {
    let kind = proto::bytes(raw(value)?, 3)?;
    let token = data(value)?.remove("token").filter(|_| kind == TOKEN)?;
    String::from_utf8(token).ok()
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
pub mod written {
    use super::super::proto::written::bytes;
    use super::PROTOBUF;

    fn stored(object: &[u8]) -> Vec<u8> {
        [PROTOBUF, &bytes(1, b""), &bytes(2, object)].concat()
    }

    /// A ConfigMap, or a Secret of this type.
    pub fn map(data: &[(&str, &[u8])], kind: Option<&str>) -> Vec<u8> {
        let entry = |(key, value): &(&str, &[u8])| bytes(2, &[bytes(1, key.as_bytes()), bytes(2, value)].concat());
        let mut object = bytes(1, b"");
        object.extend(data.iter().flat_map(entry));
        object.extend(kind.map(|kind| bytes(3, kind.as_bytes())).unwrap_or_default());
        stored(&object)
    }

    pub fn namespace(uid: &str) -> Vec<u8> {
        stored(&bytes(1, &bytes(5, uid.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_as_they_are_stored() {
        assert_eq!(uid(&written::namespace("u-1")).as_deref(), Some("u-1"));
        let map = written::map(&[("ca.crt", b"PEM"), ("empty", b"")], None);
        assert_eq!(data(&map).unwrap()["ca.crt"], b"PEM");
        assert_eq!(token(&map), None);
        let secret = written::map(&[("token", b"a.b.c")], Some("kubernetes.io/service-account-token"));
        assert!(is_token(&secret) && !is_token(&map));
        assert_eq!(token(&secret).as_deref(), Some("a.b.c"));
        assert_eq!(uid(b"k8s:enc:aescbc:v1:key1:xx"), None);
    }

    #[test]
    fn what_is_cut_off_is_not_whole() {
        let map = written::map(&[("ca.crt", b"PEM")], None);
        assert!(is_whole(&map) && is_whole(br#"{"a":1}"#) && is_whole(b"0") && is_whole(b""));
        assert!(!is_whole(&map[..map.len() - 1]) && !is_whole(br#"{"a":"#));
    }
}
