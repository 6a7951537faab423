//! Rendered manifests: read, and parted into what RKE may apply as an addon and what may not go that way. Pure.
//!
//! RKE keeps addons in a ConfigMap and applies them with a client-side `kubectl apply` before cert-manager is there
//! (rancher/rke: cluster/addons.go, templates/addonjob.go). So Secrets, objects of kinds that somebody has to define
//! first, and objects too big for kubectl's annotation are applied through the API afterwards.

use crate::failure::Hint;
use serde_json::{Map, Value, json};

/// Objects of these groups exist in every cluster.
const BUILT_IN_GROUPS: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Kinds of those groups that live outside namespaces (kubernetes.io: `kubectl api-resources --namespaced=false`).
const CLUSTER_KINDS: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "ClusterIssuer",
];

/// The API allows 256 KiB of annotations; client-side apply keeps the whole object in one.
const ANNOTATION_LIMIT: usize = 250 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the rendered manifests are not YAML: {why}")]
    Yaml { why: String },
    #[error("a rendered manifest lacks {missing}")]
    Lacks { missing: &'static str },
}

impl Hint for ManifestError {}

/// What a rendered chart becomes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddonParts {
    /// In the order to apply them; the namespace first.
    pub addon: Vec<Value>,
    /// To be applied through the API when their kinds are there (Issuer, Certificate…).
    pub later: Vec<Value>,
    /// No part of the addon, whose text anybody may read, and never to be shown. Whoever uses the parts has to see that
    /// the cluster gets them in another way.
    pub secrets: Vec<Value>,
    /// Helm's hooks, which only helm runs, e.g. `job rancher-post-delete (post-delete)`.
    pub dropped_hooks: Vec<String>,
}

/// Reads a stream of YAML documents as Kubernetes does (0644 is octal, `yes` a boolean); empty ones are left out.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, ManifestError> {
    let options = serde_yaml::options! {
        legacy_octal_numbers: true,
        strict_booleans: false,
        // Definitions of large charts pass the usual limits; what we read comes from helm, not from strangers.
        budget: serde_yaml::budget! { max_nodes: 5_000_000, max_events: 10_000_000, max_documents: 10_000,
            max_total_scalar_bytes: 256 * 1024 * 1024 },
    };
    let documents: Vec<Value> = serde_yaml::from_multiple_with_options(text, options)
        .map_err(|error| ManifestError::Yaml { why: error.to_string() })?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Parts rendered manifests, gives every object its namespace and the label and annotations by which Helm knows its
/// own, so that a later `helm upgrade --install` adopts them (helm: pkg/action/validate.go).
pub fn split_for_addon(manifests: Vec<Value>, release: &str, namespace: &str) -> Result<AddonParts, ManifestError> {
    let mut parts = AddonParts::default();
    for mut manifest in manifests {
        let kind = text(&manifest, "/kind").ok_or(ManifestError::Lacks { missing: "kind" })?.to_owned();
        let api_version = text(&manifest, "/apiVersion").ok_or(ManifestError::Lacks { missing: "apiVersion" })?;
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        if let Some(hook) = manifest.pointer("/metadata/annotations/helm.sh~1hook").and_then(Value::as_str) {
            let name = text(&manifest, "/metadata/name").unwrap_or_default();
            parts.dropped_hooks.push(format!("{} {name} ({hook})", kind.to_lowercase()));
            continue;
        }
        own(&mut manifest, &kind, release, namespace)?;
        if kind == "Secret" && group.is_empty() {
            parts.secrets.push(manifest);
        } else if BUILT_IN_GROUPS.contains(&group.as_str()) && manifest.to_string().len() <= ANNOTATION_LIMIT {
            parts.addon.push(manifest);
        } else {
            parts.later.push(manifest);
        }
    }
    place_namespace_first(&mut parts.addon, namespace);
    Ok(parts)
}

fn text<'a>(manifest: &'a Value, pointer: &str) -> Option<&'a str> {
    manifest.pointer(pointer).and_then(Value::as_str)
}

fn own(manifest: &mut Value, kind: &str, release: &str, namespace: &str) -> Result<(), ManifestError> {
    let lacks = ManifestError::Lacks { missing: "metadata" };
    let metadata = manifest.get_mut("metadata").and_then(Value::as_object_mut).ok_or(lacks)?;
    if !CLUSTER_KINDS.contains(&kind) && metadata.get("namespace").is_none_or(Value::is_null) {
        metadata.insert("namespace".into(), namespace.into());
    }
    note(metadata, "labels", &[("app.kubernetes.io/managed-by", "Helm")]);
    let owner = [("meta.helm.sh/release-name", release), ("meta.helm.sh/release-namespace", namespace)];
    note(metadata, "annotations", &owner);
    Ok(())
}

