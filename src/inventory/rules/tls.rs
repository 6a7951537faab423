//! Where TLS ends and who makes the certificates: which keys go together. Reasons: the agents' trust (CA checksum,
//! agentTLSMode) and what Rancher's chart can render, chart 2.9 to 2.15.

use semver::Version;

use crate::inventory::judge::Judge;
use crate::inventory::model::{Acme, AcmeEnvironment, AgentTlsMode, Tls, TlsIssuer, TlsMode};
use crate::inventory::path::KeyPath;
use crate::inventory::raw::{RawAcme, RawTls};
use crate::inventory::senseless::{senseless, too_old_to_reencrypt};
use crate::inventory::syntax;
use crate::inventory::wrong::quoted;

pub(super) fn tls(raw: RawTls, version: &Version, balanced: bool, judge: &mut Judge) -> Tls {
    let path = KeyPath::from("rancher.tls");
    let whole = !judge.is_broken(&path);
    let given = Given::of(&raw);
    let tls = Tls {
        mode: raw.mode.unwrap_or(TlsMode::Ingress),
        issuer: raw.issuer.unwrap_or(TlsIssuer::Blank),
        certificate: judge.file(&path.key("certificate"), raw.certificate.as_deref()),
        key: judge.file(&path.key("key"), raw.key.as_deref()),
        ca: judge.file(&path.key("ca"), raw.ca.as_deref()),
        ca_key: judge.file(&path.key("ca_key"), raw.ca_key.as_deref()),
        also_trust: judge.file(&path.key("also_trust"), raw.also_trust.as_deref()),
        acme: raw.acme.map(|raw| acme_account(raw, &path.key("acme"), judge)),
        passthrough: raw.passthrough.unwrap_or(false),
        agent_tls_mode: raw.agent_tls_mode,
    };
    if whole {
        together(&tls, version, judge);
        cell(&tls, &given, judge);
        agents(&tls, &given, judge);
        also_trust(&tls, &given, judge);
        if tls.mode == TlsMode::External && !balanced && !judge.any_broken(&["load_balancers"]) {
            say(
                judge,
                "mode",
                "external means that TLS ends at a load balancer; name its addresses at the top: `load_balancers: \
                    [10.0.0.5]`",
            );
        }
    }
    tls
}

/// Which keys stand in the file, whether or not they are right.
struct Given {
    certificate: bool,
    key: bool,
    ca: bool,
    ca_key: bool,
    acme: bool,
}

impl Given {
    fn of(raw: &RawTls) -> Given {
        Given {
            certificate: raw.certificate.is_some(),
            key: raw.key.is_some(),
            ca: raw.ca.is_some(),
            ca_key: raw.ca_key.is_some(),
            acme: raw.acme.is_some(),
        }
    }
}

fn say(judge: &mut Judge, key: &str, message: &str) {
    judge.mistake(&KeyPath::from("rancher.tls").key(key), message);
}

/// Mode, issuer, passthrough and Rancher's version, whatever files are given.
fn together(tls: &Tls, version: &Version, judge: &mut Judge) {
    for one in senseless(tls.mode, tls.issuer, tls.passthrough) {
        say(judge, one.key, &one.message());
    }
    if let Some(message) = too_old_to_reencrypt(tls.mode, tls.passthrough, version)
        && !judge.any_broken(&["rancher.version"])
    {
        say(judge, "mode", &message);
    }
}

/// The files of one cell of the table mode × issuer.
fn cell(tls: &Tls, given: &Given, judge: &mut Judge) {
    match (tls.mode, tls.issuer) {
        // refused as a whole already
        (TlsMode::External, TlsIssuer::Ca | TlsIssuer::Acme) => {}
        (TlsMode::External, TlsIssuer::Blank) => {
            for (key, given) in [("certificate", given.certificate), ("key", given.key)] {
                if given {
                    say(
                        judge,
                        key,
                        "in mode external the certificate and its key live on the load balancer; remove it here",
                    );
                }
            }
            stray(judge, &[("ca_key", given.ca_key, "ca"), ("acme", given.acme, "acme")]);
        }
        (TlsMode::Ingress | TlsMode::Rancher, TlsIssuer::Blank) => blank(given, judge),
        (TlsMode::Ingress | TlsMode::Rancher, TlsIssuer::Ca) => {
            made(judge, given, "ca");
            stray(judge, &[("acme", given.acme, "acme")]);
            pair(judge, ("ca", given.ca), ("ca_key", given.ca_key), "; or remove it, and cowhand makes a CA");
        }
        (TlsMode::Ingress | TlsMode::Rancher, TlsIssuer::Acme) => {
            made(judge, given, "acme");
            stray(judge, &[("ca_key", given.ca_key, "ca")]);
            if !given.acme {
                say(judge, "issuer", "acme needs an account: `acme: {email: ops@example.com}` beside it");
            }
        }
    }
}

