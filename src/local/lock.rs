//! One run at a time in a workspace. The kernel holds the lock and frees it with the process, however that ends.

use crate::failure::Hint;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fail::fail_point;

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another run is under way here: {holder}")]
    Held { holder: String },
    #[error("{} cannot be locked", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

impl Hint for LockError {
    fn hint(&self) -> Option<String> {
        match self {
            LockError::Held { .. } => Some("wait for it, or end it; the lock is free as soon as it is gone".into()),
            LockError::File { .. } => None,
        }
    }
}

/// The lock of a workspace, held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock or says who holds it. `command` is the verb, e.g. `up`.
    pub fn take(path: &Path, command: &str) -> Result<Self, LockError> {
        let unusable = |source| LockError::File { path: path.into(), source };
        // Not truncated here: it may say who holds it.
        let open = || {
            fail_point!("lock.file", crate::remote::fault);
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
        };
        let mut file = open().map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { holder: held_by(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let text = format!("{}\n", holder(command));
        let write = |file: &mut File| {
            fail_point!("lock.holder", crate::remote::fault);
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())?;
            file.flush()
        };
        write(&mut file).map_err(unusable)?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever reads it next shall not take us for alive; the lock itself goes with the file.
        let _ = self.file.set_len(0);
    }
}

fn held_by(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        // It is held, but its holder has not written its name yet.
        Ok(_) | Err(_) => "it has just begun".into(),
    }
}

/// Who holds a lock, for others to read: a folder may be shared between machines.
pub fn holder(command: &str) -> String {
    let since = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{}, cowhand {command} (process {}), since {since}", who(), std::process::id())
}

/// The person and the machine, e.g. `ada@laptop`.
pub fn who() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".into());
    format!("{user}@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, "up").unwrap();
        let error = Lock::take(&path, "down").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("another run is under way here: {}, cowhand up (process ", who())), "{text}");
        assert!(text.contains(&std::process::id().to_string()) && error.hint().is_some());
        drop(first);
        Lock::take(&path, "down").unwrap();
    }

    #[test]
    fn a_dead_holders_name_does_not_hold_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "cowhand up, process 1 on elsewhere, since 2026-01-01 00:00:00 UTC\n").unwrap();
        let _lock = Lock::take(&path, "up").unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains(&std::process::id().to_string()));
    }
}
