//! known_hosts, read and judged as OpenSSH does (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT; hostfile.c). Pure.
//!
//! russh has a reader of its own, which differs from OpenSSH in 8 of 13 tried cases (among them `@revoked`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// The lines of one file that could be read, in order.
#[derive(Debug, Default)]
pub(super) struct KnownFile {
    lines: Vec<Arc<Line>>,
    /// Lines by the names that stand in them as they are.
    named: HashMap<String, Vec<usize>>,
    /// Lines with patterns or hashes, which have to be tried.
    others: Vec<usize>,
}

/// What is known of one host: the lines that are about it.
#[derive(Debug, Clone)]
pub(super) struct KnownHosts {
    host: HostName,
    named: Vec<Arc<Line>>,
    /// About the host without its port.
    plain: Vec<Arc<Line>>,
}

#[derive(Debug)]
struct Line {
    entry: Entry,
    place: Place,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
}

/// A key that is known for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// E.g. `ssh-ed25519`.
    pub kind: String,
    /// `SHA256:…`
    pub fingerprint: String,
    pub place: Place,
}

/// Under which names a host's key is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostName {
    /// `host`, `[host]:port`, or the alias.
    pub name: String,
    /// The host without its port, if that is another name: a key known for it counts too, but its absence does not.
    plain: Option<String>,
    /// What a host certificate has to be made out to.
    pub principal: String,
}

impl HostName {
    pub fn new(host: &str, port: u16, alias: Option<&str>) -> Self {
        let host = host.to_ascii_lowercase();
        match alias {
            Some(alias) => {
                let alias = alias.to_ascii_lowercase();
                HostName { name: alias.clone(), plain: None, principal: alias }
            }
            None if port == 22 => HostName { name: host.clone(), plain: None, principal: host },
            None => HostName { name: format!("[{host}]:{port}"), plain: Some(host.clone()), principal: host },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    Unknown,
    /// Other keys are known for this host, of the same or of another type.
    Changed(Vec<KnownKey>),
    Revoked(Place),
    /// Nothing but a certificate authority is known for this host, and this is a bare key.
    AuthorityOnly(Place),
}

impl KnownFile {
    /// What cannot be read as a line is passed over, as OpenSSH does.
    pub fn parse(text: &str, file: &Path) -> Self {
        let mut known = KnownFile::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Ok(entry) = line.parse::<Entry>() else { continue };
            let at = known.lines.len();
            match exact_names(entry.host_patterns()) {
                Some(names) => names.into_iter().for_each(|name| known.named.entry(name).or_default().push(at)),
                None => known.others.push(at),
            }
            known.lines.push(Arc::new(Line { entry, place: Place { file: file.to_path_buf(), line: index + 1 } }));
        }
        known
    }

    /// The lines about a name, in order.
    fn about(&self, name: &str) -> Vec<Arc<Line>> {
        let others = self.others.iter().filter(|at| fits(self.lines[**at].entry.host_patterns(), name));
        let mut found: Vec<usize> = self.named.get(name).into_iter().flatten().chain(others).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| self.lines[at].clone()).collect()
    }
}

/// The names of a line without patterns, in small letters.
fn exact_names(patterns: &HostPatterns) -> Option<Vec<String>> {
    match patterns {
        HostPatterns::HashedName { .. } => None,
        HostPatterns::Patterns(patterns) => {
            let exact = !patterns.iter().any(|pattern| pattern.contains(['*', '?', '!']));
            exact.then(|| patterns.iter().map(|name| name.to_ascii_lowercase()).collect())
        }
    }
}

impl KnownHosts {
    pub fn of(host: HostName) -> Self {
        KnownHosts { host, named: Vec::new(), plain: Vec::new() }
    }

    /// Adds what a file says of this host.
    pub fn add(&mut self, file: &KnownFile) {
        self.named.extend(file.about(&self.host.name));
        if let Some(plain) = &self.host.plain {
            self.plain.extend(file.about(plain));
        }
    }

    pub fn host(&self) -> &HostName {
        &self.host
    }

    pub fn judge(&self, key: &PublicKey) -> Verdict {
        let verdict = judge(&self.named, key);
        if verdict == Verdict::Unknown {
            return match judge(&self.plain, key) {
                known @ (Verdict::Known | Verdict::Revoked(_)) => known,
                Verdict::Unknown | Verdict::Changed(_) | Verdict::AuthorityOnly(_) => Verdict::Unknown,
            };
        }
        verdict
    }

    /// Where this key is marked as revoked for this host, be it a host's or an authority's.
    pub fn revoked(&self, key: &KeyData) -> Option<&Place> {
        let revoked = |line: &&Arc<Line>| {
            line.entry.marker() == Some(&Marker::Revoked) && line.entry.public_key().key_data() == key
        };
        self.named.iter().find(revoked).map(|line| &line.place)
    }

