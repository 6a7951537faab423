//! DER written by hand, so that it can be written wrongly, too.

use p256::ecdsa::signature::hazmat::PrehashSigner;
use rcgen::SigningKey as _;
use sha2::{Digest, Sha256, Sha384, Sha512};

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let bytes = content.len().to_be_bytes();
    let length = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match content.len() {
        short @ ..128 => der.push(short as u8),
        _ => {
            der.push(0x80 | length.len() as u8);
            der.extend_from_slice(length);
        }
    }
    der.extend_from_slice(content);
    der
}

pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// An object identifier as people write it.
pub fn oid(dotted: &str) -> Vec<u8> {
    let numbers: Vec<u64> = dotted.split('.').map(|number| number.parse().unwrap()).collect();
    let mut content = vec![(numbers[0] * 40 + numbers[1]) as u8];
    for number in &numbers[2..] {
        let groups = (1..10).take_while(|group| number >> (7 * group) > 0).count();
        content.extend((0..=groups).rev().map(|group| {
            let more = if group > 0 { 0x80 } else { 0 };
            (number >> (7 * group) & 0x7f) as u8 | more
        }));
    }
    tlv(0x06, &content)
}

pub fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// A name of one part, a common name unless another identifier is given, as text of this tag.
pub fn name(tag: u8, text: &[u8]) -> Vec<u8> {
    sequence(&[tlv(0x31, &sequence(&[oid("2.5.4.3"), tlv(tag, text)]))])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// A key made from a number, or the one RSA and the one Ed25519 key of tests/data: the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    P256(u8),
    P384(u8),
    P521(u8),
    Rsa,
    Ed25519,
}

fn scalar(number: u8, length: usize) -> Vec<u8> {
    let mut scalar = vec![0; length];
    scalar[1] = 1;
    scalar[length - 1] = number + 1;
    scalar
}

impl Key {
    fn point(self) -> Option<(&'static str, Vec<u8>)> {
        macro_rules! point {
            ($curve:ident, $number:expr, $length:expr) => {
                $curve::ecdsa::SigningKey::from_slice(&scalar($number, $length))
                    .unwrap()
                    .verifying_key()
                    .to_sec1_point(false)
            };
        }
        match self {
            Key::P256(number) => Some(("1.2.840.10045.3.1.7", point!(p256, number, 32).as_bytes().to_vec())),
            Key::P384(number) => Some(("1.3.132.0.34", point!(p384, number, 48).as_bytes().to_vec())),
            Key::P521(number) => Some(("1.3.132.0.35", point!(p521, number, 66).as_bytes().to_vec())),
            Key::Rsa | Key::Ed25519 => None,
        }
    }

    fn file(self) -> rcgen::KeyPair {
        let (name, algorithm) = match self {
            Key::Rsa => ("key-rsa2048.key", &rcgen::PKCS_RSA_SHA256),
            _ => ("key-ed25519.key", &rcgen::PKCS_ED25519),
        };
        rcgen::KeyPair::from_pem_and_sign_algo(&super::text(name), algorithm).unwrap()
    }

