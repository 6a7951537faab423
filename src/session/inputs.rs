//! What stages are planned from: the tools, the TLS picture, and the cluster when one answers.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cluster::HelmError;
use crate::cluster::{Access, AddonParts, Cluster, ClusterError, Helm, Render, Route, split_for_addon};
use crate::engine::ApiRoute;
use crate::engine::rke::cluster_yml;
use crate::facts;
use crate::facts::existing::ClusterObserved;
use crate::failure::{Exit, Failure, Hint};
use crate::inventory::defaults::HELM_VERSION;
use crate::inventory::{BucketCa, Delivery, Existing, Values};
use crate::local::tool::{Found, ToolKind, Toolbox};
use crate::plan::rancher::{BOOTSTRAP_SECRET, NAMESPACE, RANCHER};
use crate::plan::{self, rancher};
use crate::play::{Downloading, Tell, chart};
use crate::session::adoption;
use crate::session::cluster_api::{ClusterApi, Way};
use crate::session::file_keys;
use crate::session::machines::Machines;
use crate::session::ownership;
use crate::session::project::Project;
use crate::session::rke_api;
use crate::tls::{Material, Picture};

/// Everything that planning looks at besides the machines themselves.
pub struct Inputs<'a> {
    pub project: &'a Project,
    pub machines: &'a Machines,
    pub material: Material,
    pub picture: Picture,
    pub helm: Helm,
    pub rke: Option<Found>,
    /// Values for Rancher's chart.
    pub values: Values,
    /// Rancher's chart, rendered and parted, with delivery addon.
    pub parts: AddonParts,
    /// PEM of the CA of the bucket that etcd's snapshots go to.
    bucket_ca: Option<String>,
    /// Keys of cluster.yml whose values lie in files, with those values.
    files: Vec<(String, Value)>,
}

impl<'a> Inputs<'a> {
    pub async fn see(project: &'a Project, machines: &'a Machines, tell: &Tell) -> Result<Inputs<'a>, Failure> {
        let material = project.material(&project.tls_files()?)?;
        let picture = project.picture(&material)?;
        let helm = find(ToolKind::Helm, &project.inventory.helm, HELM_VERSION, tell).await?;
        let helm = Helm::new(helm.path, project.workspace.helm_home());
        let rke = match project.inventory.engine.rke_settings() {
            Some(rke) => Some(find(ToolKind::Rke, &rke.binary, &rke.version, tell).await?),
            None => None,
        };
        let bucket_ca = crate::session::bucket_ca::read(&project.inventory)
            .map_err(|why| Failure::new(Exit::Inventory, format!("{}: {why}", BucketCa::KEY)))?;
        let files = file_keys::read(&project.inventory).map_err(|why| Failure::new(Exit::Inventory, why))?;
        let values = match adoption::rancher(&project.inventory, &project.workspace) {
            Some(then) => rancher::kept_values(&project.inventory, &picture, &then),
            None => rancher::values(&project.inventory, &picture),
        };
        let parts = match (project.inventory.rancher.delivery, project.inventory.engine.rke_settings()) {
            (Delivery::Addon, Some(rke)) => render_addon(project, &helm, &values, &rke.kubernetes).await?,
            (Delivery::Addon | Delivery::Helm, _) => AddonParts::default(),
        };
        Ok(Inputs { project, machines, material, picture, helm, rke, values, parts, bucket_ca, files })
    }

    /// The cluster.yml that is wanted, as a map and as a text to show: of what lies in a file of its own, the file.
    pub fn cluster_yml(&self) -> Option<(Map<String, Value>, String)> {
        let rke = self.project.inventory.engine.rke_settings()?;
        let strings = |map: &std::collections::BTreeMap<String, String>| -> Map<String, Value> {
            map.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect()
        };
        let additions = cluster_yml::Additions {
            addon: plan::documents(&self.parts.addon),
            nginx_options: strings(&self.picture.ingress.rke_options),
            nginx_arguments: strings(&self.picture.ingress.rke_extra_args),
            bucket_ca: self.bucket_ca.clone(),
            files: self.files.clone(),
        };
        let config = cluster_yml::cluster_yml(&self.project.inventory, rke, &additions);
        let text = self.text(&file_keys::named(&config, &rke.files), &rke.version);
        Some((config, text))
    }

    /// The cluster.yml that people keep.
    pub fn kept_cluster_yml(&self, config: &Map<String, Value>) -> String {
        let version = self.project.inventory.engine.rke_settings().map(|rke| rke.version.as_str());
        self.text(config, version.unwrap_or_default())
    }

    fn text(&self, config: &Map<String, Value>, version: &str) -> String {
        let file = self.project.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        cluster_yml::text(config, &self.project.inventory, &file, version)
    }

    /// The text of a key of cluster.yml that lies in a file of its own.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.files.iter().find(|(one, _)| one == key)?.1.as_str()
    }

    /// The cluster's API, if it answers.
    pub async fn reach(&self) -> Result<Option<ClusterApi>, Failure> {
        reach(self.project, self.machines).await
    }
}

