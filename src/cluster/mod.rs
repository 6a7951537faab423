//! A cluster, reached: the Kubernetes API, server-side apply, waits with an end, helm.

mod apply;
mod certificate;
mod condition;
mod connect;
mod drain;
mod error;
mod helm;
mod identity;
mod inhabitants;
mod kind;
mod lease;
mod manifests;
mod mark;
mod node_marks;
mod nodes;
mod objects;
mod proof;
mod pull;
mod readiness;
mod release;
mod release_history;
mod release_record;
mod rights;
mod secret;
mod seen;
mod wait;
mod whole;
mod why;

pub use apply::{ASKER, Apply, Beside, Change, Difference, FIELD_MANAGER, flatten};
pub use condition::Condition;
pub use connect::{Access, Cluster, HelmKubeconfig, Route};
pub use drain::{CLOSED_BY, Eviction, Fate, PodSeen};
pub use error::{ClusterError, Distrust};
pub use helm::{ChartFacts, ChartRef, Helm, HelmError, HelmRun, Render};
pub use identity::Identity;
pub use inhabitants::{Inhabitant, Inhabitants};
pub use lease::{LEASE, LeaseError, LeaseLock};
pub use manifests::{AddonParts, ManifestError, parse_documents, split_for_addon};
pub use mark::{MADE_BY, MARK, MARKS};
pub use node_marks::NodePatch;
pub use nodes::{NodeSeen, Taint};
pub use objects::ObjectRef;
pub use readiness::cert_manager_ready;
pub use release::{Release, ReleaseStatus};
pub use release_history::{BY_COWHAND, Revision};
pub use release_record::{ReleaseRecord, unpacked_record};
pub use rights::Right;
pub use secret::SecretDigest;
pub use seen::Seen;
pub use wait::{WaitError, duration};
pub use whole::whole_kubeconfig;

#[cfg(test)]
pub(crate) use whole::tests::kubeconfig as kubeconfig_of_test;
