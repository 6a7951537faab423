//! What can be waited for, and how each is seen. Judging is pure; only fetching asks the API.
//!
//! Own judgements, because "Progressing/NewReplicaSetAvailable" alone is stale-true right after a change: they look at
//! `observedGeneration` and at updated and available replicas, as `kubectl rollout status` does.

use std::fmt;

use serde_json::Value;

use super::nodes::condition;
use super::{Apply, Cluster, ClusterError, NodeSeen, ObjectRef, Seen, certificate};

/// Something that becomes true by itself, given time.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// These nodes are there and Ready; with no names: all there are, at least one.
    NodesReady {
        names: Vec<String>,
    },
    DeploymentReady {
        namespace: String,
        name: String,
    },
    DaemonSetReady {
        namespace: String,
        name: String,
        /// Nodes that do not count while they are not Ready.
        without: Vec<String>,
    },
    CrdEstablished {
        name: String,
    },
    /// At least one ready endpoint behind the service.
    EndpointsNonEmpty {
        namespace: String,
        service: String,
    },
    /// cert-manager's Certificate is Ready, and its Secret is of the issuer that it names.
    CertificateReady {
        namespace: String,
        name: String,
    },
    /// The same, and it was issued anew: its revision is above this one.
    CertificateReissued {
        namespace: String,
        name: String,
        after: i64,
    },
    /// cainjector has put a CA into every webhook of this ValidatingWebhookConfiguration.
    WebhookCaInjected {
        name: String,
    },
    Gone(ObjectRef),
    /// The API with all its webhooks would take this manifest. This is what `cmctl check api` does.
    DryRunAccepted {
        manifest: Value,
    },
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::NodesReady { names } if names.is_empty() => write!(f, "the nodes"),
            Condition::NodesReady { names } => write!(f, "{}", names.join(", ")),
            Condition::DeploymentReady { namespace, name } => write!(f, "deployment {namespace}/{name}"),
            Condition::DaemonSetReady { namespace, name, .. } => write!(f, "daemonset {namespace}/{name}"),
            Condition::CrdEstablished { name } => write!(f, "definition {name}"),
            Condition::EndpointsNonEmpty { namespace, service } => write!(f, "service {namespace}/{service}"),
            Condition::CertificateReady { namespace, name }
            | Condition::CertificateReissued { namespace, name, .. } => {
                write!(f, "certificate {namespace}/{name}")
            }
            Condition::WebhookCaInjected { name } => write!(f, "CA of webhook {name}"),
            Condition::Gone(object) => write!(f, "removal of {object}"),
            Condition::DryRunAccepted { manifest } => {
                let word = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
                write!(f, "dry run of {} {}", word("/kind").to_lowercase(), word("/metadata/name"))
            }
        }
    }
}