/// The cluster's API; `None` when there is no cluster yet, or nothing listens on any of its control planes.
pub async fn reach(project: &Project, machines: &Machines) -> Result<Option<ClusterApi>, Failure> {
    match project.inventory.engine.api_route() {
        ApiRoute::ThroughNodes => rke_api::reach(project, machines).await,
        ApiRoute::Kubeconfig(existing) => reach_existing(project, existing).await.map(Some),
    }
}

/// The cluster that is there, when it answers and is not another one than before.
async fn reach_existing(project: &Project, existing: &Existing) -> Result<ClusterApi, Failure> {
    // A failure names the file and the context.
    let access = access(existing)?;
    let way = way(project, access).await.map_err(|error| unanswered(existing, &error))?;
    way.cluster.version().await.map_err(|error| unanswered(existing, &error))?;
    ownership::refuse_another(project, way).await?;
    let workspace = project.workspace.clone();
    Ok(ClusterApi::new(workspace, way.cluster.clone(), (way.access.clone(), Route::Direct), None))
}

/// Opened once.
async fn way(project: &Project, access: Access) -> Result<&Way, ClusterError> {
    let open = async || {
        let cluster = Arc::new(Cluster::open(&access, Route::Direct).await?);
        Ok(Way { access: access.clone(), cluster })
    };
    project.identity.way.get_or_try_init(open).await
}

/// The cluster of this kubeconfig and context does not answer.
fn unanswered(existing: &Existing, error: &ClusterError) -> Failure {
    let which = existing.context.as_ref().map(|name| format!(", context {name},")).unwrap_or_default();
    let said = format!("the cluster of {}{which} cannot be reached", existing.kubeconfig.display());
    Failure::with_cause(Exit::Unreachable, said, error)
        .hint("`cowhand check` tells what is wrong with the kubeconfig or the way, and what helps")
}

/// The kubeconfig of a cluster that is there; a failure names the file and the context.
pub(crate) fn access(existing: &Existing) -> Result<Access, Failure> {
    let access = Access::from_file(&existing.kubeconfig, existing.context.as_deref());
    access.map_err(|error| {
        let which = existing.context.as_ref().map(|name| format!(", context {name}")).unwrap_or_default();
        Failure::with_cause(Exit::Unreachable, format!("{}{which}", existing.kubeconfig.display()), &error)
            .hint("`cowhand check --offline` tells what is wrong with the kubeconfig, and what helps")
    })
}

/// Looks at the cluster that is there.
pub async fn observe(project: &Project, existing: &Existing) -> ClusterObserved {
    let unreachable =
        |error: ClusterError| ClusterObserved::Unreachable { reason: error.to_string(), hint: error.hint() };
    let access = match Access::from_file(&existing.kubeconfig, existing.context.as_deref()) {
        Ok(access) => access,
        Err(error) => return unreachable(error),
    };
    match way(project, access).await {
        Ok(way) => facts::existing::existing(&way.cluster, &project.owner()).await,
        Err(error) => unreachable(error),
    }
}

/// No cluster answers where one is looked for.
pub fn nothing_there(project: &Project) -> Failure {
    if !project.inventory.engine.builds_nodes() {
        return Failure::new(Exit::Unreachable, "the cluster does not answer")
            .hint("`cowhand check` tells why, and what helps");
    }
    let state = project.workspace.cluster_state();
    let (why, hint) = match state.exists() {
        true => (
            "the nodes are reached, and nothing listens on the API's port of any control plane".to_string(),
            "`cowhand up` starts it again; `cowhand check` tells what is wrong with the nodes",
        ),
        false => (
            format!("there is no {}", state.display()),
            "if the cluster was built already, `cowhand recover-state` brings that file back; else `cowhand up` builds the cluster",
        ),
    };
    Failure::new(Exit::Unreachable, "no cluster answers").because(why).hint(hint)
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
        Failure::with_cause(Exit::NotHere, format!("{} is not at hand", kind.name()), &error)
    })
}

/// How a run ends that only asked helm.
pub fn helm_exit(error: &HelmError) -> Exit {
    if error.is_unreached() { Exit::Unreachable } else { Exit::ChecksFailed }
}

async fn render_addon(
    project: &Project,
    helm: &Helm,
    values: &Values,
    kubernetes: &str,
) -> Result<AddonParts, Failure> {
    let render = Render {
        chart: chart(&project.inventory.rancher.chart),
        release: RANCHER.into(),
        namespace: NAMESPACE.into(),
        values: Value::Object(values.clone()),
    };
    let failed = |error: &(dyn Hint + 'static)| {
        Failure::with_cause(Exit::ChecksFailed, "Rancher's chart cannot be rendered", error)
    };
    let manifests = helm
        .template(&render, kubernetes)
        .await
        .map_err(|error| Failure { exit: helm_exit(&error), ..failed(&error) })?;
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