    /// The kinds of keys known for a host, to be asked for first: otherwise a server with several keys would show
    /// one that nobody knows.
    pub fn kinds(&self) -> Vec<Algorithm> {
        let kinds = |lines: &[Arc<Line>]| {
            let lines = lines.iter().filter(|line| line.entry.marker().is_none());
            lines.map(|line| line.entry.public_key().algorithm()).collect::<Vec<_>>()
        };
        let named = kinds(&self.named);
        if named.is_empty() { kinds(&self.plain) } else { named }
    }

    /// Whether a certificate would be judged at all: an authority is trusted for this host, or revoked.
    pub fn speaks_of_authorities(&self) -> bool {
        self.named.iter().any(|line| line.entry.marker().is_some())
    }

    /// Certificate authorities trusted for a host, without the revoked ones.
    pub fn authorities(&self) -> Vec<&PublicKey> {
        let marked = self.named.iter().filter(|line| line.entry.marker() == Some(&Marker::CertAuthority));
        marked.map(|line| line.entry.public_key()).filter(|key| self.revoked(key.key_data()).is_none()).collect()
    }
}

fn judge(lines: &[Arc<Line>], key: &PublicKey) -> Verdict {
    let (mut known, mut others, mut authority) = (false, Vec::new(), None);
    for line in lines {
        let same = line.entry.public_key().key_data() == key.key_data();
        match line.entry.marker() {
            Some(Marker::Revoked) if same => return Verdict::Revoked(line.place.clone()),
            Some(Marker::Revoked) => {}
            Some(Marker::CertAuthority) => authority = authority.or(Some(line.place.clone())),
            None if same => known = true,
            None => others.push(KnownKey {
                kind: line.entry.public_key().algorithm().to_string(),
                fingerprint: fingerprint(line.entry.public_key()),
                place: line.place.clone(),
            }),
        }
    }
    match (known, others.is_empty(), authority) {
        (true, _, _) => Verdict::Known,
        (false, false, _) => Verdict::Changed(others),
        (false, true, Some(place)) => Verdict::AuthorityOnly(place),
        (false, true, None) => Verdict::Unknown,
    }
}

pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn fits(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => hashed(salt, name) == *hash,
        HostPatterns::Patterns(patterns) => {
            let mut hit = false;
            for pattern in patterns {
                let pattern = pattern.to_ascii_lowercase();
                match pattern.strip_prefix('!') {
                    Some(not) if glob(not, name) => return false,
                    Some(_) => {}
                    None => hit |= glob(&pattern, name),
                }
            }
            hit
        }
    }
}

/// HMAC-SHA1 with the salt as key: how HashKnownHosts hides a name.
fn hashed(salt: &[u8], name: &str) -> [u8; 20] {
    // HMAC takes a key of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<sha1::Sha1>::new_from_slice(salt) else { return [0; 20] };
    mac.update(name.as_bytes());
    mac.finalize().into_bytes().into()
}

/// For tests/fuzz: whether this text makes some key known for the host, and all that a refusal would say.
pub fn fuzzed(host: &str, port: u16, text: &str) -> (bool, String) {
    let file = KnownFile::parse(text, Path::new("known_hosts"));
    let mut known = KnownHosts::of(HostName::new(host, port, None));
    known.add(&file);
    let keys: Vec<PublicKey> = file.lines.iter().map(|line| line.entry.public_key().clone()).collect();
    let verdicts: Vec<Verdict> = keys.iter().map(|key| known.judge(key)).collect();
    keys.iter().for_each(|key| drop(known.revoked(key.key_data()).cloned()));
    let is_known = verdicts.contains(&Verdict::Known);
    (is_known, format!("{verdicts:?} {:?} {:?} {}", known.kinds(), known.authorities(), known.host().name))
}

/// A line to add for a host and its key, hashed if a salt is given.
pub(super) fn new_line(host: &HostName, key: &PublicKey, salt: Option<[u8; 20]>) -> String {
    let patterns = match salt {
        Some(salt) => HostPatterns::HashedName { hash: hashed(&salt, &host.name), salt: salt.to_vec() },
        None => HostPatterns::Patterns(vec![host.name.clone()]),
    };
    let bare = PublicKey::new(key.key_data().clone(), "");
    // Encoding a key that was just decoded cannot fail.
    format!("{} {}\n", patterns.to_string(), bare.to_openssh().unwrap_or_default().trim())
}

