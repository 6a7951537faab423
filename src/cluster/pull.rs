//! Images that cannot be pulled: told within a minute, and not for a passing blip.
//!
//! The kubelet tries again after 10, 20 and 40 seconds (kubernetes.io: concepts/containers/images). A wait is given up when
//! a pod that needs an image of the workload's present template was without it for 45 s on end, so that three tries have
//! failed, and no further try is under way.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Cluster;

const PATIENCE: Duration = Duration::from_secs(45);

/// A pod that waits for an image in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stuck {
    pod: String,
    node: Option<String>,
    image: String,
    /// The kubelet's.
    words: String,
    /// No further try can help.
    for_ever: bool,
}

impl Stuck {
    pub(super) fn text(&self) -> String {
        let at = self.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        format!("image {} cannot be pulled for {}{at}: {}", self.image, self.pod, self.words)
    }
}

/// The first pod without an image that the workload (a Deployment or DaemonSet) asks for now. Pods of its former template
/// say nothing about this one.
pub(super) fn stuck(workload: &Value, pods: &[Value]) -> Option<Stuck> {
    let wanted: Vec<&str> = images(workload.pointer("/spec/template/spec")).map(|(_, image)| image).collect();
    pods.iter().find_map(|pod| {
        let specified: Vec<(&str, &str)> = images(pod.get("spec")).collect();
        let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let statuses = lists.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
        statuses.into_iter().find_map(|status| {
            let (_, image) = specified.iter().find(|(name, _)| status["name"] == *name)?;
            let waiting = status.pointer("/state/waiting")?;
            let reason = waiting["reason"].as_str()?;
            let for_ever = match reason {
                "ErrImagePull" | "ImagePullBackOff" => false,
                "InvalidImageName" | "ErrImageNeverPull" => true,
                _ => return None,
            };
            let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            wanted.contains(image).then(|| Stuck {
                pod: text("/metadata/name").unwrap_or_default(),
                node: text("/spec/nodeName"),
                image: (*image).to_owned(),
                words: waiting["message"].as_str().filter(|said| !said.is_empty()).unwrap_or(reason).to_owned(),
                for_ever,
            })
        })
    })
}

/// Name and image of each container.
fn images(spec: Option<&Value>) -> impl Iterator<Item = (&str, &str)> {
    let lists = ["initContainers", "containers"].into_iter().filter_map(move |list| spec?.get(list)?.as_array());
    lists.flatten().filter_map(|one| Some((one["name"].as_str()?, one["image"].as_str()?)))
}

/// Since when pods are without an image.
#[derive(Default)]
pub(super) struct Pulls {
    since: Option<(String, Instant)>,
    /// What the kubelet said when a try failed; between tries it may say only that it waits.
    words: Option<String>,
}

impl Pulls {
    /// What was seen at a look; gives the pod back when it is time to give up.
    pub(super) fn hear(&mut self, seen: Option<Stuck>, now: Instant) -> Option<Stuck> {
        let Some(mut stuck) = seen else {
            *self = Pulls::default();
            return None;
        };
        if self.since.as_ref().is_none_or(|(image, _)| *image != stuck.image) {
            *self = Pulls { since: Some((stuck.image.clone(), now)), words: None };
        }
        if !stuck.words.starts_with("Back-off") {
            self.words = Some(stuck.words.clone());
        }
        if let Some(words) = &self.words {
            stuck.words.clone_from(words);
        }
        let long = self.since.as_ref().is_some_and(|(_, since)| now.duration_since(*since) >= PATIENCE);
        (long || stuck.for_ever).then_some(stuck)
    }
}

impl Cluster {
    /// Whether the kubelet is at it again: a try that goes on still shows the reason of the last one that failed.
    pub(super) async fn is_pulling(&self, namespace: &str, stuck: &Stuck) -> bool {
        // Without events nothing says that a try is under way.
        let events = self.list("v1", "Event", Some(namespace), None).await.unwrap_or_default();
        !stuck.for_ever && is_pulling(&events, &stuck.pod)
    }
}

fn is_pulling(events: &[Value], pod: &str) -> bool {
    let newest = |reason: &str| {
        let of_pod = events.iter().filter(|one| one["involvedObject"]["name"] == pod && one["reason"] == reason);
        of_pod.filter_map(|one| one["lastTimestamp"].as_str().or(one["eventTime"].as_str())).max()
    };
    // To the second: a try that failed at once ends in the second in which it began.
    newest("Pulling").is_some_and(|began| newest("Failed").is_none_or(|failed| began > failed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload() -> Value {
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "r/new:1"}]}}}})
    }

    fn pod(image: &str, reason: &str, message: &str) -> Value {
        let waiting = json!({"reason": reason, "message": message});
        json!({"metadata": {"name": "w-1"}, "spec": {"nodeName": "n2", "containers": [{"name": "c", "image": image}]},
            "status": {"containerStatuses": [{"name": "c", "state": {"waiting": waiting}}]}})
    }

    fn seen(reason: &str, message: &str) -> Option<Stuck> {
        stuck(&workload(), &[pod("r/new:1", reason, message)])
    }

    #[test]
    fn only_pods_of_the_present_template_count() {
        assert_eq!(stuck(&workload(), &[pod("r/old:1", "ErrImagePull", "gone")]), None);
        assert_eq!(seen("ContainerCreating", ""), None);
        assert_eq!(seen("CrashLoopBackOff", "back-off"), None);
        let text = seen("ErrImagePull", "manifest unknown").unwrap().text();
        assert_eq!(text, "image r/new:1 cannot be pulled for w-1 on n2: manifest unknown");
    }

    #[test]
    fn three_failed_tries_on_end_are_the_end_and_a_blip_is_not() {
        let (mut pulls, start) = (Pulls::default(), Instant::now());
        let mut at = |seconds: u64, seen: Option<Stuck>| pulls.hear(seen, start + Duration::from_secs(seconds));
        assert_eq!(at(0, seen("ErrImagePull", "connection refused")), None);
        assert_eq!(at(40, seen("ImagePullBackOff", "Back-off pulling image")), None);
        assert_eq!(at(41, None), None, "it came through");
        assert_eq!(at(42, seen("ErrImagePull", "manifest unknown")), None);
        assert_eq!(at(86, seen("ImagePullBackOff", "Back-off pulling image")), None);
        let end = at(87, seen("ImagePullBackOff", "Back-off pulling image")).unwrap();
        assert_eq!(end.words, "manifest unknown", "what the last try said");
        assert!(at(88, seen("InvalidImageName", "couldn't parse")).is_some());
        assert!(Pulls::default().hear(seen("InvalidImageName", "couldn't parse"), start).is_some(), "at once");
    }

    #[test]
    fn a_try_that_is_under_way_is_waited_for() {
        let event =
            |reason: &str, at: &str| json!({"involvedObject": {"name": "w-1"}, "reason": reason, "lastTimestamp": at});
        let (early, late) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:09Z");
        assert!(is_pulling(&[event("Failed", early), event("Pulling", late)], "w-1"));
        assert!(!is_pulling(&[event("Failed", late), event("Pulling", late)], "w-1"));
        assert!(!is_pulling(&[event("Failed", late), event("Pulling", early)], "w-1"));
        assert!(!is_pulling(&[event("Pulling", late)], "w-2"));
    }
}
