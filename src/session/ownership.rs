//! With engine existing: which cluster the inventory works on, and whether what cowhand made there is this inventory's.

use std::sync::{Arc, OnceLock};

use crate::check;
use crate::facts::kubeconfig::kubeconfig;
use crate::facts::owner::{self, Claim, Mark, Owner, Pin};
use crate::failure::{Exit, Failure};
use crate::local::WorkspaceError;
use crate::session::cluster_api::{ClusterApi, Way, unseen};
use crate::session::new_uid;
use crate::session::project::Project;

/// Whose mark is taken over. On the command line alone: no file may say so for a run.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TakeOver {
    /// Go on where another workspace began: the UID of its mark on the cluster (engine existing), as the refusal names it
    #[arg(long, value_name = "UID")]
    pub take_over: Option<String>,
}

impl Project {
    /// The same, for whoever goes on where another workspace began.
    pub fn taking_over(mut self, wanted: &TakeOver) -> Result<Project, Failure> {
        let Some(uid) = &wanted.take_over else { return Ok(self) };
        if self.inventory.engine.keeps_state() {
            return Err(Failure::new(Exit::Usage, "--take-over is for engine existing").hint(
                "a cluster of rke is proved by its cluster.rkestate; `cowhand recover-state` fetches a lost one",
            ));
        }
        self.identity.uid = Arc::new(OnceLock::from(uid.clone()));
        self.identity.taking = true;
        Ok(self)
    }

    pub fn owner(&self) -> Owner {
        Owner {
            inventory: self.inventory.name.clone(),
            uid: self.identity.uid.get().cloned(),
            hostname: self.inventory.rancher.hostname.clone(),
            taking: self.identity.taking,
        }
    }

    /// Server and context of the cluster that is there, as its kubeconfig has them now: `https://… (context prod)`.
    pub fn cluster_line(&self) -> Option<String> {
        let existing = self.inventory.engine.given_cluster()?;
        let seen = kubeconfig(&existing.kubeconfig, existing.context.as_deref());
        Some(match (seen.usable, &existing.context) {
            (Ok(usable), Some(_)) => format!("{} (context {})", usable.server, usable.context),
            (Ok(usable), None) => format!("{} (context {}, the current one)", usable.server, usable.context),
            (Err(_), Some(context)) => format!("{} (context {context})", seen.path.display()),
            (Err(_), None) => seen.path.display().to_string(),
        })
    }

    /// The mark that this inventory leaves; its UID is made up where there is none yet, and kept by [`keep`].
    pub fn mark(&self) -> Mark {
        Mark { inventory: self.inventory.name.clone(), uid: self.identity.uid.get_or_init(new_uid).clone() }
    }
}

/// Whose what cowhand made in the cluster is, looked at now.
pub async fn claim(project: &Project, reached: &ClusterApi) -> Result<Claim, Failure> {
    if project.inventory.engine.keeps_state() {
        return Ok(Claim::Built);
    }
    owner::claim(&reached.cluster, &project.owner()).await.map_err(unseen)
}

/// What to say where the mark on the cluster is another's, for commands that only look: seen, and what to do.
pub async fn foreign(project: &Project, reached: &ClusterApi) -> Result<Option<String>, Failure> {
    let said = check::owner_refusal(&claim(project, reached).await?, &project.inventory);
    Ok(said.map(|(seen, fix)| format!("{seen}: {fix}")))
}

/// # Errors
/// When another inventory works in the cluster, or there is nothing to take over.
pub async fn refuse(project: &Project, reached: &ClusterApi) -> Result<Claim, Failure> {
    let claim = claim(project, reached).await?;
    if let Some((seen, fix)) = check::owner_refusal(&claim, &project.inventory) {
        return Err(Failure::new(Exit::ChecksFailed, seen).hint(fix));
    }
    match (&claim, project.identity.taking) {
        (Claim::Free | Claim::Older, true) => {
            Err(Failure::new(Exit::ChecksFailed, "there is no mark on the cluster to take over")
                .hint("leave --take-over out; nothing was changed"))
        }
        (Claim::Free | Claim::Older, false) | (Claim::Built | Claim::Ours(_), _) => Ok(claim),
        (Claim::Another(_) | Claim::NotTaken { .. } | Claim::OtherHost(_), _) => {
            Err(Failure::new(Exit::Bug, "another's mark was not refused"))
        }
    }
}

/// # Errors
/// When this is another cluster than the pinned one, or that cannot be seen.
pub async fn refuse_another(project: &Project, way: &Way) -> Result<(), Failure> {
    let Some(pinned) = &project.identity.pinned else { return Ok(()) };
    let uid = owner::cluster_uid(&way.cluster).await.map_err(|error| {
        let said = format!("whether {} is still the cluster of this inventory cannot be seen", way.access.server());
        Failure::with_cause(Exit::Unreachable, said, &error)
    })?;
    match pinned.refusal(way.access.context(), way.access.server(), &uid) {
        None => Ok(()),
        Some((seen, fix)) => Err(Failure::new(Exit::ChecksFailed, seen).hint(fix)),
    }
}

/// Keeps the UID, and pins the cluster: for a run that is about to change something and knows the cluster to be its own.
pub async fn keep(project: &Project, reached: &ClusterApi) -> Result<(), Failure> {
    let (Some(_), Some(way)) = (project.inventory.engine.given_cluster(), project.identity.way.get()) else {
        return Ok(());
    };
    let unwritten = |error: WorkspaceError| Failure::of(Exit::StepFailed, &error);
    let name = &project.inventory.name;
    let uid = project.mark().uid;
    if project.workspace.uid(name).map_err(unwritten)?.as_ref() != Some(&uid) {
        project.workspace.keep_uid(name, &uid).map_err(unwritten)?;
    }
    let cluster = owner::cluster_uid(&reached.cluster).await.map_err(unseen)?;
    let pin = Pin { context: way.access.context().into(), server: way.access.server().into(), cluster };
    if project.identity.pinned.as_ref().map(|pinned| &pinned.pin) != Some(&pin) {
        project.workspace.pin(name, &pin).map_err(unwritten)?;
    }
    Ok(())
}
