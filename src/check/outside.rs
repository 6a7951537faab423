//! The checks of `verify`: what came back from outside, against what the inventory promises to browsers and agents.

use sha2::{Digest, Sha256};

use super::{Finding, Verdict};
use crate::facts::outside::{Answer, PathSeen, TlsSeen};

/// What every path has to give back.
#[derive(Debug, Clone)]
pub struct Expected {
    pub hostname: String,
    /// Who signs the chain, for people: `the CA in ca.pem`, `the system's roots`.
    pub trust: String,
    /// The checksum agents will compute over `/cacerts`, in hex.
    pub cacerts: Cacerts,
    /// Port 80 answers with a redirect to https, as every mode but `external` on the nodes does.
    pub redirects: bool,
}

/// What `/cacerts` has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cacerts {
    Checksum(String),
    /// Rancher was told to trust nothing of its own (`--no-cacerts`).
    Empty,
    /// Rancher made its CA itself; nothing could be predicted.
    Any,
}

/// The texts of a check that is run on what came from outside.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    pub id: &'static str,
    pub what: &'static str,
    pub why: &'static str,
    pub fix: &'static str,
}

pub const REACHED: Text = Text {
    id: "outside.reached",
    what: "every way to Rancher can be connected to on port 443",
    why: "users and agents come by each of these addresses; DNS round robin gives any of them to anybody",
    fix: "look whether the ingress controller runs on that node and whether a firewall drops port 443",
};
pub const TRUSTED: Text = Text {
    id: "outside.trusted",
    what: "the certificate chain leads to the expected root and covers Rancher's name",
    why: "a client that knows only that root must be able to connect; agents in strict mode refuse anything else",
    fix: "compare the served chain with the files in the inventory; a chain without its intermediates is the usual cause",
};
pub const PROTOCOL: Text = Text {
    id: "outside.protocol",
    what: "TLS 1.2 or newer is spoken",
    why: "older protocols are refused by browsers and by every Rancher agent",
    fix: "configure the ingress controller or load balancer for TLS 1.2 and 1.3",
};
pub const PING: Text = Text {
    id: "outside.ping",
    what: "/ping answers `pong`",
    why: "it is Rancher itself that answers it: an ingress's default page or another program does not",
    fix: "look at `kubectl -n cattle-system get ingress,pods`; a 404 comes from an ingress that does not know the name",
};
pub const CACERTS: Text = Text {
    id: "outside.cacerts",
    what: "/cacerts has the predicted checksum",
    why: "agents compare this checksum with the one in their registration command and refuse to start when it differs",
    fix: "compare secret cattle-system/tls-ca with the CA file; Rancher's pods read it only when they start",
};
pub const REDIRECT: Text = Text {
    id: "outside.redirect",
    what: "plain http is redirected to https once",
    why: "people type the bare name; a redirect to itself is a loop that no browser ends well",
    fix: "look at the ingress's ssl-redirect and at the forwarded headers a load balancer sets",
};

pub const NAME: Text = Text {
    id: "outside.name",
    what: "Rancher's name resolves from this machine",
    why: "users type the name; agents are registered with it",
    fix: "let DNS answer with the nodes' (or the load balancer's) addresses; `dns: {server: …}` names another DNS server to ask",
};
pub const REPLICAS: Text = Text {
    id: "outside.replicas",
    what: "as many replicas of Rancher are ready as asked for, each on a node of its own",
    why: "a replica beside another goes with the same node; that is no high availability",
    fix: "look at `kubectl -n cattle-system get pods -o wide`; a pod that was moved stays where it is until it is made anew",
};

/// All of them, for `check --list` and `explain`.
pub const TEXTS: &[Text] = &[NAME, REACHED, TRUSTED, PROTOCOL, PING, CACERTS, REDIRECT, REPLICAS];

/// Judges every path; each answer is a finding with its evidence.
pub fn judge(expected: &Expected, seen: &[PathSeen]) -> Vec<Finding> {
    seen.iter().flat_map(|path| judge_path(expected, path)).collect()
}

