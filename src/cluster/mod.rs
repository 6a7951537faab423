//! A cluster, reached: the Kubernetes API, server-side apply, waits with an end, helm.

mod apply;
mod certificate;
mod condition;
mod connect;
mod error;
mod helm;
mod manifests;
mod mark;
mod nodes;
mod objects;
mod program;
mod readiness;
mod release;
mod secret;
mod wait;
mod why;

pub use apply::{ASKER, Apply, Change, Difference, FIELD_MANAGER};
pub use condition::{Condition, Seen};
pub use connect::{Access, Cluster, HelmKubeconfig, Route};
pub use error::ClusterError;
pub use helm::{ChartFacts, ChartRef, Helm, HelmError, HelmRun, Render};
pub use manifests::{AddonParts, ManifestError, parse_documents, split_for_addon};
pub use nodes::NodeSeen;
pub use objects::ObjectRef;
pub use program::{Captured, Ended, Group, Program, ProgramError, capture, spawn};
pub use readiness::cert_manager_ready;
pub use release::{Release, ReleaseStatus};
pub use secret::SecretDigest;
pub use wait::WaitError;
