//! What each stage would do, planned from what is there now.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretSlice};
use serde_json::Value;

use super::world::{Reached, World};
use super::{agents, former};
use crate::cluster::{ASKER, Apply, ChartFacts, ClusterError, HelmError, HelmRun, ObjectRef, Release, SecretDigest};
use crate::execute::chart;
use crate::facts;
use crate::facts::inhabitants::{ReleaseSeen, is_ours};
use crate::inventory::{CertManagerInstall, Chart, Delivery, IngressProvider};
use crate::plan::applied::State;
use crate::plan::cert_manager::{CERT_MANAGER, CertManagerFound};
use crate::plan::ingress::{IngressFound, TRAEFIK};
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE, RANCHER, RancherFound, RancherWanted};
use crate::plan::release::ReleaseFound;
use crate::plan::{self, SecretFrom, SecretStep, Stage, StagePlan, Step, Wait};
use crate::report::{Exit, Failure};

/// Limit for a helm run that only reads.
const READ: std::time::Duration = std::time::Duration::from_secs(30);

/// Plans the stage; `reached` is the cluster, when it answers. `check` and `verify` change nothing.
pub async fn plan(world: &World<'_>, stage: Stage, reached: Option<&Reached>) -> Result<StagePlan, Failure> {
    match stage {
        Stage::Cluster => cluster(world, reached).await,
        Stage::Ingress => ingress(world, reached).await,
        Stage::CertManager => cert_manager(world, reached).await,
        Stage::Rancher => rancher(world, reached).await,
        Stage::Check | Stage::Verify | Stage::Remove => Ok(StagePlan { stage, steps: Vec::new(), notes: Vec::new() }),
    }
}

/// What forbids a stage, whichever it is, so that it is met before the first one changes anything.
///
/// # Errors
/// The refusal, as the stage itself would say it.
pub async fn refuse(world: &World<'_>, reached: Option<&Reached>) -> Result<(), Failure> {
    traefik_in_the_way(world, reached).await?;
    addon_taken_out(world)?;
    unsupported(world)?;
    if world.site.rke().is_none() {
        // A cluster of rke is this folder's own: whose its ingress is, its own stage asks.
        ingress(world, reached).await?;
    }
    cert_manager(world, reached).await.map(drop)
}

/// Changes that would harm a living cluster.
fn unsupported(world: &World<'_>) -> Result<(), Failure> {
    let found = match (world.state(), world.cluster_yml()) {
        (Some(state), Some((config, _))) => state.unsupported(&config),
        (None, _) | (_, None) => Vec::new(),
    };
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "RKE cannot change this in a living cluster without harm")
        .because(found.join("\n"))
        .hint("take it back in the inventory; a cluster that is to be otherwise is built anew: `cowhand down` with the former inventory, then `cowhand up`"))
}

async fn cluster(world: &World<'_>, reached: Option<&Reached>) -> Result<StagePlan, Failure> {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    let inventory = &world.site.inventory;
    notes.extend(agents::notes(world, reached).await?);
    traefik_in_the_way(world, reached).await?;
    addon_taken_out(world)?;
    unsupported(world)?;
    let state = world.state();
    if let Some((config, cluster_yml)) = world.cluster_yml() {
        let because = reasons(world, state.as_ref(), reached, &config).await?;
        if !because.is_empty() {
            steps.push(Step::RkeUp { cluster_yml, config, because });
            steps.extend(awaited(world, reached).await?.into_iter().map(Step::Secret));
        }
        notes.extend(world.parts.dropped_hooks.iter().map(|hook| format!("left to helm, not in the addon: {hook}")));
    }
    if world.site.rke().is_some() {
        let names = inventory.nodes.iter().map(|node| node.name.to_lowercase()).collect();
        steps.push(Step::Wait(Wait::NodesReady { names }));
    } else {
        notes.push("the cluster that is there is left as it is; no StorageClass is needed".into());
    }
    Ok(StagePlan { stage: Stage::Cluster, steps, notes })
}

