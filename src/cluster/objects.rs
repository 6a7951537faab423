//! Objects of any kind: found, listed, deleted; kinds learnt from the API as they are needed.

use std::fmt;

use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PropagationPolicy};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::kind::Kind;
use super::{Cluster, ClusterError};

/// What an object is called, enough to find it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// `v1`, `apps/v1`, `cert-manager.io/v1`…
    pub api_version: String,
    pub kind: String,
    /// `None` for objects of the whole cluster.
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectRef {
    pub fn new(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            name: name.into(),
        }
    }

    /// The name of a manifest; its namespace as it stands there.
    pub fn of(manifest: &Value) -> Result<Self, ClusterError> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let seen = || format!("{} {}", text("/kind").unwrap_or("no kind"), text("/metadata/name").unwrap_or("no name"));
        let need = |pointer: &str, missing: &'static str| {
            text(pointer).ok_or_else(|| ClusterError::Manifest { missing, seen: seen() })
        };
        Ok(ObjectRef::new(
            need("/apiVersion", "apiVersion")?,
            need("/kind", "kind")?,
            text("/metadata/namespace"),
            need("/metadata/name", "metadata.name")?,
        ))
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.to_lowercase();
        match &self.namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{}", self.name),
            None => write!(f, "{kind} {}", self.name),
        }
    }
}

impl Cluster {
    pub async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let doing = format!("read {object}");
        let api = match self.api(&doing, &object.api_version, &object.kind, object.namespace.as_deref()).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(None),
            other => other?,
        };
        let found = api.get_opt(&object.name).await.map_err(|error| self.error(&doing, error))?;
        found.map(|found| to_value(&doing, found)).transpose()
    }

    /// The metadata alone: of a Secret, nothing that is secret.
    pub async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let doing = format!("look at {object}");
        let api = match self.api(&doing, &object.api_version, &object.kind, object.namespace.as_deref()).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(None),
            other => other?,
        };
        let found = api.get_metadata_opt(&object.name).await.map_err(|error| self.error(&doing, error))?;
        let unreadable = |error: serde_json::Error| ClusterError::Answer { doing, why: error.to_string() };
        found.map(|found| serde_json::to_value(found.metadata).map_err(unreadable)).transpose()
    }

    /// All objects of a kind, in one namespace or in all; none when the cluster does not know the kind.
    /// `labels` is a selector such as `app=rancher`.
    pub async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        let doing = format!("list {kind}s");
        let api = match self.api(&doing, api_version, kind, namespace).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let parameters = ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default() };
        let found = api.list(&parameters).await.map_err(|error| self.error(&doing, error))?;
        found.items.into_iter().map(|item| to_value(&doing, item)).collect()
    }

    /// Asks for the object's removal; what depends on it follows. False when there was nothing. Does not wait:
    /// see [`super::Condition::Gone`].
    pub async fn delete(&self, object: &ObjectRef) -> Result<bool, ClusterError> {
        let doing = format!("delete {object}");
        let api = match self.api(&doing, &object.api_version, &object.kind, object.namespace.as_deref()).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(false),
            other => other?,
        };
        let how = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
        match api.delete(&object.name, &how).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(self.error(&doing, error)),
        }
    }

    /// Whether the kind lives in namespaces.
    pub(super) async fn is_namespaced(&self, doing: &str, object: &ObjectRef) -> Result<bool, ClusterError> {
        Ok(self.kind(doing, &object.api_version, &object.kind).await?.namespaced)
    }

    pub(super) async fn api(
        &self,
        doing: &str,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Api<DynamicObject>, ClusterError> {
        let found = self.kind(doing, api_version, kind).await?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: api_version.into(),
            kind: found.kind,
            plural: found.plural,
        };
        Ok(match namespace.filter(|_| found.namespaced) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        })
    }

    /// Looks the kind up, asking the API when it is not known yet: a definition may just have been applied.
    async fn kind(&self, doing: &str, api_version: &str, kind: &str) -> Result<Kind, ClusterError> {
        let mut kinds = self.kinds.lock().await;
        let known = kinds.get(api_version).and_then(|kinds| kinds.iter().find(|known| known.kind == kind));
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let unknown =
            || ClusterError::UnknownKind { doing: doing.into(), api_version: api_version.into(), kind: kind.into() };
        let answer = if api_version.contains('/') {
            self.client.list_api_group_resources(api_version).await
        } else {
            self.client.list_core_api_resources(api_version).await
        };
        let listed = match answer {
            Ok(listed) => listed,
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(unknown()),
            Err(error) => return Err(self.error(doing, error)),
        };
        // Subresources are listed as `pods/log`.
        let resources = listed.resources.into_iter().filter(|resource| !resource.name.contains('/'));
        let found: Vec<Kind> = resources
            .map(|resource| Kind { kind: resource.kind, plural: resource.name, namespaced: resource.namespaced })
            .collect();
        let wanted = found.iter().find(|found| found.kind == kind).cloned();
        kinds.insert(api_version.into(), found);
        wanted.ok_or_else(unknown)
    }
}

pub(super) fn to_value(doing: &str, object: DynamicObject) -> Result<Value, ClusterError> {
    let name = object.name_any();
    serde_json::to_value(object)
        .map_err(|error| ClusterError::Answer { doing: format!("{doing} ({name})"), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_names_itself_or_what_it_lacks() {
        let whole = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}});
        assert_eq!(ObjectRef::of(&whole).unwrap().to_string(), "deployment b/a");
        let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
        let error = ObjectRef::of(&nameless).unwrap_err().to_string();
        assert_eq!(error, "a manifest lacks metadata.name (ConfigMap no name)");
    }
}