fn judge_path(expected: &Expected, seen: &PathSeen) -> Vec<Finding> {
    let say = |text: Text, (verdict, evidence): (Verdict, String)| finding(text, seen, verdict, evidence);
    let way = match &seen.reached {
        Err(error) => return vec![say(REACHED, (Verdict::Fail, error.clone()))],
        Ok(way) => way.clone(),
    };
    let mut findings = vec![say(REACHED, (Verdict::Pass, way))];
    match &seen.tls {
        Some(Ok(tls)) => {
            findings.push(say(TRUSTED, trusted(expected, tls)));
            findings.push(say(PROTOCOL, protocol(tls)));
        }
        Some(Err(error)) => findings.push(say(TRUSTED, (Verdict::Fail, format!("the TLS handshake failed: {error}")))),
        None => findings.push(say(TRUSTED, (Verdict::Unknown, "no TLS handshake was made".into()))),
    }
    findings.push(say(PING, ping(seen.ping.as_ref())));
    findings.push(say(CACERTS, cacerts(&expected.cacerts, seen.cacerts.as_ref())));
    if expected.redirects {
        findings.push(say(REDIRECT, redirect(&expected.hostname, seen.plain.as_ref())));
    }
    findings
}

fn finding(text: Text, seen: &PathSeen, verdict: Verdict, evidence: String) -> Finding {
    let fix = if verdict == Verdict::Pass { String::new() } else { text.fix.to_string() };
    let subject = Some(seen.path.name.clone());
    Finding { check: text.id, subject, verdict, seen: evidence, fix, skipped: false }
}

fn trusted(expected: &Expected, tls: &TlsSeen) -> (Verdict, String) {
    let served = match tls.chain.len() {
        1 => "1 certificate".to_string(),
        count => format!("{count} certificates"),
    };
    match &tls.trusted {
        Ok(()) => (Verdict::Pass, format!("{served}, chain to {} for {}", expected.trust, expected.hostname)),
        Err(error) => (Verdict::Fail, format!("{served} served, not trusted by {}: {error}", expected.trust)),
    }
}

fn protocol(tls: &TlsSeen) -> (Verdict, String) {
    match tls.protocol.as_str() {
        "TLSv1_2" | "TLSv1_3" => (Verdict::Pass, tls.protocol.clone()),
        other => (Verdict::Fail, format!("{other} is spoken")),
    }
}

fn ping(answer: Option<&Result<Answer, String>>) -> (Verdict, String) {
    match answer {
        Some(Ok(answer)) if answer.status == 200 && answer.body.trim() == "pong" => (Verdict::Pass, "pong".into()),
        other => unexpected("/ping", other),
    }
}

fn cacerts(expected: &Cacerts, answer: Option<&Result<Answer, String>>) -> (Verdict, String) {
    let body = match answer {
        Some(Ok(answer)) if answer.status == 200 => &answer.body,
        other => return unexpected("/cacerts", other),
    };
    let served = checksum(body);
    match (expected, body.trim().is_empty()) {
        (Cacerts::Empty, true) => (Verdict::Pass, "empty, as agents in system-store mode expect".into()),
        (Cacerts::Empty, false) => (Verdict::Fail, format!("a CA with checksum {served}, expected none")),
        (Cacerts::Checksum(wanted), _) if *wanted == served => (Verdict::Pass, format!("checksum {served}")),
        (Cacerts::Checksum(wanted), true) => (Verdict::Fail, format!("empty, expected checksum {wanted}")),
        (Cacerts::Checksum(wanted), false) => (Verdict::Fail, format!("checksum {served}, expected {wanted}")),
        (Cacerts::Any, false) => (Verdict::Pass, format!("checksum {served}, of the CA that Rancher made")),
        (Cacerts::Any, true) => (Verdict::Fail, "empty, expected the CA that Rancher made".into()),
    }
}

