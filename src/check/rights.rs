//! A cluster that is there: may we do there what `up` and `down` do.

use crate::facts::cluster::{IngressClass, default_class};
use crate::facts::existing::ExistingSeen;
use crate::facts::rights::{Answered, Place, Purpose};
use crate::inventory::{CertManagerInstall, IngressProvider, Inventory, TlsMode};

use super::compatibility::needs_cert_manager;
use super::context::and_list;
use super::existing::of_cluster;
use super::{Answer, Check, Context};

pub const RIGHTS: Check = Check {
    id: "existing.rights",
    what: "the kubeconfig's user may do what up and down do",
    why: "a run that is refused in the middle leaves half of Rancher; its chart even gives the account of Rancher the role cluster-admin",
    fix: "use a kubeconfig whose user has the role cluster-admin",
    run: rights,
    offline: false,
};

fn rights(context: &Context) -> Vec<Answer> {
    of_cluster(context, |seen| {
        let answered = match &seen.rights {
            Ok(answered) => answered,
            Err(unseen) => return vec![Answer::unknown("what this user may do", unseen, "look again")],
        };
        let counts = |one: &&Answered| is_needed(context, seen, one.needed.purpose);
        let asked: Vec<&Answered> = answered.iter().filter(counts).collect();
        let missing: Vec<Answer> = asked.iter().filter(|one| !one.denied.is_empty()).map(|one| denied(one)).collect();
        if missing.is_empty() {
            let verbs: usize = asked.iter().map(|one| one.needed.verbs.len()).sum();
            return vec![Answer::pass(format!("all {verbs} rights that a run needs"))];
        }
        missing
    })
}

/// By the set-up that is wanted and what is there. What could not be seen counts as needed.
fn is_needed(context: &Context, seen: &ExistingSeen, purpose: Purpose) -> bool {
    let inventory = context.inventory;
    let tls = &inventory.rancher.tls;
    let issues = needs_cert_manager(context);
    let definitions = seen.cert_manager.as_ref().map_or(true, |found| found.crds);
    let theirs = seen.cert_manager.as_ref().is_ok_and(|found| found.crds) && !seen.is_ours("cert-manager");
    let installs = issues && inventory.cert_manager.install == CertManagerInstall::Auto && !theirs;
    let own_traefik = inventory.ingress.provider == IngressProvider::Traefik;
    let is_traefik = |class: &IngressClass| class.controller.starts_with("traefik.io/");
    let traefik = own_traefik || seen.classes.as_ref().map_or(true, |all| all.iter().any(is_traefik));
    let serves =
        own_traefik || seen.classes.as_ref().map_or(true, |all| of_rancher(all, inventory).is_some_and(is_traefik));
    match purpose {
        Purpose::Rancher => true,
        Purpose::Certificates => issues,
        Purpose::FormerCertificates => definitions,
        Purpose::FormerRoutes => traefik,
        Purpose::Reencrypt => serves && tls.mode == TlsMode::Rancher && !tls.passthrough,
        Purpose::Passthrough => serves && tls.passthrough,
        Purpose::Charts => own_traefik || installs,
        Purpose::CertManager => installs,
        Purpose::Traefik => own_traefik,
    }
}

/// The class that Rancher's Ingress will have.
fn of_rancher<'a>(classes: &'a [IngressClass], inventory: &Inventory) -> Option<&'a IngressClass> {
    match inventory.ingress.class.as_str() {
        "" => default_class(classes),
        named => classes.iter().find(|class| class.name == named),
    }
}

fn denied(answered: &Answered) -> Answer {
    let needed = &answered.needed;
    let sub = needed.subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
    let group = if needed.group.is_empty() { String::new() } else { format!(".{}", needed.group) };
    let name = needed.name.map(|name| format!("/{name}")).unwrap_or_default();
    let place = match needed.place {
        Place::Cluster => "in the whole cluster".to_owned(),
        Place::Namespace(namespace) => format!("in {namespace}"),
        Place::OfCertManager => "in cert-manager's namespace".to_owned(),
    };
    let what = format!("{}{sub}{group}{name}", needed.resource);
    let verbs = answered.denied.join(",");
    let fix = format!(
        "let an administrator bind the user to cluster-admin (`kubectl create clusterrolebinding cowhand \
         --clusterrole cluster-admin --user USER`), or at least give it {verbs} on {what} {place}"
    );
    Answer::fail(format!("may not {} {what} {place}", and_list(&answered.denied)), fix).about(&what)
}
