//! Where everything of a cluster that is taken over goes: the inventory, and the workspace around it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::sources::{Sources, folder_of, unread};
use crate::engine::rke::adopt::{Adopted, SecretFile};
use crate::failure::{Exit, Failure};
use crate::inventory::{self, Values};
use crate::local::{Secrecy, Workspace, WorkspaceError};
use crate::plan::rancher::{TakenOver, own_values};
use crate::session::identity::Identity;
use crate::session::load::environment;
use crate::session::project::Project;

/// The inventory's file and its folder.
pub struct Place {
    pub file: PathBuf,
    pub workspace: Workspace,
    /// Of relative paths in the cluster.yml, as seen from the inventory.
    pub prefix: String,
}

impl Place {
    /// `from` is the cluster.yml, where there is one.
    pub fn of(file: &Path, from: Option<&Path>) -> Result<Place, Failure> {
        let here = folder_of(file)?;
        let there = from.map(folder_of).transpose()?.filter(|there| *there != here);
        let prefix = there.map(|there| format!("{}/", there.display())).unwrap_or_default();
        Ok(Place { file: file.to_owned(), workspace: Workspace::at(here), prefix })
    }

    /// The cluster as an inventory's text describes it, with this folder as its workspace.
    pub fn project(&self, text: &str) -> Result<Project, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = environment(&variable).map_err(|error| unread(&self.file, &error))?;
        let inventory = inventory::parse(text, &self.file, &surroundings)
            .map_err(|mistakes| Failure::with_cause(Exit::Inventory, "an inventory cannot say this", &mistakes))?;
        let (file, workspace) = (self.file.clone(), self.workspace.clone());
        Ok(Project { file, inventory, workspace, identity: Identity::default() })
    }

    /// What is remembered of its Rancher; the files of its inventory have to be there.
    pub fn taken_over(&self, inventory: &str, given: Values) -> Result<TakenOver, Failure> {
        let project = self.project(inventory)?;
        let material = project.material(&project.tls_files()?)?;
        Ok(TakenOver { own: own_values(&project.inventory, &project.picture(&material)?), given })
    }

    /// Writes everything but the inventory; tells the files. One that is there with something else in it may be another
    /// cluster's.
    pub fn write(&self, adopted: &Adopted, sources: &Sources) -> Result<Vec<PathBuf>, Failure> {
        let workspace = &self.workspace;
        let mut files = self.places(&adopted.secrets);
        let state = sources.state.as_ref().map(|state| (workspace.cluster_state(), state.text.clone()));
        files.extend(state);
        files.extend(sources.kubeconfig.as_ref().map(|text| (workspace.kubeconfig(), text.clone())));
        self.put(files)
    }

    /// Writes further files, as [`Place::write`] does.
    pub fn add(&self, more: &[SecretFile]) -> Result<Vec<PathBuf>, Failure> {
        self.put(self.places(more))
    }

    fn places(&self, secrets: &[SecretFile]) -> Vec<(PathBuf, Zeroizing<String>)> {
        let place = |secret: &SecretFile| {
            // Whoever reads it leaves out the last line end, and no other.
            let text = Zeroizing::new(format!("{}\n", secret.text.expose_secret()));
            (self.workspace.folder().join(&secret.path), text)
        };
        secrets.iter().map(place).collect()
    }

    fn put(&self, files: Vec<(PathBuf, Zeroizing<String>)>) -> Result<Vec<PathBuf>, Failure> {
        for (path, text) in &files {
            refuse_other(path, text)?;
        }
        let step = |error: WorkspaceError| Failure::of(Exit::StepFailed, &error);
        self.workspace.prepare().map_err(step)?;
        for (path, text) in &files {
            self.workspace.write(path, text.as_bytes(), Secrecy::Private).map_err(step)?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

fn refuse_other(path: &Path, text: &str) -> Result<(), Failure> {
    match std::fs::read(path).map(Zeroizing::new) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(there) if there.as_slice() == text.as_bytes() => Ok(()),
        Ok(_) => {
            Err(Failure::new(Exit::ChecksFailed, format!("{} is there, with something else in it", path.display()))
                .hint("write the inventory into a folder of its own with -o FOLDER/inventory.yml; nothing was written"))
        }
        Err(error) => Err(unread(path, &error)),
    }
}
