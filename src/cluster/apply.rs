//! Server-side apply, its dry run, and the difference between manifests and what is there.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use kube::api::{Patch, PatchParams};
use serde_json::Value;
use tokio::time::Instant;

use super::objects::to_value;
use super::{Cluster, ClusterError, ObjectRef};

/// Who we are among the owners of fields.
pub const FIELD_MANAGER: &str = "cowhand";
/// Asks only, and owns nothing: whether what somebody else applied is there, whatever else we have added to it.
pub const ASKER: &str = "cowhand-asks";

/// How manifests are applied.
#[derive(Debug, Clone)]
pub struct Apply {
    /// For namespaced manifests that name none.
    pub namespace: String,
    /// How long passing refusals (webhook not up yet, kind not established, API blinking) are waited out, each manifest.
    pub limit: Duration,
    /// Who asks: what this one applied earlier and no longer names is taken away.
    pub manager: &'static str,
}

impl Default for Apply {
    fn default() -> Self {
        Apply { namespace: "default".into(), limit: Duration::from_secs(120), manager: FIELD_MANAGER }
    }
}

/// One manifest that is not there as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub object: ObjectRef,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Missing,
    /// Paths of the fields that applying would change, e.g. `spec.replicas`; never their values, which may be secret.
    Differs {
        fields: Vec<String>,
    },
}

/// An object as it is, and as the API would have it with the manifest applied: with its own defaults and in its own notation.
#[derive(Debug, Clone, PartialEq)]
pub enum Beside {
    Missing,
    There { live: Value, applied: Value },
}

/// An object that others write meanwhile is looked at again this often.
const LOOKS: usize = 5;

impl Cluster {
    /// Applies the manifests in order. `progress` hears what is being tried again, and why.
    pub async fn apply(
        &self,
        manifests: &[Value],
        how: &Apply,
        mut progress: impl FnMut(&str),
    ) -> Result<Vec<ObjectRef>, ClusterError> {
        let mut applied = Vec::new();
        for manifest in flatten(manifests) {
            applied.push(self.apply_patiently(manifest, how, &mut progress).await?);
        }
        Ok(applied)
    }

    async fn apply_patiently(
        &self,
        manifest: &Value,
        how: &Apply,
        progress: &mut impl FnMut(&str),
    ) -> Result<ObjectRef, ClusterError> {
        let end = Instant::now() + how.limit;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times();
        let applied = (|| self.patch(manifest, how, false)).retry(pauses);
        let applied = applied.when(ClusterError::is_passing).notify(|error, _| progress(&error.to_string()));
        // The limit counts what the API took to answer, too, so it is not `with_total_delay`, which counts pauses.
        applied.adjust(|_, pause| pause.filter(|pause| Instant::now() + *pause < end)).await.map(|(object, _)| object)
    }

    /// What the API would make of the manifest, without doing it.
    pub async fn dry_run_apply(&self, manifest: &Value, how: &Apply) -> Result<Value, ClusterError> {
        self.patch(manifest, how, true).await.map(|(_, value)| value)
    }

    /// Which of the manifests are missing or would change something; empty when there is nothing to do.
    /// Asks the API itself (dry run), so that defaults and conversions do not look like differences.
    pub async fn diff(&self, manifests: &[Value], how: &Apply) -> Result<Vec<Difference>, ClusterError> {
        let mut differences = Vec::new();
        for manifest in flatten(manifests) {
            let object = match self.place(manifest, how).await {
                Ok(object) => object,
                Err(ClusterError::UnknownKind { .. }) => {
                    differences.push(Difference { object: ObjectRef::of(manifest)?, change: Change::Missing });
                    continue;
                }
                Err(error) => return Err(error),
            };
            let change = self.change(&object, manifest, how).await?;
            differences.extend(change.map(|change| Difference { object, change }));
        }
        Ok(differences)
    }

    /// The manifest's object, and what the API would make of the manifest (dry run); nothing is changed.
    pub async fn beside(&self, manifest: &Value, how: &Apply) -> Result<(ObjectRef, Beside), ClusterError> {
        match self.place(manifest, how).await {
            Ok(object) => Ok((object.clone(), self.looked_beside(&object, manifest, how).await?)),
            Err(ClusterError::UnknownKind { .. }) => Ok((ObjectRef::of(manifest)?, Beside::Missing)),
            Err(error) => Err(error),
        }
    }

