//! The kubeconfig of a cluster that is there: the file, its context, and what its user proves itself with.

use crate::facts::kubeconfig::{KubeconfigSeen, Proof, Usable};

use super::context::and_list;
use super::{Answer, Check, Context};

pub const USABLE: Check = Check {
    id: "kubeconfig.usable",
    what: "the kubeconfig of engine existing can be read and has the context",
    why: "it is the only way to that cluster; another context leads to another cluster",
    fix: "give engine.existing.kubeconfig the file's path, and engine.existing.context one of its contexts",
    run: usable,
    offline: true,
};

fn usable(context: &Context) -> Vec<Answer> {
    let Some(seen) = context.kubeconfig else { return Vec::new() };
    vec![match &seen.usable {
        Ok(usable) => Answer::pass(format!("{}, context {}: {}", seen.path.display(), usable.context, usable.server)),
        Err(why) => {
            let pinned = context.workspace.pinned.as_ref().map(|pinned| {
                format!(
                    "; this inventory works on the cluster of context {}, {}",
                    pinned.pin.context, pinned.pin.server
                )
            });
            Answer::fail(
                format!("{}: {why}", seen.path.display()),
                format!(
                    "set engine.existing.kubeconfig to the cluster's kubeconfig, and engine.existing.context to a context in \
                     it (`kubectl config get-contexts`){}",
                    pinned.unwrap_or_default()
                ),
            )
        }
    }]
}

pub const CREDENTIALS: Check = Check {
    id: "kubeconfig.credentials",
    what: "what the kubeconfig's user proves itself with is there and has not expired",
    why: "the API otherwise answers 401, or treats cowhand as anonymous",
    fix: "fetch a new kubeconfig, or install the program that the context names",
    run: credentials,
    offline: true,
};

/// A client certificate that ends within this time is worth a word.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

fn credentials(context: &Context) -> Vec<Answer> {
    let Some(KubeconfigSeen { path, usable: Ok(usable) }) = context.kubeconfig else { return Vec::new() };
    let place = format!("{}, context {}", path.display(), usable.context);
    vec![judge(usable, &place, context.now)]
}

fn judge(usable: &Usable, place: &str, now: jiff::Timestamp) -> Answer {
    let anew = || format!("fetch a new kubeconfig for context {} from the cluster or its provider", usable.context);
    match &usable.proof {
        Proof::Certificate { subject, not_before, not_after } => {
            let day = |time: &jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
            if *not_after <= now {
                let seen = format!("{place}: the client certificate of {subject} expired on {}", day(not_after));
                return Answer::fail(seen, anew());
            }
            if *not_before > now {
                let seen = format!("{place}: the client certificate of {subject} begins on {}", day(not_before));
                return Answer::fail(seen, "compare this machine's clock with the cluster's");
            }
            let seen = format!("{place}: client certificate of {subject}, until {}", day(not_after));
            if not_after.duration_since(now) < SOON { Answer::warn(seen, anew()) } else { Answer::pass(seen) }
        }
        Proof::BadCertificate(why) => {
            Answer::fail(format!("{place}: the client certificate cannot be used: {why}"), anew())
        }
        Proof::Secret => Answer::pass(format!("{place}: a token or a password")),
        Proof::NoTokenFile(file) => {
            Answer::fail(format!("{place}: its token file {} is not there", file.display()), anew())
        }
        Proof::Program(command) => Answer::pass(format!("{place}: the program {command}")),
        Proof::NoProgram { command, install_hint } => {
            let hint = install_hint.as_ref().map(|hint| format!(" ({})", hint.trim())).unwrap_or_default();
            Answer::fail(
                format!("{place}: its program `{command}` is not in PATH"),
                format!("install `{command}`{hint}, or use a context whose user needs no program"),
            )
        }
        Proof::Provider(name) => Answer::fail(
            format!("{place}: auth-provider `{name}` is no longer known to Kubernetes' clients"),
            "let the provider's own tool write the kubeconfig anew, with an exec plugin",
        ),
        Proof::Nothing => Answer::fail(format!("{place}: its user has neither certificate, token nor program"), anew()),
    }
}

/// Contexts, as a fix names them.
pub(super) fn choices(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { and_list(names) }
}
