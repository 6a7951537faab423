//! Opens what the API server encrypted in etcd (EncryptionConfiguration), to see whether a state's keys are the right ones.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::BASE64;
use serde::Deserialize;

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    providers: Vec<Provider>,
}

/// Of the providers of Kubernetes the one that rke makes itself; the others are not tried.
#[derive(Deserialize)]
struct Provider {
    #[serde(default)]
    aescbc: Option<Cbc>,
}

#[derive(Deserialize)]
struct Cbc {
    #[serde(default)]
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    name: String,
    secret: String,
}

/// What became of a try.
#[derive(Debug, PartialEq, Eq)]
pub enum Tried {
    /// What was encrypted.
    Opened(Vec<u8>),
    /// The state has no such key, or one that does not open it.
    Shut(String),
    /// Encrypted in a way that is not known here.
    Unknown(String),
}

/// Opens a stored value: `k8s:enc:aescbc:v1:<key>:` and, behind it, 16 bytes to begin with and the blocks.
pub fn open(stored: &[u8], configuration: &str) -> Tried {
    let parts: Vec<&[u8]> = stored.splitn(6, |byte| *byte == b':').collect();
    let [b"k8s", b"enc", kind, _version, name, sealed] = parts.as_slice() else {
        return Tried::Unknown("it is not encrypted as Kubernetes does it".into());
    };
    let (kind, name) = (String::from_utf8_lossy(kind), String::from_utf8_lossy(name));
    if kind != "aescbc" {
        return Tried::Unknown(format!("it is encrypted by `{kind}`, which is not tried here"));
    }
    let Ok(configuration) = serde_yaml::from_str::<Configuration>(configuration) else {
        return Tried::Shut("the state's encryption config cannot be read".into());
    };
    let providers = configuration.resources.iter().flat_map(|resource| &resource.providers);
    let keys = providers.filter_map(|provider| provider.aescbc.as_ref()).flat_map(|cbc| &cbc.keys);
    let named: Vec<&Key> = keys.filter(|key| key.name == name).collect();
    if named.is_empty() {
        return Tried::Shut(format!("the state has no encryption key `{name}`"));
    }
    let opened = named.iter().find_map(|key| decrypt(&BASE64.decode(key.secret.trim().as_bytes()).ok()?, sealed));
    opened.map_or_else(|| Tried::Shut(format!("the state's encryption key `{name}` does not open it")), Tried::Opened)
}

/// Whatever a wrong key makes of it does not begin as a stored object.
fn decrypt(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (start, blocks) = sealed.split_at_checked(16)?;
    let opened = match key.len() {
        16 => cbc::Decryptor::<Aes128>::new_from_slices(key, start).ok()?.decrypt_padded_vec::<Pkcs7>(blocks),
        24 => cbc::Decryptor::<Aes192>::new_from_slices(key, start).ok()?.decrypt_padded_vec::<Pkcs7>(blocks),
        32 => cbc::Decryptor::<Aes256>::new_from_slices(key, start).ok()?.decrypt_padded_vec::<Pkcs7>(blocks),
        _ => return None,
    };
    opened.ok().filter(|text| text.starts_with(b"k8s\0") || text.starts_with(b"{"))
}

#[cfg(test)]
pub mod tests {
    use cbc::cipher::BlockModeEncrypt;

    use super::*;

    /// As rke has it in its state, with one key.
    pub fn configuration(name: &str, key: &[u8]) -> String {
        let secret = BASE64.encode(key);
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources:\n  - secrets\n  \
             providers:\n  - aescbc:\n      keys:\n      - name: {name}\n        secret: {secret}\n  - identity: {{}}\n"
        )
    }

    pub fn seal(name: &str, key: &[u8; 32], text: &[u8]) -> Vec<u8> {
        let start = [7; 16];
        let blocks = cbc::Encryptor::<Aes256>::new(key.into(), &start.into()).encrypt_padded_vec::<Pkcs7>(text);
        [format!("k8s:enc:aescbc:v1:{name}:").as_bytes(), &start, &blocks].concat()
    }

    #[test]
    fn the_right_key_opens_it_and_no_other() {
        let sealed = seal("key1", &[1; 32], b"k8s\0: a text: with colons");
        let opened = open(&sealed, &configuration("key1", &[1; 32]));
        assert_eq!(opened, Tried::Opened(b"k8s\0: a text: with colons".to_vec()));
        assert!(
            matches!(open(&sealed, &configuration("key1", &[2; 32])), Tried::Shut(why) if why.contains("does not open"))
        );
        assert!(
            matches!(open(&sealed, &configuration("key2", &[1; 32])), Tried::Shut(why) if why.contains("no encryption key"))
        );
        assert!(matches!(open(&sealed, "{"), Tried::Shut(_)));
        assert!(matches!(open(b"k8s:enc:kms:v2:x:y", ""), Tried::Unknown(why) if why.contains("`kms`")));
        assert!(matches!(open(b"k8s\0plain", ""), Tried::Unknown(_)));
    }
}
