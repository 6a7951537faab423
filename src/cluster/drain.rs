//! A node that is emptied of pods the way `kubectl drain` does it: by evictions, which hold to PodDisruptionBudgets.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{EvictParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::objects::to_value;
use super::{Cluster, ClusterError};

/// Annotation of a node that cowhand closed: by whom, e.g. `root@laptop`.
pub const CLOSED_BY: &str = "cowhand/closed-by";

/// A pod on the node that is emptied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PodSeen {
    pub namespace: String,
    pub name: String,
    /// Kind and name of its controller, e.g. `ReplicaSet web-5d9`; `None` for a pod that nobody starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub fate: Fate,
}

/// What becomes of a pod when its node is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It belongs to the node: of a DaemonSet, or of the kubelet's own files.
    Stays,
    Evicted,
    /// No controller starts it elsewhere.
    Unmanaged,
    /// It keeps data in an `emptyDir`, which go with it.
    LocalData,
}

impl PodSeen {
    /// Whether it is the same pod, however it stands by now.
    pub fn is(&self, other: &PodSeen) -> bool {
        (&self.namespace, &self.name) == (&other.namespace, &other.name)
    }

    fn read(pod: &Value) -> PodSeen {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let controller = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
        let word = |owner: &Value, key: &str| owner[key].as_str().unwrap_or_default().to_owned();
        PodSeen {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            owner: controller.map(|owner| format!("{} {}", word(owner, "kind"), word(owner, "name"))),
            fate: fate(pod, controller),
        }
    }
}

impl fmt::Display for PodSeen {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.namespace, self.name)?;
        self.owner.iter().try_for_each(|owner| write!(to, " ({owner})"))
    }
}

/// As kubectl judges (kubectl: pkg/drain/filters.go): a pod that has ended goes whatever it is.
fn fate(pod: &Value, controller: Option<&Value>) -> Fate {
    let mirror = pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some();
    if mirror || controller.is_some_and(|owner| owner["kind"] == "DaemonSet") {
        return Fate::Stays;
    }
    if matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed")) {
        return Fate::Evicted;
    }
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let local = volumes.into_iter().flatten().any(|volume| volume.get("emptyDir").is_some());
    match (controller, local) {
        (None, _) => Fate::Unmanaged,
        (Some(_), true) => Fate::LocalData,
        (Some(_), false) => Fate::Evicted,
    }
}

/// What the API made of an eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eviction {
    Accepted,
    /// There is no such pod any more.
    Gone,
    /// A PodDisruptionBudget does not allow it now, in the API's words.
    Held(String),
}

impl Cluster {
    /// All pods on a node, by namespace and name.
    pub async fn pods_on(&self, node: &str) -> Result<Vec<PodSeen>, ClusterError> {
        let doing = format!("list the pods on {node}");
        let api = self.api(&doing, "v1", "Pod", None).await?;
        let found = api.list(&ListParams::default().fields(&format!("spec.nodeName={node}"))).await;
        let found = found.map_err(|error| self.error(&doing, error))?;
        let pods = found.items.into_iter().map(|pod| to_value(&doing, pod).map(|pod| PodSeen::read(&pod)));
        let mut pods = pods.collect::<Result<Vec<_>, _>>()?;
        pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(pods)
    }

    /// Closes a node for new pods, and notes by whom; or opens it and takes the note away.
    pub async fn close_node(&self, node: &str, by: Option<&str>) -> Result<(), ClusterError> {
        let doing = format!("{} node {node}", if by.is_some() { "cordon" } else { "uncordon" });
        let api = self.api(&doing, "v1", "Node", None).await?;
        let patch = json!({
            "metadata": {"annotations": {CLOSED_BY: by}},
            "spec": {"unschedulable": by.map(|_| true)},
        });
        let answer = api.patch(node, &PatchParams::default(), &Patch::Merge(patch)).await;
        answer.map(drop).map_err(|error| self.error(&doing, error))
    }

    /// Asks for a pod's eviction; with `dry_run` nothing is done, and the answer is the same.
    pub async fn evict(&self, pod: &PodSeen, dry_run: bool) -> Result<Eviction, ClusterError> {
        let doing = format!("evict pod {}/{}", pod.namespace, pod.name);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        let how =
            EvictParams { post_options: PostParams { dry_run, ..PostParams::default() }, ..EvictParams::default() };
        match api.evict(&pod.name, &how).await {
            Ok(_) => Ok(Eviction::Accepted),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Eviction::Gone),
            Err(kube::Error::Api(status)) if status.code == 429 => Ok(Eviction::Held(status.message.clone())),
            Err(error) => Err(self.error(&doing, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(kind: Option<&str>, more: Value) -> PodSeen {
        let owners = kind.map(|kind| json!([{"kind": kind, "name": "x", "controller": true}]));
        let mut pod = json!({"metadata": {"namespace": "shop", "name": "web-1", "ownerReferences": owners}});
        let (Some(pod_map), Some(more)) = (pod.as_object_mut(), more.as_object()) else { unreachable!() };
        pod_map.extend(more.clone());
        PodSeen::read(&pod)
    }

    #[test]
    fn pods_go_stay_or_are_asked_for_as_kubectl_has_it() {
        let cache = json!({"spec": {"volumes": [{"name": "cache", "emptyDir": {}}]}});
        let ended = json!({"status": {"phase": "Succeeded"}, "spec": {"volumes": [{"emptyDir": {}}]}});
        let fates = [
            pod(Some("ReplicaSet"), json!({})),
            pod(Some("DaemonSet"), cache.clone()),
            pod(Some("StatefulSet"), cache),
            pod(None, json!({})),
            pod(None, ended),
        ]
        .map(|pod| pod.fate);
        assert_eq!(fates, [Fate::Evicted, Fate::Stays, Fate::LocalData, Fate::Unmanaged, Fate::Evicted]);
        let mirror = PodSeen::read(&json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "a"}}}));
        assert_eq!(mirror.fate, Fate::Stays);
        assert_eq!(pod(Some("ReplicaSet"), json!({})).to_string(), "shop/web-1 (ReplicaSet x)");
        assert_eq!(pod(None, json!({})).to_string(), "shop/web-1");
    }
}
