//! What is kept of downloaded programs: a folder of ours alone, and beside each program its checksum, which is looked at
//! again before each use.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use data_encoding::HEXLOWER;

/// Makes the folder (0700), or shuts it. What lies in a folder that others could write to is not trusted, and removed.
///
/// # Errors
/// When it belongs to somebody else, who could exchange every program in it.
pub(crate) fn shut(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::metadata(folder)?;
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        let why = format!("it belongs to user {}, and we are user {us}", found.uid());
        return Err(Error::new(ErrorKind::PermissionDenied, why));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    if found.mode() & 0o022 != 0 {
        for entry in fs::read_dir(folder)? {
            fs::remove_file(entry?.path())?;
        }
    }
    Ok(())
}

/// Writes the checksum of a program that was just checked beside it.
pub(crate) fn seal(program: &Path) -> io::Result<()> {
    fs::write(seal_of(program), sum_of(program)?)
}

/// Whether the program is still the one that was sealed.
pub(crate) fn is_whole(program: &Path) -> bool {
    let sealed = fs::read_to_string(seal_of(program));
    sealed.is_ok_and(|sealed| sum_of(program).is_ok_and(|sum| sum == sealed))
}

fn seal_of(program: &Path) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn sum_of(program: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(program)?;
    let mut piece = vec![0; 1024 * 1024];
    loop {
        match io::Read::read(&mut file, &mut piece)? {
            0 => return Ok(HEXLOWER.encode(&digest.finalize())),
            read => digest.update(&piece[..read]),
        }
    }
}
