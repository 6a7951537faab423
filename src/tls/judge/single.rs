//! What can be said of one certificate by itself.

use jiff::Timestamp;

use super::super::agent::covers;
use super::super::certificate::{alternative_names, days_between, shown, validity};
use super::super::key::{KeyKind, certificate_key_kind};
use super::rules::{
    CRITICAL, ENDS_SOON, EXPIRED, KEY_KIND, NAME, NODE_CLOCK, NOT_YET_VALID, SERVER_AUTH, TOO_LONG, WEAK_KEY,
    WEAK_SIGNATURE,
};
use super::signature::{is_self_signed, weak_digest};
use super::{Bench, NodeClock, Seen};

/// The name that users and agents call must be among the subject alternative names.
pub(super) fn name(bench: &mut Bench, leaf: &Seen<'_>, hostname: &str) {
    let names = alternative_names(&leaf.certificate);
    let host = hostname.trim_end_matches('.').to_ascii_lowercase();
    let hit = match &leaf.agent {
        Ok(read) => read.extensions.names.as_ref().and_then(|names| names.covering(hostname)),
        // why agents cannot read it is said elsewhere
        Err(_) => names.iter().find(|name| covers(name, hostname)).cloned(),
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

fn reaches_too_deep(name: &str, host: &str) -> bool {
    name.strip_prefix('*').is_some_and(|parent| parent.len() > 1 && host.ends_with(parent))
}

/// Start and end, against the clock that was given. A CA that the certificate does not lead to (`needed` is false) may have ended.
pub(super) fn times(bench: &mut Bench, seen: &Seen<'_>, now: Timestamp, needed: bool) {
    let (from, to) = validity(&seen.certificate);
    if now < from {
        bench.fail(&NOT_YET_VALID, &seen.subject, format!("it begins on {}", day(from)), String::new());
    } else {
        bench.pass(&NOT_YET_VALID, &seen.subject, format!("it began on {}", day(from)));
    }
    let left = days_between(now, to);
    if now > to {
        let ended = format!("it ended on {}, {} days ago", day(to), -left);
        return if needed {
            bench.fail(&EXPIRED, &seen.subject, ended, String::new());
        } else {
            let fix = "the certificate does not need it: take it out of the file";
            bench.warn(&EXPIRED, &seen.subject, ended, fix.into());
        };
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

/// What Go must know and does not. A CA that the certificate does not lead to (`needed` is false) is passed over.
pub(super) fn critical(bench: &mut Bench, seen: &Seen<'_>, needed: bool) {
    let Ok(read) = &seen.agent else { return };
    let Some(id) = read.extensions.unhandled.first() else {
        return bench.pass(&CRITICAL, &seen.subject, "agents know all that is critical in it".into());
    };
    let said = match id.as_str() {
        "2.5.29.30" => "its name constraints are critical and of a kind that agents do not know".to_owned(),
        "2.5.29.17" => "its alternative names are critical, and agents know none of them".to_owned(),
        id => format!("its extension {id} is critical, and agents do not know it"),
    };
    if needed {
        bench.fail(&CRITICAL, &seen.subject, said, String::new());
    } else {
        let fix = "agents pass over it, and the certificate does not need it: take it out of the file";
        bench.warn(&CRITICAL, &seen.subject, said, fix.into());
    }
}

/// Kind and size of the key, and the digest of the signature. A root's own signature convinces nobody, so its digest does not matter.
pub(super) fn algorithms(bench: &mut Bench, seen: &Seen<'_>, sent: bool) {
    let kind = certificate_key_kind(&seen.certificate);
    let subject = &seen.subject;
    match &kind {
        KeyKind::Rsa { bits } if *bits < 2048 => {
            bench.fail(&WEAK_KEY, subject, format!("an RSA key of {bits} bits"), String::new());
        }
        // crypto/tls, handshake_client.go: what the server sends is asked, a root is not
        KeyKind::Rsa { bits } if *bits > 8192 && sent => {
            let said = format!("an RSA key of {bits} bits: agents refuse more than 8192");
            bench.fail(&KEY_KIND, subject, said, String::new());
        }
        KeyKind::Rsa { bits } if *bits > 8192 => {
            let said = format!("an RSA key of {bits} bits, more than many clients compute with");
            bench.warn(&KEY_KIND, subject, said, String::new());
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
        Some(usage) if !usage.server_auth && !usage.any && is_leaf => {
            let said = "its extended key usage does not name serverAuth";
            return bench.fail(&SERVER_AUTH, subject, said.into(), String::new());
        }
        Some(usage) if !usage.server_auth && !usage.any => {
            let said =
                "its extended key usage does not name serverAuth, and agents ask each CA on the way, the root too";
            let fix = "take a CA without extended key usage, or have this one made anew without it";
            return bench.fail(&SERVER_AUTH, subject, said.into(), fix.into());
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