impl Condition {
    /// The object to fetch for it, where it is one object.
    pub(super) fn object(&self) -> Option<ObjectRef> {
        let of = |api: &str, kind: &str, ns: Option<&String>, name: &str| {
            Some(ObjectRef::new(api, kind, ns.map(String::as_str), name))
        };
        match self {
            Condition::DeploymentReady { namespace, name } => of("apps/v1", "Deployment", Some(namespace), name),
            Condition::DaemonSetReady { namespace, name, .. } => of("apps/v1", "DaemonSet", Some(namespace), name),
            Condition::CrdEstablished { name } => of("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, name),
            Condition::EndpointsNonEmpty { namespace, service } => of("v1", "Endpoints", Some(namespace), service),
            Condition::CertificateReady { namespace, name }
            | Condition::CertificateReissued { namespace, name, .. } => {
                of("cert-manager.io/v1", "Certificate", Some(namespace), name)
            }
            Condition::WebhookCaInjected { name } => {
                of("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", None, name)
            }
            Condition::Gone(object) => Some(object.clone()),
            Condition::NodesReady { .. } | Condition::DryRunAccepted { .. } => None,
        }
    }

    /// Judges what was fetched for [`Condition::object`]; on so many nodes that are `down` nothing is awaited.
    fn judge(&self, found: Option<&Value>, down: usize) -> Seen {
        if let Condition::Gone(object) = self {
            return gone(object, found);
        }
        let Some(found) = found else { return absent() };
        match self {
            Condition::DeploymentReady { .. } => deployment(found),
            Condition::DaemonSetReady { .. } => daemon_set(found, down),
            Condition::CrdEstablished { .. } => by_condition(found, "Established"),
            Condition::EndpointsNonEmpty { .. } => endpoints(found),
            Condition::WebhookCaInjected { .. } => webhook(found),
            Condition::Gone(_)
            | Condition::CertificateReady { .. }
            | Condition::CertificateReissued { .. }
            | Condition::NodesReady { .. }
            | Condition::DryRunAccepted { .. } => Seen::Met("there".into()),
        }
    }
}

impl Cluster {
    /// One look at a condition, without waiting.
    pub async fn look(&self, what: &Condition) -> Result<Seen, ClusterError> {
        match what {
            Condition::NodesReady { names } => Ok(nodes(names, &self.nodes().await?)),
            Condition::DryRunAccepted { manifest } => match self.dry_run_apply(manifest, &Apply::default()).await {
                Ok(_) => Ok(Seen::Met("accepted".into())),
                Err(error) if error.is_passing() => Ok(Seen::NotYet(error.to_string())),
                Err(error) => Err(error),
            },
            Condition::CertificateReady { namespace, name } => {
                let seen = self.certificate(namespace, name).await?;
                Ok(seen.map_or_else(absent, |(found, secret)| certificate::issued(&found, &secret)))
            }
            Condition::CertificateReissued { namespace, name, after } => {
                let seen = self.certificate(namespace, name).await?;
                Ok(seen.map_or_else(absent, |(found, secret)| certificate::reissued(&found, &secret, *after)))
            }
            Condition::DeploymentReady { .. }
            | Condition::DaemonSetReady { .. }
            | Condition::CrdEstablished { .. }
            | Condition::EndpointsNonEmpty { .. }
            | Condition::WebhookCaInjected { .. }
            | Condition::Gone(_) => {
                let found = match what.object() {
                    Some(object) => self.get(&object).await?,
                    None => None,
                };
                Ok(what.judge(found.as_ref(), self.down(what).await?))
            }
        }
    }
}

impl Cluster {
    /// How many of the nodes that the condition may do without are not Ready.
    async fn down(&self, what: &Condition) -> Result<usize, ClusterError> {
        let Condition::DaemonSetReady { without, .. } = what else { return Ok(0) };
        if without.is_empty() {
            return Ok(0);
        }
        let nodes = self.nodes().await?;
        Ok(nodes.iter().filter(|node| !node.ready && without.contains(&node.name)).count())
    }
}

fn absent() -> Seen {
    Seen::NotYet("not there yet".into())
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Whether the controller has looked at the newest specification at all.
fn is_observed(object: &Value) -> bool {
    number(object, "/status/observedGeneration") >= number(object, "/metadata/generation")
}

fn deployment(found: &Value) -> Seen {
    let wanted = found.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (updated, available) = (number(found, "/status/updatedReplicas"), number(found, "/status/availableReplicas"));
    let total = number(found, "/status/replicas");
    if !is_observed(found) {
        return Seen::NotYet("its controller has not acted on the latest change yet".into());
    }
    if updated < wanted {
        return Seen::NotYet(format!("{updated} of {wanted} updated"));
    }
    if total > updated {
        return Seen::NotYet(format!("old pods still running: {}", total - updated));
    }
    if available < wanted {
        return Seen::NotYet(format!("{available} of {wanted} ready"));
    }
    Seen::Met(format!("{available} of {wanted} ready"))
}

fn daemon_set(found: &Value, down: usize) -> Seen {
    let down = i64::try_from(down).unwrap_or(i64::MAX);
    let wanted = (number(found, "/status/desiredNumberScheduled") - down).max(0);
    let (updated, available) =
        (number(found, "/status/updatedNumberScheduled"), number(found, "/status/numberAvailable"));
    if !is_observed(found) {
        return Seen::NotYet("its controller has not acted on the latest change yet".into());
    }
    if wanted == 0 {
        return Seen::NotYet("no node matches its node selector and tolerations".into());
    }
    if updated < wanted {
        return Seen::NotYet(format!("{updated} of {wanted} updated"));
    }
    if available < wanted {
        return Seen::NotYet(format!("{available} of {wanted} ready"));
    }
    Seen::Met(format!("{available} of {wanted} ready"))
}

fn is_true(found: &Value, kind: &str) -> bool {
    condition(found, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Message, or reason, of a condition.
fn words(found: &Value, kind: &str) -> Option<String> {
    let said = condition(found, kind)?;
    let text = |key: &str| said[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text("message").or_else(|| text("reason"))
}

fn by_condition(found: &Value, kind: &str) -> Seen {
    let said = words(found, kind);
    if is_true(found, kind) {
        Seen::Met(said.unwrap_or_else(|| kind.to_lowercase()))
    } else {
        Seen::NotYet(said.unwrap_or_else(|| format!("not {} yet", kind.to_lowercase())))
    }
}

fn endpoints(found: &Value) -> Seen {
    let subsets = found["subsets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |key: &str| subsets.iter().filter_map(|subset| subset[key].as_array()).map(Vec::len).sum::<usize>();
    match (count("addresses"), count("notReadyAddresses")) {
        (0, 0) => Seen::NotYet("no pod behind it".into()),
        (0, waiting) => Seen::NotYet(format!("{waiting} pods behind it, none ready")),
        (ready, _) => Seen::Met(format!("{ready} ready behind it")),
    }
}

fn webhook(found: &Value) -> Seen {
    let webhooks = found["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_ca =
        |hook: &Value| hook.pointer("/clientConfig/caBundle").and_then(Value::as_str).is_some_and(|ca| !ca.is_empty());
    let with = webhooks.iter().filter(|hook| has_ca(hook)).count();
    if with == webhooks.len() && with > 0 {
        Seen::Met("injected".into())
    } else {
        Seen::NotYet(format!("{with} of {} webhooks have the CA", webhooks.len()))
    }
}

fn gone(object: &ObjectRef, found: Option<&Value>) -> Seen {
    let Some(found) = found else { return Seen::Met("gone".into()) };
    let finalizers = found.pointer("/metadata/finalizers").and_then(Value::as_array);
    let finalizers: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
    let namespace = condition(found, "NamespaceContentRemaining").filter(|said| said["status"] == "True");
    let left = namespace.and_then(|said| said["message"].as_str());
    match (found.pointer("/metadata/deletionTimestamp"), left) {
        (None, _) => Seen::NotYet(format!("{object} is not being removed")),
        (Some(_), Some(left)) => Seen::NotYet(left.to_owned()),
        (Some(_), None) if finalizers.is_empty() => Seen::NotYet("being removed".into()),
        (Some(_), None) => Seen::NotYet(format!("held by {}", finalizers.join(", "))),
    }
}

fn nodes(names: &[String], seen: &[NodeSeen]) -> Seen {
    let absent: Vec<&str> =
        names.iter().filter(|name| !seen.iter().any(|node| node.name == **name)).map(String::as_str).collect();
    let wanted: Vec<&NodeSeen> = seen.iter().filter(|node| names.is_empty() || names.contains(&node.name)).collect();
    let unready: Vec<String> =
        wanted.iter().filter(|node| !node.ready).map(|node| format!("{} {}", node.name, node.message)).collect();
    let total = names.len().max(wanted.len());
    if !absent.is_empty() {
        return Seen::NotYet(format!("{} not there yet", absent.join(", ")));
    }
    match unready.first() {
        Some(first) => Seen::NotYet(format!("{} of {total} Ready · {first}", total - unready.len())),
        None if total == 0 => Seen::NotYet("no node there yet".into()),
        None => Seen::Met(format!("{total} of {total} Ready")),
    }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
