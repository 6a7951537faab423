//! Why something is not ready: what its pods wait for, and what was last said about them.

use serde_json::{Map, Value};

use super::nodes::condition;
use super::{Cluster, ClusterError, Condition};

/// How many events are told.
const EVENTS: usize = 5;

impl Cluster {
    /// Lines that explain why a condition is not met; empty when nothing more is known. A failing look is one of the
    /// lines, never an error: this is asked when something went wrong already.
    pub async fn explain(&self, what: &Condition) -> Vec<String> {
        match what {
            Condition::DeploymentReady { namespace, .. } | Condition::DaemonSetReady { namespace, .. } => {
                self.explain_workload(what, namespace).await
            }
            Condition::EndpointsNonEmpty { namespace, service } => self.explain_service(namespace, service).await,
            Condition::CertificateReady { namespace, .. } | Condition::CertificateReissued { namespace, .. } => {
                self.explain_certificate(namespace).await
            }
            Condition::NodesReady { .. }
            | Condition::CrdEstablished { .. }
            | Condition::WebhookCaInjected { .. }
            | Condition::Gone(_)
            | Condition::DryRunAccepted { .. } => Vec::new(),
        }
    }

    async fn explain_workload(&self, what: &Condition, namespace: &str) -> Vec<String> {
        let Some(object) = what.object() else { return Vec::new() };
        let found = match self.get(&object).await {
            Ok(Some(found)) => found,
            Ok(None) => return vec![format!("{object} does not exist")],
            Err(error) => return vec![error.to_string()],
        };
        let mut lines = self.explain_pods(namespace, &found["spec"]["selector"]["matchLabels"]).await;
        // Quota and admission refuse pods before there are any; only the controller's condition tells.
        lines.extend(condition(&found, "ReplicaFailure").and_then(|said| said["message"].as_str()).map(str::to_owned));
        lines.extend(self.events(namespace, &object.name).await);
        lines
    }

    async fn explain_service(&self, namespace: &str, service: &str) -> Vec<String> {
        let object = super::ObjectRef::new("v1", "Service", Some(namespace), service);
        match self.get(&object).await {
            Ok(Some(found)) => self.explain_pods(namespace, &found["spec"]["selector"]).await,
            Ok(None) => vec![format!("{object} does not exist")],
            Err(error) => vec![error.to_string()],
        }
    }

    /// The chain below a Certificate: CertificateRequest, Order, Challenge, each with its own reason.
    async fn explain_certificate(&self, namespace: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let chain = [
            ("cert-manager.io/v1", "CertificateRequest"),
            ("acme.cert-manager.io/v1", "Order"),
            ("acme.cert-manager.io/v1", "Challenge"),
        ];
        for (api_version, kind) in chain {
            let found = self.list(api_version, kind, Some(namespace), None).await.unwrap_or_default();
            lines.extend(found.iter().filter_map(|object| unhappy(kind, object)));
        }
        lines
    }

