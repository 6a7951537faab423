//! The CA that cowhand makes: a certificate and a key that belong together.
//!
//! Both are written under waiting names first, the key before the certificate, and then put in place, the key first. So a
//! run that is killed anywhere leaves nothing, or two halves of one CA, which the next run puts in place. A half that has
//! no other one is somebody's, unless it is seen that no cluster can live by it: then it is kept aside, and a CA is made.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use crate::engine::rke::StateFile;
use crate::failure::{Exit, Failure};
use crate::local::{Secrecy, WorkspaceError};
use crate::session::project::{Project, read_optional};
use crate::tls;

/// The files of a CA, as they are or will be.
pub struct MadeCa {
    /// For browsers, 0644.
    pub certificate: PathBuf,
    /// 0600.
    pub key: PathBuf,
}

/// What there is of it.
pub enum Found {
    /// Nothing, or what a killed run left before anybody could use it.
    Nothing,
    Whole(Pair),
    /// Two halves of one CA, of which one or both still wait under another name.
    Unfinished(Pair),
    /// One half, by which no cluster lives.
    Unused {
        half: PathBuf,
    },
    Half {
        there: PathBuf,
        missing: PathBuf,
    },
}

/// Both halves, and where they lie.
pub struct Pair {
    pub certificate: Half,
    pub key: Half,
}

/// One file of a CA.
pub struct Half {
    path: PathBuf,
    pub bytes: Zeroizing<Vec<u8>>,
}

impl MadeCa {
    pub fn look(&self, project: &Project) -> Result<Found, Failure> {
        let half = |path: &Path| -> Result<Option<Half>, Failure> {
            Ok(read_optional(path)?.map(|bytes| Half { path: path.to_owned(), bytes }))
        };
        let (waiting_certificate, waiting_key) = (half(&waiting(&self.certificate))?, half(&waiting(&self.key))?);
        let (found, unused) = match (half(&self.certificate)?, half(&self.key)?) {
            (Some(certificate), Some(key)) => return Ok(Found::Whole(Pair { certificate, key })),
            (Some(certificate), None) => {
                if let Some(key) = waiting_key.as_ref().filter(|key| belong(&certificate, key)) {
                    return Ok(Found::Unfinished(Pair { key: key.again(), certificate }));
                }
                (Found::Half { there: certificate.path, missing: self.key.clone() }, unused(project)?)
            }
            (None, Some(key)) => {
                if let Some(certificate) = waiting_certificate.as_ref().filter(|one| belong(one, &key)) {
                    return Ok(Found::Unfinished(Pair { certificate: certificate.again(), key }));
                }
                (Found::Half { there: key.path, missing: self.certificate.clone() }, unused(project)?)
            }
            (None, None) => (Found::Nothing, true),
        };
        match (found, waiting_certificate, waiting_key) {
            (_, Some(certificate), Some(key)) if unused && belong(&certificate, &key) => {
                Ok(Found::Unfinished(Pair { certificate, key }))
            }
            (Found::Half { there, .. }, _, _) if unused => Ok(Found::Unused { half: there }),
            (found, _, _) => Ok(found),
        }
    }

    /// Makes a CA, and says so where a half of an unused one had to make room.
    pub fn make(&self, project: &Project, name: &str) -> Result<Option<String>, Failure> {
        let note = match self.look(project)? {
            Found::Unused { half } => {
                let kept = project.workspace.keep_aside(&half).map_err(unwritten)?;
                project.workspace.remove(&half).map_err(unwritten)?;
                kept.map(|kept| {
                    format!(
                        "{} had no certificate or key to go with it, and no cluster uses it: it is {} now",
                        half.display(),
                        kept.display()
                    )
                })
            }
            Found::Nothing | Found::Whole(_) | Found::Unfinished(_) | Found::Half { .. } => None,
        };
        let made = tls::make_ca(name, jiff::Timestamp::now())
            .map_err(|error| Failure::with_cause(Exit::StepFailed, "no CA could be made", &error))?;
        let write =
            |path: &Path, bytes: &[u8], secrecy| project.workspace.write(path, bytes, secrecy).map_err(unwritten);
        write(&waiting(&self.key), made.key_pem.expose_secret().as_bytes(), Secrecy::Private)?;
        write(&waiting(&self.certificate), made.certificate_pem.as_bytes(), Secrecy::Open)?;
        self.put_in_place(project, &waiting(&self.certificate), &waiting(&self.key))?;
        Ok(note)
    }

    /// Puts in place what a killed run had all but finished.
    pub fn finish(&self, project: &Project) -> Result<(), Failure> {
        match self.look(project)? {
            Found::Unfinished(Pair { certificate, key }) => self.put_in_place(project, &certificate.path, &key.path),
            Found::Nothing | Found::Whole(_) | Found::Unused { .. } | Found::Half { .. } => Ok(()),
        }
    }

