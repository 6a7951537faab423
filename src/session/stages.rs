//! What each stage would do, planned from what is there now.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretSlice};
use serde_json::Value;

use crate::cluster::{Apply, Change, ChartFacts, Difference, HelmError, HelmRun, ObjectRef, Release, SecretDigest};
use crate::engine;
use crate::engine::change::lines;
use crate::facts;
use crate::facts::owner::{Claim, Mark};
use crate::failure::{Exit, Failure};
use crate::inventory::{CertManagerInstall, Chart, ChartSource, Delivery, IngressProvider};
use crate::plan::cert_manager::{CERT_MANAGER, CertManagerFound};
use crate::plan::ingress::{IngressFound, TRAEFIK};
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE, RANCHER, RancherFound, RancherWanted};
use crate::plan::release::ReleaseFound;
use crate::plan::{self, SecretFrom, SecretStep, Stage, StagePlan, Step, Wait};
use crate::play::chart;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::{Inputs, helm_exit};
use crate::session::{
    addons, adoption, agents, away, former_tls, guards, images, ownership, rancher_version, rke_reasons, spread,
};

/// See [`crate::session::ahead`].
const BESIDE: &str = "ingress and cert-manager begin as soon as every node is Ready, while rke is still at work";

/// Limit for a helm run that only reads.
const READ: std::time::Duration = std::time::Duration::from_secs(30);

/// Plans the stage, where [`refuse`] forbids nothing; `reached` is the cluster, when it answers. `check` and `verify` change
/// nothing. `early` are the plans that still hold.
pub async fn plan(
    inputs: &Inputs<'_>,
    stage: Stage,
    reached: Option<&ClusterApi>,
    early: &mut Vec<StagePlan>,
) -> Result<StagePlan, Failure> {
    if let Some(at) = early.iter().position(|plan| plan.stage == stage) {
        return Ok(early.remove(at).without(&away::names(inputs)));
    }
    let plan = match stage {
        Stage::Cluster => cluster(inputs, reached).await?,
        Stage::Ingress => ingress(inputs, reached).await?,
        Stage::CertManager => cert_manager(inputs, reached).await?,
        Stage::Rancher => rancher(inputs, reached).await?,
        Stage::Check | Stage::Verify | Stage::Remove | Stage::Recover | Stage::Backup | Stage::Rotate => {
            StagePlan { stage, steps: Vec::new(), notes: Vec::new() }
        }
    };
    Ok(plan.without(&away::names(inputs)))
}

/// What to know of a stage beside its steps, for whoever asks for everything.
pub fn details(inputs: &Inputs<'_>, stage: Stage) -> Vec<String> {
    let hook =
        |hook: &String| format!("only helm runs this hook of Rancher's chart, RKE's addon leaves it out: {hook}");
    match stage {
        Stage::Cluster => inputs.parts.dropped_hooks.iter().map(hook).collect(),
        Stage::Check
        | Stage::Ingress
        | Stage::CertManager
        | Stage::Rancher
        | Stage::Verify
        | Stage::Remove
        | Stage::Recover
        | Stage::Backup
        | Stage::Rotate => Vec::new(),
    }
}

