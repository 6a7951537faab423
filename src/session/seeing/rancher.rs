//! What there is of Rancher: its Secrets, its objects, its release, and what a former TLS set-up left.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretSlice};
use semver::Version;
use serde_json::Value;

use super::releases::{namespace, release};
use crate::cluster::{Apply, Change, Difference, ObjectRef, SecretDigest};
use crate::facts;
use crate::failure::Failure;
use crate::inventory::Delivery;
use crate::plan::rancher::{BOOTSTRAP_SECRET, HELD_LABEL, Held, NAMESPACE, RANCHER, RancherFound, RancherWanted};
use crate::plan::{self, SecretFrom, SecretStep};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;
use crate::session::{former_tls, guards, spread};

pub struct RancherSeen {
    pub found: RancherFound,
    /// The version that runs.
    pub running: Option<Version>,
    pub awaited: AwaitedSeen,
}

/// What Rancher's first pods wait for.
#[derive(Default)]
pub struct AwaitedSeen {
    /// The API answered.
    asked: bool,
    /// Rancher's Deployment is there.
    pods: bool,
    /// Names of the Secrets that are there; looked for only where the Deployment is not.
    secrets: Vec<String>,
}

impl AwaitedSeen {
    pub(super) async fn see(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<AwaitedSeen, Failure> {
        let Some(reached) = reached else { return Ok(AwaitedSeen::default()) };
        let pods = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
        if reached.cluster.get(&pods).await.map_err(unseen)?.is_some() {
            return Ok(AwaitedSeen { asked: true, pods: true, secrets: Vec::new() });
        }
        let mut secrets = Vec::new();
        for secret in plan::rancher::awaited(&rancher_wanted(inputs)) {
            if reached.cluster.secret_digest(NAMESPACE, &secret.name).await.map_err(unseen)?.is_some() {
                secrets.push(secret.name);
            }
        }
        Ok(AwaitedSeen { asked: true, pods: false, secrets })
    }

    /// The Secrets to send right behind the addon, when it is about to bring Rancher's pods for the first time.
    pub fn missing(&self, inputs: &Inputs<'_>) -> Vec<SecretStep> {
        // A cluster that does not answer may have Rancher: then its own stage decides.
        let first = if self.asked { !self.pods } else { inputs.project.state().is_none() };
        let mut awaited = plan::rancher::awaited(&rancher_wanted(inputs));
        awaited.retain(|secret| first && !self.secrets.contains(&secret.name));
        awaited
    }
}

pub(super) async fn see(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<RancherSeen, Failure> {
    let awaited = AwaitedSeen::see(inputs, reached).await?;
    let Some(reached) = reached else {
        let namespace = inputs.project.inventory.engine.builds_nodes();
        let found = RancherFound { namespace, ..RancherFound::default() };
        return Ok(RancherSeen { found, running: None, awaited });
    };
    let running = facts::inhabitants::rancher_version(&reached.cluster).await.map_err(unseen)?;
    let found = rancher_found(inputs, reached, &rancher_wanted(inputs)).await?;
    Ok(RancherSeen { found, running, awaited })
}

/// What is wanted of Rancher.
pub fn rancher_wanted<'a>(inputs: &'a Inputs<'_>) -> RancherWanted<'a> {
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
    if inputs.project.inventory.engine.builds_nodes() {
        found.held = held(reached).await?;
    }
    found.crowded = spread::crowded(inputs, reached).await?;
    former_tls::look(inputs, reached, wanted, &mut found).await?;
    Ok(found)
}

/// What a rebuild left closed, whichever command ends it.
async fn held(reached: &ClusterApi) -> Result<Vec<Held>, Failure> {
    let label = format!("{}={}", HELD_LABEL.0, HELD_LABEL.1);
    let quotas = reached.cluster.list("v1", "ResourceQuota", None, Some(&label)).await.map_err(unseen)?;
    let mut held = Vec::new();
    for namespace in quotas.iter().filter_map(|quota| quota["metadata"]["namespace"].as_str()) {
        let there = reached.cluster.list("apps/v1", "Deployment", Some(namespace), None).await.map_err(unseen)?;
        let names = there.iter().filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned));
        held.push(Held { namespace: namespace.to_owned(), deployments: names.collect() });
    }
    Ok(held)
}

fn changed_fields(one: Difference) -> Option<(String, Vec<String>)> {
    match one.change {
        Change::Missing => None,
        Change::Differs { fields } => Some((format!("{}/{}", one.object.kind, one.object.name), fields)),
    }
}

/// The digest of a Secret as it would be written; `None` when a part of it is not made yet.
pub fn digest(inputs: &Inputs<'_>, kind: &str, entries: &[(String, SecretFrom)]) -> Option<SecretDigest> {
    let mut data = BTreeMap::new();
    for (key, from) in entries {
        let SecretFrom::Tls(source) = from else { return None };
        let text = inputs.material.text(*source)?;
        data.insert(key.clone(), SecretSlice::from(text.expose_secret().as_bytes().to_vec()));
    }
    Some(SecretDigest::of(kind, &data))
}
