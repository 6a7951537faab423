//! What stages are planned from: the tools, the TLS picture, and the cluster when one answers.

use std::time::Duration;

use serde_json::{Map, Value};

use super::machines::Machines;
use super::site::Site;
use crate::cluster::{Access, AddonParts, Cluster, ClusterError, Helm, HelmKubeconfig, Render, Route, split_for_addon};
use crate::execute::tool::{Found, ToolKind, Toolbox};
use crate::execute::{Downloading, Tell, chart};
use crate::facts;
use crate::facts::existing::ClusterObserved;
use crate::inventory::defaults::HELM_VERSION;
use crate::inventory::{Delivery, Engine, Existing, Values};
use crate::plan::applied::State;
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE, RANCHER};
use crate::plan::{self, rancher};
use crate::remote::Forward;
use crate::report::{Exit, Failure};
use crate::tls::{Material, Picture};

/// How long an API server that answers may take until it serves everything.
const READY: Duration = Duration::from_secs(20);

/// An API that answered, and the way to it.
pub struct Reached {
    pub cluster: Cluster,
    pub kubeconfig: HelmKubeconfig,
    /// Carries the API over SSH as long as it lives.
    _forward: Option<Forward>,
}

/// Everything that planning looks at besides the machines themselves.
pub struct World<'a> {
    pub site: &'a Site,
    pub machines: &'a Machines,
    pub material: Material,
    pub picture: Picture,
    pub helm: Helm,
    pub rke: Option<Found>,
    /// Values for Rancher's chart.
    pub values: Values,
    /// Rancher's chart, rendered and parted, with delivery addon.
    pub parts: AddonParts,
}

impl<'a> World<'a> {
    pub async fn see(site: &'a Site, machines: &'a Machines, tell: &Tell) -> Result<World<'a>, Failure> {
        let material = site.material(&site.tls_files()?)?;
        let picture = site.picture(&material)?;
        let helm = find(ToolKind::Helm, &site.inventory.helm, HELM_VERSION, tell).await?;
        let helm = Helm::new(helm.path, site.workspace.helm_home());
        let rke = match site.rke() {
            Some(rke) => Some(find(ToolKind::Rke, &rke.binary, &rke.version, tell).await?),
            None => None,
        };
        let values = rancher::values(&site.inventory, &picture);
        let parts = match (site.inventory.rancher.delivery, site.rke()) {
            (Delivery::Addon, Some(rke)) => render_addon(site, &helm, &values, &rke.kubernetes).await?,
            (Delivery::Addon | Delivery::Helm, _) => AddonParts::default(),
        };
        Ok(World { site, machines, material, picture, helm, rke, values, parts })
    }

    /// The cluster.yml that is wanted, as a map and as the text that people keep.
    pub fn cluster_yml(&self) -> Option<(Map<String, Value>, String)> {
        let rke = self.site.rke()?;
        let strings = |map: &std::collections::BTreeMap<String, String>| -> Map<String, Value> {
            map.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect()
        };
        let additions = plan::rke::Additions {
            addon: plan::documents(&self.parts.addon),
            nginx_options: strings(&self.picture.ingress.rke_options),
            nginx_arguments: strings(&self.picture.ingress.rke_extra_args),
        };
        let config = plan::rke::cluster_yml(&self.site.inventory, rke, &additions);
        let file = self.site.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = plan::rke::text(&config, &self.site.inventory, &file, &rke.version);
        Some((config, text))
    }

    /// RKE's state, when there is a whole one.
    pub fn state(&self) -> Option<State> {
        state(self.site)
    }

    /// The cluster's API, if it answers.
    pub async fn reach(&self) -> Result<Option<Reached>, Failure> {
        reach(self.site, self.machines).await
    }
}

