//! What names a CA may sign for (RFC 5280 4.2.1.10), as Go reads and applies it (crypto/x509: constraints.go).

use std::net::IpAddr;

use super::super::certificate::shown;
use super::super::der::{Reader, SEQUENCE};
use super::fault::Fault;
use super::names::{Names, Uri, ascii, is_domain};

/// Permitted and excluded names, each by its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Constraints {
    pub permitted: Subtrees,
    pub excluded: Subtrees,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subtrees {
    pub dns: Vec<String>,
    pub addresses: Vec<Range>,
    pub emails: Vec<String>,
    pub uris: Vec<String>,
}

/// Addresses by their first bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    base: Vec<u8>,
    mask: Vec<u8>,
}

const FIELD: &str = "name constraints";

impl Constraints {
    /// And whether Go knows every kind of name in it.
    pub(super) fn read(value: &[u8]) -> Result<(Constraints, bool), Fault> {
        let bad = || Fault::Malformed(FIELD);
        let mut outer = Reader(value);
        let mut fields = outer.nested(SEQUENCE).filter(|_| outer.is_empty()).ok_or_else(bad)?;
        let permitted = fields.optional(0xa0).ok_or_else(bad)?;
        let excluded = fields.optional(0xa1).ok_or_else(bad)?;
        if !fields.is_empty() {
            return Err(bad());
        }
        if permitted.is_none_or(<[u8]>::is_empty) && excluded.is_none_or(<[u8]>::is_empty) {
            return Err(Fault::Content(FIELD, "are empty"));
        }
        let (permitted, all) = subtrees(permitted.unwrap_or_default())?;
        let (excluded, also_all) = subtrees(excluded.unwrap_or_default())?;
        Ok((Constraints { permitted, excluded }, all && also_all))
    }

    /// Why a certificate with these names may not come from this CA.
    pub fn against(&self, names: &Names) -> Option<String> {
        let Constraints { permitted, excluded } = self;
        let only = permitted.all();
        let not = |name: &str| {
            let said =
                if only.is_empty() { "it must not sign".into() } else { format!("it may sign for {only} only, not") };
            Some(format!("{} for {}", shown(&said), shown(name)))
        };
        for address in &names.addresses {
            let mapped = matches!(address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some());
            let within = |range: &Range| range.holds(address);
            let allowed = permitted.addresses.is_empty() || (!mapped && permitted.addresses.iter().any(within));
            if !allowed || excluded.addresses.iter().any(|range| mapped || within(range)) {
                return not(&address.to_string());
            }
        }
        for name in &names.dns {
            let below = |tree: &String| is_below(tree, name);
            let allowed = permitted.dns.is_empty() || permitted.dns.iter().any(below);
            if !is_domain(name) || !allowed || excluded.dns.iter().any(|tree| below(tree) || expands_into(name, tree)) {
                return not(name);
            }
        }
        for Uri { text, host } in &names.uris {
            let below = |tree: &String| is_below(tree, host);
            let allowed = permitted.uris.is_empty() || permitted.uris.iter().any(below);
            if host.is_empty() || host.parse::<IpAddr>().is_ok() || !allowed || excluded.uris.iter().any(below) {
                return not(text);
            }
        }
        for email in &names.emails {
            let Some(mailbox) = Mailbox::read(email) else { return not(email) };
            let allowed = permitted.emails.is_empty() || permitted.emails.iter().any(|tree| mailbox.is_in(tree));
            if !allowed || excluded.emails.iter().any(|tree| mailbox.is_in(tree)) {
                return not(email);
            }
        }
        None
    }
}

impl Subtrees {
    /// All of them, for people.
    fn all(&self) -> String {
        let Subtrees { dns, addresses, emails, uris } = self;
        let named =
            [dns, emails, uris].into_iter().flatten().map(|name| if name.is_empty() { "any name" } else { name });
        named.chain(addresses.iter().map(|_| "some addresses")).collect::<Vec<_>>().join(", ")
    }
}

impl Range {
    fn read(bytes: &[u8]) -> Result<Range, Fault> {
        if ![8, 32].contains(&bytes.len()) {
            return Err(Fault::Content(FIELD, "hold an address of odd length"));
        }
        let (base, mask) = bytes.split_at(bytes.len() / 2);
        let ones = mask.iter().map(|byte| byte.leading_ones()).sum::<u32>();
        let zeros = mask.iter().map(|byte| byte.trailing_zeros()).sum::<u32>();
        let in_one_run = mask.iter().is_sorted_by(|one, next| **one == 0xff || **next == 0);
        if !in_one_run || (ones + zeros) as usize != 8 * mask.len() {
            return Err(Fault::Content(FIELD, "hold an address whose mask is none"));
        }
        // Go compares the base as it stands, and so may miss a range that starts in its middle
        if base.iter().zip(mask).any(|(base, mask)| base & !mask != 0) {
            return Err(Fault::Content(FIELD, "hold a range of addresses that does not start at its first"));
        }
        if base.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
            return Err(Fault::Content(FIELD, "hold an IPv4 address that is written as IPv6"));
        }
        Ok(Range { base: base.to_vec(), mask: mask.to_vec() })
    }

    fn holds(&self, address: &IpAddr) -> bool {
        let bytes = match address {
            IpAddr::V4(four) => four.octets().to_vec(),
            IpAddr::V6(six) => six.octets().to_vec(),
        };
        let mut bits = self.base.iter().zip(&self.mask).zip(&bytes);
        bytes.len() == self.base.len() && bits.all(|((base, mask), byte)| base & mask == byte & mask)
    }
}

