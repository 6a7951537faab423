//! Which algorithms are taken: those that we speak and the user's ssh would take as well.

use std::borrow::Cow;

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, kex, mac};

use super::ssh_settings::Settings;

/// RequiredRSASize of OpenSSH, where nobody says otherwise (ssh_config(5)).
const USUAL_RSA_BITS: u32 = 1024;

/// What the ssh configuration allows, names as SSH has them; `None` is all that we speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithms {
    host_keys: Option<Vec<String>>,
    /// With which an authority may have signed a host certificate.
    signatures: Option<Vec<String>>,
    key_exchanges: Option<Vec<String>>,
    ciphers: Option<Vec<String>>,
    macs: Option<Vec<String>>,
    rsa_bits: u32,
}

impl Algorithms {
    /// Fails with the keyword that leaves nothing of what we speak.
    pub(super) fn read(settings: &Settings) -> Result<Self, String> {
        let first = |key: &str| settings.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        let bits = first("requiredrsasize").map(|text| text.parse().map_err(|_| format!("RequiredRSASize {text}")));
        let algorithms = Algorithms {
            host_keys: list("HostKeyAlgorithms", first("hostkeyalgorithms"))?,
            signatures: list("CASignatureAlgorithms", first("casignaturealgorithms"))?,
            key_exchanges: list("KexAlgorithms", first("kexalgorithms"))?,
            ciphers: list("Ciphers", first("ciphers"))?,
            macs: list("MACs", first("macs"))?,
            rsa_bits: bits.transpose()?.unwrap_or(USUAL_RSA_BITS),
        };
        let certificates = algorithms.certificates(usual_kinds());
        let preferred = algorithms.preferred(usual_kinds(), true);
        let none = [
            ("HostKeyAlgorithms", preferred.key.is_empty() && certificates.is_empty()),
            ("KexAlgorithms", preferred.kex.iter().all(|name| EXTENSIONS.contains(name))),
            ("Ciphers", preferred.cipher.is_empty()),
            ("MACs", preferred.mac.is_empty()),
        ];
        match none.into_iter().find(|(_, none)| *none) {
            Some((keyword, _)) => Err(format!("{keyword} leaves nothing that cowhand speaks")),
            None => Ok(algorithms),
        }
    }

    /// How we speak SSH: kinds of host keys in the order of `kinds`, certificates only if they are wanted.
    pub(super) fn preferred(&self, kinds: Vec<Algorithm>, certificates: bool) -> Preferred {
        let certified = if certificates { self.certificates(kinds.clone()) } else { Vec::new() };
        let kinds: Vec<Algorithm> =
            kinds.into_iter().filter(|kind| allowed(self.host_keys.as_ref(), kind.as_str())).collect();
        let of = Preferred::DEFAULT;
        let exchange =
            |name: &kex::Name| EXTENSIONS.contains(name) || allowed(self.key_exchanges.as_ref(), name.as_ref());
        Preferred {
            kex: Cow::Owned(of.kex.iter().copied().filter(exchange).collect()),
            key: kinds.into(),
            host_key_certificates: certified.into(),
            cipher: CIPHERS.iter().copied().filter(|name| allowed(self.ciphers.as_ref(), name.as_ref())).collect(),
            mac: of.mac.iter().copied().filter(|name: &mac::Name| allowed(self.macs.as_ref(), name.as_ref())).collect(),
            ..of
        }
    }

    fn certificates(&self, kinds: Vec<Algorithm>) -> Vec<Algorithm> {
        kinds.into_iter().filter(|kind| allowed(self.host_keys.as_ref(), &kind.to_certificate_type())).collect()
    }

    /// Whether an authority may sign with it, e.g. `rsa-sha2-512`.
    pub(super) fn signs(&self, algorithm: &Algorithm) -> bool {
        allowed(self.signatures.as_ref(), algorithm.as_str())
    }

    /// Whether a key is long enough; why not.
    pub(super) fn long_enough(&self, key: &KeyData) -> Result<(), String> {
        match key {
            KeyData::Rsa(rsa) if rsa.key_size() < self.rsa_bits => {
                Err(format!("RSA with {} bits, and RequiredRSASize is {}", rsa.key_size(), self.rsa_bits))
            }
            _ => Ok(()),
        }
    }
}

/// AES-GCM first: twice as fast as ChaCha20 where the processor knows AES.
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];

/// Stand in the list of key exchanges and are none.
const EXTENSIONS: [kex::Name; 4] = [
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// SHA-1 never.
pub(super) fn usual_kinds() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

fn allowed(names: Option<&Vec<String>>, name: &str) -> bool {
    names.is_none_or(|names| names.iter().any(|known| known == name))
}

/// `ssh -G` prints lists in full. In a file they may add to ssh's own list or take from it, which only ssh knows.
fn list(keyword: &str, value: Option<&str>) -> Result<Option<Vec<String>>, String> {
    let Some(value) = value else { return Ok(None) };
    if value.starts_with(['+', '-', '^']) || value.contains(['*', '?']) {
        return Err(format!(
            "`{keyword} {value}` is only understood with the help of the `ssh` program, which is not in PATH"
        ));
    }
    Ok(Some(value.split(',').map(|name| name.trim().to_string()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keyword: &str, value: &str) -> Result<Algorithms, String> {
        Algorithms::read(&[(keyword.into(), value.into())])
    }

    #[test]
    fn what_ssh_says_by_itself_takes_nothing_away() {
        let text = include_str!("../../tests/data/remote/ssh-g-9.2.txt");
        let pair = |line: &str| line.split_once(' ').map(|(k, v)| (k.to_string(), v.to_string()));
        let settings: Vec<_> = text.lines().filter_map(pair).collect();
        let preferred = Algorithms::read(&settings).unwrap().preferred(usual_kinds(), true);
        assert_eq!(preferred.key.len(), usual_kinds().len());
        assert_eq!(preferred.host_key_certificates.len(), usual_kinds().len());
        assert_eq!(preferred.cipher.len(), CIPHERS.len());
        assert!(EXTENSIONS.iter().all(|name| preferred.kex.contains(name)));
    }

    #[test]
    fn a_list_is_the_most_that_is_offered() {
        let only = read("hostkeyalgorithms", "rsa-sha2-512,ssh-ed25519-cert-v01@openssh.com").unwrap();
        let preferred = only.preferred(usual_kinds(), true);
        assert_eq!(&*preferred.key, [Algorithm::Rsa { hash: Some(HashAlg::Sha512) }]);
        assert_eq!(&*preferred.host_key_certificates, [Algorithm::Ed25519]);
        assert!(only.preferred(usual_kinds(), false).host_key_certificates.is_empty());
    }

    #[test]
    fn a_list_without_anything_of_ours_is_refused() {
        for (keyword, value) in
            [("hostkeyalgorithms", "ssh-rsa"), ("ciphers", "aes128-cbc"), ("macs", "x"), ("kexalgorithms", "x")]
        {
            let error = read(keyword, value).unwrap_err();
            assert!(error.ends_with("leaves nothing that cowhand speaks"), "{error}");
        }
        for value in ["+ssh-rsa", "-ssh-rsa", "^ssh-rsa", "ecdsa-*"] {
            assert!(read("hostkeyalgorithms", value).unwrap_err().contains("with the help of the `ssh` program"));
        }
    }
}
