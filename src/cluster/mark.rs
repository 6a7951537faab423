//! Marks on objects that somebody else owns: labels and annotations, nothing more.

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::objects::to_value;
use super::{Cluster, ClusterError, ObjectRef};

/// Beside [`super::FIELD_MANAGER`], so that marks and contents do not take each other away.
const MARKS: &str = "cowhand-marks";

/// Label of a namespace or a Helm release that cowhand made, so that it may change and remove what is in it.
pub const MADE_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "cowhand");

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
}
