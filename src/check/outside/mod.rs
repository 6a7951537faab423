//! The checks of `verify`: what came back from outside, against what the inventory promises to browsers and agents.

mod agent;
mod expected;
mod http;
#[cfg(test)]
mod tests;
mod texts;

use super::context::and_list;
use super::dns::{Meant, elsewhere};
use super::{Finding, Verdict};
use crate::facts::dns::Resolved;
use crate::facts::outside::{Asked, NotOpened, OldTls, PathSeen, Plain, Secure, Seen, SocketSeen, TlsSeen};
use crate::facts::spread::Spread;

pub use expected::{Cacerts, Expected};
use expected::{Said, compare, ping, unexpected, websocket};
pub use texts::*;

/// Judges every path; each answer is a finding with its evidence.
pub fn judge(expected: &Expected, seen: &[PathSeen]) -> Vec<Finding> {
    seen.iter().flat_map(|path| judge_path(expected, path)).collect()
}

/// Judges where Rancher's name leads; `whence` is empty for this machine, else the node's name.
pub fn judge_name(meant: &Meant, whence: &str, found: &Resolved) -> Finding {
    let said = match found {
        Err(error) => (Verdict::Fail, format!("{error}; expected {}", meant.text())),
        Ok(found) if meant.strangers(found).is_empty() => (Verdict::Pass, format!("resolves to {}", and_list(found))),
        Ok(found) => (Verdict::Fail, elsewhere(found, meant)),
    };
    finding(NAME, if whence.is_empty() { "dns".into() } else { format!("{whence}→dns") }, said)
}

/// A node that cannot be asked. What is not known is no pass.
pub fn unasked(node: &str, why: impl std::fmt::Display) -> Finding {
    let seen = format!("not asked: {node} is not reached by ssh ({why})");
    finding(NAME, format!("{node}→dns"), (Verdict::Unknown, seen))
}

/// A way that the cluster's API names and that does not open from this machine: it may be meant for others.
pub fn shut(way: &str, why: &str) -> Finding {
    finding(REACHED, way.into(), (Verdict::Warn, format!("no connection from this machine: {why}")))
}

/// As many replicas as were asked for, on as many nodes, while there are enough that take pods; never all on one of them.
pub fn judge_replicas(seen: &Spread) -> Finding {
    let (nodes, Spread { wanted, on, able }) = (seen.nodes(), seen);
    let place = if nodes.is_empty() { String::new() } else { format!(", on {}", nodes.join(", ")) };
    let said = format!("{} of {wanted} replicas ready{place}", on.len());
    let while_others = format!("{said}, while {able} nodes are Ready and take pods");
    let verdict = match (on.len() >= *wanted, nodes.len()) {
        (false, _) => (Verdict::Fail, said),
        (true, _) if seen.crowded().is_some() => (Verdict::Fail, while_others),
        (true, spread) if spread >= *wanted => (Verdict::Pass, said),
        (true, spread) if spread >= *able => {
            (Verdict::Warn, format!("{said}; no more than {able} nodes are Ready and take pods"))
        }
        // The chart only prefers other nodes: a rolling change may leave two beside each other.
        (true, _) => (Verdict::Warn, while_others),
    };
    finding(REPLICAS, "rancher".into(), verdict)
}

/// A finding with the general advice of its check.
pub fn finding(text: Text, subject: String, (verdict, seen): Said) -> Finding {
    let fix = if verdict == Verdict::Pass { String::new() } else { text.fix.to_string() };
    Finding { check: text.id, subject: Some(subject), verdict, seen, fix, skipped: false }
}

fn judge_path(expected: &Expected, path: &PathSeen) -> Vec<Finding> {
    let say = |(text, said): (Text, Said)| finding(text, path.path.name.clone(), said);
    let reached = match &path.outcome {
        Err(error) => return vec![say((REACHED, (Verdict::Fail, error.clone())))],
        Ok(reached) => reached,
    };
    let mut all = vec![(REACHED, (Verdict::Pass, reached.way.clone()))];
    match &reached.seen {
        Seen::Tls(secure) => all.extend(judge_secure(expected, secure)),
        Seen::Plain(plain) => all.extend(judge_plain(expected, plain)),
    }
    all.into_iter().map(say).collect()
}

fn judge_secure(expected: &Expected, secure: &Secure) -> Vec<(Text, Said)> {
    let mut all = vec![(REDIRECT, http::redirect(expected, &secure.plain, true))];
    let inside = match &secure.tls {
        Ok(inside) => inside,
        Err(error) => {
            all.push((TRUSTED, (Verdict::Fail, format!("the TLS handshake failed: {error}"))));
            return all;
        }
    };
    all.push((TRUSTED, trusted(expected, &inside.handshake)));
    all.push((PROTOCOL, protocol(expected, &inside.handshake, &inside.old)));
    all.push((PING, ping(&inside.ping)));
    all.push((CACERTS, cacerts(&expected.cacerts, &inside.cacerts)));
    all.push((NO_LOOP, http::no_loop(expected, &inside.front)));
    all.push((WEBSOCKET, websocket(&inside.websocket.opened)));
    if expected.thorough {
        all.push((SILENCE, silence(&inside.websocket)));
    }
    if let Some(seen) = &inside.agent {
        all.extend(agent::judge(expected, &inside.handshake, seen));
    }
    all
}

fn judge_plain(expected: &Expected, plain: &Plain) -> Vec<(Text, Said)> {
    vec![
        (PING, ping(&plain.ping)),
        (REDIRECT, http::redirect(expected, &plain.plain, false)),
        (FORWARDED, http::forwarded(expected, plain)),
    ]
}

fn trusted(expected: &Expected, tls: &TlsSeen) -> Said {
    let served = match tls.chain.len() {
        1 => "1 certificate".to_string(),
        count => format!("{count} certificates"),
    };
    match &tls.trusted {
        Ok(()) => (Verdict::Pass, format!("{served}, chain to {} for {}", expected.trust, expected.hostname)),
        Err(error) => (Verdict::Fail, format!("{served} served, not trusted by {}: {error}", expected.trust)),
    }
}

fn protocol(expected: &Expected, tls: &TlsSeen, old: &OldTls) -> Said {
    let spoken = match tls.protocol.as_str() {
        "TLSv1_2" => "TLS 1.2",
        "TLSv1_3" => "TLS 1.3",
        other => return (Verdict::Fail, format!("{other} is spoken")),
    };
    match old {
        OldTls::Refused => (Verdict::Pass, format!("{spoken}; 1.1 is refused")),
        OldTls::Accepted => (expected.old_tls, format!("{spoken}, but who asks for TLS 1.1 gets it")),
        OldTls::Unseen(error) => (Verdict::Warn, format!("{spoken}; whether 1.1 is refused was not seen: {error}")),
    }
}

fn cacerts(expected: &Cacerts, answer: &Asked) -> Said {
    match answer {
        Ok(answer) if answer.status == 200 => compare(expected, &answer.body),
        other => (Verdict::Fail, unexpected("/cacerts", other)),
    }
}

fn silence(socket: &SocketSeen) -> Said {
    match (&socket.silence, &socket.opened) {
        (Some((time, Ok(()))), _) => {
            (Verdict::Pass, format!("a ping is answered after {} s of silence", time.as_secs()))
        }
        (Some((_, Err(error))), _) => (Verdict::Fail, error.clone()),
        (None, Err(NotOpened::Answered { status: 401, .. })) => (Verdict::Warn, "not seen: none was opened".into()),
        (None, _) => (Verdict::Unknown, "not seen: none was opened".into()),
    }
}
