//! Rancher itself: its secrets, the objects of the TLS set-up, its chart as addon or release.

use serde_json::Value;

use super::guard::{Guard, SecretShape};
use super::leftovers::{Leftovers, bare_deployment};
pub use super::rancher_held::{HELD_LABEL, HOLD, Held};
pub use super::rancher_values::{TakenOver, keep_secrets, kept_values, own_values, values};
pub use super::rancher_wanted::{NAMESPACE, RANCHER, RancherWanted, identity};
use super::release::{self, ReleaseFound};
use super::stage::Stage;
use super::step::{ReleaseWanted, SecretFrom, SecretStep, StagePlan, Step, Wait};
use crate::cluster::ObjectRef;
use crate::inventory::Delivery;
use crate::tls::{INGRESS_SECRET, Origin, OwnObject, Picture, Sense, When};

/// Where Rancher's chart looks for the first login's password (rancher/rancher: chart/templates/secret.yaml).
pub const BOOTSTRAP_SECRET: &str = "bootstrap-secret";

/// The Secret in which Rancher's own listener keeps the certificate that it signs (rancher/dynamiclistener: server/server.go).
pub const LISTENER_SECRET: &str = "serving-cert";

/// Whose the certificate of Rancher's own listener is, where clients see it: with passthrough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListenerLeaf {
    /// There is none, or the ingress has one of its own.
    #[default]
    Absent,
    OfTheCa,
    OfAnother,
}

/// What is there of what is wanted. The default is an empty cluster.
#[derive(Debug, Clone, Default)]
pub struct RancherFound {
    /// Names of the wanted Secrets that are there and hold what they should.
    pub secrets_as_wanted: Vec<String>,
    /// Names of the wanted Secrets that are there with something else in them.
    pub secrets_changed: Vec<String>,
    /// What these are like, by name.
    pub shapes: Vec<(String, SecretShape)>,
    /// Names of the wanted Secrets that bear cert-manager's annotations.
    pub noted: Vec<String>,
    /// `Kind/name` of the wanted objects that are there as wanted.
    pub objects_as_wanted: Vec<String>,
    /// `Kind/name` of the wanted objects that are there otherwise, with the paths of the fields; those that are in neither
    /// list are missing.
    pub objects_changed: Vec<(String, Vec<String>)>,
    /// Helm's release, with delivery helm.
    pub release: Option<ReleaseFound>,
    /// The namespace is there.
    pub namespace: bool,
    /// What a former TLS set-up left.
    pub leftovers: Leftovers,
    /// Why the certificate that cert-manager issued, and would keep, is not the wanted one.
    pub stale: Option<String>,
    /// Names of the Secrets that were written after the oldest of Rancher's pods had started.
    pub unread: Vec<String>,
    pub listener_leaf: ListenerLeaf,
    /// Namespaces of Rancher's that a rebuild keeps closed.
    pub held: Vec<Held>,
    /// The node that all of Rancher's replicas are on, although others take some too.
    pub crowded: Option<String>,
    /// The first login's password that is there is not the inventory's.
    pub other_password: bool,
}

