//! What has to be made once before anything else: the CA, when none is given, and the first login's password.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::site::Site;
use crate::execute::{Secrecy, WorkspaceError};
use crate::plan::{Stage, StagePlan, Step};
use crate::report::{Exit, Failure};
use crate::tls;

/// Letters and digits of a password that cowhand makes; Rancher asks for at least 12.
const PASSWORD_LENGTH: usize = 24;

/// The steps for what is not there yet.
pub fn plan(site: &Site) -> StagePlan {
    let mut steps = Vec::new();
    if let Some((certificate, key)) = site.made_ca()
        && !certificate.exists()
        && !key.exists()
    {
        steps.push(Step::MakeCa { name: ca_name(site), certificate, key });
    }
    if site.inventory.rancher.bootstrap_password.is_none() && !site.password_file().exists() {
        steps.push(Step::MakePassword { path: site.password_file() });
    }
    StagePlan { stage: Stage::Cluster, steps, notes: Vec::new() }
}

/// Makes what the plan says; never over a file that is there.
pub fn carry_out(site: &Site, steps: &[Step]) -> Result<(), Failure> {
    for step in steps {
        match step {
            Step::MakeCa { certificate, key, name } => make_ca(site, name, certificate, key)?,
            Step::MakePassword { path } => {
                write(site, path, password().as_bytes(), Secrecy::Private)?;
            }
            Step::RkeUp { .. }
            | Step::Apply { .. }
            | Step::Secret(_)
            | Step::Helm(_)
            | Step::Restart { .. }
            | Step::Remove { .. }
            | Step::Reissue { .. }
            | Step::Touch { .. }
            | Step::Unmark { .. }
            | Step::Wait(_) => {}
        }
    }
    Ok(())
}

fn ca_name(site: &Site) -> String {
    site.inventory.name.clone()
}

fn make_ca(site: &Site, name: &str, certificate: &Path, key: &Path) -> Result<(), Failure> {
    let made = tls::make_ca(name, jiff::Timestamp::now())
        .map_err(|error| Failure::with_cause(Exit::StepFailed, "no CA could be made", &error))?;
    // The key waits under another name until the certificate is there, so that a kill in between leaves no half CA.
    let waiting = waiting(key);
    write(site, &waiting, made.key_pem.expose_secret().as_bytes(), Secrecy::Private)?;
    write(site, certificate, made.certificate_pem.as_bytes(), Secrecy::Open)?;
    rename(&waiting, key)
}

fn waiting(key: &Path) -> PathBuf {
    key.with_extension("pem.new")
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).map_err(|error| {
        Failure::with_cause(Exit::StepFailed, format!("{} cannot be put in place", to.display()), &error)
    })
}

/// Finishes a CA that a killed run had all but finished: the certificate is there, its key still waits.
pub fn finish(site: &Site) -> Result<(), Failure> {
    let Some((certificate, key)) = site.made_ca() else { return Ok(()) };
    let waiting = waiting(&key);
    if key.exists() || !certificate.exists() || !waiting.exists() {
        return Ok(());
    }
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            Failure::with_cause(Exit::StepFailed, format!("{} cannot be read", path.display()), &error)
        })
    };
    match tls::check_ca(&read(&certificate)?, &read(&waiting)?) {
        Ok(()) => rename(&waiting, &key),
        // Not a pair: left as it is for a person to look at; the missing key is reported where it is needed.
        Err(_) => Ok(()),
    }
}

fn write(site: &Site, path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), Failure> {
    let written: Result<(), WorkspaceError> = site.workspace.write(path, bytes, secrecy);
    written.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))
}

fn password() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let letter = || char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let password: String = std::iter::repeat_with(letter).take(PASSWORD_LENGTH).collect();
    password + "\n"
}
