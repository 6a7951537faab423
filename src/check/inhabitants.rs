//! Who lives in a cluster that is there: its ingress, a cert-manager, a Rancher or what one left behind.

use crate::facts::cluster::{IngressClass, default_class};
use crate::facts::controllers::{Occupant, TRAEFIK, ready_pods};
use crate::facts::existing::ExistingSeen;
use crate::facts::inhabitants::{CertManagerPlace, FormerRancher};
use crate::inventory::{CertManagerInstall, Chart, ChartSource, IngressProvider};

use super::compatibility::{cert_manager_for, needs_cert_manager};
use super::context::and_list;
use super::existing::of_cluster;
use super::kubeconfig::choices;
use super::{Answer, Check, Context, Verdict};
use crate::inventory::versions::KubernetesVersion;

pub const INGRESS_CLASS: Check = Check {
    id: "existing.ingress-class",
    what: "the ingress class that Rancher shall have is there, and somebody serves it",
    why: "an Ingress whose class nobody serves answers nobody; a second controller fights the first one for its ports",
    fix: "name a class that is there: `ingress: {class: …}`; `kubectl get ingressclass` shows them",
    run: ingress_class,
    offline: false,
};

fn ingress_class(context: &Context) -> Vec<Answer> {
    let inventory = context.inventory;
    of_cluster(context, |seen| {
        let classes = match &seen.classes {
            Ok(classes) => classes,
            Err(unseen) => return vec![Answer::unknown("the ingress classes", unseen, "look again")],
        };
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        vec![match inventory.ingress.provider {
            IngressProvider::Traefik => own_traefik(seen, &inventory.ingress.class),
            IngressProvider::Nginx | IngressProvider::Existing => match inventory.ingress.class.as_str() {
                "" => match default_class(classes) {
                    Some(class) => served(seen, class, ", the cluster's default"),
                    None => no_default(classes.iter().filter(|class| class.default).count(), &names),
                },
                named => match classes.iter().find(|class| class.name == named) {
                    Some(class) => served(seen, class, ""),
                    None => Answer::fail(
                        format!("there is no ingress class `{named}`; there are: {}", choices(&names)),
                        "name one that is there: `ingress: {class: …}`, or let cowhand install one: `ingress: {provider: traefik}`",
                    ),
                },
            },
        }]
    })
}

fn no_default(defaults: usize, names: &[&str]) -> Answer {
    let fix = "name the one for Rancher: `ingress: {class: …}`";
    match (names.is_empty(), defaults) {
        (true, _) => Answer::fail(
            "there is no ingress class",
            "install an ingress controller, or let cowhand do it: `ingress: {provider: traefik}`",
        ),
        (false, 0) => Answer::fail(format!("none of the ingress classes is the default one: {}", choices(names)), fix),
        (false, _) => Answer::fail(format!("{defaults} ingress classes are the default one: {}", choices(names)), fix),
    }
}

fn served(seen: &ExistingSeen, class: &IngressClass, which: &str) -> Answer {
    let IngressClass { name, controller, .. } = class;
    let head = format!("class {name}{which}, of controller {controller}");
    let by_hand = format!("see that the controller of `{controller}` runs, then skip this check");
    match &seen.controllers {
        Err(unseen) => Answer::unknown("the pods of the ingress controller", unseen, by_hand),
        Ok(all) => match ready_pods(all, class) {
            Some(0) => Answer::fail(
                format!("{head}: none of its pods was found ready"),
                "see `kubectl get pods -A` for the controller's pods; if they have other labels, skip this check",
            ),
            Some(count) => Answer::pass(format!("{head}: {count} of its pods ready")),
            None => Answer::warn(format!("{head}: how its pods look is not known"), by_hand),
        },
    }
}

