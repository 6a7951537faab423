//! Marks on objects that somebody else owns: labels and annotations, nothing more.

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::objects::to_value;
use super::{Cluster, ClusterError, ObjectRef};

/// Beside [`super::FIELD_MANAGER`], so that marks and contents do not take each other away.
pub const MARKS: &str = "cowhand-marks";

/// Label of a namespace or a Helm release that cowhand made. For which inventory, the mark tells.
pub const MADE_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "cowhand");

/// Namespace and name of the ConfigMap that names the inventory which works in a cluster that was there before.
pub const MARK: (&str, &str) = ("kube-system", "cowhand");

impl Cluster {
    /// Puts the labels and annotations of `manifest` (metadata, or a pod template's metadata) on the object that is there.
    pub async fn mark(&self, manifest: &Value) -> Result<(), ClusterError> {
        let object = ObjectRef::of(manifest)?;
        let doing = format!("mark {object}");
        let api = self.api(&doing, &object.api_version, &object.kind, object.namespace.as_deref()).await?;
        let parameters = PatchParams::apply(MARKS).force();
        let answer = api.patch(&object.name, &parameters, &Patch::Apply(manifest)).await;
        let answer = answer.map_err(|error| self.error(&doing, error))?;
        to_value(&doing, answer).map(drop)
    }

    /// Takes away annotations that somebody else left on an object, all those whose names begin so.
    pub async fn unmark(&self, object: &ObjectRef, prefix: &str) -> Result<(), ClusterError> {
        let Some(metadata) = self.metadata(object).await? else { return Ok(()) };
        let there = metadata["annotations"].as_object().into_iter().flatten();
        let gone: serde_json::Map<String, Value> =
            there.filter(|(name, _)| name.starts_with(prefix)).map(|(name, _)| (name.clone(), Value::Null)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let doing = format!("unmark {object}");
        let api = self.api(&doing, &object.api_version, &object.kind, object.namespace.as_deref()).await?;
        let patch = Patch::Merge(serde_json::json!({"metadata": {"annotations": gone}}));
        let answer = api.patch_metadata(&object.name, &PatchParams::default(), &patch).await;
        answer.map(drop).map_err(|error| self.error(&doing, error))
    }
}