/// What forbids a stage, whichever it is, is met before the first one changes anything. Gives the plans that were made for
/// it: they hold as long as nothing is changed.
///
/// # Errors
/// The refusal, as the stage itself would say it.
pub async fn refuse(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<Vec<StagePlan>, Failure> {
    traefik_in_the_way(inputs, reached).await?;
    addons::refuse(inputs)?;
    adoption::refuse_anew(&inputs.project.inventory, &inputs.project.workspace, inputs.project.state().is_some())?;
    rke_reasons::refuse(inputs, reached).await?;
    if inputs.machines.unreached().is_some() {
        cluster(inputs, reached).await?;
    }
    if let Some(reached) = reached {
        ownership::refuse(inputs.project, reached).await?;
    }
    rancher_version::refuse_older(inputs, reached).await?;
    let mut plans = Vec::new();
    if !inputs.project.inventory.engine.builds_nodes() {
        // A cluster of rke is this folder's own: whose its ingress is, its own stage asks.
        plans.push(ingress(inputs, reached).await?);
    }
    plans.push(cert_manager(inputs, reached).await?);
    Ok(plans)
}

async fn cluster(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<StagePlan, Failure> {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    let inventory = &inputs.project.inventory;
    notes.extend(agents::notes(inputs, reached).await?);
    notes.extend(images::rolled(inputs.project).await);
    let state = inputs.project.state();
    if let Some((config, cluster_yml)) = inputs.cluster_yml() {
        let because = rke_reasons::reasons(inputs, state.as_ref(), reached, &config).await?;
        if !because.is_empty() {
            away::refuse_rke(inputs, &lines(&because))?;
            if because.contains(&engine::Change::Create) {
                notes.push(BESIDE.into());
            }
            steps.extend(rke_reasons::steps(inputs, reached, (config, cluster_yml), because).await?);
            steps.extend(awaited(inputs, reached).await?.into_iter().map(Step::Secret));
        }
    }
    if inputs.project.inventory.engine.builds_nodes() {
        let names = inventory.nodes.iter().map(|node| node.name.to_lowercase()).collect();
        steps.push(Step::Wait(Wait::NodesReady { names }));
    } else {
        notes.push("the existing cluster itself is not changed; no StorageClass is needed".into());
        notes.extend(to_pin(inputs));
        steps.extend(mark(inputs, reached).await?);
    }
    Ok(StagePlan { stage: Stage::Cluster, steps, notes })
}

/// What `up` keeps of the cluster in the workspace.
fn to_pin(inputs: &Inputs<'_>) -> Option<String> {
    let project = inputs.project;
    let line = project.cluster_line().filter(|_| project.identity.pinned.is_none())?;
    Some(format!(
        "this inventory works on {line} from its first run on: `up` pins that cluster, and no other one is taken for it"
    ))
}

/// The mark of this inventory, before anything else comes to the cluster.
async fn mark(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<Option<Step>, Failure> {
    let Some(reached) = reached else { return Ok(None) };
    let wanted = match ownership::refuse(inputs.project, reached).await? {
        Claim::Ours(_) | Claim::Built | Claim::Another(_) | Claim::NotTaken { .. } | Claim::OtherHost(_) => {
            return Ok(None);
        }
        // `up` has made the UID by then; a plan does not.
        Claim::Older | Claim::Free => Mark {
            inventory: inputs.project.inventory.name.clone(),
            uid: inputs.project.owner().uid.unwrap_or_else(|| "(made by the first `cowhand up`)".into()),
        },
    };
    let object = Mark::object();
    let because = vec![format!("+ {object}")];
    Ok(Some(Step::Apply {
        what: format!("the mark of this inventory, {object}"),
        manifests: vec![wanted.manifest()],
        because,
    }))
}

/// RKE's nginx binds the nodes' ports 80 and 443, and would wait for ever where Traefik has them.
async fn traefik_in_the_way(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<(), Failure> {
    let (IngressProvider::Nginx, Some(reached)) = (inputs.project.inventory.ingress.provider, reached) else {
        return Ok(());
    };
    if !recorded(inputs, reached, TRAEFIK).await?.ours {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "Traefik, which cowhand installed, has ports 80 and 443 of the nodes: nginx could not start beside it")
        .hint("keep `ingress.provider: traefik`; or `helm uninstall traefik --namespace traefik` first: Rancher is not reached from then on until `cowhand up` has ended"))
}

/// The Secrets to send right behind the addon, when it is about to bring Rancher's pods for the first time.
async fn awaited(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<Vec<SecretStep>, Failure> {
    let mut awaited = plan::rancher::awaited(&rancher_wanted(inputs));
    let Some(reached) = reached else {
        // A cluster that does not answer may have Rancher: then its own stage decides.
        return Ok(if inputs.project.state().is_none() { awaited } else { Vec::new() });
    };
    let pods = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    if reached.cluster.get(&pods).await.map_err(unseen)?.is_some() {
        return Ok(Vec::new());
    }
    let mut there = Vec::new();
    for secret in &awaited {
        there.push(reached.cluster.secret_digest(NAMESPACE, &secret.name).await.map_err(unseen)?.is_some());
    }
    let mut there = there.into_iter();
    awaited.retain(|_| there.next() == Some(false));
    Ok(awaited)
}

async fn ingress(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<StagePlan, Failure> {
    let inventory = &inputs.project.inventory;
    let mut found = IngressFound::default();
    if let (IngressProvider::Traefik, Some(reached)) = (inventory.ingress.provider, reached) {
        let Recorded { there, ours } = recorded(inputs, reached, TRAEFIK).await?;
        found.foreign = there && !ours;
        found.namespace = namespace(reached, TRAEFIK).await?;
        if ours {
            found.release = release(inputs, reached, TRAEFIK, TRAEFIK, &inventory.ingress.chart).await?;
        }
        // On a cluster of RKE there is nobody but Rancher; its own nginx is switched off by `rke up` before.
        if !inputs.project.inventory.engine.builds_nodes() {
            found.others = others(reached, ours.then_some((TRAEFIK, &inventory.ingress.class))).await?;
        }
    }
    plan::ingress::plan(inventory, &inputs.picture.ingress.traefik_values, &found)
        .map_err(|foreign| Failure::of(Exit::ChecksFailed, &foreign))
}

/// What else lets people in, looked at again: the check may have been skipped, or somebody was faster.
async fn others(reached: &ClusterApi, own: Option<(&str, &str)>) -> Result<Vec<String>, Failure> {
    let classes = facts::cluster::ingress_classes(&reached.cluster).await.map_err(unseen)?;
    let controllers = facts::controllers::controllers(&reached.cluster).await.map_err(unseen)?;
    Ok(facts::controllers::occupants(&classes, &controllers, own).iter().map(ToString::to_string).collect())
}

async fn cert_manager(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<StagePlan, Failure> {
    let inventory = &inputs.project.inventory;
    let wanted = &inventory.cert_manager.chart;
    let mut found = CertManagerFound::default();
    let needed = inputs.picture.needs_cert_manager;
    if let (true, Some(reached)) = (needed, reached) {
        let there = facts::inhabitants::cert_manager(&reached.cluster).await.map_err(unseen)?;
        found.crds = there.crds;
        found.namespace = namespace(reached, CERT_MANAGER).await?;
        found.controller = there.controller.map(|place| (place.namespace, place.name));
        found.ours = recorded(inputs, reached, CERT_MANAGER).await?.ours;
    }
    let mut version = wanted.version.clone();
    // What is left as it is needs no chart, which may not even be within reach.
    if needed && inventory.cert_manager.install == CertManagerInstall::Auto && !found.is_somebody_elses() {
        let facts = show_chart(inputs, wanted).await?;
        let there = match reached {
            Some(reached) => installed(inputs, reached, CERT_MANAGER, CERT_MANAGER).await?,
            None => None,
        };
        found.release = there.map(|there| beside(there, &facts));
        version = facts.version;
    }
    plan::cert_manager::plan(inventory, needed, &version, &found)
        .map_err(|foreign| Failure::of(Exit::ChecksFailed, &foreign))
}

async fn namespace(reached: &ClusterApi, name: &str) -> Result<bool, Failure> {
    let object = ObjectRef::new("v1", "Namespace", None, name);
    Ok(reached.cluster.get(&object).await.map_err(unseen)?.is_some())
}

/// What is known of a release that has its namespace's name.
struct Recorded {
    there: bool,
    /// cowhand installed it, for this inventory.
    ours: bool,
}

async fn recorded(inputs: &Inputs<'_>, reached: &ClusterApi, name: &str) -> Result<Recorded, Failure> {
    let release = facts::inhabitants::release(&reached.cluster, name, name).await.map_err(unseen)?;
    let claim = ownership::claim(inputs.project, reached).await?;
    Ok(Recorded { there: release.is_some(), ours: claim.covers(release.as_ref()) })
}

async fn rancher(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<StagePlan, Failure> {
    rancher_version::refuse_older(inputs, reached).await?;
    let mut wanted = rancher_wanted(inputs);
    let mut found = match reached {
        None => RancherFound { namespace: inputs.project.inventory.engine.builds_nodes(), ..RancherFound::default() },
        Some(reached) => rancher_found(inputs, reached, &wanted).await?,
    };
    if let Some(release) = found.release.as_ref().filter(|_| inputs.project.inventory.is_adopted()) {
        plan::rancher::keep_secrets(&mut wanted.values, &release.values);
    }
    // By then the stage before has sent them.
    found.secrets_as_wanted.extend(awaited(inputs, reached).await?.into_iter().map(|secret| secret.name));
    Ok(plan::rancher::plan(&wanted, &found))
}

fn rancher_wanted<'a>(inputs: &'a Inputs<'_>) -> RancherWanted<'a> {
    RancherWanted {
        inventory: &inputs.project.inventory,
        picture: &inputs.picture,
        values: inputs.values.clone(),
        addon: &inputs.parts.addon,
        later: inputs.parts.later.clone(),
    }
}

async fn rancher_found(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    wanted: &RancherWanted<'_>,
) -> Result<RancherFound, Failure> {
    let cluster = &reached.cluster;
    let mut found = RancherFound { namespace: namespace(reached, NAMESPACE).await?, ..RancherFound::default() };
    for step in plan::rancher::secrets(&inputs.picture) {
        let Some(there) = cluster.secret_digest(NAMESPACE, &step.name).await.map_err(unseen)? else { continue };
        if digest(inputs, &step.kind, &step.entries).is_some_and(|wanted| wanted == there) {
            found.secrets_as_wanted.push(step.name);
            continue;
        }
        if guards::noted_by_cert_manager(reached, &step.name).await? {
            found.noted.push(step.name.clone());
        }
        found.shapes.push((step.name.clone(), guards::shape(there)));
        found.secrets_changed.push(step.name);
    }
    if let Some(there) = cluster.secret_digest(NAMESPACE, BOOTSTRAP_SECRET).await.map_err(unseen)? {
        found.secrets_as_wanted.push(BOOTSTRAP_SECRET.into());
        let ours = inputs.project.password()?.map(|ours| SecretSlice::from(ours.expose_secret().as_bytes().to_vec()));
        let ours = ours.map(|ours| SecretDigest::of("Opaque", &BTreeMap::from([("bootstrapPassword".into(), ours)])));
        found.other_password = ours.is_some_and(|ours| ours != there);
    }
    let (before, after) = plan::rancher::own_objects(&inputs.picture);
    let objects: Vec<Value> = before.into_iter().chain(after).chain(wanted.later.clone()).collect();
    let different = cluster.diff(&objects, &Apply::default()).await.map_err(unseen)?;
    let names = objects.iter().filter(|object| {
        !different.iter().any(|one| object["kind"] == one.object.kind && object["metadata"]["name"] == one.object.name)
    });
    found.objects_as_wanted = names.map(plan::rancher::identity).collect();
    found.objects_changed = different.into_iter().filter_map(changed_fields).collect();
    if wanted.inventory.rancher.delivery == Delivery::Helm {
        found.release = release(inputs, reached, NAMESPACE, RANCHER, &wanted.inventory.rancher.chart).await?;
    }
    found.crowded = spread::crowded(inputs, reached).await?;
    former_tls::look(inputs, reached, wanted, &mut found).await?;
    Ok(found)
}

fn changed_fields(one: Difference) -> Option<(String, Vec<String>)> {
    match one.change {
        Change::Missing => None,
        Change::Differs { fields } => Some((format!("{}/{}", one.object.kind, one.object.name), fields)),
    }
}

/// The digest of a Secret as it would be written; `None` when a part of it is not made yet.
fn digest(inputs: &Inputs<'_>, kind: &str, entries: &[(String, SecretFrom)]) -> Option<SecretDigest> {
    let mut data = BTreeMap::new();
    for (key, from) in entries {
        let SecretFrom::Tls(source) = from else { return None };
        let text = inputs.material.text(*source)?;
        data.insert(key.clone(), SecretSlice::from(text.expose_secret().as_bytes().to_vec()));
    }
    Some(SecretDigest::of(kind, &data))
}

/// A Helm release as it is, beside the version of the chart that is wanted.
async fn release(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    namespace: &str,
    name: &str,
    wanted: &Chart,
) -> Result<Option<ReleaseFound>, Failure> {
    let Some(there) = installed(inputs, reached, namespace, name).await? else { return Ok(None) };
    let facts = match as_wanted(&there.0, wanted) {
        Some(facts) => facts,
        None => show_chart(inputs, wanted).await?,
    };
    Ok(Some(beside(there, &facts)))
}

/// A release's own chart, where it is the one that is wanted: its repository may not even be within reach.
fn as_wanted(release: &Release, wanted: &Chart) -> Option<ChartFacts> {
    let ChartSource::Repository { name, .. } = &wanted.source else { return None };
    let same = release.chart == format!("{name}-{}", wanted.version);
    same.then(|| ChartFacts { name: name.clone(), version: wanted.version.clone() })
}

async fn show_chart(inputs: &Inputs<'_>, wanted: &Chart) -> Result<ChartFacts, Failure> {
    inputs.helm.show_chart(&chart(wanted)).await.map_err(|error| helm_failed(&error))
}

/// A release as helm tells it, and the values that were given to it.
async fn installed(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    namespace: &str,
    name: &str,
) -> Result<Option<(Release, Value)>, Failure> {
    let kubeconfig = reached.kubeconfig().await?;
    let run = HelmRun { kubeconfig: kubeconfig.path(), limit: READ };
    let failed = |error: HelmError| helm_failed(&error);
    let Some(release) = inputs.helm.release(run, namespace, name).await.map_err(failed)? else { return Ok(None) };
    let values = inputs.helm.get_values(run, namespace, name).await.map_err(failed)?;
    Ok(Some((release, values)))
}

fn beside((release, values): (Release, Value), facts: &ChartFacts) -> ReleaseFound {
    let version = release.chart.strip_prefix(&format!("{}-", facts.name)).unwrap_or(&release.chart).to_string();
    let status = serde_json::to_value(release.status).ok().and_then(|word| word.as_str().map(str::to_string));
    ReleaseFound {
        status: status.unwrap_or_default(),
        revision: release.revision.parse().unwrap_or_default(),
        chart_version: version,
        values: values.as_object().cloned().unwrap_or_default(),
        wanted_version: facts.version.clone(),
    }
}

/// As every other refusal of a plan; within `up` it counts as a failed step once something was changed.
fn helm_failed(error: &HelmError) -> Failure {
    Failure::with_cause(helm_exit(error), "helm cannot be asked", error)
}