/// What the stage does.
///
/// The order leaves no gap longer than needed: what would undo the new goes first, then the new comes, and only when it
/// stands the rest of the old goes.
pub fn plan(wanted: &RancherWanted<'_>, found: &RancherFound) -> StagePlan {
    let picture = wanted.picture;
    let mut steps = Vec::new();
    if !found.namespace {
        steps.push(apply("the namespace", vec![namespace()], found));
    }
    // RKE has changed the addon's Ingress already; Helm changes its own only below, and until then cert-manager would make
    // the certificate again that is removed here.
    if found.leftovers.by_ingress && wanted.inventory.rancher.delivery == Delivery::Helm {
        steps.push(Step::Unmark {
            object: ingress(),
            prefix: "cert-manager.io/issuer".into(),
            because: "they ask cert-manager for the certificate that goes next".into(),
        });
    }
    steps.extend(remove(found.leftovers.first.iter(), "it would undo what comes next"));
    let due = secrets(picture).into_iter().filter(|step| !found.secrets_as_wanted.contains(&step.name));
    steps.extend(due.flat_map(|step| secret_steps(step, found)));
    if !has_secret(found, BOOTSTRAP_SECRET) {
        steps.push(Step::Secret(bootstrap()));
    }
    let (before, after) = own_objects(picture);
    // While Rancher's Ingress still names the chart's issuer, cert-manager would write a Certificate of ours back.
    let (own, issuers): (Vec<_>, Vec<_>) = before.into_iter().partition(|one| one["kind"] == "Certificate");
    steps.extend(apply_missing("the objects of the TLS set-up", issuers, found));
    match wanted.inventory.rancher.delivery {
        Delivery::Addon => steps.extend(apply_missing("what the addon had to leave out", wanted.later.clone(), found)),
        // Its namespace has been seen to already.
        Delivery::Helm => steps.extend(release::steps(release_wanted(wanted), found.release.as_ref(), true)),
    }
    steps.extend(apply_missing("the certificate", own.clone(), found));
    steps.extend(issue_anew(picture, found));
    steps.extend(apply_missing("what belongs to Rancher's objects", after, found));
    // While routes lead past the ingress, Rancher's pods need their certificate.
    let is_route = |object: &&ObjectRef| found.leftovers.mounts && object.kind.starts_with("Ingress");
    let (routes, rest): (Vec<&ObjectRef>, Vec<&ObjectRef>) = found.leftovers.last.iter().partition(is_route);
    steps.extend(remove(routes, "Rancher's pods give up the certificate that it leads to"));
    if found.leftovers.mounts {
        let because = vec![format!("~ Deployment {RANCHER} spec.template.spec.volumes")];
        let what = "Rancher's deployment without the former certificate files".into();
        steps.push(Step::Apply { what, manifests: vec![bare_deployment()], because });
    }
    steps.extend(restart(found));
    steps.extend(found.held.iter().flat_map(Held::let_go));
    let wait = |name| Step::Wait(Wait::Certificate { namespace: NAMESPACE.into(), name });
    steps.extend(own.iter().filter_map(name_of).map(wait));
    steps.push(Step::Wait(Wait::Deployment { namespace: NAMESPACE.into(), name: RANCHER.into() }));
    if by_chart(picture) {
        // Its Issuer may need the CA that Rancher makes when it first starts.
        steps.push(wait(INGRESS_SECRET.into()));
    }
    steps.extend(new_listener_leaf(found));
    steps.extend(remove(rest, "the TLS set-up has no use for it any more"));
    StagePlan { stage: Stage::Rancher, steps, notes: notes(picture, found) }
}

/// What a person should know of the plan: why agents trust as they will, and what is left as it is.
fn notes(picture: &Picture, found: &RancherFound) -> Vec<String> {
    let mut notes = vec![format!("agentTLSMode {}: {}", picture.agent_tls_mode.word(), picture.agent_reason)];
    notes.extend(picture.notes.iter().cloned());
    if found.other_password {
        notes.push(format!(
            "secret {BOOTSTRAP_SECRET} holds another first password than the given one: it is kept, since Rancher uses it until somebody has logged in"
        ));
    }
    let foreign = found.leftovers.foreign.iter();
    notes.extend(
        foreign.map(|object| format!("{object} is no longer needed, but somebody else made or changed it: it is kept")),
    );
    notes
}

fn remove<'a>(objects: impl IntoIterator<Item = &'a ObjectRef>, because: &str) -> Option<Step> {
    let objects: Vec<ObjectRef> = objects.into_iter().cloned().collect();
    (!objects.is_empty()).then(|| Step::Remove { objects, because: because.into(), guards: vec![Guard::Ours] })
}

/// The Secret as it is wanted. One of another type has to go first: the type of a Secret cannot be changed. Keys that others
/// put into it go, and so do the notes that cert-manager made when it wrote it: they are true no longer, and would keep it from
/// writing it again.
fn secret_steps(wanted: SecretStep, found: &RancherFound) -> Vec<Step> {
    let object = ObjectRef::new("v1", "Secret", Some(&wanted.namespace), &wanted.name);
    let shape = found.shapes.iter().find(|(name, _)| *name == wanted.name).map(|(_, shape)| shape);
    let as_seen = |shape: &SecretShape| Guard::SecretIs {
        namespace: wanted.namespace.clone(),
        name: wanted.name.clone(),
        there: Some(shape.clone()),
    };
    let mut steps = Vec::new();
    let mut wanted = SecretStep { replaces: found.secrets_changed.contains(&wanted.name), ..wanted.clone() };
    let notes = found.noted.contains(&wanted.name);
    match shape {
        Some(shape) if shape.kind != wanted.kind => {
            let because = format!("it is of type {}, and the type of a Secret cannot be changed", shape.kind);
            let guards = vec![Guard::Ours, as_seen(shape)];
            steps.push(Step::Remove { objects: vec![object], because, guards });
            wanted.replaces = false;
            steps.push(Step::Secret(wanted));
        }
        Some(shape) => {
            let strange = |key: &&String| !wanted.entries.iter().any(|(own, _)| own == *key);
            wanted.takes_away = shape.keys.iter().filter(strange).cloned().collect();
            wanted.guards = vec![as_seen(shape)];
            steps.push(Step::Secret(wanted));
            let because =
                "cert-manager made them when it wrote the former certificate, and would go by them".to_owned();
            let prefix = "cert-manager.io/".to_owned();
            steps.extend(notes.then_some(Step::Unmark { object, prefix, because }));
        }
        None => steps.push(Step::Secret(wanted)),
    }
    steps
}

