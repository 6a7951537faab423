//! Rancher's pods of the newest kind and of others, and whether one of the newest kind can ever have run.

use jiff::{SignedDuration, Timestamp};
use semver::Version;
use serde_json::Value;

use super::cluster::{NAMESPACE, RANCHER, is_ready};
use super::inhabitants::version_of_rancher;
use crate::cluster::{Cluster, ClusterError, ObjectRef};

/// How much later than its ReplicaSet a pod of the first set may be made. A later one stands in the place of another, of which
/// nobody knows what it did.
const FIRST: SignedDuration = SignedDuration::from_secs(15);

/// Reasons for waiting with which no image is there to run (kubernetes: pkg/kubelet/images/types.go).
const NO_IMAGE: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Of the Deployment.
    pub version: Option<Version>,
    pub wanted: u64,
    /// Of the ReplicaSet of the Deployment's newest revision.
    pub new: Vec<RolloutPod>,
    /// Names of all others that are there, those that are ending among them.
    pub old: Vec<String>,
    /// How many of these are Ready.
    pub old_ready: u64,
    /// The newest ReplicaSet is the Deployment's only one: nothing runs beside it.
    pub alone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutPod {
    pub name: String,
    pub ready: bool,
    /// Why nothing of it has ever run; `Err` with what may have.
    pub never_ran: Result<String, String>,
}

impl Rollout {
    /// Why it has not ended, if so.
    pub fn unfinished(&self) -> Option<String> {
        let ready = self.new.iter().filter(|pod| pod.ready).count() as u64;
        match (ready < self.wanted, self.old.first()) {
            (true, _) => Some(format!("{ready} of {} pods of it are ready", self.wanted)),
            (false, Some(old)) => Some(format!("{old} of the version before is not gone yet")),
            (false, None) => None,
        }
    }
}

/// `None` where there is no Rancher.
pub async fn rollout(cluster: &Cluster) -> Result<Option<Rollout>, ClusterError> {
    let deployment = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    let Some(deployment) = cluster.get(&deployment).await? else { return Ok(None) };
    let sets = cluster.list("apps/v1", "ReplicaSet", Some(NAMESPACE), Some("app=rancher")).await?;
    let pods = cluster.list("v1", "Pod", Some(NAMESPACE), Some("app=rancher")).await?;
    let nodes = cluster.nodes().await?;
    let well: Vec<&str> = nodes.iter().filter(|node| node.ready).map(|node| node.name.as_str()).collect();
    Ok(Some(read(&deployment, &sets, &pods, &well)))
}

fn read(deployment: &Value, sets: &[Value], pods: &[Value], well: &[&str]) -> Rollout {
    let own: Vec<&Value> = sets.iter().filter(|set| owner(set) == deployment["metadata"]["name"].as_str()).collect();
    let newest = own.iter().max_by_key(|set| revision(set));
    let hash = newest.and_then(|set| text(set, "/metadata/labels/pod-template-hash"));
    let is_new = |pod: &&Value| hash.is_some() && text(pod, "/metadata/labels/pod-template-hash") == hash;
    let begun = newest.and_then(|set| made(set));
    let (new, old): (Vec<&Value>, Vec<&Value>) = pods.iter().partition(is_new);
    let name = |pod: &&Value| text(pod, "/metadata/name").unwrap_or_default().to_owned();
    // A Deployment that its controller has not looked at yet has no ReplicaSet of its newest kind.
    let current = number(deployment, "/status/observedGeneration") >= number(deployment, "/metadata/generation");
    Rollout {
        version: version_of_rancher(deployment),
        wanted: number(deployment, "/spec/replicas"),
        old_ready: old.iter().filter(|pod| is_ready(pod)).count() as u64,
        // One that was evicted stays listed for good, and runs no more.
        old: old.iter().filter(|pod| !has_ended(pod)).map(name).collect(),
        alone: own.len() < 2,
        new: match current {
            true => new
                .iter()
                .map(|pod| RolloutPod { name: name(pod), ready: is_ready(pod), never_ran: never_ran(pod, begun, well) })
                .collect(),
            false => Vec::new(),
        },
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), Some("Failed" | "Succeeded"))
}

fn owner(set: &Value) -> Option<&str> {
    text(set, "/metadata/ownerReferences/0/name")
}

fn revision(set: &Value) -> u64 {
    text(set, "/metadata/annotations/deployment.kubernetes.io~1revision").and_then(|one| one.parse().ok()).unwrap_or(0)
}

fn made(object: &Value) -> Option<Timestamp> {
    text(object, "/metadata/creationTimestamp")?.parse().ok()
}