/// Files given, or none at all and Rancher is its own CA.
fn blank(given: &Given, judge: &mut Judge) {
    stray(judge, &[("ca_key", given.ca_key, "ca"), ("acme", given.acme, "acme")]);
    pair(judge, ("certificate", given.certificate), ("key", given.key), "");
    if given.certificate || given.key {
        return;
    }
    if given.ca {
        say(
            judge,
            "ca",
            "there is no certificate that it could have signed; give certificate and key, or choose issuer ca with \
                ca and ca_key",
        );
    }
}

fn stray(judge: &mut Judge, keys: &[(&str, bool, &str)]) {
    for (key, _, issuer) in keys.iter().filter(|(_, given, _)| *given) {
        say(judge, key, &format!("goes with issuer {issuer} only; remove it, or choose issuer {issuer}"));
    }
}

fn made(judge: &mut Judge, given: &Given, issuer: &str) {
    for (key, given) in [("certificate", given.certificate), ("key", given.key)] {
        if given {
            say(
                judge,
                key,
                &format!("issuer {issuer} makes the certificate itself; for a given certificate choose issuer blank"),
            );
        }
    }
}

fn pair(judge: &mut Judge, left: (&str, bool), right: (&str, bool), or: &str) {
    for ((one, has_one), (other, has_other)) in [(left, right), (right, left)] {
        if has_one && !has_other {
            say(judge, one, &format!("needs {other} beside it; give both{or}"));
        }
    }
}

/// Strict agents trust what Rancher's `cacerts` holds, and nothing when it is empty.
fn agents(tls: &Tls, given: &Given, judge: &mut Judge) {
    let own_ca = match tls.issuer {
        TlsIssuer::Ca => true,
        TlsIssuer::Blank => tls.mode != TlsMode::External && !given.certificate,
        TlsIssuer::Acme => false,
    };
    if tls.agent_tls_mode == Some(AgentTlsMode::Strict) && !given.ca && !own_ca {
        say(
            judge,
            "agent_tls_mode",
            "strict makes agents trust the given CA only, and none is given: they could not connect; give `ca` (a \
                public CA's certificate too), or choose system-store",
        );
    }
}

/// Only a CA that goes to Rancher as a file can have another beside it.
fn also_trust(tls: &Tls, given: &Given, judge: &mut Judge) {
    let through_file = match tls.issuer {
        TlsIssuer::Ca => !tls.passthrough,
        TlsIssuer::Blank | TlsIssuer::Acme => given.ca,
    };
    if tls.also_trust.is_some() && !through_file {
        say(
            judge,
            "also_trust",
            "goes beside a CA that Rancher is given as a file, and here it is given none; give `ca`, or remove it",
        );
    }
}

fn acme_account(raw: RawAcme, path: &KeyPath, judge: &mut Judge) -> Acme {
    let email = raw.email.clone().unwrap_or_default();
    if !judge.is_broken(&path.key("email"))
        && let Err(reason) = syntax::email(&email)
    {
        judge.mistake(&path.key("email"), format!("{} {reason}", quoted(&email)));
    }
    acme_server(&raw, path, judge);
    Acme {
        email,
        environment: raw.environment.unwrap_or(AcmeEnvironment::Production),
        server: raw.server,
        server_ca: judge.file(&path.key("server_ca"), raw.server_ca.as_deref()),
    }
}

/// Let's Encrypt's settings and another server's exclude each other.
fn acme_server(raw: &RawAcme, path: &KeyPath, judge: &mut Judge) {
    if judge.is_broken(path) {
        return;
    }
    if let Some(server) = &raw.server {
        if !server.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        {
            judge.mistake(
                &path.key("server"),
                format!("{} is not an https:// URL of an ACME directory", quoted(server)),
            );
        }
        if raw.environment.is_some() {
            judge.mistake(
                &path.key("environment"),
                "is Let's Encrypt's; it has no effect beside server, keep one of the two",
            );
        }
    } else if raw.server_ca.is_some() {
        judge.mistake(&path.key("server_ca"), "goes with server only; Let's Encrypt's own certificate is public");
    }
}