/// rke deletes what stood in its addon and no longer does.
fn addon_taken_out(world: &World<'_>) -> Result<(), Failure> {
    let wanted = world.site.rke().is_none() || world.site.inventory.rancher.delivery == Delivery::Addon;
    if wanted || !world.state().as_ref().is_some_and(State::has_addon) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::ChecksFailed,
        "Rancher runs as RKE's addon here; without it in cluster.yml, rke would delete Rancher and its namespace",
    )
    .hint("keep `delivery: addon`; `helm upgrade --install rancher` with rancher-values.yml works beside it"))
}

/// RKE's nginx binds the nodes' ports 80 and 443, and would wait for ever where Traefik has them.
async fn traefik_in_the_way(world: &World<'_>, reached: Option<&Reached>) -> Result<(), Failure> {
    let (IngressProvider::Nginx, Some(reached)) = (world.site.inventory.ingress.provider, reached) else {
        return Ok(());
    };
    if !is_ours(recorded(reached, TRAEFIK).await?.as_ref()) {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "Traefik, which cowhand installed, has ports 80 and 443 of the nodes: nginx could not start beside it")
        .hint("keep `ingress.provider: traefik`; or `helm uninstall traefik --namespace traefik` first: Rancher is not reached from then on until `cowhand up` has ended"))
}

/// Why `rke up` has to run; empty when it has nothing to do.
async fn reasons(
    world: &World<'_>,
    state: Option<&State>,
    reached: Option<&Reached>,
    config: &serde_json::Map<String, Value>,
) -> Result<Vec<String>, Failure> {
    let Some(state) = state else { return Ok(vec!["there is no cluster yet".into()]) };
    let differences = state.differences(config);
    if !differences.is_empty() {
        return Ok(differences);
    }
    let Some(reached) = reached else { return Ok(vec!["the Kubernetes API does not answer".into()]) };
    // RKE records the control plane before workers and addons, so a killed run shows only in the cluster itself.
    let nodes = reached.cluster.nodes().await.map_err(unseen)?;
    for node in &world.site.inventory.nodes {
        let name = node.name.to_lowercase();
        match nodes.iter().find(|seen| seen.name == name) {
            None => return Ok(vec![format!("{name} has not joined the cluster")]),
            Some(seen) if !seen.ready => return Ok(vec![format!("{name} is not Ready: {}", seen.message)]),
            Some(_) => {}
        }
    }
    if world.site.inventory.rancher.delivery == Delivery::Helm {
        return Ok(Vec::new());
    }
    let wanted = config.get("addons").and_then(Value::as_str).unwrap_or_default();
    let addon = facts::cluster::addon(&reached.cluster).await.map_err(unseen)?;
    if addon.text.as_deref().map(str::trim) != Some(wanted.trim()) || !addon.job_complete {
        return Ok(vec!["the addon with Rancher was not applied to its end".into()]);
    }
    // Not as the one that added the mounts of a TLS set-up to the addon's Deployment: they would seem to be too much.
    let asking = Apply { manager: ASKER, ..Apply::default() };
    let missing = reached.cluster.diff(&world.parts.addon, &asking).await.map_err(unseen)?;
    Ok(missing.iter().map(|one| format!("{} is not as the addon has it", one.object)).collect())
}