/// Never a second controller beside one that is there.
fn own_traefik(seen: &ExistingSeen, class: &str) -> Answer {
    let others = match seen.occupants(class) {
        Ok(others) => others,
        Err(unseen) => return Answer::unknown("which ingress is there already", &unseen, "look again"),
    };
    let release = seen.release(TRAEFIK, TRAEFIK);
    match (others.first(), release) {
        (None, Some(_)) if seen.is_ours(TRAEFIK) => Answer::pass("cowhand's own Traefik"),
        (None, None) => Answer::pass("none is there; cowhand installs Traefik"),
        (Some(first), _) => {
            let fix = match first {
                Occupant::Class(name) => format!("use it: `ingress: {{provider: existing, class: {name}}}`"),
                Occupant::Unnamed { .. } => {
                    "give it an IngressClass and use that: `ingress: {provider: existing, class: …}`; or remove it"
                        .into()
                }
            };
            let seen = and_list(&others);
            Answer::fail(format!("an ingress is there already: {seen}; cowhand installs none beside it"), fix)
        }
        (None, Some(release)) if release.by_cowhand => Answer::fail(
            "release traefik/traefik was installed by cowhand, and no mark tells for which inventory",
            "use it: `ingress: {provider: existing, class: …}`; or, if a run of this inventory that was cut off left it, \
             `helm uninstall traefik --namespace traefik`",
        ),
        (None, Some(_)) => Answer::fail(
            "release traefik/traefik is there, installed by somebody else; cowhand installs nothing over it",
            "give it an IngressClass and use that: `ingress: {provider: existing, class: …}`; or uninstall it",
        ),
    }
}

pub const CERT_MANAGER: Check = Check {
    id: "existing.cert-manager",
    what: "a cert-manager that is there can be used as it is; where there is none, one may be installed",
    why: "two of them fight for the same objects, and one without its definitions cannot be upgraded over",
    fix: "repair the one that is there, or remove what is left of it",
    run: cert_manager,
    offline: false,
};

fn cert_manager(context: &Context) -> Vec<Answer> {
    let inventory = context.inventory;
    of_cluster(context, |seen| {
        if !needs_cert_manager(context) {
            return vec![Answer::pass("this TLS set-up needs none")];
        }
        let found = match &seen.cert_manager {
            Ok(found) => found,
            Err(unseen) => return vec![Answer::unknown("cert-manager", unseen, "look again")],
        };
        let release = seen.release("cert-manager", "cert-manager");
        let ours = seen.is_ours("cert-manager");
        let never = inventory.cert_manager.install == CertManagerInstall::Never;
        vec![match (found.crds, &found.controller) {
            (true, Some(place)) if found.serves_v1 => fits(place, ours, &seen.version, &inventory.rancher.version),
            (true, Some(place)) => Answer::fail(
                format!("cert-manager {} does not serve cert-manager.io/v1", place.version),
                "upgrade it to 1.0 or newer",
            ),
            _ if ours => Answer::pass("cowhand's own, not finished; it is installed anew"),
            (true, None) => Answer::fail(
                "the definitions of cert-manager are there, but no controller of it runs",
                "start it, or, when nobody has a Certificate any more, remove its definitions: \
                 `kubectl get crd -o name | grep cert-manager.io`",
            ),
            (false, place) if place.is_some() || release.is_some() => Answer::fail(
                "a cert-manager that is not cowhand's is there without its definitions",
                "install its definitions (`crds.enabled=true`), or uninstall it; cowhand does not upgrade over it",
            ),
            (false, _) if never => Answer::fail(
                "this TLS set-up needs cert-manager; none is there, and `install: never` forbids one",
                "install cert-manager, or remove `install: never`",
            ),
            (false, _) => to_install(context, &seen.version),
        }]
    })
}

/// The chart's version is judged as with engine rke; one from a path says it later.
fn to_install(context: &Context, kubernetes: &str) -> Answer {
    let Chart { source, version } = &context.inventory.cert_manager.chart;
    let told = "none is there; cowhand installs one";
    match (source, KubernetesVersion::read(kubernetes)) {
        (ChartSource::Repository { .. }, Some(kubernetes)) => {
            let judged = cert_manager_for(&context.inventory.rancher.version, version, kubernetes);
            Answer { seen: format!("{told}: {}", judged.seen), ..judged }
        }
        (ChartSource::Repository { .. }, None) | (ChartSource::Path(_), _) => Answer::pass(told),
    }
}

fn fits(place: &CertManagerPlace, ours: bool, kubernetes: &str, rancher: &semver::Version) -> Answer {
    let whose = if ours { "cowhand's own" } else { "there already, used and left as it is" };
    let head = format!("cert-manager {} in {}, {whose}", place.version, place.namespace);
    if !place.ready {
        return Answer::fail(
            format!("{head}: it is not ready"),
            format!("see `kubectl -n {} describe deployment {}`", place.namespace, place.name),
        );
    }
    match KubernetesVersion::read(kubernetes).map(|kubernetes| cert_manager_for(rancher, &place.version, kubernetes)) {
        Some(answer) if answer.verdict == Verdict::Pass => Answer::pass(format!("{head}: {}", answer.seen)),
        // It runs: whether it was tested with this Kubernetes, or is wanted by Rancher's chart, is advice.
        Some(answer) => {
            Answer::warn(format!("{head}: {}", answer.seen), "see that it issues; its owner may upgrade it")
        }
        None => Answer::pass(head),
    }
}