/// What cannot be seen to be so counts as run.
fn never_ran(pod: &Value, begun: Option<Timestamp>, well: &[&str]) -> Result<String, String> {
    let first = begun.zip(made(pod)).is_some_and(|(set, pod)| pod.duration_since(set) <= FIRST);
    if !first {
        return Err("it stands in the place of another pod, which may have run".into());
    }
    let Some(node) = text(pod, "/spec/nodeName") else { return Ok("it has no node yet".into()) };
    if !well.contains(&node) {
        return Err(format!("{node} is not Ready, and does not say what it did"));
    }
    let of = |key: &str| pod.pointer(&format!("/status/{key}")).and_then(Value::as_array).cloned().unwrap_or_default();
    let containers: Vec<Value> = ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(of).collect();
    if of("containerStatuses").is_empty() {
        return Err(format!("{node} has not said yet what it does with it"));
    }
    let mut why = String::new();
    for one in &containers {
        let waits = text(one, "/state/waiting/reason").unwrap_or_default();
        let untouched = number(one, "/restartCount") == 0
            && ["/containerID", "/imageID"].iter().all(|key| text(one, key).unwrap_or_default().is_empty())
            && one.pointer("/lastState").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
        if !untouched || !NO_IMAGE.contains(&waits) {
            let name = text(one, "/name").unwrap_or("a container");
            return Err(format!(
                "{name} on {node} has an image{}",
                if waits.is_empty() { String::new() } else { format!(" ({waits})") }
            ));
        }
        why = format!("its image is not on {node} ({waits})");
    }
    Ok(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(hash: &str, revision: &str) -> Value {
        json!({"metadata": {"ownerReferences": [{"name": "rancher"}], "labels": {"pod-template-hash": hash},
            "creationTimestamp": "2026-12-01T03:00:00Z", "annotations": {"deployment.kubernetes.io/revision": revision}}})
    }

    fn pod(hash: &str, made: &str, node: Option<&str>, status: &Value) -> Value {
        json!({"metadata": {"name": format!("rancher-{hash}"), "labels": {"pod-template-hash": hash},
            "creationTimestamp": format!("2026-12-01T03:0{made}Z")}, "spec": {"nodeName": node}, "status": status})
    }

    fn waiting(reason: &str) -> Value {
        json!({"containerStatuses": [{"name": "rancher", "restartCount": 0, "imageID": "", "lastState": {},
            "state": {"waiting": {"reason": reason}}}]})
    }

    fn deployment() -> Value {
        json!({"metadata": {"name": "rancher", "generation": 2}, "spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"image": "rancher/rancher:v2.11.5"}]}}}, "status": {"observedGeneration": 2}})
    }

    #[test]
    fn only_what_is_seen_not_to_have_run_has_not_run() {
        let running = json!({"containerStatuses": [{"name": "rancher", "imageID": "docker://x", "containerID": "docker://y",
            "state": {"running": {}}}]});
        let mut crashed = waiting("ImagePullBackOff");
        crashed["containerStatuses"][0]["restartCount"] = json!(1);
        for (status, made, node, never) in [
            (waiting("ImagePullBackOff"), "0:02", Some("n1"), true),
            (waiting("ErrImagePull"), "0:02", Some("n1"), true),
            (json!({}), "0:02", None, true),
            // It may start at any moment, or has.
            (waiting("ContainerCreating"), "0:02", Some("n1"), false),
            (waiting("CrashLoopBackOff"), "0:02", Some("n1"), false),
            (running, "0:02", Some("n1"), false),
            (crashed, "0:02", Some("n1"), false),
            (json!({}), "0:02", Some("n1"), false),
            // A node that is away, and a pod in the place of another.
            (waiting("ImagePullBackOff"), "0:02", Some("n2"), false),
            (waiting("ImagePullBackOff"), "5:00", Some("n1"), false),
        ] {
            let sets = [set("new", "3"), set("old", "2")];
            let seen = read(&deployment(), &sets, &[pod("new", made, node, &status)], &["n1"]);
            assert_eq!(seen.new[0].never_ran.is_ok(), never, "{status} {:?}", seen.new);
        }
    }

    #[test]
    fn the_newest_replica_set_is_told_by_its_revision_and_old_pods_count_until_they_are_gone() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let sets = [set("old", "9"), set("new", "10")];
        let pods = [pod("old", "0:00", Some("n1"), &ready), pod("new", "0:01", Some("n2"), &ready)];
        let seen = read(&deployment(), &sets, &pods, &["n1", "n2"]);
        assert_eq!(
            (seen.new[0].name.as_str(), seen.old.as_slice(), seen.old_ready),
            ("rancher-new", ["rancher-old".to_owned()].as_slice(), 1)
        );
        assert_eq!(seen.unfinished().as_deref(), Some("1 of 3 pods of it are ready"));
        let mut unseen = deployment();
        unseen["metadata"]["generation"] = json!(3);
        assert!(read(&unseen, &sets, &pods, &[]).new.is_empty(), "nothing counts that the controller has not seen");
        let mut one = deployment();
        one["spec"]["replicas"] = json!(1);
        assert_eq!(
            read(&one, &sets, &pods, &[]).unfinished().as_deref(),
            Some("rancher-old of the version before is not gone yet")
        );
        assert_eq!(read(&one, &sets[1..], &pods[1..], &[]).unfinished(), None);
        let evicted = [pod("old", "0:00", Some("n1"), &json!({"phase": "Failed"})), pods[1].clone()];
        assert_eq!(read(&one, &sets, &evicted, &[]).unfinished(), None, "an evicted pod stays listed");
    }
}
