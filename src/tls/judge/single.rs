//! What can be said of one certificate by itself.

use std::net::IpAddr;

use jiff::Timestamp;

use super::super::certificate::{alternative_names, days_between, shown, validity};
use super::super::key::{KeyKind, certificate_key_kind};
use super::rules::{
    ENDS_SOON, EXPIRED, KEY_KIND, NAME, NODE_CLOCK, NOT_YET_VALID, SERVER_AUTH, TOO_LONG, WEAK_KEY, WEAK_SIGNATURE,
};
use super::signature::{is_self_signed, weak_digest};
use super::{Bench, NodeClock, Seen};

/// The name that users and agents call must be among the subject alternative names.
pub(super) fn name(bench: &mut Bench, leaf: &Seen<'_>, hostname: &str) {
    let names = alternative_names(&leaf.certificate);
    let host = hostname.trim_end_matches('.').to_ascii_lowercase();
    let hit = match host.parse::<IpAddr>() {
        Ok(address) => names.iter().find(|name| name.parse::<IpAddr>() == Ok(address)),
        Err(_) => names.iter().find(|name| covers(&name.to_ascii_lowercase(), &host)),
    };
    if let Some(name) = hit {
        return bench.pass(&NAME, &leaf.subject, format!("`{name}` covers {hostname}"));
    }
    let common = leaf.certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let only_common = common.into_iter().any(|name| covers(&name.to_ascii_lowercase(), &host));
    let listed = if names.is_empty() { "no names at all".into() } else { names.join(", ") };
    let seen = if only_common && names.is_empty() {
        format!(
            "{hostname} is only its common name, which no client looks at any more; it has no subject alternative name"
        )
    } else if names.iter().any(|name| reaches_too_deep(&name.to_ascii_lowercase(), &host)) {
        format!("a wildcard covers one label only, so {listed} does not cover {hostname}")
    } else {
        format!("made for {listed}; not for {hostname}")
    };
    bench.fail(&NAME, &leaf.subject, seen, format!("have it made anew with `{hostname}` as subject alternative name"));
}

/// RFC 9525: a wildcard stands for the whole leftmost label and for one label only.
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => name == host,
    }
}

fn reaches_too_deep(name: &str, host: &str) -> bool {
    name.strip_prefix('*').is_some_and(|parent| parent.len() > 1 && host.ends_with(parent))
}

/// Start and end, against the clock that was given.
pub(super) fn times(bench: &mut Bench, seen: &Seen<'_>, now: Timestamp) {
    let (from, to) = validity(&seen.certificate);
    if now < from {
        bench.fail(&NOT_YET_VALID, &seen.subject, format!("it begins on {}", day(from)), String::new());
    } else {
        bench.pass(&NOT_YET_VALID, &seen.subject, format!("it began on {}", day(from)));
    }
    let left = days_between(now, to);
    if now > to {
        return bench.fail(
            &EXPIRED,
            &seen.subject,
            format!("it ended on {}, {} days ago", day(to), -left),
            String::new(),
        );
    }
    bench.pass(&EXPIRED, &seen.subject, format!("it ends on {}", day(to)));
    if left < 30 {
        bench.warn(&ENDS_SOON, &seen.subject, format!("it ends on {}, in {left} days", day(to)), String::new());
    } else {
        bench.pass(&ENDS_SOON, &seen.subject, format!("{left} days left"));
    }
}

/// How long a server's certificate may live at all. RFC 5280 counts both ends, hence the one second more.
pub(super) fn life(bench: &mut Bench, leaf: &Seen<'_>, public: bool) {
    let (from, to) = validity(&leaf.certificate);
    let seconds = to.as_second().saturating_sub(from.as_second()).saturating_add(1);
    let days = seconds.div_euclid(86_400) + i64::from(seconds.rem_euclid(86_400) > 0);
    let limit = if public { 398 } else { 825 };
    if seconds > limit * 86_400 {
        let whose = if public { "browsers accept 398 of a public CA" } else { "Apple's systems accept 825" };
        bench.warn(&TOO_LONG, &leaf.subject, format!("made for {days} days; {whose}"), String::new());
    } else {
        bench.pass(&TOO_LONG, &leaf.subject, format!("made for {days} days, {limit} are accepted"));
    }
}

