//! An agent's four steps.

use super::{
    AGENT_CACERTS, AGENT_CONNECT, AGENT_OTHER, AGENT_PING, AGENT_TRUST, Cacerts, Expected, Said, Text, Verdict,
    compare, ping, unexpected, websocket,
};
use crate::facts::outside::{AgentSeen, TlsSeen, Trusted};
use crate::inventory::AgentTlsMode;
use crate::tls::cacerts_setting;

pub(super) fn judge(expected: &Expected, handshake: &TlsSeen, seen: &AgentSeen) -> Vec<(Text, Said)> {
    let mut all = vec![
        (AGENT_PING, ping(&seen.ping)),
        (AGENT_CACERTS, checksum(expected, seen)),
        (AGENT_TRUST, trust(expected, handshake, &seen.trust)),
        (AGENT_CONNECT, connect(seen)),
    ];
    all.extend(seen.other.as_ref().map(|other| (AGENT_OTHER, (Verdict::Pass, otherwise(expected.agents, other)))));
    all
}

/// Never a failure: no agent is told to be so.
fn otherwise(agents: AgentTlsMode, seen: &Trusted) -> String {
    let (mode, by) = match agents {
        AgentTlsMode::Strict => ("system-store", "the root certificates of this machine"),
        AgentTlsMode::SystemStore => ("strict", "the CA in /cacerts"),
    };
    match seen {
        Trusted::Yes { roots } => format!("the other mode, {mode}: would be trusted by {by} ({roots})"),
        Trusted::NoCa => format!("the other mode, {mode}: would not start, there is no CA in /cacerts"),
        Trusted::No(error) => format!("the other mode, {mode}: would not be trusted by {by}: {error}"),
    }
}

/// The registration command's checksum is made of the setting; run.sh reads the setting, the system agent `/cacerts`.
fn checksum(expected: &Expected, seen: &AgentSeen) -> Said {
    let body = match &seen.cacerts {
        Ok(answer) if answer.status == 200 => cacerts_setting(&answer.body),
        other => return (Verdict::Fail, unexpected("/cacerts", other)),
    };
    match &seen.setting {
        Err(error) => return (Verdict::Fail, format!("/v3/settings/cacerts {error}")),
        Ok(setting) if cacerts_setting(setting) != body => {
            return (Verdict::Fail, "/v3/settings/cacerts holds another text than /cacerts".into());
        }
        Ok(_) => {}
    }
    match (compare(&expected.cacerts, body), &expected.cacerts) {
        ((Verdict::Pass, _), Cacerts::Empty) => {
            (Verdict::Pass, "no checksum is registered, and there is no CA to compare".into())
        }
        ((Verdict::Pass, seen), Cacerts::Checksum(_) | Cacerts::Any) => {
            (Verdict::Pass, format!("{seen}, in /cacerts and in /v3/settings/cacerts"))
        }
        (said, _) => said,
    }
}

fn trust(expected: &Expected, handshake: &TlsSeen, seen: &Trusted) -> Said {
    match (expected.agents, seen) {
        (AgentTlsMode::Strict, Trusted::Yes { roots }) => {
            (Verdict::Pass, format!("strict: trusted by the CA in /cacerts ({roots}) alone"))
        }
        (AgentTlsMode::SystemStore, Trusted::Yes { roots }) => (
            Verdict::Pass,
            format!(
                "system-store: trusted by the {roots} root certificates of this machine; those of the agents' machines cannot be seen from here"
            ),
        ),
        (_, Trusted::NoCa) => (
            Verdict::Fail,
            "strict, and there is no CA in /cacerts: the agent finds no root and refuses to start".into(),
        ),
        (AgentTlsMode::Strict, Trusted::No(error)) => {
            (Verdict::Fail, format!("strict: not trusted by the CA in /cacerts: {error}"))
        }
        // What this machine's system does not trust, another one may: it was told to, or a staging CA is meant to be strange.
        (AgentTlsMode::SystemStore, Trusted::No(error)) if !expected.public && handshake.trusted.is_ok() => (
            Verdict::Warn,
            format!(
                "system-store: not trusted by the root certificates of this machine ({error}); machines that join need {} in their store",
                expected.trust
            ),
        ),
        (AgentTlsMode::SystemStore, Trusted::No(error)) => {
            (Verdict::Fail, format!("system-store: not trusted by the root certificates of this machine: {error}"))
        }
    }
}

fn connect(seen: &AgentSeen) -> Said {
    match &seen.connect {
        Some(opened) => websocket(opened),
        None => (Verdict::Warn, "not tried: no connection is trusted".into()),
    }
}