/// Local part and domain, of the plain form; Go reads quoted ones, too.
struct Mailbox<'a> {
    local: &'a str,
    domain: &'a str,
}

impl<'a> Mailbox<'a> {
    fn read(email: &'a str) -> Option<Mailbox<'a>> {
        let (local, domain) = email.split_once('@')?;
        let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let good = local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom));
        (good && !domain.is_empty() && is_domain(domain)).then_some(Mailbox { local, domain })
    }

    /// A constraint is a whole mailbox, or a domain.
    fn is_in(&self, tree: &str) -> bool {
        match tree.split_once('@') {
            Some((local, domain)) => local == self.local && domain.eq_ignore_ascii_case(self.domain),
            None => is_below(tree, self.domain),
        }
    }
}

/// Whether the name is in this tree: itself and all below, with a leading dot only what is below. Go: dnsHasSuffix.
fn is_below(tree: &str, name: &str) -> bool {
    let (tree, name) = (tree.to_ascii_lowercase(), name.to_ascii_lowercase());
    match name.strip_suffix(&tree) {
        Some(rest) => tree.is_empty() || tree.starts_with('.') || rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

/// Whether a wildcard would cover a name that is excluded.
fn expands_into(name: &str, tree: &str) -> bool {
    let parent = |name: &str| name.find('.').map(|dot| name[dot..].to_ascii_lowercase());
    name.starts_with('*') && parent(name).is_some_and(|above| parent(tree) == Some(above))
}

fn subtrees(list: &[u8]) -> Result<(Subtrees, bool), Fault> {
    let mut list = Reader(list);
    let mut trees = Subtrees::default();
    let mut all = true;
    while !list.is_empty() {
        let mut tree = list.nested(SEQUENCE).ok_or(Fault::Malformed(FIELD))?;
        let (tag, base) = tree.any().ok_or(Fault::Malformed(FIELD))?;
        match tag {
            0x81 => {
                let email = ascii(base)?;
                let good = if email.contains('@') { Mailbox::read(&email).is_some() } else { is_tree(&email) };
                trees.emails.push(Some(email).filter(|_| good).ok_or(Fault::Content(FIELD, "hold no e-mail address"))?);
            }
            0x82 => trees.dns.push(domain(base)?),
            0x86 => {
                let host = domain(base)?;
                if host.parse::<IpAddr>().is_ok() {
                    return Err(Fault::Content(FIELD, "hold an address where a URI's host is wanted"));
                }
                trees.uris.push(host);
            }
            0x87 => trees.addresses.push(Range::read(base)?),
            _ => all = false,
        }
    }
    Ok((trees, all))
}

fn domain(base: &[u8]) -> Result<String, Fault> {
    let domain = ascii(base)?;
    if is_tree(&domain) { Ok(domain) } else { Err(Fault::Content(FIELD, "hold a name that is none")) }
}

fn is_tree(domain: &str) -> bool {
    domain != "." && is_domain(domain.strip_prefix('.').unwrap_or(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_its_own_name_and_all_below_and_with_a_leading_dot_only_those() {
        for (tree, name, wanted) in [
            ("example.com", "rancher.example.com", true),
            ("Example.com", "example.COM", true),
            ("", "example.com", true),
            (".example.com", "rancher.example.com", true),
            (".rancher.example.com", "rancher.example.com", false),
            ("example.com", "badexample.com", false),
            ("rancher.example.com", "example.com", false),
        ] {
            assert_eq!(is_below(tree, name), wanted, "{tree} {name}");
        }
    }

    #[test]
    fn ranges_are_bits_in_one_run() {
        let range = |bytes: &[u8]| Range::read(bytes).ok();
        let ten = range(&[10, 0, 0, 0, 255, 0, 0, 0]).unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(ten.holds(&address("10.1.2.3")) && !ten.holds(&address("11.1.2.3")) && !ten.holds(&address("fd00::1")));
        assert!(
            range(&[10, 0, 0, 0, 255, 192, 0, 0]).is_some() && range(&[0; 8]).is_some() && range(&[0; 32]).is_some()
        );
        for bad in [&[10, 0, 0, 0, 255, 0, 255, 0][..], &[10, 0, 0, 0, 0, 255, 0, 0], &[10, 0, 0, 0, 160, 0, 0, 0]] {
            assert_eq!(range(bad), None, "{bad:?}");
        }
        assert_eq!(range(&[10, 1, 0, 0, 255, 0, 0, 0]), None);
        assert_eq!(range(&[10, 0, 0, 0, 255]), None);
    }

    #[test]
    fn a_wildcard_is_excluded_with_what_it_covers() {
        let against = |permitted: &[&str], excluded: &[&str], name: &str| {
            let trees =
                |dns: &[&str]| Subtrees { dns: dns.iter().map(ToString::to_string).collect(), ..Subtrees::default() };
            Constraints { permitted: trees(permitted), excluded: trees(excluded) }.against(&Names::only(name)).is_some()
        };
        assert!(against(&[], &["secret.example.com"], "*.example.com"));
        assert!(!against(&[], &["secret.example.com"], "rancher.example.com"));
        assert!(against(&[], &[".example.com"], "*.example.com") && !against(&["example.com"], &[], "*.example.com"));
        assert!(against(&["example.com"], &[], "rancher.example.org"));
        assert!(against(&["example.com"], &["rancher.example.com"], "rancher.example.com"));
        assert!(!against(&["example.com"], &[], "10.0.0.1"));
    }
}
