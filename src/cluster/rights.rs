//! May we? Asked of the API itself, for whoever the kubeconfig makes of us. Nothing is stored by the question.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

use super::{Cluster, ClusterError};

/// One thing that one may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right<'a> {
    /// `get`, `create`…, or `*`.
    pub verb: &'static str,
    /// Empty for the core group.
    pub group: &'static str,
    /// In plural, as in a role: `deployments`.
    pub resource: &'static str,
    /// A part with rights of its own: `status`.
    pub subresource: Option<&'static str>,
    /// `None`: in the whole cluster.
    pub namespace: Option<&'a str>,
    /// `None`: whatever its name.
    pub name: Option<&'static str>,
}

impl Cluster {
    /// Whether the API would let us, by its own word (SelfSubjectAccessReview, which everybody may ask).
    pub async fn allows(&self, right: &Right<'_>) -> Result<bool, ClusterError> {
        let text = |text: &str| Some(text.to_owned());
        let attributes = ResourceAttributes {
            verb: text(right.verb),
            group: text(right.group),
            resource: text(right.resource),
            subresource: right.subresource.map(str::to_owned),
            namespace: right.namespace.map(str::to_owned),
            name: right.name.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| self.error("ask for a right", error))?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
