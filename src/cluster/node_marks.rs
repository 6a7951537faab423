//! Labels and taints of a Node, and the two objects in which RKE keeps what it applied.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::{Cluster, ClusterError, FIELD_MANAGER, ObjectRef, Taint};

/// Somebody else wrote the Node between our look and our write: looked at again so often.
const TRIES: usize = 5;

/// What is set and taken away.
#[derive(Debug, Clone, Default)]
pub struct NodePatch<'a> {
    pub set: Vec<(&'a str, &'a str)>,
    pub drop: Vec<&'a str>,
    pub add: &'a [Taint],
    pub remove: &'a [Taint],
}

impl Cluster {
    /// Changes labels and taints of the Node; others stay. Done already, it changes nothing.
    pub async fn mark_node(&self, name: &str, patch: &NodePatch<'_>) -> Result<(), ClusterError> {
        let object = ObjectRef::new("v1", "Node", None, name);
        let doing = format!("label {object}");
        let api = self.api(&doing, "v1", "Node", None).await?;
        for attempt in 1.. {
            let there = self
                .get(&object)
                .await?
                .ok_or_else(|| ClusterError::Answer { doing: doing.clone(), why: "there is no such Node".into() })?;
            match api.patch(name, &manager(), &Patch::Merge(merge(&there, patch))).await {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if status.code == 409 && attempt < TRIES => {}
                Err(error) => return Err(self.error(&doing, error)),
            }
        }
        Ok(())
    }

    /// Writes one key of a ConfigMap that is there.
    pub async fn write_config_map(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        text: &str,
    ) -> Result<(), ClusterError> {
        let doing = format!("write configmap {namespace}/{name}");
        let api: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let patch = Patch::Merge(json!({"data": {key: text}}));
        api.patch(name, &manager(), &patch).await.map(drop).map_err(|error| self.error(&doing, error))
    }
}

fn manager() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() }
}

/// A merge patch for the Node as it was seen: taints are one list, so that it holds for this version of the Node alone.
fn merge(there: &Value, patch: &NodePatch<'_>) -> Value {
    let mut labels: Map<String, Value> = patch.drop.iter().map(|key| ((*key).to_owned(), Value::Null)).collect();
    labels.extend(patch.set.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
    let version = there.pointer("/metadata/resourceVersion");
    let mut merged = json!({"metadata": {"resourceVersion": version, "labels": labels}});
    if !patch.add.is_empty() || !patch.remove.is_empty() {
        let before = there.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
        let is = |value: &Value, taints: &[Taint]| Taint::any(value).is_some_and(|taint| taints.contains(&taint));
        let mut taints: Vec<Value> = before.into_iter().filter(|one| !is(one, patch.remove)).collect();
        for taint in patch.add {
            taints.retain(|one| !is(one, std::slice::from_ref(taint)));
            taints.push(json!({"key": taint.key, "value": taint.value, "effect": taint.effect}));
        }
        merged["spec"] = json!({"taints": taints});
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let taint = |key: &str| Taint { key: key.into(), value: "v".into(), effect: "NoSchedule".into() };
        let theirs = json!({"key": "theirs", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"});
        let there = json!({
            "metadata": {"resourceVersion": "7", "labels": {"a": "1", "c": "3"}},
            "spec": {"taints": [theirs, {"key": "old", "value": "v", "effect": "NoSchedule"}]},
        });
        let (add, remove) = ([taint("new")], [taint("old")]);
        let labels = NodePatch { set: vec![("a", "2")], drop: vec!["c"], ..NodePatch::default() };
        let meta = json!({"resourceVersion": "7", "labels": {"a": "2", "c": null}});
        assert_eq!(merge(&there, &labels), json!({"metadata": meta}));
        let both = NodePatch { add: &add, remove: &remove, ..labels };
        let new = json!({"key": "new", "value": "v", "effect": "NoSchedule"});
        assert_eq!(merge(&there, &both), json!({"metadata": meta, "spec": {"taints": [theirs, new]}}));
    }
}
