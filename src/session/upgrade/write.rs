//! The inventory's lines: judged before anything is touched, written with a copy of the former file.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::failure::{Exit, Failure};
use crate::inventory::{self, rewrite};
use crate::local::Secrecy;
use crate::session::identity::Identity;
use crate::session::load::environment;
use crate::session::project::{Project, read};

/// The text of the inventory as it lies there.
pub fn text(project: &Project) -> Result<String, Failure> {
    let unread = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Inventory, format!("{} cannot be read", project.file.display())).because(why)
    };
    let bytes = read(&project.file).map_err(|error| unread(&error))?;
    String::from_utf8(bytes.to_vec()).map_err(|error| unread(&error))
}

/// The text with this line in it.
///
/// # Errors
/// With the line that a person has to write.
pub fn line(project: &Project, text: &str, key: &str, value: &str) -> Result<String, Failure> {
    rewrite(text, key, value).map_err(|error| {
        Failure::new(Exit::Inventory, format!("{} is not changed; nothing was touched", project.file.display()))
            .because(&error)
            .hint(format!("write {key}: {value} by hand, then the same command goes on"))
    })
}

/// The project as it would be with this text, which is held against every rule of inventories.
pub fn project(project: &Project, text: &str) -> Result<Project, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let surroundings = environment(&variable);
    let surroundings =
        surroundings.map_err(|error| Failure::with_cause(Exit::Inventory, "no folder to start from", &error))?;
    let read = inventory::parse_bytes(text.as_bytes(), &project.file, &surroundings);
    let mut inventory = read.map_err(|mistakes| {
        Failure::with_cause(
            Exit::Inventory,
            "with these versions the inventory would have mistakes; nothing was touched",
            &mistakes,
        )
        .hint("change what they name first, then the same command goes on")
    })?;
    let workspace = project.workspace.clone();
    let identity = Identity::open(&workspace, &mut inventory)?;
    Ok(Project { file: project.file.clone(), inventory, workspace, identity })
}

/// Writes the inventory, after a copy; where the copy is.
pub fn write(project: &Project, text: &str) -> Result<Option<PathBuf>, Failure> {
    let failed = |error: crate::local::WorkspaceError| Failure::of(Exit::StepFailed, &error);
    // The file that a link leads to; a link stays one.
    let file = std::fs::canonicalize(&project.file);
    let file =
        file.map_err(|error| Failure::with_cause(Exit::StepFailed, format!("{}", project.file.display()), &error))?;
    project.workspace.prepare().map_err(failed)?;
    let kept = project.workspace.keep_aside(&file).map_err(failed)?;
    let open = std::fs::metadata(&file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    let secrecy = if open { Secrecy::Open } else { Secrecy::Private };
    project.workspace.write(&file, text.as_bytes(), secrecy).map_err(failed)?;
    Ok(kept)
}
