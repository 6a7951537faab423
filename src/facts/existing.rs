//! A cluster that was there before: one look through its API, which only reads.

use serde_json::Value;

use super::cluster::{IngressClass, ingress_classes};
use super::controllers::{ControllerSeen, Occupant, TRAEFIK, controllers, occupants};
use super::inhabitants::{self, CertManagerSeen, FormerRancher, RancherThere, ReleaseSeen};
use super::owner::{self, Claim, Owner};
use super::rights::{Answered, rights};
use super::{Fact, Unseen};
use crate::cluster::{Cluster, ClusterError, NodeSeen, ObjectRef};
use crate::failure::Hint;

/// Where cert-manager is installed when it is not there yet.
const CERT_MANAGER: &str = "cert-manager";

/// What came of looking at the cluster.
#[derive(Debug, Clone)]
pub enum ClusterObserved {
    Reached(Box<ExistingSeen>),
    Unreachable { reason: String, hint: Option<String> },
}

impl ClusterObserved {
    pub fn seen(&self) -> Option<&ExistingSeen> {
        match self {
            ClusterObserved::Reached(seen) => Some(seen),
            ClusterObserved::Unreachable { .. } => None,
        }
    }
}

/// Everything that the checks want to know; each part by itself, since rights may be missing for some.
#[derive(Debug, Clone)]
pub struct ExistingSeen {
    /// e.g. `v1.32.2`.
    pub version: String,
    /// UID of namespace kube-system.
    pub uid: Fact<String>,
    /// Whose what cowhand made there is.
    pub claim: Fact<Claim>,
    /// RKE deploys its add-ons by Jobs `rke-…` in kube-system.
    pub built_by_rke: Fact<bool>,
    pub rights: Fact<Vec<Answered>>,
    pub nodes: Fact<Vec<NodeSeen>>,
    pub classes: Fact<Vec<IngressClass>>,
    pub controllers: Fact<Vec<ControllerSeen>>,
    pub releases: Fact<Vec<ReleaseSeen>>,
    pub cert_manager: Fact<CertManagerSeen>,
    pub api_services: Fact<Vec<ApiServiceSeen>>,
    /// Whether aggregated APIs can trust the API server (`extension-apiserver-authentication`).
    pub aggregation: Fact<bool>,
    pub rancher: Fact<RancherThere>,
    pub former: Fact<FormerRancher>,
    /// Name of the default StorageClass. Nothing here needs one.
    pub storage: Fact<Option<String>>,
}

impl ExistingSeen {
    /// What lets people in already, besides a Traefik that cowhand installed for this inventory with this class.
    pub fn occupants(&self, own_class: &str) -> Fact<Vec<Occupant>> {
        let (classes, controllers) = (self.classes.clone()?, self.controllers.clone()?);
        self.releases.clone()?;
        self.claim.clone()?;
        Ok(occupants(&classes, &controllers, self.is_ours(TRAEFIK).then_some((TRAEFIK, own_class))))
    }

    /// Whether cowhand installed the release that has its namespace's name, for this inventory.
    pub fn is_ours(&self, name: &str) -> bool {
        self.claim.as_ref().is_ok_and(|claim| claim.covers(self.release(name, name)))
    }

    /// A Helm release by its namespace and name.
    pub fn release(&self, namespace: &str, name: &str) -> Option<&ReleaseSeen> {
        let releases = self.releases.as_ref().ok()?;
        releases.iter().find(|release| release.namespace == namespace && release.name == name)
    }
}

/// An API served by somebody else than the API server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServiceSeen {
    /// e.g. `v1beta1.metrics.k8s.io`.
    pub name: String,
    /// Why it is not available, if so.
    pub unavailable: Option<String>,
}

