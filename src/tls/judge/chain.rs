//! What can be said of certificates together: order, links, and where they lead.

use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::super::certificate::{can_be_root, is_ca, name_text, shown};
use super::form::count;
use super::known::{Known, known};
use super::rules::{CA_MISMATCH, CA_UNKNOWN, CHAIN_INCOMPLETE, CHAIN_ORDER, NOT_A_CA, PATH_LENGTH, ROOT_INCLUDED};
use super::signature::{Signed, is_self_signed, signed_by};
use super::{Bench, Part, Seen};

/// The way up from the leaf.
pub(super) struct Climb<'s, 'a> {
    pub path: Vec<&'s Seen<'a>>,
    pub top: Top,
    /// A step on the way could not be computed.
    pub uncertain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Top {
    /// The last one on the path is in the CA file.
    InCa,
    SelfSigned,
    /// The issuer of the last one is nowhere.
    Missing,
}

/// Goes up from the first certificate, through the CA file first, then the chain.
pub(super) fn climb<'s, 'a>(chain: &'s [Seen<'a>], ca: &'s [Seen<'a>]) -> Option<Climb<'s, 'a>> {
    let mut path = vec![chain.first()?];
    let mut uncertain = false;
    loop {
        let current = path[path.len() - 1];
        if ca.iter().any(|trusted| trusted.der == current.der) {
            return Some(Climb { path, top: Top::InCa, uncertain });
        }
        if is_self_signed(&current.certificate) {
            return Some(Climb { path, top: Top::SelfSigned, uncertain });
        }
        let Some((next, sure)) = above(&path, [ca, chain]) else {
            return Some(Climb { path, top: Top::Missing, uncertain });
        };
        uncertain |= !sure;
        path.push(next);
    }
}

/// The issuer of the last one on the path, and whether that is sure.
fn above<'s, 'a>(path: &[&'s Seen<'a>], pools: [&'s [Seen<'a>]; 2]) -> Option<(&'s Seen<'a>, bool)> {
    let below = path.last()?;
    let find = |wanted: Signed| {
        let candidates = pools.into_iter().flatten().filter(|one| path.iter().all(|seen| seen.der != one.der));
        candidates.into_iter().find(|up| signed_by(&below.certificate, &up.certificate) == wanted)
    };
    find(Signed::Yes).map(|up| (up, true)).or_else(|| find(Signed::CannotTell).map(|up| (up, false)))
}

/// The CAs above the server's certificate, past the first trusted one: who knows only the root of a CA file goes all the way.
pub(super) fn signers<'s, 'a>(climb: &Climb<'s, 'a>, ca: &'s [Seen<'a>]) -> Vec<&'s Seen<'a>> {
    let mut path = climb.path.clone();
    while path.last().is_some_and(|last| !is_self_signed(&last.certificate))
        && let Some((next, _)) = above(&path, [ca, &[]])
    {
        path.push(next);
    }
    path.split_off(1)
}