    fn put_in_place(&self, project: &Project, certificate: &Path, key: &Path) -> Result<(), Failure> {
        for (from, to) in [(key, &self.key), (certificate, &self.certificate)] {
            if from != to {
                project.workspace.rename(from, to).map_err(unwritten)?;
            }
        }
        Ok(())
    }
}

impl Half {
    fn again(&self) -> Half {
        Half { path: self.path.clone(), bytes: self.bytes.clone() }
    }
}

fn belong(certificate: &Half, key: &Half) -> bool {
    tls::check_ca(&certificate.bytes, &key.bytes).is_ok()
}

/// `ca-key.pem` waits as `ca-key.pem.new`.
fn waiting(path: &Path) -> PathBuf {
    path.with_extension("pem.new")
}

/// Whether no cluster can live by a CA of this folder: rke builds all of them, and has built none.
fn unused(project: &Project) -> Result<bool, Failure> {
    let none = project.workspace.state_file().map_err(unwritten)? == StateFile::Absent
        && project.workspace.kept_states().map_err(unwritten)?.is_empty();
    Ok(project.inventory.engine.keeps_state() && none)
}

fn unwritten(error: WorkspaceError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::local::fuse;

    fn project(folder: &Path) -> (Project, MadeCa) {
        let project = Project::of_test(folder);
        project.workspace.prepare().unwrap();
        let ca = project.made_ca().unwrap();
        (project, ca)
    }

    /// What a run does about it: the same that `up` does.
    fn run(project: &Project, ca: &MadeCa) {
        project.tls_files().unwrap();
        ca.finish(project).unwrap();
        let missing = crate::session::prepare::plan(project).steps;
        crate::session::prepare::carry_out(project, &missing).unwrap();
    }

    fn is_whole(project: &Project, ca: &MadeCa) {
        let Found::Whole(Pair { certificate, key }) = ca.look(project).unwrap() else { panic!("not whole") };
        tls::check_ca(&certificate.bytes, &key.bytes).unwrap();
        assert_eq!(std::fs::metadata(&ca.key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!waiting(&ca.key).exists() && !waiting(&ca.certificate).exists());
    }

    /// Cuts the making off at each operation, from what `before` left; the next run has to end with a whole CA.
    fn heals_from(before: impl Fn(&Project, &MadeCa)) {
        for operations in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let (project, ca) = project(folder.path());
            before(&project, &ca);
            let whole = fuse::cut_off_after(operations, || run(&project, &ca)).is_some();
            run(&project, &ca);
            is_whole(&project, &ca);
            if whole {
                assert!(operations > 4, "nothing was cut off");
                return;
            }
        }
    }

    #[test]
    fn a_making_that_was_cut_off_anywhere_heals_itself() {
        heals_from(|_, _| ());
    }

    #[test]
    fn a_half_that_no_cluster_lives_by_makes_room_and_is_kept() {
        let made = tls::make_ca("other", jiff::Timestamp::now()).unwrap();
        heals_from(|_, ca| std::fs::write(&ca.certificate, &made.certificate_pem).unwrap());
        heals_from(|_, ca| std::fs::write(&ca.key, made.key_pem.expose_secret()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let (project, ca) = project(folder.path());
        std::fs::write(&ca.key, "mine").unwrap();
        assert!(ca.make(&project, "prod").unwrap().unwrap().contains("no cluster uses it"));
        let kept: Vec<_> = std::fs::read_dir(project.workspace.backups()).unwrap().collect();
        assert_eq!(std::fs::read_to_string(kept[0].as_ref().unwrap().path()).unwrap(), "mine");
    }

    #[test]
    fn what_an_earlier_version_left_is_finished() {
        let made = tls::make_ca("prod", jiff::Timestamp::now()).unwrap();
        heals_from(|_, ca| {
            std::fs::write(waiting(&ca.key), made.key_pem.expose_secret()).unwrap();
            std::fs::set_permissions(waiting(&ca.key), PermissionsExt::from_mode(0o600)).unwrap();
            std::fs::write(&ca.certificate, &made.certificate_pem).unwrap();
        });
    }

    #[test]
    fn a_half_is_refused_while_a_cluster_may_live_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let (project, ca) = project(folder.path());
        std::fs::write(&ca.certificate, "one half").unwrap();
        std::fs::write(project.workspace.cluster_state(), Project::state_of_test("")).unwrap();
        let refused = project.tls_files().err().unwrap();
        assert!(refused.exit == Exit::Inventory && refused.error.contains("ca-key.pem is not"), "{refused:?}");
        assert!(
            crate::session::prepare::plan(&project)
                .steps
                .iter()
                .all(|step| !matches!(step, crate::plan::Step::MakeCa { .. }))
        );
    }
}