fn ingress() -> ObjectRef {
    ObjectRef::new("networking.k8s.io/v1", "Ingress", Some(NAMESPACE), RANCHER)
}

/// What makes cert-manager issue a certificate that it would otherwise keep, or not make at all.
fn issue_anew(picture: &Picture, found: &RancherFound) -> Option<Step> {
    if by_chart(picture) && found.leftovers.first.iter().any(|object| object.kind == "Certificate") {
        // It refused to touch a Certificate that was not its own, and would look again only after hours.
        let because = "cert-manager makes its own certificate for it now".into();
        return Some(Step::Touch { object: ingress(), because });
    }
    let because = found.stale.clone()?;
    Some(Step::Reissue { namespace: NAMESPACE.into(), name: INGRESS_SECRET.into(), because })
}

/// What Rancher's pods read only when they start: files mounted by subPath (kubernetes.io: volumes, subPath), and
/// their own CA.
pub const READ_AT_START: [&str; 3] = ["tls-ca", "cattle-server-keys", "tls-rancher"];

fn restart(found: &RancherFound) -> Option<Step> {
    let mut changed = found.secrets_changed.iter().chain(&found.unread).chain(removed_secrets(found));
    if changed.any(|name| READ_AT_START.contains(&name.as_str())) {
        return Some(restart_step("its pods read certificates only when they start"));
    }
    // Each new pod is placed while the others still run; the scheduler prefers a node without one.
    let node = found.crowded.as_ref()?;
    Some(restart_step(&format!(
        "all its replicas are on {node}, and its loss would stop Rancher; other nodes take pods"
    )))
}

fn removed_secrets(found: &RancherFound) -> impl Iterator<Item = &String> {
    found.leftovers.first.iter().filter(|object| object.kind == "Secret").map(|object| &object.name)
}

fn restart_step(because: &str) -> Step {
    Step::Restart { namespace: NAMESPACE.into(), deployment: RANCHER.into(), because: because.into() }
}

/// Rancher's listener makes its certificate anew for another name only, not for another CA (rancher/dynamiclistener:
/// factory/gen.go), and pods with the old CA write theirs back as long as they run (storage/kubernetes/controller.go). So it
/// goes when all pods know the new CA, and they start once more without it.
fn new_listener_leaf(found: &RancherFound) -> Vec<Step> {
    let due = match found.listener_leaf {
        ListenerLeaf::Absent => false,
        ListenerLeaf::OfAnother => true,
        ListenerLeaf::OfTheCa => removed_secrets(found).any(|name| name == "tls-rancher"),
    };
    if !due {
        return Vec::new();
    }
    let leaf = ObjectRef::new("v1", "Secret", Some(NAMESPACE), LISTENER_SECRET);
    let gone = remove([&leaf], "Rancher would go on to serve it, and it is not from the CA that is wanted");
    let again = [
        restart_step("Rancher makes its own certificate anew only when it starts without one"),
        Step::Wait(Wait::Deployment { namespace: NAMESPACE.into(), name: RANCHER.into() }),
    ];
    gone.into_iter().chain(again).collect()
}

/// Whether the chart's Issuer and its Ingress bring about the certificate.
pub fn by_chart(picture: &Picture) -> bool {
    matches!(picture.cell.sense, Sense::Makes(recipe) if recipe.origin == Origin::ChartIssuer)
}

fn has_secret(found: &RancherFound, name: &str) -> bool {
    found.secrets_as_wanted.iter().chain(&found.secrets_changed).any(|there| there == name)
}