/// The Secrets to send right behind the addon, when it is about to bring Rancher's pods for the first time.
async fn awaited(world: &World<'_>, reached: Option<&Reached>) -> Result<Vec<SecretStep>, Failure> {
    let mut awaited = plan::rancher::awaited(&rancher_wanted(world));
    let Some(reached) = reached else {
        // A cluster that does not answer may have Rancher: then its own stage decides.
        return Ok(if world.state().is_none() { awaited } else { Vec::new() });
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

async fn ingress(world: &World<'_>, reached: Option<&Reached>) -> Result<StagePlan, Failure> {
    let inventory = &world.site.inventory;
    let mut found = IngressFound::default();
    if let (IngressProvider::Traefik, Some(reached)) = (inventory.ingress.provider, reached) {
        let recorded = recorded(reached, TRAEFIK).await?;
        let ours = is_ours(recorded.as_ref());
        found.foreign = recorded.is_some() && !ours;
        if ours {
            found.release = release(world, reached, TRAEFIK, TRAEFIK, &inventory.ingress.chart).await?;
        }
        // On a cluster of RKE there is nobody but Rancher; its own nginx is switched off by `rke up` before.
        if world.site.rke().is_none() {
            found.others = others(reached, ours.then_some((TRAEFIK, &inventory.ingress.class))).await?;
        }
    }
    plan::ingress::plan(inventory, &world.picture.ingress.traefik_values, &found)
        .map_err(|foreign| Failure::of(Exit::ChecksFailed, &foreign).hint(foreign.hint()))
}

/// What else lets people in, looked at again: the check may have been skipped, or somebody was faster.
async fn others(reached: &Reached, own: Option<(&str, &str)>) -> Result<Vec<String>, Failure> {
    let classes = facts::cluster::ingress_classes(&reached.cluster).await.map_err(unseen)?;
    let controllers = facts::controllers::controllers(&reached.cluster).await.map_err(unseen)?;
    Ok(facts::controllers::occupants(&classes, &controllers, own).iter().map(ToString::to_string).collect())
}

async fn cert_manager(world: &World<'_>, reached: Option<&Reached>) -> Result<StagePlan, Failure> {
    let inventory = &world.site.inventory;
    let wanted = &inventory.cert_manager.chart;
    let mut found = CertManagerFound::default();
    let needed = world.picture.needs_cert_manager;
    if let (true, Some(reached)) = (needed, reached) {
        let there = facts::inhabitants::cert_manager(&reached.cluster).await.map_err(unseen)?;
        found.crds = there.crds;
        found.controller = there.controller.map(|place| (place.namespace, place.name));
        found.ours = is_ours(recorded(reached, CERT_MANAGER).await?.as_ref());
    }
    let mut version = wanted.version.clone();
    // What is left as it is needs no chart, which may not even be within reach.
    if needed && inventory.cert_manager.install == CertManagerInstall::Auto && !found.is_somebody_elses() {
        let facts = show_chart(world, wanted).await?;
        let there = match reached {
            Some(reached) => installed(world, reached, CERT_MANAGER, CERT_MANAGER).await?,
            None => None,
        };
        found.release = there.map(|there| beside(there, &facts));
        version = facts.version;
    }
    plan::cert_manager::plan(inventory, needed, &version, &found)
        .map_err(|foreign| Failure::of(Exit::ChecksFailed, &foreign).hint(foreign.hint()))
}

/// The record of a release that has its namespace's name.
async fn recorded(reached: &Reached, name: &str) -> Result<Option<ReleaseSeen>, Failure> {
    facts::inhabitants::release(&reached.cluster, name, name).await.map_err(unseen)
}

async fn rancher(world: &World<'_>, reached: Option<&Reached>) -> Result<StagePlan, Failure> {
    let wanted = rancher_wanted(world);
    let mut found = match reached {
        None => RancherFound { namespace: world.site.rke().is_some(), ..RancherFound::default() },
        Some(reached) => rancher_found(world, reached, &wanted).await?,
    };
    // By then the stage before has sent them.
    found.secrets_as_wanted.extend(awaited(world, reached).await?.into_iter().map(|secret| secret.name));
    Ok(plan::rancher::plan(&wanted, &found))
}

fn rancher_wanted<'a>(world: &'a World<'_>) -> RancherWanted<'a> {
    RancherWanted {
        inventory: &world.site.inventory,
        picture: &world.picture,
        values: world.values.clone(),
        addon: &world.parts.addon,
        later: world.parts.later.clone(),
    }
}

async fn rancher_found(
    world: &World<'_>,
    reached: &Reached,
    wanted: &RancherWanted<'_>,
) -> Result<RancherFound, Failure> {
    let cluster = &reached.cluster;
    let mut found = RancherFound::default();
    let namespace = ObjectRef::new("v1", "Namespace", None, NAMESPACE);
    found.namespace = cluster.get(&namespace).await.map_err(unseen)?.is_some();
    for step in plan::rancher::secrets(&world.picture) {
        let Some(there) = cluster.secret_digest(NAMESPACE, &step.name).await.map_err(unseen)? else { continue };
        let same = digest(world, &step.kind, &step.entries).is_some_and(|wanted| wanted == there);
        if same { &mut found.secrets_as_wanted } else { &mut found.secrets_changed }.push(step.name);
    }
    if let Some(there) = cluster.secret_digest(NAMESPACE, BOOTSTRAP_SECRET).await.map_err(unseen)? {
        found.secrets_as_wanted.push(BOOTSTRAP_SECRET.into());
        let ours = world.site.password()?.map(|ours| SecretSlice::from(ours.expose_secret().as_bytes().to_vec()));
        let ours = ours.map(|ours| SecretDigest::of("Opaque", &BTreeMap::from([("bootstrapPassword".into(), ours)])));
        found.other_password = ours.is_some_and(|ours| ours != there);
    }
    let (before, after) = plan::rancher::own_objects(&world.picture);
    let objects: Vec<Value> = before.into_iter().chain(after).chain(wanted.later.clone()).collect();
    let different = cluster.diff(&objects, &Apply::default()).await.map_err(unseen)?;
    let names = objects.iter().filter(|object| {
        !different.iter().any(|one| object["kind"] == one.object.kind && object["metadata"]["name"] == one.object.name)
    });
    found.objects_as_wanted = names.map(plan::rancher::identity).collect();
    if wanted.inventory.rancher.delivery == Delivery::Helm {
        found.release = release(world, reached, NAMESPACE, RANCHER, &wanted.inventory.rancher.chart).await?;
    }
    former::look(world, reached, wanted, &mut found).await?;
    Ok(found)
}

/// The digest of a Secret as it would be written; `None` when a part of it is not made yet.
fn digest(world: &World<'_>, kind: &str, entries: &[(String, SecretFrom)]) -> Option<SecretDigest> {
    let mut data = BTreeMap::new();
    for (key, from) in entries {
        let SecretFrom::Tls(source) = from else { return None };
        let text = world.material.text(*source)?;
        data.insert(key.clone(), SecretSlice::from(text.expose_secret().as_bytes().to_vec()));
    }
    Some(SecretDigest::of(kind, &data))
}

/// A Helm release as it is, beside the version of the chart that is wanted.
async fn release(
    world: &World<'_>,
    reached: &Reached,
    namespace: &str,
    name: &str,
    wanted: &Chart,
) -> Result<Option<ReleaseFound>, Failure> {
    let Some(there) = installed(world, reached, namespace, name).await? else { return Ok(None) };
    Ok(Some(beside(there, &show_chart(world, wanted).await?)))
}

async fn show_chart(world: &World<'_>, wanted: &Chart) -> Result<ChartFacts, Failure> {
    world.helm.show_chart(&chart(wanted)).await.map_err(|error| helm_failed(&error))
}

/// A release as helm tells it, and the values that were given to it.
async fn installed(
    world: &World<'_>,
    reached: &Reached,
    namespace: &str,
    name: &str,
) -> Result<Option<(Release, Value)>, Failure> {
    let run = HelmRun { kubeconfig: reached.kubeconfig.path(), limit: READ };
    let failed = |error: HelmError| helm_failed(&error);
    let Some(release) = world.helm.release(run, namespace, name).await.map_err(failed)? else { return Ok(None) };
    let values = world.helm.get_values(run, namespace, name).await.map_err(failed)?;
    Ok(Some((release, values)))
}

fn beside((release, values): (Release, Value), facts: &ChartFacts) -> ReleaseFound {
    let version = release.chart.strip_prefix(&format!("{}-", facts.name)).unwrap_or(&release.chart).to_string();
    let status = serde_json::to_value(release.status).ok().and_then(|word| word.as_str().map(str::to_string));
    ReleaseFound {
        status: status.unwrap_or_default(),
        chart_version: version,
        values: values.as_object().cloned().unwrap_or_default(),
        wanted_version: facts.version.clone(),
    }
}

pub(super) fn unseen(error: ClusterError) -> Failure {
    Failure::with_cause(Exit::Unreachable, "the cluster cannot be looked at", &error).maybe_hint(error.hint())
}

/// As every other refusal of a plan; within `up` it counts as a failed step once something was changed.
fn helm_failed(error: &HelmError) -> Failure {
    Failure::with_cause(Exit::ChecksFailed, "helm cannot be asked", error).maybe_hint(error.hint())
}