pub const RANCHER: Check = Check {
    id: "existing.rancher",
    what: "no Rancher that somebody else installed runs in the cluster or manages it",
    why: "two of them would write the same objects; and what runs under another's hand is never taken over",
    fix: "go on with the tool that installed it, or take another cluster",
    run: rancher,
    offline: false,
};

fn rancher(context: &Context) -> Vec<Answer> {
    of_cluster(context, |seen| {
        let there = match &seen.rancher {
            Ok(there) => there,
            Err(unseen) => return vec![Answer::unknown("whether a Rancher runs here", unseen, "look again")],
        };
        if there.managed {
            return vec![Answer::fail(
                "cattle-cluster-agent runs here: the cluster is managed by a Rancher elsewhere",
                "take another cluster, or remove this one from that Rancher first",
            )];
        }
        let ours = seen.claim.as_ref().is_ok_and(|claim| claim.covers(there.release.as_ref()));
        vec![match (&there.image, &there.release) {
            _ if ours => Answer::pass("cowhand's own"),
            (_, Some(release)) if release.by_cowhand => {
                Answer::pass("cowhand's; for which inventory, existing.mark says")
            }
            (None, None) => Answer::pass("none"),
            (Some(image), None) => Answer::fail(
                format!("{image} runs here, installed by somebody else and without Helm"),
                "go on with what installed it, or take another cluster",
            ),
            (image, Some(release)) => {
                let what = image.clone().unwrap_or_else(|| "Rancher".to_owned());
                Answer::fail(
                    format!(
                        "{what} is installed here by somebody else (release cattle-system/rancher, revision {}, {})",
                        release.revision, release.status
                    ),
                    "go on with `helm upgrade` as whoever installed it, or take another cluster",
                )
            }
        }]
    })
}

pub const LEFTOVERS: Check = Check {
    id: "existing.leftovers",
    what: "nothing of an older Rancher is left: definitions, webhooks, namespaces that cannot go away",
    why: "a webhook whose Rancher is gone refuses every change it watches, and a new Rancher would start with the old one's settings",
    fix: "remove what is left, e.g. with rancher/rancher-cleanup",
    run: leftovers,
    offline: false,
};

fn leftovers(context: &Context) -> Vec<Answer> {
    of_cluster(context, |seen| {
        let former = match &seen.former {
            Ok(former) => former,
            Err(unseen) => return vec![Answer::unknown("what an older Rancher left", unseen, "look again")],
        };
        if seen.rancher.as_ref().is_ok_and(|there| there.image.is_some() || there.release.is_some() || there.managed) {
            return vec![Answer::pass("a Rancher is there, and what is there belongs to it")];
        }
        let answers = left(former);
        if answers.is_empty() { vec![Answer::pass("nothing")] } else { answers }
    })
}

fn left(former: &FormerRancher) -> Vec<Answer> {
    let cleanup = "https://github.com/rancher/rancher-cleanup removes all of it";
    let mut answers = Vec::new();
    if !former.webhooks.is_empty() {
        answers.push(Answer::fail(
            format!("webhooks of a Rancher that is gone: {}", former.webhooks.join(", ")),
            format!("`kubectl delete {}`; {cleanup}", former.webhooks.join(" ")),
        ));
    }
    if !former.stuck.is_empty() {
        answers.push(Answer::fail(
            format!("namespaces that cannot go away: {}", former.stuck.join("; ")),
            format!("remove the finalizers of what is left in them; {cleanup}"),
        ));
    }
    let data = former.definitions.iter().any(|name| name.ends_with("management.cattle.io"));
    if !former.definitions.is_empty() {
        let some: Vec<&str> = former.definitions.iter().map(String::as_str).take(3).collect();
        let seen = format!("{} definitions of a Rancher that is gone: {}…", former.definitions.len(), some.join(", "));
        answers.push(match data {
            true => Answer::fail(seen, format!("a new Rancher would start with their objects; {cleanup}")),
            false => Answer::warn(seen, cleanup),
        });
    }
    let empty: Vec<&str> =
        former.namespaces.iter().map(String::as_str).filter(|name| *name != "cattle-system").collect();
    if !empty.is_empty() && former.stuck.is_empty() {
        answers.push(Answer::warn(format!("namespaces of a Rancher that is gone: {}", empty.join(", ")), cleanup));
    }
    answers
}
