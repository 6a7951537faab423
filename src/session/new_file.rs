//! A file for people to keep: the whole of it or nothing, and never over one that is there unless asked to.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::{Exit, Failure};

/// What [`write`] would say of a file that is there.
pub fn refuse_there(file: &Path, force: bool) -> Result<(), Failure> {
    if force || std::fs::symlink_metadata(file).is_err() {
        return Ok(());
    }
    Err(there_already(file))
}

fn there_already(file: &Path) -> Failure {
    Failure::new(Exit::Usage, format!("{} is there already", file.display()))
        .hint("write to another file with -o FILE, or over this one with --force")
}

/// Writes it readable for everybody: nothing in it is secret. One that is there is replaced only with `force`.
pub fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    // A rename would put a file in the place of a device, or of a link to the file that was meant.
    if force && std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        let error = format!("{} is there and no regular file; it is not written over", file.display());
        return Err(
            Failure::new(Exit::Usage, error).hint("name the file itself with -o FILE; -o - writes to standard output")
        );
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> std::io::Result<()> {
        let mut beside = tempfile::Builder::new()
            .prefix(".cowhand-")
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        beside.write_all(text.as_bytes())?;
        beside.as_file().sync_all()?;
        if force {
            beside.persist(file)?
        } else {
            beside.persist_noclobber(file)?
        };
        Ok(())
    };
    written().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => there_already(file),
        _ => Failure::with_cause(Exit::Usage, format!("{} cannot be written", file.display()), &error),
    })
}