    async fn looked_beside(&self, object: &ObjectRef, manifest: &Value, how: &Apply) -> Result<Beside, ClusterError> {
        let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
        let mut live = self.get(object).await?;
        let mut seen = Beside::Missing;
        for _ in 0..LOOKS {
            let Some(there) = live else { return Ok(Beside::Missing) };
            let applied = self.dry_run_apply(manifest, how).await?;
            if differing(&there, &applied).is_empty() {
                return Ok(Beside::There { live: there, applied });
            }
            // A controller may have written between the two looks: then its change is the difference.
            live = self.get(object).await?;
            let settled = live.as_ref().and_then(version) == version(&there);
            seen = Beside::There { live: there, applied };
            if settled {
                break;
            }
        }
        Ok(seen)
    }

    /// How one object differs from the manifest, if it does.
    async fn change(&self, object: &ObjectRef, manifest: &Value, how: &Apply) -> Result<Option<Change>, ClusterError> {
        Ok(match self.looked_beside(object, manifest, how).await? {
            Beside::Missing => Some(Change::Missing),
            Beside::There { live, applied } => {
                let fields = differing(&live, &applied);
                (!fields.is_empty()).then_some(Change::Differs { fields })
            }
        })
    }

    /// The object's name with the namespace it will be in.
    async fn place(&self, manifest: &Value, how: &Apply) -> Result<ObjectRef, ClusterError> {
        let mut object = ObjectRef::of(manifest)?;
        let namespaced = self.is_namespaced(&format!("apply {object}"), &object).await?;
        object.namespace = match (namespaced, object.namespace.take()) {
            (false, _) => None,
            (true, given) => Some(given.unwrap_or_else(|| how.namespace.clone())),
        };
        Ok(object)
    }

    async fn patch(&self, manifest: &Value, how: &Apply, dry: bool) -> Result<(ObjectRef, Value), ClusterError> {
        let object = self.place(manifest, how).await?;
        let doing = format!("{} {object}", if dry { "try" } else { "apply" });
        let api = self.api(&doing, &object.api_version, &object.kind, object.namespace.as_deref()).await?;
        let parameters =
            PatchParams { dry_run: dry, force: true, field_manager: Some(how.manager.into()), field_validation: None };
        let answer = api.patch(&object.name, &parameters, &Patch::Apply(manifest)).await;
        let answer = answer.map_err(|error| self.error(&doing, error))?;
        let value = to_value(&doing, answer)?;
        Ok((object, value))
    }
}

/// The manifests with the items of every `List` in the list's place; empty documents are left out.
pub fn flatten(manifests: &[Value]) -> Vec<&Value> {
    let mut flat = Vec::new();
    for manifest in manifests.iter().filter(|manifest| !manifest.is_null()) {
        match (manifest["kind"].as_str(), manifest["items"].as_array()) {
            (Some("List"), Some(items)) => flat.extend(flatten(items)),
            _ => flat.push(manifest),
        }
    }
    flat
}

/// The paths at which an object and another state of it differ.
fn differing(live: &Value, applied: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    compare("", &without_bookkeeping(live.clone()), &without_bookkeeping(applied.clone()), &mut fields);
    fields
}

/// Without what the API keeps for itself and changes on its own.
fn without_bookkeeping(mut object: Value) -> Value {
    if let Some(whole) = object.as_object_mut() {
        whole.shift_remove("status");
    }
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        for key in ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"] {
            metadata.shift_remove(key);
        }
    }
    object
}

/// Collects the paths at which two values differ.
fn compare(path: &str, left: &Value, right: &Value, differing: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let added = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(added) {
                let (old, new) = (left.get(key), right.get(key));
                match (old, new) {
                    (Some(old), Some(new)) => compare(&below(key), old, new, differing),
                    (old, new) if old.or(new).is_some_and(Value::is_null) => {}
                    _ => differing.push(below(key)),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}[{index}]"), left, right, differing);
            }
        }
        (left, right) if left == right => {}
        _ => differing.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_paths_without_values() {
        let live = json!({"metadata": {"uid": "1", "labels": {"a": "1"}}, "spec": {"n": 1, "list": [{"x": 1}, 2]},
            "status": {"ready": true}, "data": {"k": "secret"}});
        let wanted = json!({"metadata": {"uid": "2", "labels": {"a": "1", "b": "2"}}, "spec": {"n": 2, "list": [{"x": 3}, 2]},
            "data": {"k": "other"}});
        assert_eq!(differing(&live, &wanted), ["metadata.labels.b", "spec.n", "spec.list[0].x", "data.k"]);
    }

    #[test]
    fn lists_are_flat_and_empty_documents_gone() {
        let manifests =
            [json!(null), json!({"kind": "List", "items": [{"kind": "A"}, {"kind": "B"}]}), json!({"kind": "C"})];
        let kinds: Vec<_> = flatten(&manifests).iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
    }
}