/// The Secrets of the TLS set-up.
pub fn secrets(picture: &Picture) -> Vec<SecretStep> {
    let step = |wanted: &crate::tls::SecretWanted| SecretStep {
        namespace: wanted.namespace.into(),
        name: wanted.name.into(),
        kind: wanted.kind.word().into(),
        entries: wanted.entries.iter().map(|(key, source)| ((*key).into(), SecretFrom::Tls(*source))).collect(),
        helm_release: None,
        replaces: false,
        takes_away: Vec::new(),
        guards: Vec::new(),
    };
    picture.secrets.iter().map(step).collect()
}

fn bootstrap() -> SecretStep {
    SecretStep {
        namespace: NAMESPACE.into(),
        name: BOOTSTRAP_SECRET.into(),
        kind: "Opaque".into(),
        entries: vec![("bootstrapPassword".into(), SecretFrom::BootstrapPassword)],
        helm_release: Some(RANCHER.into()),
        replaces: false,
        takes_away: Vec::new(),
        guards: Vec::new(),
    }
}

/// Objects of the TLS set-up that come before Rancher's chart, and those that come after it.
pub fn own_objects(picture: &Picture) -> (Vec<Value>, Vec<Value>) {
    let of = |when: When| {
        let these = picture.objects.iter().filter(move |object| object.when == when);
        these.map(|object: &OwnObject| object.manifest.clone()).collect()
    };
    (of(When::BeforeRancher), of(When::AfterRancher))
}

/// The Secrets that the pods of a new addon cannot start without. They go right behind it: kubelet looks for a missing
/// one after pauses that grow up to two minutes (kubernetes: pkg/util/goroutinemap/exponentialbackoff).
pub fn awaited(wanted: &RancherWanted<'_>) -> Vec<SecretStep> {
    let pods = wanted.addon.iter().filter(|object| identity(object) == format!("Deployment/{RANCHER}"));
    let names: Vec<&str> = pods.filter_map(|one| one.pointer("/spec/template/spec")).flat_map(secret_names).collect();
    let secrets = secrets(wanted.picture).into_iter().chain([bootstrap()]);
    secrets.filter(|secret| names.contains(&secret.name.as_str())).collect()
}

/// Names of the Secrets that a pod mounts or takes into its environment.
fn secret_names(pod: &Value) -> impl Iterator<Item = &str> {
    let mounted = entries(pod, "volumes").filter_map(|volume| volume.pointer("/secret/secretName"));
    let variables = entries(pod, "containers").flat_map(|container| entries(container, "env"));
    mounted.chain(variables.filter_map(|one| one.pointer("/valueFrom/secretKeyRef/name"))).filter_map(Value::as_str)
}

fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn release_wanted(wanted: &RancherWanted<'_>) -> ReleaseWanted {
    ReleaseWanted {
        release: RANCHER.into(),
        namespace: NAMESPACE.into(),
        chart: wanted.inventory.rancher.chart.clone(),
        values: wanted.values.clone(),
        because: Vec::new(),
        guards: Vec::new(),
    }
}

fn apply_missing(what: &str, manifests: Vec<Value>, found: &RancherFound) -> Option<Step> {
    let missing: Vec<Value> =
        manifests.into_iter().filter(|manifest| !found.objects_as_wanted.contains(&identity(manifest))).collect();
    (!missing.is_empty()).then(|| apply(what, missing, found))
}

fn apply(what: &str, manifests: Vec<Value>, found: &RancherFound) -> Step {
    let because = manifests.iter().flat_map(|manifest| differences(manifest, found)).collect();
    Step::Apply { what: what.into(), manifests, because }
}

/// As a plan says it: `+ Certificate tls-rancher-ingress`, or a line for each field.
fn differences(manifest: &Value, found: &RancherFound) -> Vec<String> {
    let name = identity(manifest);
    let said = name.replacen('/', " ", 1);
    match found.objects_changed.iter().find(|(there, _)| *there == name) {
        None => vec![format!("+ {said}")],
        Some((_, fields)) => fields.iter().map(|field| format!("~ {said} {field}")).collect(),
    }
}

fn name_of(manifest: &Value) -> Option<String> {
    Some(manifest.pointer("/metadata/name")?.as_str()?.to_string())
}

/// Rancher's namespace, as an object that says who made it.
pub fn namespace() -> Value {
    release::namespace(NAMESPACE)
}
