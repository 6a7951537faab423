//! Keys and signatures that Go computes with (crypto/x509: parsePublicKey, getSignatureAlgorithmFromAI).

use super::super::der::{INTEGER, OBJECT_IDENTIFIER, Reader, SEQUENCE};
use super::fault::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// How a certificate was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rsa,
    /// With parameters that Go takes: MGF1 with the same hash, a salt of its length, the usual trailer.
    RsaPss,
    Ecdsa(Hash),
    Ed25519,
    /// MD5, SHA-1 or DSA: Go refuses them.
    Insecure,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    Rsa {
        bits: usize,
    },
    P224,
    P256(&'a [u8]),
    P384(&'a [u8]),
    P521(&'a [u8]),
    Ed25519,
    /// Read, but of no use for certificates: DSA, X25519, or a kind that Go does not know.
    Useless,
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const X25519: &[u8] = &[0x2b, 0x65, 0x6e];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
const P224: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x21];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
/// The SHA-2 family less its last number.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
const NULL: &[u8] = &[0x05, 0x00];

/// `None` for what cannot be read; `Some(None)` for a kind that Go does not know.
pub(super) fn signature_algorithm(field: &[u8]) -> Option<Option<Algorithm>> {
    let (oid, parameters) = identifier(field)?;
    Some(match oid {
        // sha256, sha384 and sha512WithRSAEncryption
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 11..=13] => Some(Algorithm::Rsa),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 10] => pss(parameters),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2] => Some(Algorithm::Ecdsa(Hash::Sha256)),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3] => Some(Algorithm::Ecdsa(Hash::Sha384)),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 4] => Some(Algorithm::Ecdsa(Hash::Sha512)),
        [0x2b, 0x65, 0x70] if parameters.is_empty() => Some(Algorithm::Ed25519),
        // MD5 and SHA-1 with RSA (twice), SHA-1 with ECDSA, DSA
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 4 | 5]
        | [0x2b, 0x0e, 0x03, 0x02, 0x1d]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
        | [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03]
        | [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 2] => Some(Algorithm::Insecure),
        _ => None,
    })
}

/// Go: parseAI. The identifier's content, and the parameters as a whole value.
fn identifier(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut field = Reader(field);
    let oid = field.object_identifier()?;
    let parameters = field.0;
    if field.is_empty() {
        return Some((oid, parameters));
    }
    field.any()?;
    Some((oid, &parameters[..parameters.len() - field.0.len()]))
}

fn pss(parameters: &[u8]) -> Option<Algorithm> {
    let mut fields = Reader(parameters).nested(SEQUENCE)?;
    let (hash, length) = hash(fields.nested(0xa0)?)?;
    let (mask, of) = identifier(fields.nested(0xa1)?.value(SEQUENCE)?)?;
    let salt = fields.nested(0xa2)?.small_integer(INTEGER)?;
    let trailer = match fields.optional(0xa3)? {
        Some(content) => Reader(content).small_integer(INTEGER)?,
        None => 1,
    };
    let good = mask == MGF1 && self::hash(Reader(of))?.0 == hash && salt == length && trailer == 1;
    good.then_some(Algorithm::RsaPss)
}

/// The hash and its length in bytes.
fn hash(mut from: Reader<'_>) -> Option<(Hash, i64)> {
    let (oid, parameters) = identifier(from.value(SEQUENCE)?)?;
    if !parameters.is_empty() && parameters != NULL {
        return None;
    }
    match oid.strip_prefix(SHA2)? {
        [1] => Some((Hash::Sha256, 32)),
        [2] => Some((Hash::Sha384, 48)),
        [3] => Some((Hash::Sha512, 64)),
        _ => None,
    }
}

/// Reads SubjectPublicKeyInfo.
pub(super) fn public_key(mut info: Reader<'_>) -> Result<PublicKey<'_>, Fault> {
    let bad = || Fault::Malformed("public key");
    let mut fields = info.nested(SEQUENCE).ok_or_else(bad)?;
    let (oid, parameters) = fields.value(SEQUENCE).and_then(identifier).ok_or_else(bad)?;
    let (key, 0) = fields.bit_string().ok_or_else(bad)? else { return Err(bad()) };
    match oid {
        RSA if parameters != NULL => Err(Fault::Key("an RSA key without its NULL parameters")),
        RSA => rsa(key).ok_or(Fault::Key("its RSA numbers cannot be read")),
        EC => on_curve(parameters, key),
        ED25519 | X25519 if !parameters.is_empty() => Err(Fault::Key("it has parameters that its kind has not")),
        ED25519 | X25519 if key.len() != 32 => Err(Fault::Key("it has not 32 bytes")),
        ED25519 => Ok(PublicKey::Ed25519),
        X25519 => Ok(PublicKey::Useless),
        DSA => dsa(parameters, key).ok_or(Fault::Key("its DSA numbers cannot be read")),
        _ => Ok(PublicKey::Useless),
    }
}

fn rsa<'a>(key: &[u8]) -> Option<PublicKey<'a>> {
    let mut numbers = Reader(key).nested(SEQUENCE)?;
    let modulus = numbers.integer(INTEGER).filter(|number| is_positive(number))?;
    numbers.small_integer(INTEGER).filter(|exponent| *exponent > 0)?;
    let leading = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(leading)?;
    Some(PublicKey::Rsa { bits: (modulus.len() - leading) * 8 - first.leading_zeros() as usize })
}

fn on_curve<'a>(parameters: &[u8], point: &'a [u8]) -> Result<PublicKey<'a>, Fault> {
    let mut parameters = Reader(parameters);
    if !parameters.next_is(OBJECT_IDENTIFIER) {
        return Err(Fault::CurveSpeltOut);
    }
    let uncompressed = point.first() == Some(&4);
    let (key, good) = match parameters.object_identifier().ok_or(Fault::Malformed("public key"))? {
        // its points are not computed: no certificate with such a key is accepted
        P224 => (PublicKey::P224, point.len() == 57),
        P256 => (PublicKey::P256(point), p256::PublicKey::from_sec1_bytes(point).is_ok()),
        P384 => (PublicKey::P384(point), p384::PublicKey::from_sec1_bytes(point).is_ok()),
        P521 => (PublicKey::P521(point), p521::PublicKey::from_sec1_bytes(point).is_ok()),
        _ => return Err(Fault::Curve),
    };
    if good && uncompressed { Ok(key) } else { Err(Fault::Key("no uncompressed point of its curve")) }
}

fn dsa<'a>(parameters: &[u8], key: &[u8]) -> Option<PublicKey<'a>> {
    let mut numbers = Reader(parameters).nested(SEQUENCE)?;
    let all = [
        Reader(key).integer(INTEGER)?,
        numbers.integer(INTEGER)?,
        numbers.integer(INTEGER)?,
        numbers.integer(INTEGER)?,
    ];
    all.into_iter().all(is_positive).then_some(PublicKey::Useless)
}

fn is_positive(number: &[u8]) -> bool {
    number[0] & 0x80 == 0 && number != [0]
}