/// `*` and `?` as in ssh_config(5); linear in time for any pattern.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

    fn judge(text: &str, host: &str, port: u16) -> Verdict {
        known(text, HostName::new(host, port, None)).judge(&K.parse().unwrap())
    }

    fn known(text: &str, host: HostName) -> KnownHosts {
        let mut known = KnownHosts::of(host);
        known.add(&KnownFile::parse(text, Path::new("known")));
        known
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Known => "known",
            Verdict::Unknown => "unknown",
            Verdict::Changed(_) => "changed",
            Verdict::Revoked(_) => "revoked",
            Verdict::AuthorityOnly(_) => "authority",
        }
    }

    #[test]
    fn every_case_as_ssh_judges_it() {
        let cases = [
            ("", 22, "unknown"),
            (&*format!("h1 {K}"), 22, "known"),
            (&format!("h1 {K} a comment"), 22, "known"),
            (&format!("h1 {OTHER}"), 22, "changed"),
            (&format!("h1 {ECDSA}"), 22, "changed"),
            (&format!("h1 {OTHER}\nh1 {K}"), 22, "known"),
            (&format!("@revoked h1 {K}\nh1 {K}"), 22, "revoked"),
            (&format!("h1 {K}\n@revoked h1 {K}"), 22, "revoked"),
            (&format!("@revoked h1 {OTHER}\nh1 {K}"), 22, "known"),
            (&format!("@revoked * {K}\n[h1]:2222 {OTHER}"), 2222, "revoked"),
            (&format!("@cert-authority * {OTHER}"), 22, "authority"),
            (&format!("* {K}"), 22, "known"),
            (&format!("h? {K}"), 22, "known"),
            (&format!("*,!h1 {K}"), 22, "unknown"),
            (&format!("!h1,* {K}"), 22, "unknown"),
            (&format!("H1\t{}", K.replace(' ', "\t")), 22, "known"),
            (&format!("h1 ssh-ed25519 rubbish\nh1 {K}"), 22, "known"),
            ("h1 ssh-ed25519 rubbish", 22, "unknown"),
            (&format!("# h1 {OTHER}\n\n  h1 {K}"), 22, "known"),
            (&format!("[h1]:2222 {K}"), 2222, "known"),
            (&format!("[h1]:2222 {K}"), 22, "unknown"),
            (&format!("h1 {K}"), 2222, "known"),
            (&format!("h1 {OTHER}"), 2222, "unknown"),
            (&format!("h1 {K}\n[h1]:2222 {OTHER}"), 2222, "changed"),
            (&format!("h2,h1,10.0.0.1 {K}"), 22, "known"),
            (&format!("h11 {K}"), 22, "unknown"),
        ];
        for (text, port, expected) in cases {
            assert_eq!(word(&judge(text, "h1", port)), expected, "port {port}:\n{text}");
        }
    }

    #[test]
    fn a_changed_key_is_named_with_its_place() {
        let Verdict::Changed(known) = judge(&format!("# c\n\nh1 {OTHER}\n"), "h1", 22) else { panic!() };
        assert_eq!(known[0].place, Place { file: "known".into(), line: 3 });
        assert!(known[0].fingerprint.starts_with("SHA256:"));
    }

    #[test]
    fn hashed_lines_are_found_and_written() {
        let key: PublicKey = format!("{K} comment").parse().unwrap();
        for (port, salt) in [(22, Some([7; 20])), (2222, Some([9; 20])), (2222, None)] {
            let host = HostName::new("H1", port, None);
            let line = new_line(&host, &key, salt);
            assert_eq!(salt.is_some(), !line.contains("h1"), "{line}");
            assert!(line.ends_with(&format!(" {K}\n")), "{line}");
            assert_eq!(word(&judge(&line, "h1", port)), "known");
            assert_eq!(word(&judge(&line, "h2", port)), "unknown");
        }
    }

    #[test]
    fn an_alias_stands_for_host_and_port() {
        let judge = |alias| {
            known(&format!("cluster-n1 {K}"), HostName::new("10.0.0.1", 2222, alias)).judge(&K.parse().unwrap())
        };
        assert_eq!(judge(Some("Cluster-n1")), Verdict::Known);
        assert_eq!(judge(None), Verdict::Unknown);
    }

    #[test]
    fn known_kinds_come_first() {
        let kinds = |host, port| known(&format!("h1 {ECDSA}\nh2 {K}"), HostName::new(host, port, None)).kinds();
        assert_eq!(kinds("h1", 2222)[0].as_str(), "ecdsa-sha2-nistp256");
        assert!(kinds("h3", 22).is_empty());
    }

    #[test]
    fn globs_match_and_come_back() {
        assert!(glob("*.example.com", "a.example.com") && !glob("*.example.com", "example.com"));
        assert!(glob("10.0.*.?", "10.0.1.2") && glob("", "") && glob("**", "x") && !glob("", "x") && !glob("?", ""));
        // A matcher that tries every split would never come back from this one.
        assert!(!glob(&format!("{}b", "*a".repeat(200)), &"a".repeat(2_000)));
    }
}
