//! What names a CA may sign for (RFC 5280 4.2.1.10), asked before it has signed anything.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, GeneralSubtree};

use super::super::certificate::shown;
use super::rules::NAME;
use super::{Bench, Seen};

/// A CA that will issue the certificate has to be allowed to do so for this name. A certificate that is there already
/// is judged by a real verifier instead.
pub(super) fn may_name(bench: &mut Bench, seen: &Seen<'_>, hostname: &str) {
    let Ok(Some(extension)) = seen.certificate.name_constraints() else { return };
    let constraints = extension.value;
    let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
    let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
    let covers: Vec<bool> = permitted.iter().filter_map(|tree| covers(tree, hostname)).collect();
    let allowed = covers.is_empty() || covers.contains(&true);
    let fix = "take a CA that may sign for this name, or a name that it may sign for";
    if !allowed {
        let names: Vec<String> = permitted.iter().filter_map(text).collect();
        let said = format!("it may sign for {} only, not for {hostname}", names.join(", "));
        return bench.fail(&NAME, &seen.subject, said, fix.into());
    }
    if excluded.iter().any(|tree| self::covers(tree, hostname) == Some(true)) {
        return bench.fail(&NAME, &seen.subject, format!("it must not sign for {hostname}"), fix.into());
    }
    bench.pass(&NAME, &seen.subject, format!("it may sign for {hostname}"));
}

/// Whether the name is in this tree; `None` for a tree of another kind of names.
fn covers(tree: &GeneralSubtree<'_>, hostname: &str) -> Option<bool> {
    let host = hostname.trim_end_matches('.').to_ascii_lowercase();
    match (&tree.base, host.parse::<IpAddr>()) {
        (GeneralName::DNSName(base), Err(_)) => {
            let base = base.trim_start_matches('.').to_ascii_lowercase();
            Some(base.is_empty() || host == base || host.ends_with(&format!(".{base}")))
        }
        (GeneralName::IPAddress(range), Ok(IpAddr::V4(address))) => Some(within(range, &address.octets())),
        (GeneralName::IPAddress(range), Ok(IpAddr::V6(address))) => Some(within(range, &address.octets())),
        _ => None,
    }
}

/// Address, then mask.
fn within(range: &[u8], address: &[u8]) -> bool {
    let (base, mask) = range.split_at(range.len() / 2);
    base.len() == address.len()
        && base.iter().zip(mask).zip(address).all(|((base, mask), byte)| base & mask == byte & mask)
}

fn text(tree: &GeneralSubtree<'_>) -> Option<String> {
    match &tree.base {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(_) => Some("some addresses".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::data;
    use super::super::{Files, Grade, Request, judge};
    use super::*;

    #[test]
    fn a_ca_that_may_not_sign_for_the_name_is_refused_before_it_does() {
        let key = data("root.key");
        let said = |ca: &str, hostname: &str| -> Vec<(Grade, String)> {
            let ca = data(ca);
            let now = "2026-11-22T12:00:00Z".parse().unwrap();
            let files = Files { ca: Some(&ca), ca_key: Some(&key), ..Files::default() };
            let request = Request { hostname, files, now, ..Request::default() };
            let judged = judge(&request).into_iter().filter(|one| one.rule.id == "tls.name");
            judged.map(|one| (one.grade, one.seen)).collect()
        };
        let refused = "it may sign for internal.example.org only, not for rancher.example.com";
        assert_eq!(said("constrained.pem", "rancher.example.com"), [(Grade::Fail, refused.to_owned())]);
        let allowed = "it may sign for rancher.internal.example.org";
        assert_eq!(said("constrained.pem", "rancher.internal.example.org"), [(Grade::Pass, allowed.to_owned())]);
        let excluded = "it must not sign for rancher.example.com";
        assert_eq!(said("excluded.pem", "rancher.example.com"), [(Grade::Fail, excluded.to_owned())]);
        assert_eq!(said("excluded.pem", "rancher.example.net")[0].0, Grade::Pass);
    }

    #[test]
    fn a_tree_holds_its_own_name_and_all_below() {
        let tree = |base: &'static str| GeneralSubtree { base: GeneralName::DNSName(base) };
        let range = GeneralSubtree { base: GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0, 0]) };
        for (tree, host, wanted) in [
            (tree("example.com"), "rancher.example.com", Some(true)),
            (tree(".Example.com"), "rancher.example.com", Some(true)),
            (tree("example.com"), "badexample.com", Some(false)),
            (tree("rancher.example.com"), "example.com", Some(false)),
            (tree("example.com"), "10.0.0.1", None),
            (range.clone(), "10.1.2.3", Some(true)),
            (range.clone(), "11.1.2.3", Some(false)),
            (range.clone(), "fd00::1", Some(false)),
            (range, "rancher.example.com", None),
        ] {
            assert_eq!(covers(&tree, host), wanted, "{tree:?} {host}");
        }
    }
}
