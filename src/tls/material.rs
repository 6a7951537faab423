//! What the inventory's TLS files hold, as it will be sent: tidied, so that a byte order mark, Windows line ends or comments in a
//! file reach neither a server nor the checksum.

use secrecy::{ExposeSecret, SecretString};

use super::certificate::{self, Unreadable};
use super::pem::{self, Block, NotPem};

/// Which piece of the material goes into a Secret's entry; the plan names it, only the executor fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    Certificate,
    Key,
    Ca,
    CaKey,
}

/// The files as they are on disk; what the inventory does not give, or is not made yet, is `None`.
#[derive(Clone, Copy, Default)]
pub struct Files<'a> {
    pub certificate: Option<&'a [u8]>,
    pub key: Option<&'a [u8]>,
    pub ca: Option<&'a [u8]>,
    pub ca_key: Option<&'a [u8]>,
    /// `tls.acme.server_ca`.
    pub acme_server_ca: Option<&'a [u8]>,
}

/// Tidy texts of the files. Whether they are any good is for [`super::judge()`] to say.
#[derive(Debug, Clone, Default)]
pub struct Material {
    certificate: Option<String>,
    key: Option<SecretString>,
    ca: Option<String>,
    ca_key: Option<SecretString>,
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

impl Material {
    pub fn read(files: &Files<'_>) -> Result<Material, UnusableFile> {
        Ok(Material {
            certificate: files.certificate.map(|bytes| certificates("tls.certificate", bytes)).transpose()?,
            key: files.key.map(|bytes| key("tls.key", bytes)).transpose()?,
            ca: files.ca.map(|bytes| certificates("tls.ca", bytes)).transpose()?,
            ca_key: files.ca_key.map(|bytes| key("tls.ca_key", bytes)).transpose()?,
            acme_server_ca: files.acme_server_ca.map(|bytes| certificates("tls.acme.server_ca", bytes)).transpose()?,
        })
    }

    /// The text for a Secret's entry.
    pub fn text(&self, source: SecretSource) -> Option<SecretString> {
        match source {
            SecretSource::Certificate => self.certificate.as_deref().map(SecretString::from),
            SecretSource::Key => self.key.as_ref().map(|key| SecretString::from(key.expose_secret())),
            SecretSource::Ca => self.ca.as_deref().map(SecretString::from),
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

fn certificates(file: &'static str, bytes: &[u8]) -> Result<String, UnusableFile> {
    let refuse = |why: Unreadable| UnusableFile { file, why: why.to_string() };
    let read = pem::read(bytes).map_err(|why| refuse(why.into()))?;
    let mut found = false;
    for block in read.blocks.iter().filter(|block| block.is_certificate()) {
        let der = block.content.as_ref().map_err(|why| refuse(Unreadable::Block { line: block.line, why: *why }))?;
        certificate::parse(der).map_err(|why| refuse(Unreadable::Certificate { line: block.line, why }))?;
        found = true;
    }
    if !found {
        return Err(refuse(Unreadable::NoCertificate));
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