/// The server's certificate first, then each one's issuer, and no root.
pub(super) fn order(bench: &mut Bench, file: &str, chain: &[Seen<'_>], leaf: usize) {
    let mut good = true;
    if leaf != 0 {
        good = false;
        let seen = format!("the first certificate is a CA; the server's is number {}", leaf + 1);
        bench.fail(&CHAIN_ORDER, file, seen, format!("put certificate number {} first", leaf + 1));
    }
    for (index, pair) in chain.windows(2).enumerate().filter(|_| leaf == 0) {
        let [below, above] = pair else { continue };
        if chain[..=index].iter().any(|earlier| earlier.der == above.der) {
            good = false;
            bench.warn(
                &CHAIN_ORDER,
                &above.subject,
                "it stands in the file twice".into(),
                "take one of them out".into(),
            );
        } else if signed_by(&below.certificate, &above.certificate) == Signed::No {
            good = false;
            let seen = format!("it did not issue the one before it, {}", below.subject);
            bench.warn(&CHAIN_ORDER, &above.subject, seen, String::new());
        }
    }
    if good {
        bench.pass(&CHAIN_ORDER, file, "each certificate is followed by its issuer".into());
    }
    let roots: Vec<&Seen<'_>> = chain.iter().skip(1).filter(|seen| is_self_signed(&seen.certificate)).collect();
    for root in &roots {
        bench.warn(&ROOT_INCLUDED, &root.subject, "it is a root".into(), String::new());
    }
    if roots.is_empty() {
        bench.pass(&ROOT_INCLUDED, file, "no root in it".into());
    }
}

/// Whether the way up leads where clients trust, given a CA file.
pub(super) fn leads_to_ca(bench: &mut Bench, file: &str, climb: &Climb<'_, '_>, chain: &[Seen<'_>], ca: &[Seen<'_>]) {
    let Some(last) = climb.path.last() else { return };
    let issuer = last.certificate.issuer();
    let names = ca.iter().map(|ca| name_text(ca.certificate.subject())).collect::<Vec<_>>().join("; ");
    let twin = ca.iter().any(|ca| ca.certificate.subject().as_raw() == issuer.as_raw());
    match climb.top {
        Top::InCa => {
            complete_without_ca_file(bench, file, climb, chain);
            if climb.uncertain {
                let seen = format!(
                    "by names and key identifiers it leads to {names}; the signature is of a kind that cannot be computed here"
                );
                bench.warn(
                    &CA_MISMATCH,
                    file,
                    seen,
                    "see `openssl verify -CAfile CA -untrusted CHAIN CERTIFICATE`".into(),
                );
            } else {
                bench.pass(&CA_MISMATCH, file, format!("it leads to {}", name_text(last.certificate.subject())));
            }
        }
        Top::SelfSigned => {
            bench.pass(&CHAIN_INCOMPLETE, file, "it leads up to a root".into());
            let seen =
                format!("it leads to the root {}, but tls.ca holds {names}", name_text(last.certificate.subject()));
            bench.fail(&CA_MISMATCH, file, seen, String::new());
        }
        Top::Missing if twin => {
            bench.pass(&CHAIN_INCOMPLETE, file, format!("the issuer that {} names is in tls.ca", last.subject));
            let seen = format!(
                "a CA of the name {} signed it, but with another key than the one in tls.ca",
                name_text(issuer)
            );
            bench.fail(&CA_MISMATCH, file, seen, String::new());
        }
        Top::Missing => {
            missing(bench, file, last, chain, "");
            let seen = format!("nothing leads from {} (issued by {}) to {names}", last.subject, name_text(issuer));
            bench.fail(
                &CA_MISMATCH,
                file,
                seen,
                "give the missing intermediate, or the CA that really signed it as `tls.ca`".into(),
            );
        }
    }
}

/// Agents have the whole CA file; a browser that was given the root alone needs every intermediate from the server.
fn complete_without_ca_file(bench: &mut Bench, file: &str, climb: &Climb<'_, '_>, chain: &[Seen<'_>]) {
    let unsent = climb.path.iter().find(|seen| {
        !is_self_signed(&seen.certificate) && is_ca(&seen.certificate) && chain.iter().all(|sent| sent.der != seen.der)
    });
    match unsent {
        Some(intermediate) => {
            let name = name_text(intermediate.certificate.subject());
            let seen = format!(
                "the intermediate {name} is in tls.ca only: agents find it there, a browser that knows the root does not"
            );
            bench.warn(
                &CHAIN_INCOMPLETE,
                file,
                seen,
                format!("append the certificate of {name} to tls.certificate as well"),
            );
        }
        None => bench.pass(&CHAIN_INCOMPLETE, file, "no intermediate is missing".into()),
    }
}

/// The same without a CA file: clients know what systems know, and a public CA never signs with its root.
pub(super) fn leads_to_public(
    bench: &mut Bench,
    file: &str,
    climb: &Climb<'_, '_>,
    chain: &[Seen<'_>],
    roots: &[&[u8]],
) {
    let Some(last) = climb.path.last() else { return };
    let issuer = name_text(last.certificate.issuer());
    let give = format!("give the certificate of {issuer} as `tls.ca`");
    let known = known(&climb.path, roots);
    match (&known, climb.top) {
        (Known::Root(_) | Known::Perhaps(_), _) => {}
        (_, Top::SelfSigned) if climb.path.len() == 1 => {
            let seen = "it is signed by itself, and no tls.ca is given: no client will trust it";
            let fix = "give it as `tls.ca` too, or use a certificate from a CA";
            return bench.fail(&CA_MISMATCH, file, seen.into(), fix.into());
        }
        (_, Top::Missing) if climb.path.len() == 1 => {
            return missing(bench, file, last, chain, "; or, if that is a root of your own, give it as `tls.ca`");
        }
        (_, Top::InCa | Top::SelfSigned | Top::Missing) => {}
    }
    bench.pass(&CHAIN_INCOMPLETE, file, "no intermediate is missing".into());
    match known {
        Known::Root(name) => bench.pass(&CA_UNKNOWN, file, format!("it leads up to {name}, which this machine knows")),
        Known::Nobody => {
            let seen = format!(
                "it leads up to {issuer}, which this machine does not know as a public CA, and no tls.ca is given"
            );
            bench.fail(&CA_UNKNOWN, file, seen, give);
        }
        Known::Perhaps(name) => {
            let seen = format!(
                "by its name it leads up to {name}, which this machine knows; the signature cannot be computed"
            );
            bench.warn(&CA_UNKNOWN, file, seen, format!("if that is no public CA, {give}"));
        }
        Known::NoStore => {
            let seen = format!("it leads up to {issuer}; this machine has no store of public CAs to look it up in");
            bench.warn(&CA_UNKNOWN, file, seen, format!("if that is no public CA, {give}"));
        }
    }
}

fn missing(bench: &mut Bench, file: &str, last: &Seen<'_>, chain: &[Seen<'_>], or: &str) {
    let issuer = name_text(last.certificate.issuer());
    let of_that_name =
        |seen: &&Seen<'_>| seen.der != last.der && seen.certificate.subject() == last.certificate.issuer();
    if let Some(other) = chain.iter().find(of_that_name) {
        let seen =
            format!("{} has the name of the CA that issued {}, but it did not sign it", other.subject, last.subject);
        let fix = format!(
            "put the certificate of {issuer} that did in its place; or {} was damaged: have it made anew",
            last.subject
        );
        return bench.fail(&CHAIN_INCOMPLETE, file, seen, fix);
    }
    let place = published_at(last).map_or_else(String::new, |url| format!("; the CA publishes it at {url}"));
    let seen = format!("the intermediate {issuer}, which issued {}, is missing", last.subject);
    bench.fail(&CHAIN_INCOMPLETE, file, seen, format!("append the certificate of {issuer}{place}{or}"));
}

/// Where the issuer's certificate can be had (authorityInfoAccess, caIssuers: 1.3.6.1.5.5.7.48.2).
fn published_at(seen: &Seen<'_>) -> Option<String> {
    seen.certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().find_map(|at| match &at.access_location {
                GeneralName::URI(url) if at.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2" => Some(shown(url)),
                _ => None,
            })
        }
        _ => None,
    })
}

