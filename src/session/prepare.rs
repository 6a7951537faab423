//! What has to be made once before anything else: the CA, when none is given, and the first login's password.

use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::local::{Secrecy, WorkspaceError};
use crate::plan::{Stage, StagePlan, Step};
use crate::session::made_ca::{Found, MadeCa};
use crate::session::project::Project;

/// Letters and digits of a password that cowhand makes; Rancher asks for at least 12.
const PASSWORD_LENGTH: usize = 24;

/// The steps for what is not there yet.
pub fn plan(project: &Project) -> StagePlan {
    let mut steps = Vec::new();
    if let Some(ca) = project.made_ca()
        // What cannot be read was told before anything is planned.
        && matches!(ca.look(project), Ok(Found::Nothing | Found::Unused { .. }))
    {
        steps.push(Step::MakeCa { name: project.inventory.name.clone(), certificate: ca.certificate, key: ca.key });
    }
    if project.inventory.rancher.bootstrap_password.is_none() && !project.password_file().exists() {
        steps.push(Step::MakePassword { path: project.password_file() });
    }
    StagePlan { stage: Stage::Cluster, steps, notes: Vec::new() }
}

/// Makes what the plan says; never over a file that is there. Gives what is worth a note.
pub fn carry_out(project: &Project, steps: &[Step]) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    for step in steps {
        match step {
            Step::MakeCa { certificate, key, name } => {
                let ca = MadeCa { certificate: certificate.clone(), key: key.clone() };
                notes.extend(ca.make(project, name)?);
            }
            Step::MakePassword { path } => {
                write(project, path, password().as_bytes(), Secrecy::Private)?;
            }
            Step::RkeUp { .. }
            | Step::ForgetApplied { .. }
            | Step::MarkNodes(_)
            | Step::Apply { .. }
            | Step::Secret(_)
            | Step::Helm(_)
            | Step::Restart { .. }
            | Step::Remove { .. }
            | Step::Reissue { .. }
            | Step::Touch { .. }
            | Step::Unmark { .. }
            | Step::TakeAway(_)
            | Step::Wait(_) => {}
        }
    }
    Ok(notes)
}

fn write(project: &Project, path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), Failure> {
    let written: Result<(), WorkspaceError> = project.workspace.write(path, bytes, secrecy);
    written.map_err(|error| Failure::of(Exit::StepFailed, &error))
}

fn password() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let letter = || char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let password: String = std::iter::repeat_with(letter).take(PASSWORD_LENGTH).collect();
    password + "\n"
}