    async fn explain_pods(&self, namespace: &str, labels: &Value) -> Vec<String> {
        let Some(labels) = labels.as_object() else { return Vec::new() };
        match self.list("v1", "Pod", Some(namespace), Some(&selector(labels))).await {
            Ok(pods) if pods.is_empty() => vec!["it has no pods".into()],
            Ok(pods) => pods.iter().flat_map(pod_troubles).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    /// The newest warnings about the object and whatever bears its name (its pods and replica sets do).
    async fn events(&self, namespace: &str, name: &str) -> Vec<String> {
        match self.list("v1", "Event", Some(namespace), None).await {
            Ok(events) => newest_warnings(events, name),
            Err(error) => vec![error.to_string()],
        }
    }

    /// A Deployment or DaemonSet and its pods; `None` for anything else, and where there is none.
    pub(super) async fn workload(&self, what: &Condition) -> Result<Option<(Value, Vec<Value>)>, ClusterError> {
        let (Condition::DeploymentReady { namespace, .. } | Condition::DaemonSetReady { namespace, .. }) = what else {
            return Ok(None);
        };
        let Some(object) = what.object() else { return Ok(None) };
        let Some(found) = self.get(&object).await? else { return Ok(None) };
        let Some(labels) = found["spec"]["selector"]["matchLabels"].as_object() else { return Ok(None) };
        let pods = self.list("v1", "Pod", Some(namespace), Some(&selector(labels))).await?;
        Ok(Some((found, pods)))
    }
}

fn selector(labels: &Map<String, Value>) -> String {
    let labels = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    labels.collect::<Vec<_>>().join(",")
}

/// What a pod's containers wait for, one line each; empty for a pod that is well.
pub(super) fn pod_troubles(pod: &Value) -> Vec<String> {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("pod");
    let node = pod.pointer("/spec/nodeName").and_then(Value::as_str);
    let at = node.map(|node| format!(" on {node}")).unwrap_or_default();
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = statuses.iter().filter_map(|pointer| pod.pointer(pointer)).filter_map(Value::as_array).flatten();
    let mut lines: Vec<String> =
        containers.filter_map(container_trouble).map(|text| format!("{name}{at}: {text}")).collect();
    let unscheduled = condition(pod, "PodScheduled").filter(|said| said["status"] == "False");
    if let Some(message) = unscheduled.and_then(|said| said["message"].as_str()) {
        lines.push(format!("{name}: cannot be placed: {message}"));
    }
    let ready = condition(pod, "Ready").is_some_and(|said| said["status"] == "True");
    if lines.is_empty() && !ready {
        let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("unknown");
        lines.push(format!("{name}{at}: {phase}, not ready yet"));
    }
    lines
}

fn container_trouble(status: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(waiting) = status.pointer("/state/waiting") {
        let reason = text(&waiting["reason"]).unwrap_or_else(|| "waiting".into());
        let last = status.pointer("/lastState/terminated").map(|end| format!(", last exit code {}", end["exitCode"]));
        let message = text(&waiting["message"]).map(|message| format!(": {message}"));
        return Some(format!("{reason}{}{}", message.unwrap_or_default(), last.unwrap_or_default()));
    }
    let ended =
        status.pointer("/state/terminated").filter(|end| end["exitCode"].as_i64().is_some_and(|code| code != 0))?;
    Some(format!("{}, exit code {}", text(&ended["reason"]).unwrap_or_else(|| "ended".into()), ended["exitCode"]))
}

/// A cert-manager object below a Certificate that is not well, with its reason.
fn unhappy(kind: &str, object: &Value) -> Option<String> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("/status/state") == Some("valid") {
        return None;
    }
    let ready = condition(object, "Ready");
    if ready.is_some_and(|said| said["status"] == "True") {
        return None;
    }
    let said =
        text("/status/reason").or_else(|| ready.and_then(|said| said["message"].as_str())).or(text("/status/state"));
    Some(format!("{} {name}: {}", kind.to_lowercase(), said.unwrap_or("nothing said yet")))
}

fn newest_warnings(events: Vec<Value>, name: &str) -> Vec<String> {
    let about = |event: &Value| event["involvedObject"]["name"].as_str().is_some_and(|about| about.starts_with(name));
    let mut warnings: Vec<Value> =
        events.into_iter().filter(|event| event["type"] == "Warning" && about(event)).collect();
    let when = |event: &Value| {
        let stamps = ["lastTimestamp", "eventTime", "firstTimestamp"];
        stamps.iter().find_map(|key| event[*key].as_str()).unwrap_or_default().to_owned()
    };
    warnings.sort_by_key(|event| std::cmp::Reverse(when(event)));
    let line = |event: &Value| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().trim();
        let about = event["involvedObject"]["name"].as_str().unwrap_or_default();
        format!("{about}: {}: {}", text("reason"), text("message"))
    };
    warnings.iter().take(EVENTS).map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_says_what_it_waits_for() {
        let pod = json!({"metadata": {"name": "w-1"}, "spec": {"nodeName": "n3"}, "status": {"phase": "Pending", "containerStatuses": [
            {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "container has runAsNonRoot"}}},
            {"state": {"running": {}}}]}});
        assert_eq!(pod_troubles(&pod), ["w-1 on n3: CreateContainerConfigError: container has runAsNonRoot"]);
        let crash = json!({"metadata": {"name": "w-1"}, "status": {"containerStatuses": [
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 137}}}]}});
        assert_eq!(pod_troubles(&crash), ["w-1: CrashLoopBackOff, last exit code 137"]);
        let unplaced = json!({"metadata": {"name": "w-1"}, "status": {"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}});
        assert_eq!(pod_troubles(&unplaced), ["w-1: cannot be placed: 0/3 nodes are available"]);
        let well =
            json!({"metadata": {"name": "w-1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert!(pod_troubles(&well).is_empty());
    }

    #[test]
    fn only_the_newest_warnings_about_it_are_told() {
        let event = |about: &str, at: &str, kind: &str| json!({"type": kind, "involvedObject": {"name": about}, "lastTimestamp": at, "reason": "Failed", "message": at});
        let events = vec![
            event("rancher-1", "2026-01-01T00:00:01Z", "Warning"),
            event("rancher-1", "2026-01-01T00:00:02Z", "Warning"),
            event("rancher-1", "2026-01-01T00:00:03Z", "Normal"),
            event("other", "2026-01-01T00:00:04Z", "Warning"),
        ];
        let lines = newest_warnings(events, "rancher");
        assert_eq!(lines, ["rancher-1: Failed: 2026-01-01T00:00:02Z", "rancher-1: Failed: 2026-01-01T00:00:01Z"]);
    }

    #[test]
    fn the_chain_below_a_certificate_gives_its_reason() {
        let pending =
            json!({"metadata": {"name": "tls-1"}, "status": {"state": "pending", "reason": "connection refused"}});
        assert_eq!(unhappy("Challenge", &pending).unwrap(), "challenge tls-1: connection refused");
        assert_eq!(unhappy("Order", &json!({"status": {"state": "valid"}})), None);
    }
}
