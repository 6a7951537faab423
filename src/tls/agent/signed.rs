//! Who signed a certificate, as Go finds it out (crypto/x509: checkSignature).

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::algorithms::{Algorithm, Hash, PublicKey};
use super::certificate::AgentCertificate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Yes,
    No,
    /// Names and key identifiers fit, but nothing here computes with this kind: RSA below 2048 bits or above 8192, SHA-1, MD5.
    CannotTell,
}

/// Go: checkSignature. Whether the parent's key made this signature; names are not compared.
pub(crate) fn signed_by(child: &AgentCertificate<'_>, parent: &AgentCertificate<'_>) -> Signed {
    let right = match (child.algorithm, &parent.key) {
        (Some(Algorithm::Rsa | Algorithm::RsaPss), PublicKey::Rsa { bits: ..1024 }) => false,
        (Some(Algorithm::Rsa | Algorithm::RsaPss), PublicKey::Rsa { bits: ..2048 | 8193.. }) => {
            return Signed::CannotTell;
        }
        (Some(Algorithm::Rsa | Algorithm::RsaPss), PublicKey::Rsa { .. })
        | (Some(Algorithm::Ed25519), PublicKey::Ed25519) => by_ring(child, parent),
        (Some(Algorithm::Ecdsa(hash)), key) => by_curve(child, hash, key).unwrap_or(false),
        _ => false,
    };
    if right { Signed::Yes } else { Signed::No }
}

fn by_ring(child: &AgentCertificate<'_>, parent: &AgentCertificate<'_>) -> bool {
    let (Ok((_, child)), Ok((_, parent))) =
        (X509Certificate::from_der(child.der), X509Certificate::from_der(parent.der))
    else {
        return false;
    };
    child.verify_signature(Some(parent.public_key())).is_ok()
}

/// `None` for a signature or key that cannot be read. (ring has neither P-521 nor SHA-512 with ECDSA.)
fn by_curve(child: &AgentCertificate<'_>, hash: Hash, key: &PublicKey<'_>) -> Option<bool> {
    let digest = match hash {
        Hash::Sha256 => Sha256::digest(child.signed).to_vec(),
        Hash::Sha384 => Sha384::digest(child.signed).to_vec(),
        Hash::Sha512 => Sha512::digest(child.signed).to_vec(),
    };
    macro_rules! verify {
        ($curve:ident, $point:expr, $digest:expr) => {{
            let signature = $curve::ecdsa::Signature::from_der(child.signature).ok()?;
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes($point).ok()?;
            Some(key.verify_prehash($digest, &signature).is_ok())
        }};
    }
    match key {
        PublicKey::P256(point) => verify!(p256, point, &digest),
        PublicKey::P384(point) => verify!(p384, point, &digest),
        PublicKey::P521(point) => {
            // the library wants half a field's length at the least; zeros in front change nothing
            let padded = [vec![0; 66 - digest.len()], digest].concat();
            verify!(p521, point, &padded)
        }
        PublicKey::Rsa { .. } | PublicKey::P224 | PublicKey::Ed25519 | PublicKey::Useless => None,
    }
}
