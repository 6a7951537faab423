//! A CA, by its fingerprint.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Fact, Unseen};

/// SHA-256 of a CA certificate (DER).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaFingerprint(pub(super) [u8; 32]);

impl CaFingerprint {
    /// Of the first certificate in a PEM text.
    pub fn from_pem(pem: &str) -> Fact<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
            .map_err(|error| Unseen(format!("the CA certificate cannot be read: {error}")))?;
        if block.label != "CERTIFICATE" {
            return Err(Unseen(format!("a certificate was expected, a {} was found", block.label)));
        }
        Ok(CaFingerprint(Sha256::digest(&block.contents).into()))
    }

    /// The first two bytes, as people compare them at a glance: `5f:2c…`.
    pub fn short(&self) -> String {
        format!("{:02x}:{:02x}…", self.0[0], self.0[1])
    }
}

impl fmt::Display for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaFingerprint({})", self.short())
    }
}
