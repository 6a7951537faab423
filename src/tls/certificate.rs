//! Certificates, read: what people want to know of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name, X509Version};

use super::pem::{self, BadBlock, NotPem};
use data_encoding::HEXLOWER;

/// One certificate, as `status` and `certs` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    pub subject: String,
    pub issuer: String,
    /// Subject alternative names: DNS names and IP addresses.
    pub names: Vec<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Whole days until it ends, rounded down; negative once it has ended.
    pub days_left: i64,
    /// Small hex of the SHA-256 of the whole certificate.
    pub fingerprint_sha256: String,
    pub is_ca: bool,
}

/// Why certificates cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("{0}")]
    NotPem(#[from] NotPem),
    #[error("there is no CERTIFICATE block in it")]
    NoCertificate,
    #[error("the block at line {line} cannot be read: {why}")]
    Block { line: usize, why: BadBlock },
    #[error("the certificate at line {line} cannot be read: {why}")]
    Certificate { line: usize, why: String },
}

/// Describes every certificate of a PEM text in its order; other blocks are passed over.
pub fn describe(pem: &[u8], now: Timestamp) -> Result<Vec<CertificateFacts>, Unreadable> {
    let mut all = Vec::new();
    for block in pem::read(pem)?.blocks.iter().filter(|block| block.is_certificate()) {
        let der = block.content.as_ref().map_err(|why| Unreadable::Block { line: block.line, why: *why })?;
        all.push(describe_der(der, now).map_err(|why| Unreadable::Certificate { line: block.line, why })?);
    }
    if all.is_empty() { Err(Unreadable::NoCertificate) } else { Ok(all) }
}

/// Describes one certificate from its DER, e.g. as a TLS handshake shows it.
pub fn describe_der(der: &[u8], now: Timestamp) -> Result<CertificateFacts, String> {
    let certificate = parse(der)?;
    let (not_before, not_after) = validity(&certificate);
    Ok(CertificateFacts {
        subject: name_text(certificate.subject()),
        issuer: name_text(certificate.issuer()),
        names: alternative_names(&certificate),
        not_before,
        not_after,
        days_left: days_between(now, not_after),
        fingerprint_sha256: HEXLOWER.encode(&Sha256::digest(der)),
        is_ca: is_ca(&certificate),
    })
}

pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(format!("{} bytes too many after it", rest.len())),
        Err(x509_parser::nom::Err::Incomplete(_)) => Err("it is cut off".into()),
        Err(x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error)) => Err(error.to_string()),
    }
}

/// Start and end; times beyond what a `Timestamp` holds are held at its limits.
pub(crate) fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let read = |seconds: i64| {
        Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
    };
    let validity = certificate.validity();
    (read(validity.not_before.timestamp()), read(validity.not_after.timestamp()))
}

pub(crate) fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).div_euclid(86_400)
}

pub(crate) fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    matches!(certificate.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca)
}

/// A CA, or of a version that has no extensions to say so: those are believed where they are given as roots.
pub(crate) fn can_be_root(certificate: &X509Certificate<'_>) -> bool {
    is_ca(certificate) || certificate.version() != X509Version::V3
}

pub(crate) fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(shown(name)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

/// A distinguished name for people, without control characters.
pub(crate) fn name_text(name: &X509Name<'_>) -> String {
    let parts = name.iter().map(|part| part.iter().map(attribute_text).collect::<Vec<_>>().join(" + "));
    let text = shown(&parts.collect::<Vec<_>>().join(", "));
    if text.is_empty() { "(no name)".into() } else { text }
}

/// E.g. `CN=Example Root`. Go and OpenSSL read a TeletexString as Latin-1.
fn attribute_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let value = attribute.attr_value();
    let pairs = || value.data.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
    let fours = || value.data.as_chunks::<4>().0.iter().map(|four| u32::from_be_bytes(*four));
    let text = match value.tag() {
        Tag::BmpString => char::decode_utf16(pairs()).map(|c| c.unwrap_or('\u{fffd}')).collect(),
        Tag::UniversalString => fours().map(|c| char::from_u32(c).unwrap_or('\u{fffd}')).collect(),
        Tag::T61String => value.data.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value.data).into_owned(),
    };
    let kind = attribute.attr_type();
    let kind = oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_id_string(), str::to_owned);
    format!("{kind}={text}")
}

/// Text from a certificate, made safe for a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(300).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &[u8] = include_bytes!("../../tests/data/tls/chain.pem");

    #[test]
    fn every_certificate_of_a_file_is_described_in_its_order() {
        let now = "2027-05-31T23:00:00Z".parse().unwrap();
        let facts = describe(CHAIN, now).unwrap();
        assert_eq!(facts.len(), 2);
        assert_eq!(facts[0].subject, "CN=rancher.example.com");
        assert_eq!(facts[0].issuer, "O=Example, CN=Example Intermediate");
        assert_eq!(facts[0].names, ["rancher.example.com"]);
        assert_eq!((facts[0].days_left, facts[0].is_ca), (0, false));
        assert!(facts[1].is_ca && facts[1].names.is_empty());
        let ended = describe(CHAIN, "2027-06-01T00:00:01Z".parse().unwrap()).unwrap();
        assert_eq!(ended[0].days_left, -1);
    }

    #[test]
    fn fingerprints_are_openssls() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/leaf.pem");
        let words = ["x509", "-noout", "-fingerprint", "-sha256", "-in", path];
        let said = std::process::Command::new("openssl").args(words).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap().trim().split('=').nth(1).unwrap().replace(':', "").to_lowercase();
        assert_eq!(describe(CHAIN, Timestamp::UNIX_EPOCH).unwrap()[0].fingerprint_sha256, said);
    }

    #[test]
    fn names_are_shown_whatever_kind_of_text_they_are() {
        let shown = |tag: u8, text: &[u8]| {
            let wrap = |tag: u8, content: Vec<u8>| [vec![tag, content.len() as u8], content].concat();
            let attribute = [vec![6, 3, 0x55, 4, 3], wrap(tag, text.to_vec())].concat();
            let der = wrap(0x30, wrap(0x31, wrap(0x30, attribute)));
            name_text(&X509Name::from_der(&der).unwrap().1)
        };
        for (tag, text) in [
            (0x0c, "K\u{f6}ln".as_bytes()),
            (0x14, b"K\xf6ln"),
            (0x1e, b"\0K\0\xf6\0l\0n"),
            (0x1c, b"\0\0\0K\0\0\0\xf6\0\0\0l\0\0\0n"),
        ] {
            assert_eq!(shown(tag, text), "CN=K\u{f6}ln");
        }
        assert_eq!(shown(0x13, b"a\x1bb"), "CN=a\u{fffd}b");
    }

    #[test]
    fn addresses_are_among_the_names() {
        let pem = include_bytes!("../../tests/data/tls/name-address.pem");
        assert_eq!(describe(pem, Timestamp::UNIX_EPOCH).unwrap()[0].names, ["192.0.2.10", "2001:db8::10"]);
    }

    #[test]
    fn what_cannot_be_read_is_never_left_out_in_silence() {
        let read = |bytes: &[u8]| describe(bytes, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
        assert_eq!(read(b""), "it is empty");
        assert_eq!(read(include_bytes!("../../tests/data/tls/leaf.key")), "there is no CERTIFICATE block in it");
        let broken = include_bytes!("../../tests/data/tls/form-broken.pem");
        assert!(read(broken).starts_with("the block at line 1 cannot be read"), "{}", read(broken));
        let cut = [CHAIN, b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"].concat();
        assert!(read(&cut).contains("cannot be read"), "{}", read(&cut));
    }
}
