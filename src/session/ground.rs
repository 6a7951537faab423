//! What a confirmed plan stands on: the inventory, the run file, RKE's state and who is a member. When somebody else has
//! moved one of them on, the plan is stale.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};
use crate::session::machines::Machines;
use crate::session::project::Project;
use crate::session::recheck::Decisive;

pub struct Ground {
    decisive: Decisive,
    /// Inventory and run file, each with the SHA-256 of its bytes; nothing where it cannot be read.
    files: Vec<(PathBuf, Option<[u8; 32]>)>,
}

impl Ground {
    /// As it is now.
    pub async fn see(project: &Project, machines: &Machines, run_file: &Path) -> Result<Ground, Failure> {
        let decisive = Decisive::see(project, machines).await?;
        let files = [project.file.as_path(), run_file].map(|file| (file.to_owned(), digest(file)));
        Ok(Ground { decisive, files: files.into() })
    }

    /// Takes what this run itself has done for what is there; the files stay those that were read.
    pub async fn done(&mut self, project: &Project, machines: &Machines) -> Result<(), Failure> {
        self.decisive = Decisive::see(project, machines).await?;
        Ok(())
    }

    /// # Errors
    /// When somebody else has changed any of it.
    pub async fn holds(&self, project: &Project, machines: &Machines) -> Result<(), Failure> {
        let mut because = self.decisive.changed(project, &Decisive::see(project, machines).await?);
        let changed = self.files.iter().filter(|(file, before)| digest(file) != *before);
        because.extend(changed.map(|(file, _)| format!("{} is another one now", file.display())));
        if because.is_empty() {
            return Ok(());
        }
        Err(Failure::new(Exit::ChecksFailed, "the plan is stale: what it was made for has moved on")
            .because(because.join("\n"))
            .hint("`cowhand play FILE --plan` shows what it would do now; played again, it goes on from what is done"))
    }
}

fn digest(file: &Path) -> Option<[u8; 32]> {
    std::fs::read(file).ok().map(|bytes| Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plan_is_stale_when_state_inventory_or_run_file_have_moved_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::of_test(folder.path());
        project.file = folder.path().join("prod.yml");
        let (inventory, run_file) = (project.file.clone(), folder.path().join("night.yml"));
        std::fs::write(&inventory, "name: prod").unwrap();
        std::fs::write(&run_file, "name: night").unwrap();
        let machines = Machines { reached: Vec::new(), answers: Vec::new() };
        let mut ground = Ground::see(&project, &machines, &run_file).await.unwrap();
        assert_eq!(ground.holds(&project, &machines).await, Ok(()));
        std::fs::write(project.workspace.cluster_state(), Project::state_of_test("")).unwrap();
        let stale = ground.holds(&project, &machines).await.unwrap_err();
        assert_eq!((stale.exit, stale.because.len()), (Exit::ChecksFailed, 1), "{stale:?}");
        // What the run itself has done is none of that; a file that somebody changed meanwhile is.
        std::fs::write(&inventory, "name: other").unwrap();
        ground.done(&project, &machines).await.unwrap();
        let stale = ground.holds(&project, &machines).await.unwrap_err();
        assert!(stale.because[0].contains("prod.yml") && !stale.because[0].contains("rkestate"), "{stale:?}");
        std::fs::remove_file(&run_file).unwrap();
        assert_eq!(ground.holds(&project, &machines).await.unwrap_err().because[0].lines().count(), 2);
    }
}
