//! Rancher's namespaces while a cluster is rebuilt: closed for pods until all else is proved.

use super::step::Step;
use crate::cluster::ObjectRef;

/// The quota of no pods that closes a namespace, by its name.
pub const HOLD: &str = "cowhand-rebuild";
/// And the label that it bears.
pub const HELD_LABEL: (&str, &str) = ("cowhand/rebuild", "hold");

/// A namespace that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub namespace: String,
    /// Its Deployments: their controllers wait longer with each refusal, and look again at once when touched.
    pub deployments: Vec<String>,
}

impl Held {
    pub fn quota(&self) -> ObjectRef {
        ObjectRef::new("v1", "ResourceQuota", Some(&self.namespace), HOLD)
    }

    /// What opens it.
    pub fn let_go(&self) -> Vec<Step> {
        let opened = Step::Remove {
            objects: vec![self.quota()],
            because: "it held Rancher's pods back while the cluster was rebuilt".into(),
            guards: Vec::new(),
        };
        let touched = self.deployments.iter().map(|name| Step::Touch {
            object: ObjectRef::new("apps/v1", "Deployment", Some(&self.namespace), name),
            because: "its pods may start".into(),
        });
        std::iter::once(opened).chain(touched).collect()
    }
}
