//! Who signed what, as far as the cryptography here reaches.

use x509_parser::error::X509Error;
use x509_parser::prelude::X509Certificate;
use x509_parser::signature_algorithm::RsaSsaPssParams;

use super::super::key::{KeyKind, certificate_key_kind};

pub(in crate::tls) use super::super::agent::Signed;
use super::super::agent::{self, Algorithm};

/// Whether `issuer` signed `certificate`. ring verifies neither RSA below 2048 bits nor P-521, and x509-parser reports the first
/// as a wrong signature: both are told apart here.
pub(in crate::tls) fn signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Signed {
    // bytes, as Go compares them (crypto/x509 findPotentialParents)
    if certificate.issuer().as_raw() != issuer.subject().as_raw() {
        return Signed::No;
    }
    match certificate.verify_signature(Some(issuer.public_key())) {
        Ok(()) => Signed::Yes,
        Err(why) => match on_a_curve(certificate, issuer) {
            Some(signed) => signed,
            None if why == X509Error::SignatureUnsupportedAlgorithm => by_key_identifier(certificate, issuer),
            None if can_compute(&certificate_key_kind(issuer)) => Signed::No,
            None => by_key_identifier(certificate, issuer),
        },
    }
}

/// What is signed with an EC key, by the library that knows all of Go's curves but P-224.
fn on_a_curve(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Option<Signed> {
    let (below, above) = (agent::read(certificate.as_raw()).ok()?, agent::read(issuer.as_raw()).ok()?);
    matches!(below.algorithm, Some(Algorithm::Ecdsa(_))).then(|| agent::signed_by(&below, &above))
}

pub(super) fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    signed_by(certificate, certificate) != Signed::No
}

fn can_compute(kind: &KeyKind) -> bool {
    match kind {
        KeyKind::Rsa { bits } => (2048..=8192).contains(bits),
        KeyKind::P256 | KeyKind::P384 | KeyKind::Ed25519 => true,
        KeyKind::P521 | KeyKind::Other(_) => false,
    }
}

fn by_key_identifier(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Signed {
    use x509_parser::extensions::ParsedExtension;
    let authority = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    });
    let subject = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    });
    match (authority, subject) {
        (Some(authority), Some(subject)) if authority != subject => Signed::No,
        _ => Signed::CannotTell,
    }
}

/// The digest of a signature, when it is one that clients refuse.
pub(super) fn weak_digest(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    let algorithm = &certificate.signature_algorithm;
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => Some("SHA-1"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        "1.2.840.113549.1.1.2" => Some("MD2"),
        "1.2.840.113549.1.1.10" => {
            let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
            (parameters.hash_algorithm_oid().to_id_string() == "1.3.14.3.2.26").then_some("SHA-1")
        }
        _ => None,
    }
}
