//! One certificate, read as Go reads it (crypto/x509: parser.go, parseCertificate).

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

use super::super::der::{BIT_STRING, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, Reader, SEQUENCE, SET, UTC_TIME};
use super::algorithms::{Algorithm, PublicKey, public_key, signature_algorithm};
use super::extensions::{self, Extensions};
use super::fault::Fault;

/// What Go keeps of a certificate.
#[derive(Debug, Clone)]
pub(crate) struct AgentCertificate<'a> {
    /// The whole, as DER.
    pub der: &'a [u8],
    pub signed: &'a [u8],
    /// 1 to 3, as people count.
    pub version: i64,
    /// `None` for a kind of signature that Go does not know.
    pub algorithm: Option<Algorithm>,
    /// The whole value, as DER.
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub from: Timestamp,
    pub to: Timestamp,
    pub key: PublicKey<'a>,
    /// SubjectPublicKeyInfo, as DER.
    pub key_info: &'a [u8],
    pub extensions: Extensions<'a>,
    pub signature: &'a [u8],
}

/// Reads a certificate as Go does.
pub(crate) fn read(der: &[u8]) -> Result<AgentCertificate<'_>, Fault> {
    let bad = Fault::Malformed;
    let mut file = Reader(der);
    let mut outer = file.nested(SEQUENCE).filter(|_| file.is_empty()).ok_or(bad("outermost structure"))?;
    let signed = outer.element(SEQUENCE).ok_or(bad("body"))?;
    let mut body = Reader(signed).nested(SEQUENCE).ok_or(bad("body"))?;
    let version = version(&mut body)?;
    let serial = body.integer(INTEGER).ok_or(bad("serial number"))?;
    if serial[0] & 0x80 != 0 {
        return Err(Fault::NegativeSerial);
    }
    let inner_algorithm = body.value(SEQUENCE).ok_or(bad("kind of signature"))?;
    if outer.value(SEQUENCE).ok_or(bad("kind of signature"))? != inner_algorithm {
        return Err(Fault::TwoAlgorithms);
    }
    let algorithm = signature_algorithm(inner_algorithm).ok_or(bad("kind of signature"))?;
    let issuer = body.element(SEQUENCE).ok_or(bad("issuer"))?;
    name("issuer", issuer)?;
    let mut validity = body.nested(SEQUENCE).ok_or(bad("validity"))?;
    let from = time(&mut validity).ok_or(bad("start"))?;
    let to = time(&mut validity).ok_or(bad("end"))?;
    let subject = body.element(SEQUENCE).ok_or(bad("subject"))?;
    name("subject", subject)?;
    let key_info = body.element(SEQUENCE).ok_or(bad("public key"))?;
    let key = public_key(Reader(key_info))?;
    let extensions = match version {
        3 => rest_of_body(&mut body)?,
        _ => Extensions::default(),
    };
    let (signature, 0) = outer.bit_string().ok_or(bad("signature"))? else { return Err(bad("signature")) };
    Ok(AgentCertificate {
        der,
        signed,
        version,
        algorithm,
        issuer,
        subject,
        from,
        to,
        key,
        key_info,
        extensions,
        signature,
    })
}

fn version(body: &mut Reader<'_>) -> Result<i64, Fault> {
    let version = match body.optional(0xa0).ok_or(Fault::Malformed("version"))? {
        None => 0,
        Some(content) => {
            let mut inside = Reader(content);
            let number = inside.small_integer(INTEGER).filter(|_| inside.is_empty());
            number.filter(|number| *number >= 0).ok_or(Fault::Malformed("version"))?
        }
    };
    if version > 2 { Err(Fault::Version(version.saturating_add(1))) } else { Ok(version + 1) }
}

/// The unique identifiers of old, then the extensions.
fn rest_of_body<'a>(body: &mut Reader<'a>) -> Result<Extensions<'a>, Fault> {
    for tag in [0x81, 0x82] {
        body.optional(tag).ok_or(Fault::Malformed("unique identifier"))?;
    }
    match body.optional(0xa3).ok_or(Fault::Malformed("extensions"))? {
        Some(content) => extensions::read(Reader(content).nested(SEQUENCE).ok_or(Fault::Malformed("extensions"))?),
        None => Ok(Extensions::default()),
    }
}

/// RFC 5280 4.1.2.5: UTCTime up to 2049, GeneralizedTime; both to the second, in UTC. Go takes minutes and offsets, too.
fn time(from: &mut Reader<'_>) -> Option<Timestamp> {
    let (tag, content) = from.any()?;
    let digits = content.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| std::str::from_utf8(digits.get(from..to)?).ok()?.parse::<i16>().ok();
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => (number(0, 2).map(|year| if year >= 50 { 1900 + year } else { 2000 + year })?, 2),
        (GENERALIZED_TIME, 14) => (number(0, 4)?, 4),
        _ => return None,
    };
    let part = |index: usize| number(rest + 2 * index, rest + 2 * index + 2).and_then(|part| i8::try_from(part).ok());
    let second = part(4).filter(|second| *second < 60)?;
    let civil = civil::DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, second, 0).ok()?;
    // 99991231235959Z, which stands for "no end", is a day more than a `Timestamp` holds
    Some(Offset::UTC.to_timestamp(civil).unwrap_or(Timestamp::MAX))
}

/// Go: parseName and parseASN1String.
fn name(field: &'static str, der: &[u8]) -> Result<(), Fault> {
    let bad = || Fault::Malformed(field);
    let mut sets = Reader(der).nested(SEQUENCE).ok_or_else(bad)?;
    while !sets.is_empty() {
        let mut set = sets.nested(SET).ok_or_else(bad)?;
        while !set.is_empty() {
            let mut attribute = set.nested(SEQUENCE).ok_or_else(bad)?;
            attribute.object_identifier().ok_or_else(bad)?;
            let (tag, text) = attribute.any().ok_or_else(bad)?;
            check_text(field, tag, text)?;
        }
    }
    Ok(())
}

fn check_text(field: &'static str, tag: u8, text: &[u8]) -> Result<(), Fault> {
    let good = match tag {
        // TeletexString, which Go takes for Latin-1
        0x14 => true,
        0x13 => text.iter().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(byte)),
        0x0c => std::str::from_utf8(text).is_ok(),
        0x1e => is_bmp(text),
        0x16 => text.is_ascii(),
        0x12 => text.iter().all(|byte| byte.is_ascii_digit() || *byte == b' '),
        0x1c => return Err(Fault::Text(field, "UniversalString")),
        0x1a => return Err(Fault::Text(field, "VisibleString")),
        INTEGER | BIT_STRING | OBJECT_IDENTIFIER | SEQUENCE | SET => {
            return Err(Fault::Text(field, "value that is no text"));
        }
        _ => return Err(Fault::Text(field, "text of an unusual type")),
    };
    if good { Ok(()) } else { Err(Fault::Characters(field)) }
}

/// Two bytes a character, none of them reserved.
fn is_bmp(text: &[u8]) -> bool {
    let text = text.strip_suffix(&[0, 0]).unwrap_or(text);
    let (pairs, rest) = text.as_chunks::<2>();
    let reserved = |point: u16| matches!(point, 0xfffe | 0xffff | 0xfdd0..=0xfdef | 0xd800..=0xdfff);
    rest.is_empty() && !pairs.iter().any(|pair| reserved(u16::from_be_bytes(*pair)))
}
