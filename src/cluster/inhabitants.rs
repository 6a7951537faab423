//! Everything that lives in a namespace, of whatever kind, without its contents.

use futures::StreamExt;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::Value;

use super::{Cluster, ClusterError, ObjectRef};

/// Lists asked for at the same time.
const SIDE_BY_SIDE: usize = 8;

/// An object's name and its metadata (labels, owners, who wrote which fields); never what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Inhabitant {
    pub object: ObjectRef,
    pub metadata: Value,
}

/// What was found in a namespace, and which kinds could not be looked at, each with the reason.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inhabitants {
    pub all: Vec<Inhabitant>,
    pub unseen: Vec<String>,
}

impl Cluster {
    /// Objects of every kind that can be listed. Passing things (events, metrics) are left out.
    pub async fn inhabitants(&self, namespace: &str) -> Result<Inhabitants, ClusterError> {
        let discovery = Discovery::new(self.client.clone()).exclude(&["metrics.k8s.io", "events.k8s.io"]).run().await;
        let discovery = discovery.map_err(|error| self.error("ask for all kinds", error))?;
        let resources = discovery.groups().flat_map(|group| group.recommended_resources());
        let kinds = resources
            .filter(|(_, able)| able.scope == Scope::Namespaced && able.supports_operation(verbs::LIST))
            .map(|(resource, _)| resource)
            .filter(|resource| resource.kind != "Event");
        let lists =
            kinds.map(|kind| async move { (kind.kind.clone(), self.list_metadata(&kind, namespace, None).await) });
        let lists: Vec<_> = futures::stream::iter(lists).buffered(SIDE_BY_SIDE).collect().await;
        let mut found = Inhabitants::default();
        for (kind, list) in lists {
            match list {
                Ok(objects) => found.all.extend(objects),
                Err(error) => found.unseen.push(format!("{kind}: {error}")),
            }
        }
        found.all.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(found)
    }

    /// Secrets by their labels (`owner=helm`), in one namespace or in all (empty); what is in them stays where it is.
    pub async fn secrets_by_label(&self, namespace: &str, labels: &str) -> Result<Vec<Inhabitant>, ClusterError> {
        let secrets = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "Secret".into(),
            plural: "secrets".into(),
        };
        self.list_metadata(&secrets, namespace, Some(labels)).await
    }

    async fn list_metadata(
        &self,
        kind: &ApiResource,
        namespace: &str,
        labels: Option<&str>,
    ) -> Result<Vec<Inhabitant>, ClusterError> {
        let doing = format!("list {}", kind.plural);
        let api: Api<DynamicObject> = match namespace {
            "" => Api::all_with(self.client.clone(), kind),
            namespace => Api::namespaced_with(self.client.clone(), namespace, kind),
        };
        let parameters = ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default() };
        let list = api.list_metadata(&parameters).await.map_err(|error| self.error(&doing, error))?;
        let read = list.items.into_iter().map(|item| {
            let object = ObjectRef::new(
                &kind.api_version,
                &kind.kind,
                item.metadata.namespace.as_deref(),
                item.metadata.name.as_deref().unwrap_or_default(),
            );
            let metadata = serde_json::to_value(item.metadata)
                .map_err(|error| ClusterError::Answer { doing: doing.clone(), why: error.to_string() })?;
            Ok(Inhabitant { object, metadata })
        });
        read.collect()
    }
}
