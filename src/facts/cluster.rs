//! What a cluster holds of Rancher, seen through its API.

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, ObjectRef};

/// Namespace and name that Rancher insists on (rancher/rancher: chart/README.md; another leads to a crash since 2.12).
pub const NAMESPACE: &str = "cattle-system";
pub const RANCHER: &str = "rancher";

/// Where the CA lies that Rancher hands to its agents (rancher/rancher: pkg/tls/tls.go, chart/templates/deployment.yaml).
pub async fn handed_out(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let deployment = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    let Some(deployment) = cluster.get(&deployment).await? else { return Ok(None) };
    let (name, key) = match cacerts_source(&deployment) {
        Some(source) => source,
        None => return Ok(Some(String::new())),
    };
    let data = cluster.read_secret(NAMESPACE, name).await?;
    let text = data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.expose_secret().to_vec());
    Ok(text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Secret and key, `None` when Rancher is told to hand out no CA.
fn cacerts_source(deployment: &Value) -> Option<(&'static str, &'static str)> {
    let list = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let mounted = list("/spec/template/spec/volumes")
        .any(|volume| volume.pointer("/secret/secretName") == Some(&"tls-ca".into()));
    let none = list("/spec/template/spec/containers/0/args").any(|word| word == "--no-cacerts");
    match (mounted, none) {
        (true, _) => Some(("tls-ca", "cacerts.pem")),
        (false, true) => None,
        (false, false) => Some(("tls-rancher", "tls.crt")),
    }
}

/// Ids of the clusters that Rancher manages besides its own.
pub async fn downstream(cluster: &Cluster) -> Result<Vec<String>, ClusterError> {
    let listed = cluster.list("management.cattle.io/v3", "Cluster", None, None).await?;
    let names = listed.iter().filter_map(|one| one.pointer("/metadata/name")?.as_str());
    Ok(names.filter(|name| *name != "local").map(str::to_string).collect())
}

/// Rancher's Deployment and where its pods run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RancherSeen {
    pub image: String,
    pub wanted: u64,
    pub ready: u64,
    /// Name of the node of each ready pod, sorted.
    pub nodes: Vec<String>,
}

/// Rancher as it is in the cluster; `None` when there is no Deployment of that name.
pub async fn rancher(cluster: &Cluster) -> Result<Option<RancherSeen>, ClusterError> {
    let deployment = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    let Some(deployment) = cluster.get(&deployment).await? else { return Ok(None) };
    let pods = cluster.list("v1", "Pod", Some(NAMESPACE), Some("app=rancher")).await?;
    Ok(Some(read_rancher(&deployment, &pods)))
}

fn read_rancher(deployment: &Value, pods: &[Value]) -> RancherSeen {
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let image = deployment.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
    let mut nodes: Vec<String> = pods.iter().filter(|pod| is_ready(pod)).filter_map(node_of).collect();
    nodes.sort();
    RancherSeen {
        image: image.unwrap_or_default().to_string(),
        wanted: number("/spec/replicas"),
        ready: number("/status/readyReplicas"),
        nodes,
    }
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let leaving = pod.pointer("/metadata/deletionTimestamp").is_some();
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && !leaving
}

fn node_of(pod: &Value) -> Option<String> {
    pod.pointer("/spec/nodeName").and_then(Value::as_str).map(str::to_string)
}

/// One controller that serves an ingress class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IngressClass {
    pub name: String,
    pub controller: String,
    pub default: bool,
}

/// The ingress classes of the cluster, by name.
pub async fn ingress_classes(cluster: &Cluster) -> Result<Vec<IngressClass>, ClusterError> {
    let classes = cluster.list("networking.k8s.io/v1", "IngressClass", None, None).await?;
    let mut found: Vec<IngressClass> = classes.iter().map(read_class).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The one class that is the cluster's default.
pub fn default_class(classes: &[IngressClass]) -> Option<&IngressClass> {
    let mut defaults = classes.iter().filter(|class| class.default);
    let first = defaults.next()?;
    defaults.next().is_none().then_some(first)
}

fn read_class(class: &Value) -> IngressClass {
    let text = |pointer: &str| class.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
    IngressClass {
        name: text("/metadata/name"),
        controller: text("/spec/controller"),
        default: text("/metadata/annotations/ingressclass.kubernetes.io~1is-default-class") == "true",
    }
}

/// Whether RKE's own job for the addon text ran to its end, and with which text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddonSeen {
    /// The text in ConfigMap `kube-system/rke-user-addon`.
    pub text: Option<String>,
    pub job_complete: bool,
}

/// The last thing `rke up` does: its ConfigMap and its job (rancher/rke: cluster/addons.go, k8s/job.go).
pub async fn addon(cluster: &Cluster) -> Result<AddonSeen, ClusterError> {
    let map = ObjectRef::new("v1", "ConfigMap", Some("kube-system"), "rke-user-addon");
    let job = ObjectRef::new("batch/v1", "Job", Some("kube-system"), "rke-user-addon-deploy-job");
    let map = cluster.get(&map).await?;
    let text = map.and_then(|map| Some(map.get("data")?.get("rke-user-addon")?.as_str()?.to_string()));
    Ok(AddonSeen { text, job_complete: is_complete(cluster, &job).await? })
}

/// Whether no pod network ever came up: RKE's job for it did not end well, and no node has become Ready.
pub async fn never_networked(cluster: &Cluster) -> Result<bool, ClusterError> {
    let job = ObjectRef::new("batch/v1", "Job", Some("kube-system"), "rke-network-plugin-deploy-job");
    Ok(!is_complete(cluster, &job).await? && !cluster.nodes().await?.iter().any(|node| node.ready))
}

async fn is_complete(cluster: &Cluster, job: &ObjectRef) -> Result<bool, ClusterError> {
    let job = cluster.get(job).await?;
    let succeeded = job.and_then(|job| job.pointer("/status/succeeded").and_then(Value::as_u64));
    Ok(succeeded.unwrap_or_default() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_pods_that_stay_count() {
        let deployment = json!({
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": "rancher/rancher:v2.11.3"}]}}},
            "status": {"readyReplicas": 2}
        });
        let pod = |node: &str, ready: &str| {
            json!({
                "metadata": {}, "spec": {"nodeName": node}, "status": {"conditions": [{"type": "Ready", "status": ready}]}
            })
        };
        let mut leaving = pod("n3", "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let seen = read_rancher(&deployment, &[pod("n2", "True"), pod("n1", "True"), pod("n3", "False"), leaving]);
        assert_eq!(seen.nodes, ["n1", "n2"]);
        assert_eq!((seen.wanted, seen.ready), (3, 2));
    }

    #[test]
    fn the_default_class_is_told_by_its_annotation() {
        let class = json!({
            "metadata": {"name": "nginx", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "k8s.io/ingress-nginx"}
        });
        assert!(read_class(&class).default);
        assert!(!read_class(&json!({"metadata": {"name": "x"}})).default);
    }
}