/// A node whose clock is behind sees a certificate that has not begun.
pub(super) fn node_clocks(bench: &mut Bench, all: &[&Seen<'_>], clocks: &[NodeClock]) {
    let Some((from, latest)) = all.iter().map(|seen| (validity(&seen.certificate).0, *seen)).max_by_key(|pair| pair.0)
    else {
        return;
    };
    for clock in clocks {
        let subject = format!("{} on {}", latest.subject, clock.node);
        if clock.at < from {
            let seen =
                format!("by its clock it is {}, and the certificate begins at {}", moment(clock.at), moment(from));
            bench.fail(&NODE_CLOCK, &subject, seen, format!("set the clock of {} right (NTP)", clock.node));
        } else {
            bench.pass(&NODE_CLOCK, &subject, format!("by its clock it is {}", moment(clock.at)));
        }
    }
}

/// Kind and size of the key, and the digest of the signature. A root's own signature convinces nobody, so its digest does not matter.
pub(super) fn algorithms(bench: &mut Bench, seen: &Seen<'_>) {
    let kind = certificate_key_kind(&seen.certificate);
    let subject = &seen.subject;
    match &kind {
        KeyKind::Rsa { bits } if *bits < 2048 => {
            bench.fail(&WEAK_KEY, subject, format!("an RSA key of {bits} bits"), String::new());
        }
        KeyKind::Rsa { bits } if *bits > 8192 => {
            bench.warn(
                &KEY_KIND,
                subject,
                format!("an RSA key of {bits} bits, more than many clients compute with"),
                String::new(),
            );
        }
        KeyKind::Rsa { .. } => {
            bench.pass(&WEAK_KEY, subject, kind.to_string());
            bench.pass(&KEY_KIND, subject, kind.to_string());
        }
        KeyKind::P256 | KeyKind::P384 => bench.pass(&KEY_KIND, subject, kind.to_string()),
        KeyKind::P521 | KeyKind::Ed25519 => {
            bench.warn(&KEY_KIND, subject, format!("{kind}, which agents take but not all browsers"), String::new());
        }
        KeyKind::Other(_) => {
            bench.fail(&KEY_KIND, subject, format!("{kind}, which Go and browsers refuse"), String::new())
        }
    }
    match weak_digest(&seen.certificate) {
        Some(digest) if !is_self_signed(&seen.certificate) => {
            bench.fail(&WEAK_SIGNATURE, subject, format!("signed with {digest}"), String::new());
        }
        _ => bench.pass(&WEAK_SIGNATURE, subject, "its signature is not of a weak kind".into()),
    }
}

/// What the certificate may be used for; CAs in the chain are asked too, as Go does.
pub(super) fn server_auth(bench: &mut Bench, seen: &Seen<'_>, is_leaf: bool) {
    let subject = &seen.subject;
    let extended = match seen.certificate.extended_key_usage() {
        Ok(extended) => extended.map(|extension| extension.value),
        Err(_) => {
            return bench.fail(
                &SERVER_AUTH,
                subject,
                "its extended key usage stands there twice".into(),
                String::new(),
            );
        }
    };
    match extended {
        Some(usage) if !usage.server_auth && !usage.any => {
            return bench.fail(
                &SERVER_AUTH,
                subject,
                "its extended key usage does not name serverAuth".into(),
                String::new(),
            );
        }
        None if is_leaf => {
            let seen = "it has no extended key usage: agents accept that, Apple's systems do not";
            return bench.warn(&SERVER_AUTH, subject, seen.into(), String::new());
        }
        Some(_) | None => {}
    }
    match seen.certificate.key_usage() {
        Ok(Some(usage)) if is_leaf && !usage.value.digital_signature() => {
            bench.warn(
                &SERVER_AUTH,
                subject,
                "its key usage lacks digitalSignature, which TLS 1.3 needs".into(),
                String::new(),
            );
        }
        _ => bench.pass(&SERVER_AUTH, subject, "a server may use it".into()),
    }
}

pub(super) fn day(at: Timestamp) -> String {
    shown(&at.strftime("%Y-%m-%d").to_string())
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        for (name, host, wanted) in [
            ("rancher.example.com", "rancher.example.com", true),
            ("*.example.com", "rancher.example.com", true),
            ("*.example.com", "a.rancher.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("r*.example.com", "rancher.example.com", false),
            ("*", "rancher", false),
            ("", "", true),
        ] {
            assert_eq!(covers(name, host), wanted, "{name} {host}");
        }
    }
}
