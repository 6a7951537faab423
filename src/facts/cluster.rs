//! What a cluster holds of Rancher, seen through its API.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, ObjectRef};

/// Namespace and name that Rancher insists on (rancher/rancher: chart/README.md; another leads to a crash since 2.12).
pub const NAMESPACE: &str = "cattle-system";
pub const RANCHER: &str = "rancher";

/// Where the CA lies that Rancher hands to its agents (rancher/rancher: pkg/tls/tls.go, chart/templates/deployment.yaml).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HandedOut {
    /// In Secret `tls-ca`, as it was given.
    #[default]
    File,
    /// In Secret `tls-rancher`: Rancher's own CA, or one that was put there.
    TlsRancher,
    /// None: agents go by their system's store.
    Nothing,
}

impl HandedOut {
    /// As Rancher's Deployment says it.
    pub fn of(deployment: &Value) -> HandedOut {
        let none = list(deployment, "/spec/template/spec/containers/0/args").any(|word| word == "--no-cacerts");
        match (mounts(deployment, "tls-ca"), none) {
            (true, _) => HandedOut::File,
            (false, true) => HandedOut::Nothing,
            (false, false) => HandedOut::TlsRancher,
        }
    }

    /// Secret and key.
    fn place(self) -> Option<(&'static str, &'static str)> {
        match self {
            HandedOut::File => Some(("tls-ca", "cacerts.pem")),
            HandedOut::TlsRancher => Some(("tls-rancher", "tls.crt")),
            HandedOut::Nothing => None,
        }
    }
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn mounts(deployment: &Value, secret: &str) -> bool {
    list(deployment, "/spec/template/spec/volumes")
        .any(|volume| volume.pointer("/secret/secretName") == Some(&secret.into()))
}

/// What clients are given now, and what agents were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub handed_out: HandedOut,
    /// The CA text; empty when none is handed out, `None` when it is not found.
    pub cacerts: Option<String>,
    /// The chain that is served, or the CA that signs it, where it lies in the cluster.
    pub served: Option<String>,
}

/// Looks where Rancher's Deployment points; `before` is where it pointed before it was changed.
pub async fn given(cluster: &Cluster, before: Option<HandedOut>) -> Result<Given, ClusterError> {
    let deployment = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    let deployment = cluster.get(&deployment).await?;
    let mut given = Given::default();
    // Without a Deployment, what is left in one of the Secrets is what was handed out.
    let places = match before.or_else(|| deployment.as_ref().map(HandedOut::of)) {
        Some(one) => vec![one],
        None => vec![HandedOut::File, HandedOut::TlsRancher],
    };
    for one in places {
        given.handed_out = one;
        given.cacerts = match one.place() {
            None => Some(String::new()),
            Some((name, key)) => text(cluster, name, key).await?,
        };
        if given.cacerts.is_some() {
            break;
        }
    }
    if given.cacerts.is_none() {
        given.cacerts = setting(cluster).await?;
    }
    given.served = match deployment.as_ref().is_some_and(|one| mounts(one, "cattle-server-keys")) {
        true => text(cluster, "cattle-server-keys", "cert.pem").await?,
        false => text(cluster, "tls-rancher-ingress", "tls.crt").await?,
    };
    if given.served.is_none() && given.handed_out == HandedOut::TlsRancher {
        given.served.clone_from(&given.cacerts);
    }
    Ok(given)
}

async fn text(cluster: &Cluster, name: &str, key: &str) -> Result<Option<String>, ClusterError> {
    let data = cluster.read_secret(NAMESPACE, name).await?;
    let bytes = data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.expose_secret().to_vec());
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Rancher's setting `cacerts`, as it wrote it when it last started.
async fn setting(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let setting = match cluster.get(&ObjectRef::new("management.cattle.io/v3", "Setting", None, "cacerts")).await {
        // What may not be read is not found: whoever asks takes that for unknown.
        Err(error) if error.is_forbidden() => None,
        other => other?,
    };
    let value = setting.as_ref().and_then(|setting| setting["value"].as_str()).filter(|value| !value.is_empty());
    Ok(value.map(str::to_string))
}

/// A cluster that Rancher manages besides its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downstream {
    pub id: String,
    /// Rancher was told to deploy its agents anew, and has not done it yet: it then writes "false" (rancher/rancher:
    /// pkg/controllers/management/clusterdeploy).
    pub pending: bool,
}

pub async fn downstream(cluster: &Cluster) -> Result<Vec<Downstream>, ClusterError> {
    let listed = cluster.list("management.cattle.io/v3", "Cluster", None, None).await?;
    Ok(listed.iter().filter_map(read_downstream).collect())
}

