//! What the inventory's TLS files hold, as it will be sent: tidied, so that a byte order mark, Windows line ends or comments in a
//! file reach neither a server nor the checksum.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use super::certificate::{self, Unreadable};
use super::pem::{self, Block, NotPem};
use crate::failure::Hint;

/// Which piece of the material goes into a Secret's entry; the plan names it, only the executor fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    Certificate,
    Key,
    Ca,
    CaKey,
    /// The CA and those that agents are to trust beside it.
    Cacerts,
}

/// How people call the files: their keys in the inventory, under `rancher`.
pub mod names {
    pub const CERTIFICATE: &str = "tls.certificate";
    pub const KEY: &str = "tls.key";
    pub const CA: &str = "tls.ca";
    pub const CA_KEY: &str = "tls.ca_key";
    pub const ALSO_TRUST: &str = "tls.also_trust";
    pub const ACME_SERVER_CA: &str = "tls.acme.server_ca";
}

/// The files as they are on disk; what the inventory does not give, or is not made yet, is `None`.
#[derive(Clone, Copy, Default)]
pub struct Files<'a> {
    pub certificate: Option<&'a [u8]>,
    pub key: Option<&'a [u8]>,
    pub ca: Option<&'a [u8]>,
    pub ca_key: Option<&'a [u8]>,
    /// CAs that agents shall trust beside the one above.
    pub also_trust: Option<&'a [u8]>,
    /// What the ACME server's own certificate is held against.
    pub acme_server_ca: Option<&'a [u8]>,
}

impl Files<'_> {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        let Files { certificate, key, ca, ca_key, also_trust, acme_server_ca } = self;
        [certificate, key, ca, ca_key, also_trust, acme_server_ca].into_iter().all(Option::is_none)
    }
}

/// Tidy texts of the files. Whether they are any good is for [`super::judge()`] to say.
#[derive(Debug, Clone, Default)]
pub struct Material {
    certificate: Option<String>,
    key: Option<SecretString>,
    ca: Option<String>,
    ca_key: Option<SecretString>,
    also_trust: Option<String>,
    acme_server_ca: Option<String>,
}

/// A file that nothing can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be used: {why}")]
pub struct UnusableFile {
    /// The inventory's word for it, e.g. `tls.ca_key`.
    pub file: &'static str,
    pub why: String,
}

impl Hint for UnusableFile {}

impl Material {
    pub fn read(files: &Files<'_>) -> Result<Material, UnusableFile> {
        Ok(Material {
            certificate: files.certificate.map(|bytes| certificates(names::CERTIFICATE, bytes)).transpose()?,
            key: files.key.map(|bytes| key(names::KEY, bytes)).transpose()?,
            ca: files.ca.map(|bytes| certificates(names::CA, bytes)).transpose()?,
            ca_key: files.ca_key.map(|bytes| key(names::CA_KEY, bytes)).transpose()?,
            also_trust: files.also_trust.map(|bytes| certificates(names::ALSO_TRUST, bytes)).transpose()?,
            acme_server_ca: files.acme_server_ca.map(|bytes| certificates(names::ACME_SERVER_CA, bytes)).transpose()?,
        })
    }

    /// The text for a Secret's entry.
    pub fn text(&self, source: SecretSource) -> Option<SecretString> {
        match source {
            SecretSource::Certificate => self.certificate.as_deref().map(SecretString::from),
            SecretSource::Key => self.key.as_ref().map(|key| SecretString::from(key.expose_secret())),
            SecretSource::Ca => self.ca.as_deref().map(SecretString::from),
            SecretSource::Cacerts => self.cacerts().map(SecretString::from),
            SecretSource::CaKey => self.ca_key.as_ref().map(|key| SecretString::from(key.expose_secret())),
        }
    }

    /// Leaf and intermediates.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// The CA that clients must trust.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// What Rancher hands to its agents: the CA, and with `tls.also_trust` all certificates of both files, each once, in
    /// an order that does not tell which is which: the checksum stays the same when the two change places.
    pub fn cacerts(&self) -> Option<String> {
        let ca = self.ca.as_deref()?;
        Some(handed_out(ca, self.also_trust.as_deref()))
    }

    /// The CA of the ACME server's own HTTPS certificate.
    pub fn acme_server_ca(&self) -> Option<&str> {
        self.acme_server_ca.as_deref()
    }

    /// The first certificate of the CA file, written anew from its DER as Rancher does with what it finds in Secret `tls-rancher`.
    pub(crate) fn first_ca_rewritten(&self) -> Option<String> {
        let read = pem::read(self.ca.as_deref()?.as_bytes()).ok()?;
        let der = read.blocks.first()?.content.as_ref().ok()?;
        Some(pem::encode_certificate(der))
    }
}

/// See [`Material::cacerts`].
pub(super) fn handed_out(ca: &str, also: Option<&str>) -> String {
    let Some(also) = also else { return ca.to_owned() };
    let texts = BTreeSet::from_iter([ca, also].into_iter().flat_map(each_certificate));
    texts.into_iter().collect()
}

