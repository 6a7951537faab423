//! The cluster's API, once it answers, and the way to it.

use std::sync::Arc;

use crate::cluster::{Access, Cluster, ClusterError, HelmKubeconfig, Route};
use crate::failure::{Exit, Failure, Hint};
use crate::local::Workspace;
use crate::remote::Forward;

/// An API that answered, and the way to it.
pub struct ClusterApi {
    pub cluster: Arc<Cluster>,
    access: Access,
    route: Route,
    workspace: Workspace,
    /// Made when helm is first asked: who only looks through the API writes no file with keys.
    kubeconfig: tokio::sync::Mutex<Option<Arc<HelmKubeconfig>>>,
    /// Carries the API over SSH as long as it lives.
    _forward: Option<Forward>,
}

/// The way to a cluster that is there, one for the whole run: a program that the kubeconfig names may ask a person for a
/// code each time.
pub struct Way {
    pub access: Access,
    pub cluster: Arc<Cluster>,
}

impl ClusterApi {
    pub fn new(
        workspace: Workspace,
        cluster: Arc<Cluster>,
        (access, route): (Access, Route),
        forward: Option<Forward>,
    ) -> ClusterApi {
        ClusterApi { cluster, access, route, workspace, kubeconfig: Default::default(), _forward: forward }
    }

    /// The kubeconfig for helm, which goes the same way to the API; made anew when the proof in it is about to end.
    pub async fn kubeconfig(&self) -> Result<Arc<HelmKubeconfig>, Failure> {
        let unwritten = |error: &(dyn Hint + 'static)| {
            Failure::with_cause(Exit::ChecksFailed, "helm's kubeconfig cannot be written", error)
        };
        let mut held = self.kubeconfig.lock().await;
        if let Some(made) = held.as_ref().filter(|made| made.lasts()) {
            return Ok(made.clone());
        }
        let folder = self.workspace.open_inside();
        let folder = folder.map_err(|error| unwritten(&error))?;
        let made = self.access.helm_kubeconfig(self.route, &folder).await;
        let made = Arc::new(made.map_err(|error| unwritten(&error))?);
        *held = Some(made.clone());
        Ok(made)
    }
}

/// A question to an API that answered failed.
pub(crate) fn unseen(error: ClusterError) -> Failure {
    Failure::with_cause(Exit::Unreachable, "the cluster cannot be looked at", &error)
}
