//! The extensions of a certificate, read as Go reads them (crypto/x509: parser.go, processExtensions).

use std::collections::BTreeSet;

use super::super::der::{INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};
use super::constraints::Constraints;
use super::fault::Fault;
use super::names::Names;

#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions<'a> {
    /// The bits of keyUsage; 0 where there is none.
    pub key_usage: u16,
    pub basic: Option<Basic>,
    /// Subject alternative names; `None` without that extension.
    pub names: Option<Names>,
    /// Their value as it stands.
    pub raw_names: Option<&'a [u8]>,
    pub constraints: Option<Constraints>,
    pub usages: Usages,
    pub subject_key: &'a [u8],
    pub authority_key: &'a [u8],
    /// Content of each policy's identifier.
    pub policies: Vec<&'a [u8]>,
    pub maps_policies: bool,
    pub requires_policy: bool,
    /// Critical ones that Go does not know, by their numbers.
    pub unhandled: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basic {
    pub ca: bool,
    pub path_length: Option<u64>,
}

/// Extended key usages, as far as a server's certificate is concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usages {
    pub any: bool,
    pub server: bool,
    pub other: bool,
}

impl Usages {
    /// An empty list stands for no list at all.
    pub fn let_a_server_be(self) -> bool {
        self.any || self.server || !self.other
    }
}

pub(super) fn read<'a>(mut list: Reader<'a>) -> Result<Extensions<'a>, Fault> {
    let mut all = Extensions::default();
    let mut ids = BTreeSet::new();
    while !list.is_empty() {
        let mut fields = list.nested(SEQUENCE).ok_or(Fault::Malformed("list of extensions"))?;
        let id = fields.object_identifier().ok_or(Fault::Malformed("list of extensions"))?;
        let critical = match fields.next_is(super::super::der::BOOLEAN) {
            true => fields.boolean().ok_or(Fault::Malformed("list of extensions"))?,
            false => false,
        };
        let value = fields.value(OCTET_STRING).ok_or(Fault::Malformed("list of extensions"))?;
        if !ids.insert(id) {
            return Err(Fault::Twice(dotted(id)));
        }
        let known = one(&mut all, id, value, critical)?;
        if critical && !known {
            all.unhandled.push(dotted(id));
        }
    }
    Ok(all)
}

/// Takes one extension in; whether Go knows all of what it says.
fn one<'a>(all: &mut Extensions<'a>, id: &[u8], value: &'a [u8], critical: bool) -> Result<bool, Fault> {
    let bad = Fault::Malformed;
    let only = |field: &'static str| if critical { Err(Fault::MarkedCritical(field)) } else { Ok(()) };
    let number = match id {
        [0x55, 0x1d, number] => *number,
        // authorityInfoAccess
        [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01] => {
            only("authorityInfoAccess")?;
            return information(value).map(|()| true).ok_or(bad("authorityInfoAccess"));
        }
        _ => return Ok(false),
    };
    match number {
        14 => {
            only("subject key identifier")?;
            all.subject_key = Reader(value).value(OCTET_STRING).ok_or(bad("subject key identifier"))?;
        }
        15 => all.key_usage = key_usage(value).ok_or(bad("key usage"))?,
        17 => {
            let names = Names::read(value)?;
            let known = !names.is_empty();
            all.names = Some(names);
            all.raw_names = Some(value);
            return Ok(known);
        }
        19 => all.basic = Some(basic(value).ok_or(bad("basic constraints"))?),
        30 => {
            let (constraints, known) = Constraints::read(value)?;
            all.constraints = Some(constraints);
            return Ok(known);
        }
        31 => distribution_points(value).ok_or(bad("list of CRL distribution points"))?,
        32 => all.policies = policies(value).ok_or(bad("list of certificate policies"))?,
        33 => {
            mappings(value).ok_or(bad("list of policy mappings"))?;
            all.maps_policies = true;
        }
        35 => {
            only("authority key identifier")?;
            all.authority_key = authority_key(value).ok_or(bad("authority key identifier"))?;
        }
        36 => all.requires_policy = requires_policy(value).ok_or(bad("policy constraints"))?,
        37 => all.usages = usages(value).ok_or(bad("extended key usage"))?,
        54 => {
            Reader(value).small_integer(INTEGER).ok_or(bad("inhibitAnyPolicy"))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn key_usage(value: &[u8]) -> Option<u16> {
    let (bits, _) = Reader(value).bit_string()?;
    let bit = |index: usize| bits.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
    Some((0..9).filter(|index| bit(*index)).fold(0, |sum, index| sum | 1 << index))
}

fn basic(value: &[u8]) -> Option<Basic> {
    let mut fields = Reader(value).nested(SEQUENCE)?;
    let ca = if fields.next_is(super::super::der::BOOLEAN) { fields.boolean()? } else { false };
    let path_length = match fields.next_is(INTEGER) {
        true => Some(u64::try_from(fields.small_integer(INTEGER)?).ok()?),
        false => None,
    };
    Some(Basic { ca, path_length })
}

fn usages(value: &[u8]) -> Option<Usages> {
    let mut list = Reader(value).nested(SEQUENCE)?;
    let mut usages = Usages::default();
    while !list.is_empty() {
        match list.object_identifier()? {
            [0x55, 0x1d, 0x25, 0x00] => usages.any = true,
            [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01] => usages.server = true,
            _ => usages.other = true,
        }
    }
    Some(usages)
}

fn information(value: &[u8]) -> Option<()> {
    let mut list = Reader(value).nested(SEQUENCE)?;
    while !list.is_empty() {
        let mut access = list.nested(SEQUENCE)?;
        access.object_identifier()?;
        access.optional(0x86)?;
    }
    Some(())
}

fn distribution_points(value: &[u8]) -> Option<()> {
    let mut list = Reader(value).nested(SEQUENCE)?;
    while !list.is_empty() {
        let mut point = list.nested(SEQUENCE)?;
        let Some(name) = point.optional(0xa0)? else { continue };
        let mut full = Reader(name).nested(0xa0)?;
        while full.next_is(0x86) {
            full.any()?;
        }
    }
    Some(())
}

fn policies(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut list = Reader(value).nested(SEQUENCE)?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let policy = list.nested(SEQUENCE)?.object_identifier()?;
        if found.contains(&policy) {
            return None;
        }
        found.push(policy);
    }
    Some(found)
}

fn mappings(value: &[u8]) -> Option<()> {
    let mut list = Reader(value).nested(SEQUENCE)?;
    while !list.is_empty() {
        let mut mapping = list.nested(SEQUENCE)?;
        mapping.value(OBJECT_IDENTIFIER)?;
        mapping.value(OBJECT_IDENTIFIER)?;
    }
    Some(())
}

/// Whether requireExplicitPolicy is given, with whatever number.
fn requires_policy(value: &[u8]) -> Option<bool> {
    let mut fields = Reader(value).nested(SEQUENCE)?;
    let requires = fields.next_is(0x80);
    for tag in [0x80, 0x81] {
        if fields.next_is(tag) {
            fields.small_integer(tag)?;
        }
    }
    Some(requires)
}

fn authority_key(value: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader(value).nested(SEQUENCE)?;
    fields.optional(0x80).map(Option::unwrap_or_default)
}

fn dotted(id: &[u8]) -> String {
    x509_parser::der_parser::oid::Oid::new(id.into()).to_id_string()
}