/// Adds entries to the map under a key; charts also render `labels:` with nothing below it.
fn note(metadata: &mut Map<String, Value>, key: &str, entries: &[(&str, &str)]) {
    let mut map = match metadata.shift_remove(key) {
        Some(Value::Object(map)) => map,
        Some(_) | None => Map::new(),
    };
    map.extend(entries.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    metadata.insert(key.to_owned(), Value::Object(map));
}

/// Charts leave the namespace to `helm --create-namespace`; kubectl needs it before anything in it.
fn place_namespace_first(addon: &mut Vec<Value>, namespace: &str) {
    let is_it = |one: &Value| text(one, "/kind") == Some("Namespace") && text(one, "/metadata/name") == Some(namespace);
    let first = match addon.iter().position(is_it) {
        Some(index) => addon.remove(index),
        None => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
    };
    addon.insert(0, first);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENDERED: &str = r#"
---
# Source: rancher/templates/serviceAccount.yaml
kind: ServiceAccount
apiVersion: v1
metadata:
  name: rancher
  labels:
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: rancher, labels: {app: rancher}}
---
# only a comment
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: rancher, namespace: elsewhere}
spec: {template: {spec: {volumes: [{secret: {defaultMode: 0400}}]}}}
---
kind: Secret
apiVersion: v1
metadata: {name: bootstrap-secret}
---
kind: Issuer
apiVersion: cert-manager.io/v1
metadata: {name: rancher}
---
kind: Job
apiVersion: batch/v1
metadata: {name: rancher-post-delete, annotations: {"helm.sh/hook": post-delete}}
"#;

    #[test]
    fn each_object_goes_its_way() {
        let parts = split_for_addon(parse_documents(RENDERED).unwrap(), "rancher", "cattle-system").unwrap();
        let names = |manifests: &[Value]| -> Vec<String> {
            manifests
                .iter()
                .map(|one| format!("{} {}", text(one, "/kind").unwrap(), text(one, "/metadata/name").unwrap()))
                .collect()
        };
        assert_eq!(
            names(&parts.addon),
            ["Namespace cattle-system", "ServiceAccount rancher", "ClusterRoleBinding rancher", "Deployment rancher"]
        );
        assert_eq!(names(&parts.secrets), ["Secret bootstrap-secret"]);
        assert_eq!(names(&parts.later), ["Issuer rancher"]);
        assert_eq!(parts.dropped_hooks, ["job rancher-post-delete (post-delete)"]);
    }

    #[test]
    fn helm_will_know_its_own_and_namespaces_are_right() {
        let parts = split_for_addon(parse_documents(RENDERED).unwrap(), "rancher", "cattle-system").unwrap();
        for one in parts.addon.iter().skip(1).chain(&parts.later).chain(&parts.secrets) {
            assert_eq!(text(one, "/metadata/labels/app.kubernetes.io~1managed-by"), Some("Helm"), "{one}");
            assert_eq!(text(one, "/metadata/annotations/meta.helm.sh~1release-name"), Some("rancher"));
            assert_eq!(text(one, "/metadata/annotations/meta.helm.sh~1release-namespace"), Some("cattle-system"));
        }
        let namespaces: Vec<_> = parts.addon.iter().map(|one| text(one, "/metadata/namespace")).collect();
        assert_eq!(namespaces, [None, Some("cattle-system"), None, Some("elsewhere")]);
        assert_eq!(text(&parts.addon[2], "/metadata/labels/app"), Some("rancher"));
    }

    #[test]
    fn yaml_is_read_as_kubernetes_reads_it() {
        let documents = parse_documents("a: 0400\nb: yes\nc: \"yes\"\nd: 1e3\n---\n---\n{}\n").unwrap();
        assert_eq!(documents[0], json!({"a": 256, "b": true, "c": "yes", "d": 1000.0}));
    }

    #[test]
    fn what_kubectl_cannot_apply_comes_later() {
        let big = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "x"}, "spec": "x".repeat(300 * 1024)});
        let parts = split_for_addon(vec![big], "r", "n").unwrap();
        assert_eq!((parts.addon.len(), parts.later.len()), (1, 1));
    }
}