/// Hex SHA-256 of a `/cacerts` body as agents take it: trimmed, one newline at its end
/// (rancher/rancher v2.11: package/run.sh, pkg/systemtemplate/import.go).
fn checksum(body: &str) -> String {
    let digest = Sha256::digest(format!("{}\n", body.trim()));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn redirect(hostname: &str, answer: Option<&Result<Answer, String>>) -> (Verdict, String) {
    let target = format!("https://{hostname}");
    match answer {
        Some(Ok(Answer { status: 301 | 302 | 307 | 308, location: Some(location), .. })) => {
            if location.starts_with(&target) {
                (Verdict::Pass, format!("to {location}"))
            } else {
                (Verdict::Fail, format!("to {location}, expected {target}"))
            }
        }
        other => unexpected("plain http", other),
    }
}

fn unexpected(what: &str, answer: Option<&Result<Answer, String>>) -> (Verdict, String) {
    match answer {
        Some(Ok(answer)) => {
            let first: String = answer.body.lines().next().unwrap_or_default().chars().take(60).collect();
            (Verdict::Fail, format!("{what} answered {} `{first}`", answer.status))
        }
        Some(Err(error)) => (Verdict::Fail, format!("{what}: {error}")),
        None => (Verdict::Unknown, format!("{what} was not asked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::outside::Path;

    fn expected() -> Expected {
        Expected {
            hostname: "rancher.example.com".into(),
            trust: "the CA in ca.pem".into(),
            cacerts: Cacerts::Checksum(checksum("PEM")),
            redirects: true,
        }
    }

    fn answer(status: u16, location: Option<&str>, body: &str) -> Option<Result<Answer, String>> {
        Some(Ok(Answer { status, location: location.map(str::to_string), body: body.into() }))
    }

    fn good() -> PathSeen {
        let tls = TlsSeen { protocol: "TLSv1_3".into(), chain: vec![vec![]], trusted: Ok(()) };
        PathSeen {
            path: Path { name: "n1 (10.0.0.1)".into(), address: "10.0.0.1".into() },
            reached: Ok("directly".into()),
            tls: Some(Ok(tls)),
            ping: answer(200, None, "pong"),
            cacerts: answer(200, None, "\nPEM\n\n"),
            plain: answer(302, Some("https://rancher.example.com/"), ""),
        }
    }

    fn verdicts(seen: PathSeen) -> Vec<(&'static str, Verdict)> {
        judge(&expected(), &[seen]).into_iter().map(|finding| (finding.check, finding.verdict)).collect()
    }

    #[test]
    fn a_good_path_passes_every_check() {
        let found = verdicts(good());
        // The name and the replicas are not of one path.
        assert_eq!(found.len(), TEXTS.len() - 2);
        assert!(found.iter().all(|(_, verdict)| *verdict == Verdict::Pass), "{found:?}");
    }

    #[test]
    fn each_fault_fails_its_own_check_and_no_other() {
        let untrusted = TlsSeen { protocol: "TLSv1_2".into(), chain: vec![], trusted: Err("UnknownIssuer".into()) };
        let old = TlsSeen { protocol: "TLSv1_1".into(), chain: vec![], trusted: Ok(()) };
        let faults = [
            ("outside.trusted", PathSeen { tls: Some(Ok(untrusted)), ..good() }),
            ("outside.protocol", PathSeen { tls: Some(Ok(old)), ..good() }),
            ("outside.ping", PathSeen { ping: answer(404, None, "default backend - 404"), ..good() }),
            ("outside.cacerts", PathSeen { cacerts: answer(200, None, "other"), ..good() }),
            ("outside.cacerts", PathSeen { cacerts: answer(200, None, ""), ..good() }),
            ("outside.redirect", PathSeen { plain: answer(200, None, "hello"), ..good() }),
            ("outside.redirect", PathSeen { plain: answer(302, Some("http://rancher.example.com/"), ""), ..good() }),
        ];
        for (id, seen) in faults {
            let failed: Vec<_> = verdicts(seen).into_iter().filter(|(_, verdict)| *verdict != Verdict::Pass).collect();
            assert_eq!(failed, [(id, Verdict::Fail)]);
        }
    }

    #[test]
    fn an_unreachable_path_says_only_that() {
        let seen = PathSeen { reached: Err("connection refused".into()), ..good() };
        assert_eq!(verdicts(seen), [("outside.reached", Verdict::Fail)]);
    }
}
