//! Private keys: what kind they are, and whether they belong to a certificate. The key itself never leaves.

use std::fmt;

use pkcs1::RsaPrivateKey;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{self, Decode, Encode, Reader, SliceReader, TagNumber, Tagged};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::Tag;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::pem::Block;

/// Algorithm and size of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    Rsa {
        bits: usize,
    },
    P256,
    P384,
    P521,
    Ed25519,
    /// Anything else, by its object identifier.
    Other(String),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyKind::Rsa { bits } => write!(out, "RSA {bits}"),
            KeyKind::P256 => out.write_str("EC P-256"),
            KeyKind::P384 => out.write_str("EC P-384"),
            KeyKind::P521 => out.write_str("EC P-521"),
            KeyKind::Ed25519 => out.write_str("Ed25519"),
            KeyKind::Other(name) => write!(out, "algorithm {name}"),
        }
    }
}

/// How a private key is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    Pkcs1,
    Pkcs8,
    Sec1,
}

impl fmt::Display for Wrapping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Wrapping::Pkcs1 => "PKCS#1",
            Wrapping::Pkcs8 => "PKCS#8",
            Wrapping::Sec1 => "SEC1",
        })
    }
}

/// What can be said of a private key without saying the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKeyFacts {
    pub wrapping: Wrapping,
    pub kind: KeyKind,
    /// The content of the public key's BIT STRING, where it could be had.
    public: Option<Vec<u8>>,
}

/// The public half of the first private key in a PEM text: the content of its BIT STRING.
pub fn public_half(pem: &str) -> Option<Vec<u8>> {
    let read = super::pem::read(pem.as_bytes()).ok()?;
    let block = read.blocks.iter().find(|block| block.is_private_key())?;
    read_private_key(block).ok()?.public
}

/// Why a block is not a private key that a server could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    #[error("it is encrypted")]
    Encrypted,
    #[error("a `{0}` is not a key that TLS servers read")]
    WrongBlock(String),
    #[error("its content is broken: {0}")]
    Broken(String),
}

/// Whether a private key belongs to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    Fits,
    Differs,
    /// The kind of key is one that cannot be computed with here.
    CannotTell,
}

/// Reads the kind and public part of a private key's block.
pub fn read_private_key(block: &Block) -> Result<PrivateKeyFacts, NotAKey> {
    if block.encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(NotAKey::Encrypted);
    }
    let content = block.content.as_ref().map_err(|bad| NotAKey::Broken(bad.to_string()))?.as_slice();
    let structure = || NotAKey::Broken("not the structure that its first line promises".into());
    let (wrapping, kind, own_public) = match block.label.as_str() {
        "RSA PRIVATE KEY" => {
            let (kind, public) = read_pkcs1(content).ok_or_else(structure)?;
            (Wrapping::Pkcs1, kind, Some(public))
        }
        "EC PRIVATE KEY" => {
            let key = read_sec1(content).map_err(|_| structure())?;
            (Wrapping::Sec1, key.curve.ok_or_else(structure)?, key.public)
        }
        "PRIVATE KEY" => {
            let (kind, public) = read_pkcs8(content).ok_or_else(structure)?;
            (Wrapping::Pkcs8, kind, public)
        }
        other => return Err(NotAKey::WrongBlock(other.to_owned())),
    };
    // ring computes or checks the public part; what it does not know speaks for itself
    let public = computed_public(wrapping, content).or(own_public);
    Ok(PrivateKeyFacts { wrapping, kind, public })
}

/// Compares the public part of the key with the one that the certificate names.
pub fn fits(key: &PrivateKeyFacts, certificate: &X509Certificate<'_>) -> Fit {
    match &key.public {
        Some(public) if public.as_slice() == certificate.public_key().subject_public_key.data.as_ref() => Fit::Fits,
        Some(_) => Fit::Differs,
        None if key.kind != certificate_key_kind(certificate) => Fit::Differs,
        None => Fit::CannotTell,
    }
}

/// Algorithm and size of the key in a certificate.
pub fn certificate_key_kind(certificate: &X509Certificate<'_>) -> KeyKind {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => KeyKind::Rsa { bits: bits_of(rsa.modulus) },
        Ok(PublicKey::EC(_)) => match key.algorithm.parameters.as_ref().map(|any| (any.tag(), any.data)) {
            Some((Tag::Oid, curve)) => object_name(curve).map_or_else(no_curve, |name| curve_by_name(&name)),
            Some((Tag::Sequence, _)) => KeyKind::Other(SPELT_OUT.into()),
            Some(_) | None => no_curve(),
        },
        _ => algorithm_by_name(&key.algorithm.algorithm.to_id_string()),
    }
}

