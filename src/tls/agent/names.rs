//! Subject alternative names, and whether they cover the name that was called (crypto/x509: parseSANExtension, VerifyHostname).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::der::{Reader, SEQUENCE};
use super::fault::Fault;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub dns: Vec<String>,
    pub addresses: Vec<IpAddr>,
    pub emails: Vec<String>,
    pub uris: Vec<Uri>,
}

/// A URI among the names; only its host is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    pub text: String,
    /// Empty where it has none, e.g. `urn:uuid:…`.
    pub host: String,
}

const NAMES: &str = "list of subject alternative names";

impl Names {
    /// The one name that a certificate for this host would have.
    pub fn only(hostname: &str) -> Names {
        match hostname.parse() {
            Ok(address) => Names { addresses: vec![address], ..Names::default() },
            Err(_) => Names { dns: vec![hostname.trim_end_matches('.').to_owned()], ..Names::default() },
        }
    }

    pub(super) fn read(value: &[u8]) -> Result<Names, Fault> {
        let bad = Fault::Malformed(NAMES);
        let mut list = Reader(value).nested(SEQUENCE).ok_or(bad.clone())?;
        let mut names = Names::default();
        while !list.is_empty() {
            let (tag, name) = list.any().ok_or(bad.clone())?;
            match tag {
                0x81 => names.emails.push(ascii(name)?),
                0x82 => names.dns.push(ascii(name)?),
                0x86 => names.uris.push(uri(ascii(name)?)?),
                0x87 => {
                    names.addresses.push(address(name).ok_or(Fault::Content(NAMES, "holds an address of odd length"))?)
                }
                // directoryName and the like
                _ => {}
            }
        }
        Ok(names)
    }

    /// Whether there is none of a kind that Go knows.
    pub fn is_empty(&self) -> bool {
        let Names { dns, addresses, emails, uris } = self;
        dns.is_empty() && addresses.is_empty() && emails.is_empty() && uris.is_empty()
    }

    /// Whether one of them covers the name that was called; that one. Go: VerifyHostname.
    pub fn covering(&self, host: &str) -> Option<String> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse::<IpAddr>() {
            let same = |other: &&IpAddr| other.to_canonical() == address.to_canonical();
            return self.addresses.iter().find(same).map(IpAddr::to_string);
        }
        self.dns.iter().find(|name| covers(name, host)).cloned()
    }
}

/// RFC 9525: a wildcard stands for the whole leftmost label and for one label only. What is no host name has to be the same.
pub(crate) fn covers(name: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let plain = host.strip_suffix('.').unwrap_or(&host);
    if !is_host_name(plain, false) || !is_host_name(&name, true) {
        return !["", "."].contains(&name.as_str()) && name == host;
    }
    match name.strip_prefix("*.") {
        Some(parent) => plain.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => name == plain,
    }
}

/// Go: validHostname.
fn is_host_name(name: &str, pattern: bool) -> bool {
    let is_label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(good)
    };
    let rest = if pattern { name.strip_prefix("*.").unwrap_or(name) } else { name };
    rest.split('.').all(is_label)
}

/// Go: domainNameValid, for a name; a constraint may start with a dot.
pub(super) fn is_domain(name: &str) -> bool {
    let visible = |byte: u8| (33..=126).contains(&byte);
    name.is_empty() || name.split('.').all(|label| !label.is_empty() && label.bytes().all(visible))
}

pub(super) fn ascii(text: &[u8]) -> Result<String, Fault> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii());
    text.map(str::to_owned).ok_or(Fault::Characters(NAMES))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

/// The usual form only: a scheme, perhaps a host and a port, and then what needs no quoting. Go takes more.
fn uri(text: String) -> Result<Uri, Fault> {
    let odd = Fault::Content(NAMES, "holds a URI that cannot be read");
    let (scheme, rest) = text.split_once(':').ok_or(odd.clone())?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let in_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?#".contains(&byte);
    let good_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(in_scheme);
    if !good_scheme || !rest.bytes().all(in_rest) || rest.is_empty() {
        return Err(odd);
    }
    let Some(rest) = rest.strip_prefix("//") else { return Ok(Uri { text, host: String::new() }) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, port) = rest[..end].split_once(':').unwrap_or((&rest[..end], "0"));
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !host.bytes().all(in_host) || !is_domain(host) || port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(odd);
    }
    let host = host.to_ascii_lowercase();
    Ok(Uri { text, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's VerifyHostname says of each pair.
    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        for (name, host, wanted) in [
            ("rancher.example.com", "rancher.example.com", true),
            ("Rancher.Example.com", "RANCHER.example.COM", true),
            ("rancher.example.com", "rancher.example.com.", true),
            ("rancher.example.com.", "rancher.example.com", false),
            ("rancher.example.com.", "rancher.example.com.", true),
            ("*.example.com", "rancher.example.com", true),
            ("*.example.com", "rancher.example.com.", true),
            ("*.example.com", "a.rancher.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("r*.example.com", "rancher.example.com", false),
            ("rancher.*.com", "rancher.example.com", false),
            ("*", "rancher", false),
            ("", "", false),
            ("rancher_1.example.com", "rancher_1.example.com", true),
            ("bücher.example.com", "bücher.example.com", true),
            ("xn--bcher-kva.example.com", "bücher.example.com", false),
        ] {
            assert_eq!(covers(name, host), wanted, "{name} {host}");
        }
    }
}