/// Looks at the cluster for this inventory; what cannot be seen says why.
pub async fn existing(cluster: &Cluster, owner: &Owner) -> ClusterObserved {
    let version = match cluster.version().await {
        Ok(version) => version,
        Err(error) => return ClusterObserved::Unreachable { reason: error.to_string(), hint: error.hint() },
    };
    let classes = ingress_classes(cluster).await.map_err(unseen);
    let releases = inhabitants::releases(cluster).await.map_err(unseen);
    let cert_manager = inhabitants::cert_manager(cluster).await;
    let place = cert_manager.as_ref().ok().and_then(|found| found.controller.as_ref());
    let issuing = place.map_or(CERT_MANAGER, |place| place.namespace.as_str());
    let (uid, claim) = tokio::join!(owner::cluster_uid(cluster), owner::claim(cluster, owner));
    let (rights, nodes, controllers, api_services, aggregation, rancher, former, storage, built_by_rke) = tokio::join!(
        rights(cluster, issuing),
        cluster.nodes(),
        controllers(cluster),
        api_services(cluster),
        aggregation(cluster),
        inhabitants::rancher(cluster),
        inhabitants::former(cluster),
        storage(cluster),
        built_by_rke(cluster),
    );
    ClusterObserved::Reached(Box::new(ExistingSeen {
        version,
        uid: uid.map_err(unseen),
        claim: claim.map_err(unseen),
        built_by_rke: built_by_rke.map_err(unseen),
        rights: rights.map_err(unseen),
        nodes: nodes.map_err(unseen),
        classes,
        controllers: controllers.map_err(unseen),
        releases,
        cert_manager: cert_manager.map_err(unseen),
        api_services: api_services.map_err(unseen),
        aggregation: aggregation.map_err(unseen),
        rancher: rancher.map_err(unseen),
        former: former.map_err(unseen),
        storage: storage.map_err(unseen),
    }))
}

fn unseen(error: ClusterError) -> Unseen {
    Unseen(error.to_string())
}

async fn api_services(cluster: &Cluster) -> Result<Vec<ApiServiceSeen>, ClusterError> {
    let all = cluster.list("apiregistration.k8s.io/v1", "APIService", None, None).await?;
    Ok(all.iter().filter(|service| !service["spec"]["service"].is_null()).map(api_service).collect())
}

fn api_service(service: &Value) -> ApiServiceSeen {
    let conditions = service.pointer("/status/conditions").and_then(Value::as_array);
    let available = conditions.into_iter().flatten().find(|condition| condition["type"] == "Available");
    let unavailable = match available {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(condition["message"].as_str().unwrap_or("no reason given").to_owned()),
        None => Some("the API server has not looked yet".to_owned()),
    };
    ApiServiceSeen { name: service["metadata"]["name"].as_str().unwrap_or_default().to_owned(), unavailable }
}

/// Without the CA of the request headers no aggregated API, Rancher's own among them, can tell who asks
/// (kubernetes.io: configure the aggregation layer).
async fn aggregation(cluster: &Cluster) -> Result<bool, ClusterError> {
    let map = ObjectRef::new("v1", "ConfigMap", Some("kube-system"), "extension-apiserver-authentication");
    let map = cluster.get(&map).await?;
    let ca = map.as_ref().and_then(|map| map.pointer("/data/requestheader-client-ca-file")?.as_str());
    Ok(ca.is_some_and(|ca| !ca.trim().is_empty()))
}

async fn storage(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let all = cluster.list("storage.k8s.io/v1", "StorageClass", None, None).await?;
    let default = all.iter().find(|class| {
        class.pointer("/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == Some(&"true".into())
    });
    Ok(default.and_then(|class| class["metadata"]["name"].as_str().map(str::to_owned)))
}

async fn built_by_rke(cluster: &Cluster) -> Result<bool, ClusterError> {
    let jobs = cluster.list("batch/v1", "Job", Some("kube-system"), None).await?;
    let rke = |job: &&Value| job["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("rke-"));
    Ok(jobs.iter().any(|job| rke(&job)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_unavailable_api_says_why() {
        let service = |status: &str| {
            json!({"metadata": {"name": "v1beta1.metrics.k8s.io"}, "status": {"conditions": [
                {"type": "Available", "status": status, "message": "no endpoints"}]}})
        };
        assert_eq!(api_service(&service("False")).unavailable, Some("no endpoints".into()));
        assert_eq!(api_service(&service("True")).unavailable, None);
        assert!(api_service(&json!({"metadata": {"name": "x"}})).unavailable.is_some());
    }
}