fn read_downstream(cluster: &Value) -> Option<Downstream> {
    let id = cluster.pointer("/metadata/name")?.as_str()?.to_string();
    let pending = cluster.pointer("/metadata/annotations/io.cattle.agent.force.deploy");
    (id != "local").then(|| Downstream { id, pending: pending == Some(&"true".into()) })
}

/// Rancher's Deployment and where its pods run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RancherSeen {
    pub image: String,
    pub wanted: u64,
    /// Ready pods with the images that the Deployment asks for now.
    pub ready: u64,
    /// Name of the node of each of these, sorted.
    pub nodes: Vec<String>,
    /// Ready pods with other images: those of before a change that has not ended.
    pub old_ready: u64,
    /// The agents' TLS mode that its pods are given.
    pub agents: Option<String>,
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
    // Once no change is under way, all are of the wanted kind, whatever an admission webhook made of their images.
    let settled = number("/status/observedGeneration") >= number("/metadata/generation")
        && number("/status/updatedReplicas") == number("/status/replicas");
    let wanted = images(deployment, "/spec/template/spec/containers");
    let is_new = |pod: &&Value| settled || images(pod, "/spec/containers").is_superset(&wanted);
    let (new, old): (Vec<&Value>, Vec<&Value>) = pods.iter().filter(|pod| is_ready(pod)).partition(is_new);
    let mut nodes: Vec<String> = new.iter().filter_map(|pod| node_of(pod)).collect();
    nodes.sort();
    let agents =
        list(deployment, "/spec/template/spec/containers/0/env").find(|one| one["name"] == "CATTLE_AGENT_TLS_MODE");
    RancherSeen {
        image: image.unwrap_or_default().to_string(),
        wanted: number("/spec/replicas"),
        ready: new.len() as u64,
        nodes,
        old_ready: old.len() as u64,
        agents: agents.and_then(|one| one["value"].as_str()).map(str::to_string),
    }
}

/// The images of the containers, in any order.
fn images<'a>(object: &'a Value, containers: &'a str) -> BTreeSet<&'a str> {
    list(object, containers).filter_map(|one| one["image"].as_str()).collect()
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

impl AddonSeen {
    /// Whether the job ran to its end with this text.
    pub fn is_applied(&self, wanted: &str) -> bool {
        self.job_complete && self.text.as_deref().map(str::trim) == Some(wanted.trim())
    }
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
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{
                "image": "rancher/rancher:v2.11.3", "env": [{"name": "CATTLE_AGENT_TLS_MODE", "value": "strict"}]
            }]}}},
            "status": {"replicas": 4, "updatedReplicas": 3}
        });
        let pod = |node: &str, ready: &str| {
            json!({
                "metadata": {}, "spec": {"nodeName": node, "containers": [{"image": "rancher/rancher:v2.11.3"}]}, "status": {"conditions": [{"type": "Ready", "status": ready}]}
            })
        };
        let mut leaving = pod("n3", "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut old = pod("n3", "True");
        old["spec"]["containers"][0]["image"] = json!("rancher/rancher:v2.11.1");
        let seen = read_rancher(&deployment, &[pod("n2", "True"), pod("n1", "True"), pod("n3", "False"), leaving, old]);
        assert_eq!(seen.old_ready, 1, "counted apart");
        assert_eq!(seen.nodes, ["n1", "n2"]);
        assert_eq!((seen.wanted, seen.ready, seen.agents.as_deref()), (3, 2, Some("strict")));
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

    #[test]
    fn where_the_ca_lies_is_told_by_mounts_and_words() {
        let deployment = |secret: &str, word: &str| {
            json!({"spec": {"template": {"spec": {
                "volumes": [{"secret": {"secretName": secret}}], "containers": [{"args": [word]}]
            }}}})
        };
        assert_eq!(HandedOut::of(&deployment("tls-ca", "")), HandedOut::File);
        assert_eq!(HandedOut::of(&deployment("x", "--no-cacerts")), HandedOut::Nothing);
        assert_eq!(HandedOut::of(&deployment("x", "--x")), HandedOut::TlsRancher);
    }

    #[test]
    fn an_order_to_deploy_agents_anew_is_pending_while_it_says_true() {
        let cluster = |id: &str, word: &str| json!({"metadata": {"name": id, "annotations": {"io.cattle.agent.force.deploy": word}}});
        let read = |id: &str, word: &str| read_downstream(&cluster(id, word)).map(|one| (one.id, one.pending));
        assert_eq!(read("local", "true"), None);
        assert_eq!(read("c-1", "true"), Some(("c-1".into(), true)));
        assert_eq!(read("c-1", "false"), Some(("c-1".into(), false)));
        let bare = read_downstream(&json!({"metadata": {"name": "c-2"}}));
        assert_eq!(bare, Some(Downstream { id: "c-2".into(), pending: false }));
    }
}

#[cfg(test)]
#[path = "cluster_given_tests.rs"]
mod given_tests;