/// Each certificate of a tidied text, written anew from its DER.
pub fn each_certificate(text: &str) -> Vec<String> {
    let blocks = pem::read(text.as_bytes()).map(|read| read.blocks).unwrap_or_default();
    let ders = blocks.iter().filter_map(|block| block.content.as_ref().ok());
    ders.map(|der| pem::encode_certificate(der)).collect()
}

fn certificates(file: &'static str, bytes: &[u8]) -> Result<String, UnusableFile> {
    only_certificates(bytes).map_err(|why| UnusableFile { file, why: why.to_string() })
}

/// The certificates of a PEM file, tidied; whatever else is in it stays behind.
///
/// # Errors
/// When there is none, or one that cannot be read.
pub fn only_certificates(bytes: &[u8]) -> Result<String, Unreadable> {
    let read = pem::read(bytes)?;
    let mut found = false;
    for block in read.blocks.iter().filter(|block| block.is_certificate()) {
        let der = block.content.as_ref().map_err(|why| Unreadable::Block { line: block.line, why: *why })?;
        certificate::parse(der).map_err(|why| Unreadable::Certificate { line: block.line, why })?;
        found = true;
    }
    if !found {
        return Err(Unreadable::NoCertificate);
    }
    Ok(pem::tidy(&read, Block::is_certificate).to_string())
}

fn key(file: &'static str, bytes: &[u8]) -> Result<SecretString, UnusableFile> {
    let refuse = |why: String| UnusableFile { file, why };
    let read = pem::read(bytes).map_err(|why: NotPem| refuse(why.to_string()))?;
    let keys: Vec<&Block> = read.blocks.iter().filter(|block| block.is_private_key()).collect();
    let [only] = keys[..] else {
        return Err(refuse(format!("it holds {} private keys, not one", keys.len())));
    };
    super::key::read_private_key(only).map_err(|why| refuse(why.to_string()))?;
    Ok(SecretString::from(only.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = include_bytes!("../../tests/data/tls/leaf.key");

    #[test]
    fn only_the_key_itself_is_sent() {
        let with_parameters = include_bytes!("../../tests/data/tls/key-with-parameters.key");
        let plain = include_bytes!("../../tests/data/tls/key-sec1.key");
        let files = Files { key: Some(with_parameters), ..Files::default() };
        let sent = Material::read(&files).unwrap().text(SecretSource::Key).unwrap();
        assert_eq!(sent.expose_secret().as_bytes(), plain);
        let windows = include_bytes!("../../tests/data/tls/key-windows.key");
        let files = Files { ca_key: Some(windows), ..Files::default() };
        let sent = Material::read(&files).unwrap().text(SecretSource::CaKey).unwrap();
        assert_eq!(sent.expose_secret().as_bytes(), KEY);
    }

    #[test]
    fn a_key_beside_the_certificate_is_not_sent_with_it() {
        let with_key = include_bytes!("../../tests/data/tls/form-with-key.pem");
        let files = Files { certificate: Some(with_key), ..Files::default() };
        let sent = Material::read(&files).unwrap().text(SecretSource::Certificate).unwrap();
        assert_eq!(sent.expose_secret().as_bytes(), include_bytes!("../../tests/data/tls/chain.pem"));
    }

    #[test]
    fn a_file_of_no_use_is_named() {
        let refused = |files: Files<'_>| Material::read(&files).unwrap_err().to_string();
        let encrypted = include_bytes!("../../tests/data/tls/key-encrypted.key");
        assert_eq!(
            refused(Files { key: Some(encrypted), ..Files::default() }),
            "tls.key cannot be used: it is encrypted"
        );
        let two = include_bytes!("../../tests/data/tls/key-two.key");
        assert_eq!(
            refused(Files { ca_key: Some(two), ..Files::default() }),
            "tls.ca_key cannot be used: it holds 2 private keys, not one"
        );
        assert_eq!(
            refused(Files { ca: Some(KEY), ..Files::default() }),
            "tls.ca cannot be used: there is no CERTIFICATE block in it"
        );
    }

    #[test]
    fn two_cas_are_handed_out_in_one_order_whichever_signs() {
        let (root, other) =
            (include_bytes!("../../tests/data/tls/root.pem"), include_bytes!("../../tests/data/tls/root-other.pem"));
        let of = |ca, also_trust| Material::read(&Files { ca: Some(ca), also_trust, ..Files::default() }).unwrap();
        let (first, then) = (of(root, Some(other)).cacerts().unwrap(), of(other, Some(root)).cacerts().unwrap());
        assert_eq!(first, then);
        assert_eq!(first.matches("BEGIN CERTIFICATE").count(), 2);
        assert_eq!(of(root, Some(root)).cacerts().unwrap().matches("BEGIN CERTIFICATE").count(), 1);
        let alone = of(root, None).cacerts().unwrap();
        assert_eq!(alone.as_bytes(), root);
    }
}