/// RKE's state in the workspace, when it is there and whole.
pub fn state(site: &Site) -> Option<State> {
    let bytes = site.workspace.state_bytes().ok()??;
    State::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Opens the way to the API and asks for its version; `None` when there is no cluster yet, or it does not answer, or not
/// with everything.
pub async fn reach(site: &Site, machines: &Machines) -> Result<Option<Reached>, Failure> {
    let (access, forward) = match &site.inventory.engine {
        Engine::Rke(_) => {
            let Some(kubeconfig) = kubeconfig(site) else { return Ok(None) };
            let access = Access::from_yaml(&kubeconfig).map_err(unusable)?;
            (access, Some(machines.api_route().await?))
        }
        Engine::Existing(existing) => (access(existing)?, None),
    };
    let route = forward.as_ref().map_or(Route::Direct, |forward| Route::Through { port: forward.address().port() });
    let cluster = Cluster::open(&access, route).await.map_err(|error| match &site.inventory.engine {
        Engine::Rke(_) => unusable(error),
        Engine::Existing(existing) => unanswered(existing, &error),
    })?;
    match cluster.version().await {
        Ok(_) if site.rke().is_some() && !cluster.ready_within(READY).await => Ok(None),
        Ok(_) => {
            let kubeconfig = access.helm_kubeconfig(route).map_err(unusable)?;
            Ok(Some(Reached { cluster, kubeconfig, _forward: forward }))
        }
        Err(error) => match &site.inventory.engine {
            Engine::Rke(_) => Ok(None),
            Engine::Existing(existing) => Err(unanswered(existing, &error)),
        },
    }
}

/// The cluster of this kubeconfig and context does not answer.
fn unanswered(existing: &Existing, error: &ClusterError) -> Failure {
    let which = existing.context.as_ref().map(|name| format!(", context {name},")).unwrap_or_default();
    let said = format!("the cluster of {}{which} cannot be reached", existing.kubeconfig.display());
    Failure::with_cause(Exit::Unreachable, said, error)
        .hint("`cowhand check` tells what is wrong with the kubeconfig or the way, and what helps")
        .maybe_hint(error.hint())
}

/// The kubeconfig of a cluster that is there; a failure names the file and the context.
fn access(existing: &Existing) -> Result<Access, Failure> {
    let access = Access::from_file(&existing.kubeconfig, existing.context.as_deref());
    access.map_err(|error| {
        let which = existing.context.as_ref().map(|name| format!(", context {name}")).unwrap_or_default();
        Failure::with_cause(Exit::Unreachable, format!("{}{which}", existing.kubeconfig.display()), &error)
            .hint("`cowhand check --offline` tells what is wrong with the kubeconfig, and what helps")
    })
}

/// Looks at the cluster that is there.
pub async fn observe(existing: &Existing) -> ClusterObserved {
    let unreachable =
        |error: ClusterError| ClusterObserved::Unreachable { reason: error.to_string(), hint: error.hint() };
    let access = match Access::from_file(&existing.kubeconfig, existing.context.as_deref()) {
        Ok(access) => access,
        Err(error) => return unreachable(error),
    };
    match Cluster::open(&access, Route::Direct).await {
        Ok(cluster) => facts::existing::existing(&cluster).await,
        Err(error) => unreachable(error),
    }
}

/// The admin's kube config: the file beside cluster.yml, else the one in RKE's state.
fn kubeconfig(site: &Site) -> Option<String> {
    let file = std::fs::read_to_string(site.workspace.kubeconfig()).ok();
    file.filter(|text| !text.trim().is_empty()).or_else(|| state(site)?.kubeconfig().map(str::to_string))
}

fn unusable(error: ClusterError) -> Failure {
    Failure::with_cause(Exit::Unreachable, "the cluster cannot be reached", &error).maybe_hint(error.hint())
}

/// A program, found or fetched in the wanted version.
pub async fn find(kind: ToolKind, from: &crate::inventory::Tool, version: &str, tell: &Tell) -> Result<Found, Failure> {
    let mut download = Downloading::new(tell, format!("{} {version}", kind.name()));
    let found = Toolbox::usual().find(kind, from, version, |done, total| download.part(done, total)).await;
    download.end(found.is_ok());
    if let Ok(Found { path, passed_over: Some(why), .. }) = &found {
        tell.note(format!("{why}; {} is used instead", path.display()));
    }
    found.map_err(|error| {
        // No machine and no cluster is changed yet.
        Failure::with_cause(Exit::ChecksFailed, format!("{} is not at hand", kind.name()), &error)
            .maybe_hint(error.hint())
    })
}

async fn render_addon(site: &Site, helm: &Helm, values: &Values, kubernetes: &str) -> Result<AddonParts, Failure> {
    let render = Render {
        chart: chart(&site.inventory.rancher.chart),
        release: RANCHER.into(),
        namespace: NAMESPACE.into(),
        values: Value::Object(values.clone()),
    };
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::with_cause(Exit::ChecksFailed, "Rancher's chart cannot be rendered", error)
    };
    let manifests =
        helm.template(&render, kubernetes).await.map_err(|error| failed(&error).maybe_hint(error.hint()))?;
    let parts = split_for_addon(manifests, RANCHER, NAMESPACE).map_err(|error| failed(&error))?;
    match lost_secrets(&parts).as_slice() {
        [] => Ok(parts),
        lost => Err(Failure::new(
            Exit::ChecksFailed,
            format!("Rancher's chart makes Secret {} from these values, and an addon of RKE keeps no secret", lost.join(", ")),
        )
        .hint("`rancher.delivery: helm` leaves the whole chart to helm; or make that Secret yourself and leave it out of `rancher.values`")),
    }
}

/// Secrets of the chart that nobody would bring to the cluster; cowhand itself makes the first login's.
fn lost_secrets(parts: &AddonParts) -> Vec<String> {
    let place = |secret: &Value| {
        let part = |key: &str| secret["metadata"][key].as_str().unwrap_or_default().to_owned();
        (part("namespace"), part("name"))
    };
    let places = parts.secrets.iter().map(place);
    let lost = places.filter(|(namespace, name)| (namespace.as_str(), name.as_str()) != (NAMESPACE, BOOTSTRAP_SECRET));
    lost.map(|(namespace, name)| format!("{namespace}/{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_of_the_chart_is_not_dropped_in_silence() {
        let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        let lost = |names: &[&str]| {
            let manifests = names.iter().map(|name| secret(name)).collect();
            lost_secrets(&split_for_addon(manifests, RANCHER, NAMESPACE).unwrap())
        };
        assert_eq!(lost(&["bootstrap-secret"]), Vec::<String>::new());
        assert_eq!(lost(&["bootstrap-secret", "mine"]), ["cattle-system/mine"]);
    }
}