fn computed_public(wrapping: Wrapping, content: &[u8]) -> Option<Vec<u8>> {
    let der: PrivateKeyDer<'_> = match wrapping {
        Wrapping::Pkcs1 => PrivateKeyDer::Pkcs1(content.into()),
        Wrapping::Pkcs8 => PrivateKeyDer::Pkcs8(content.into()),
        Wrapping::Sec1 => PrivateKeyDer::Sec1(content.into()),
    };
    let info = any_supported_type(&der).ok()?.public_key()?.to_vec();
    let (_, parsed) = SubjectPublicKeyInfo::from_der(&info).ok()?;
    Some(parsed.subject_public_key.data.to_vec())
}

fn read_pkcs1(content: &[u8]) -> Option<(KeyKind, Vec<u8>)> {
    let public = RsaPrivateKey::from_der(content).ok()?.public_key();
    Some((KeyKind::Rsa { bits: bits_of(public.modulus.as_bytes()) }, public.to_der().ok()?))
}

struct Sec1 {
    curve: Option<KeyKind>,
    public: Option<Vec<u8>>,
}

/// RFC 5915: version, private key, [0] curve, [1] public key. Inside PKCS#8 the curve may be missing. The crate `sec1` reads
/// no curve that is spelt out.
fn read_sec1(content: &[u8]) -> der::Result<Sec1> {
    SliceReader::new(content)?.sequence(|fields| {
        u8::decode(fields)?;
        <&OctetStringRef>::decode(fields)?;
        let mut key = Sec1 { curve: None, public: None };
        while !fields.is_finished() {
            let field = ContextSpecific::<AnyRef<'_>>::decode(fields)?;
            match field.tag_number {
                CURVE => key.curve = Some(curve_kind(field.value)?),
                PUBLIC => key.public = field.value.decode_as::<BitStringRef<'_>>()?.as_bytes().map(<[u8]>::to_vec),
                _ => {}
            }
        }
        Ok(key)
    })
}

const CURVE: TagNumber = TagNumber(0);
const PUBLIC: TagNumber = TagNumber(1);

/// RFC 5958: version, algorithm, the key of that algorithm.
fn read_pkcs8(content: &[u8]) -> Option<(KeyKind, Option<Vec<u8>>)> {
    let key = PrivateKeyInfoRef::from_der(content).ok()?;
    let (name, inner) = (key.algorithm.oid.to_string(), key.private_key.as_bytes());
    match name.as_str() {
        "1.2.840.113549.1.1.1" => read_pkcs1(inner).map(|(kind, public)| (kind, Some(public))),
        "1.2.840.10045.2.1" => Some((curve_kind(key.algorithm.parameters?).ok()?, read_sec1(inner).ok()?.public)),
        _ => Some((algorithm_by_name(&name), None)),
    }
}

/// The curve's name, or the curve itself, number by number.
fn curve_kind(parameters: AnyRef<'_>) -> der::Result<KeyKind> {
    match parameters.tag() {
        der::Tag::Sequence => Ok(KeyKind::Other(SPELT_OUT.into())),
        _ => parameters.decode_as::<ObjectIdentifier>().map(|name| curve_by_name(&name.to_string())),
    }
}

fn no_curve() -> KeyKind {
    KeyKind::Other("EC without a curve".into())
}

const SPELT_OUT: &str = "EC with its curve spelt out instead of named";

fn curve_by_name(oid: &str) -> KeyKind {
    match oid {
        "1.2.840.10045.3.1.7" => KeyKind::P256,
        "1.3.132.0.34" => KeyKind::P384,
        "1.3.132.0.35" => KeyKind::P521,
        "1.3.132.0.10" => KeyKind::Other("EC secp256k1".into()),
        "1.3.132.0.33" => KeyKind::Other("EC P-224".into()),
        other => KeyKind::Other(format!("EC curve {other}")),
    }
}

fn algorithm_by_name(oid: &str) -> KeyKind {
    match oid {
        "1.3.101.112" => KeyKind::Ed25519,
        "1.3.101.113" => KeyKind::Other("Ed448".into()),
        "1.2.840.10040.4.1" => KeyKind::Other("DSA".into()),
        "1.2.840.113549.1.1.10" => KeyKind::Other("RSA-PSS only".into()),
        other => KeyKind::Other(other.to_owned()),
    }
}

fn bits_of(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<_>>();
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

fn object_name(oid: &[u8]) -> Option<String> {
    Some(x509_parser::der_parser::oid::Oid::new(oid.into()).to_id_string()).filter(|name| !name.is_empty())
}