/// Each one that signs must be a CA. `own` is the server's certificate, which may stand in as its own CA.
pub(super) fn may_sign(bench: &mut Bench, seen: &Seen<'_>, part: Part, own: Option<&Seen<'_>>) {
    let subject = &seen.subject;
    if own.is_some_and(|own| own.der == seen.der) && !is_ca(&seen.certificate) {
        let fix =
            "works until it is renewed: then every agent must be registered anew; a CA of your own spares you that";
        return bench.warn(&NOT_A_CA, subject, "the certificate is given as its own CA".into(), fix.into());
    }
    match seen.certificate.basic_constraints() {
        Ok(Some(constraints)) if constraints.value.ca => {}
        Ok(Some(_)) => {
            return bench.fail(&NOT_A_CA, subject, "its basicConstraints say CA:FALSE".into(), String::new());
        }
        Ok(None) if part == Part::Trusted && can_be_root(&seen.certificate) => {
            let said = "it is of a version before 3, which cannot say that it is a CA: agents and OpenSSL take it as a root, \
                        cert-manager does not";
            let fix = "nothing need be done now; the next root should be made with `basicConstraints=critical,CA:TRUE`";
            return bench.warn(&NOT_A_CA, subject, said.into(), fix.into());
        }
        Ok(None) => return bench.fail(&NOT_A_CA, subject, "it has no basicConstraints".into(), String::new()),
        Err(_) => {
            return bench.fail(&NOT_A_CA, subject, "its basicConstraints stand there twice".into(), String::new());
        }
    }
    match seen.certificate.key_usage() {
        Ok(Some(usage)) if !usage.value.key_cert_sign() => {
            bench.fail(&NOT_A_CA, subject, "its keyUsage lacks keyCertSign".into(), String::new());
        }
        Err(_) => bench.fail(&NOT_A_CA, subject, "its keyUsage stands there twice".into(), String::new()),
        Ok(_) => bench.pass(&NOT_A_CA, subject, "it is a CA".into()),
    }
}

/// RFC 5280 4.2.1.9: how many CAs may come between this one and the leaf. `signers` are those above the leaf, from below.
pub(super) fn path_length(bench: &mut Bench, file: &str, signers: &[&Seen<'_>]) {
    let mut good = true;
    for (index, seen) in signers.iter().enumerate() {
        let Ok(Some(constraints)) = seen.certificate.basic_constraints() else { continue };
        let Some(limit) = constraints.value.path_len_constraint else { continue };
        let between = signers[..index].iter().filter(|ca| ca.certificate.subject() != ca.certificate.issuer()).count();
        if between > limit as usize {
            good = false;
            let seen_text = format!(
                "its path length is {limit}, with {} between it and the server's certificate",
                count(between, "CA")
            );
            bench.fail(&PATH_LENGTH, &seen.subject, seen_text, String::new());
        }
    }
    if good && !signers.is_empty() {
        bench.pass(
            &PATH_LENGTH,
            file,
            format!("{} from the server's certificate to the top", count(signers.len(), "step")),
        );
    }
}