    /// SubjectPublicKeyInfo.
    pub fn info(self) -> Vec<u8> {
        match self.point() {
            Some((curve, point)) => sequence(&[sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]), bits(&point)]),
            None => rcgen::PublicKeyData::subject_public_key_info(&self.file()),
        }
    }

    pub fn pem(self) -> String {
        let Some((curve, point)) = self.point() else {
            return super::text(if self == Key::Rsa { "key-rsa2048.key" } else { "key-ed25519.key" });
        };
        let secret = match self {
            Key::P256(number) => scalar(number, 32),
            Key::P384(number) => scalar(number, 48),
            Key::P521(number) => scalar(number, 66),
            Key::Rsa | Key::Ed25519 => vec![],
        };
        let parts = [tlv(0x02, &[1]), tlv(0x04, &secret), tlv(0xa0, &oid(curve)), tlv(0xa1, &bits(&point))];
        super::pem("EC PRIVATE KEY", &sequence(&parts))
    }

    /// The identifier of what [`Key::sign`] does.
    pub fn algorithm(self, hash: Hash) -> Vec<u8> {
        match self {
            Key::Rsa => sequence(&[oid("1.2.840.113549.1.1.11"), vec![5, 0]]),
            Key::Ed25519 => sequence(&[oid("1.3.101.112")]),
            Key::P256(_) | Key::P384(_) | Key::P521(_) => sequence(&[oid(match hash {
                Hash::Sha256 => "1.2.840.10045.4.3.2",
                Hash::Sha384 => "1.2.840.10045.4.3.3",
                Hash::Sha512 => "1.2.840.10045.4.3.4",
            })]),
        }
    }

    pub fn sign(self, hash: Hash, text: &[u8]) -> Vec<u8> {
        let mut digest = match hash {
            Hash::Sha256 => Sha256::digest(text).to_vec(),
            Hash::Sha384 => Sha384::digest(text).to_vec(),
            Hash::Sha512 => Sha512::digest(text).to_vec(),
        };
        macro_rules! sign {
            ($curve:ident, $number:expr, $length:expr) => {{
                let key = $curve::ecdsa::SigningKey::from_slice(&scalar($number, $length)).unwrap();
                let signature: $curve::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                signature.to_der().as_bytes().to_vec()
            }};
        }
        match self {
            Key::P256(number) => sign!(p256, number, 32),
            Key::P384(number) => sign!(p384, number, 48),
            Key::P521(number) => {
                digest.splice(0..0, vec![0; 66 - digest.len()]);
                sign!(p521, number, 66)
            }
            Key::Rsa | Key::Ed25519 => self.file().sign(text).unwrap(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Extension {
    pub id: String,
    /// The whole BOOLEAN; empty where it is left out.
    pub critical: Vec<u8>,
    pub value: Vec<u8>,
}

pub fn extension(id: &str, critical: bool, value: Vec<u8>) -> Extension {
    Extension { id: id.into(), critical: if critical { vec![1, 1, 0xff] } else { vec![] }, value }
}

/// A certificate before it is signed. Times are whole values, names too.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Empty for version 1.
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub issuer: Vec<u8>,
    pub from: Vec<u8>,
    pub to: Vec<u8>,
    pub subject: Vec<u8>,
    pub info: Vec<u8>,
    /// What stands between key and extensions.
    pub unique: Vec<u8>,
    pub extensions: Vec<Extension>,
    pub signer: Key,
    pub hash: Hash,
    /// Where the two identifiers of the signature differ.
    pub outer: Option<Vec<u8>>,
    /// Bits that are turned in what is signed, by their place modulo its length.
    pub turned: Vec<(usize, u8)>,
    /// Turned after signing.
    pub damaged: bool,
    pub trailing: Vec<u8>,
}

impl Draft {
    pub fn der(&self) -> Vec<u8> {
        let inner = self.signer.algorithm(self.hash);
        let extensions: Vec<Vec<u8>> = self
            .extensions
            .iter()
            .map(|one| sequence(&[oid(&one.id), one.critical.clone(), tlv(0x04, &one.value)]))
            .collect();
        let parts = [
            if self.version.is_empty() { vec![] } else { tlv(0xa0, &tlv(0x02, &self.version)) },
            tlv(0x02, &self.serial),
            inner.clone(),
            self.issuer.clone(),
            sequence(&[self.from.clone(), self.to.clone()]),
            self.subject.clone(),
            self.info.clone(),
            self.unique.clone(),
            if self.extensions.is_empty() { vec![] } else { tlv(0xa3, &sequence(&extensions)) },
        ];
        let mut body = sequence(&parts);
        for (place, bit) in &self.turned {
            let at = place % body.len();
            body[at] ^= 1 << bit;
        }
        let mut signature = self.signer.sign(self.hash, &body);
        if self.damaged {
            let last = signature.len() - 1;
            signature[last] ^= 1;
        }
        let outer = self.outer.clone().unwrap_or(inner);
        [sequence(&[body, outer, bits(&signature)]), self.trailing.clone()].concat()
    }
}
