//! Redirects: once from plain http to https, never in a circle, and by the forwarded header where TLS ends before the nodes.

use super::{Expected, Said, Verdict, unexpected};
use crate::facts::outside::{Answer, Hop, Plain};

/// How a walk along redirects ended.
enum End<'a> {
    At(&'a Answer),
    /// The last page could not be had.
    Broken(&'a str),
    Loop,
    /// To another name, another port, or where the walk was not to go.
    Elsewhere(&'a str),
    /// Still going on when the walk was given up.
    Endless,
}

fn end<'a>(hostname: &str, hops: &'a [Hop]) -> Option<End<'a>> {
    let last = hops.last()?;
    Some(match (&last.answer, &last.next) {
        (Err(error), _) => End::Broken(error),
        (Ok(answer), None) => End::At(answer),
        (Ok(_), Some(next)) if hops.iter().any(|hop| hop.url == *next) => End::Loop,
        (Ok(_), Some(next)) if !own(hostname, next) || hops.len() == 1 => End::Elsewhere(next),
        (Ok(_), Some(_)) => End::Endless,
    })
}

fn own(hostname: &str, url: &str) -> bool {
    [format!("http://{hostname}/"), format!("https://{hostname}/")].iter().any(|start| url.starts_with(start))
}

fn is_secure(url: &str) -> bool {
    url.starts_with("https://")
}

/// `http://a/ → https://a/ → https://a/dashboard/`.
fn trail(hops: &[Hop]) -> String {
    let last = hops.last().and_then(|hop| hop.next.as_deref());
    hops.iter().map(|hop| hop.url.as_str()).chain(last).collect::<Vec<_>>().join(" → ")
}

/// Plain http: one hop to https of the same name. Further pages over https are Rancher's own affair as long as they end.
/// Where TLS is not spoken on this path (`followed` is false), the first hop is all that can be looked at.
pub(super) fn redirect(expected: &Expected, hops: &[Hop], followed: bool) -> Said {
    let Some(first) = hops.first() else { return (Verdict::Unknown, "plain http was not asked".into()) };
    let Some(next) = &first.next else {
        return (expected.plain, unexpected("plain http", &first.answer));
    };
    let end = end(&expected.hostname, hops);
    if matches!(end, Some(End::Loop)) {
        return (Verdict::Fail, format!("a loop: {}", trail(hops)));
    }
    if !is_secure(next) || !own(&expected.hostname, next) {
        return (Verdict::Fail, format!("{}, expected https://{}/ in one hop", trail(hops), expected.hostname));
    }
    if !followed {
        return (Verdict::Pass, format!("to {next}"));
    }
    if hops.iter().skip(1).any(|hop| hop.next.as_deref().is_some_and(|next| !is_secure(next))) {
        return (Verdict::Fail, format!("back to plain http: {}", trail(hops)));
    }
    ended(end, hops)
}

/// The front page over https. Where TLS ends at a balancer this is the proof that its forwarded header is believed.
pub(super) fn no_loop(expected: &Expected, hops: &[Hop]) -> Said {
    let end = end(&expected.hostname, hops);
    match &end {
        Some(End::Elsewhere(next)) if !is_secure(next) || !own(&expected.hostname, next) => {
            (Verdict::Fail, format!("leads away: {}", trail(hops)))
        }
        _ => ended(end, hops),
    }
}

fn ended(end: Option<End>, hops: &[Hop]) -> Said {
    match end {
        None => (Verdict::Unknown, "it was not asked for".into()),
        Some(End::At(answer)) if answer.status < 500 => {
            (Verdict::Pass, format!("{} answers {}", trail(hops), answer.status))
        }
        Some(End::At(answer)) => (Verdict::Fail, format!("{} answers {}", trail(hops), answer.status)),
        Some(End::Broken(error)) => (Verdict::Fail, format!("{}: {error}", trail(hops))),
        Some(End::Loop) => (Verdict::Fail, format!("a loop: {}", trail(hops))),
        Some(End::Elsewhere(_)) => (Verdict::Fail, format!("leads away: {}", trail(hops))),
        Some(End::Endless) => (Verdict::Fail, format!("redirected again and again: {}", trail(hops))),
    }
}

/// `X-Forwarded-Proto: https` on a node's port 80. Only who comes from a balancer's address can see that it is believed; who
/// comes from elsewhere sees that it is not, and that is no proof for the balancers.
pub(super) fn forwarded(expected: &Expected, plain: &Plain) -> Said {
    let answer = match &plain.forwarded {
        Ok(answer) => answer,
        error => return (Verdict::Fail, unexpected("plain http with X-Forwarded-Proto: https", error)),
    };
    let redirected = (300..400).contains(&answer.status);
    let balancer = plain.from.filter(|from| expected.balancers.contains(from));
    match (balancer, redirected) {
        (Some(from), false) => {
            (Verdict::Pass, format!("believed from {from}, a balancer's address: answers {}", answer.status))
        }
        (Some(from), true) => (
            Verdict::Fail,
            format!(
                "redirected although it comes from {from}, a balancer's address: through the balancer that is a loop"
            ),
        ),
        (None, true) => (
            Verdict::Warn,
            format!(
                "not seen: only a balancer is believed, and {} is none; the way through the balancers shows it \
                 (outside.no-loop), for the nodes that they chose",
                whence(plain)
            ),
        ),
        (None, false) => (
            Verdict::Warn,
            format!(
                "believed from {}, which is no balancer's: whoever reaches port 80 passes for https",
                whence(plain)
            ),
        ),
    }
}

fn whence(plain: &Plain) -> String {
    plain.from.map_or("the address that we come from".into(), |from| format!("our address {from}"))
}
