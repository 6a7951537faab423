//! One run at a time in a workspace. The kernel holds the lock and frees it with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another run is under way here: {holder}")]
    Held { holder: String },
    #[error("{} cannot be locked", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

impl LockError {
    pub fn hint(&self) -> Option<String> {
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
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = opened.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { holder: holder(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let since = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
        let text = format!("cowhand {command}, process {} on {}, since {since}\n", std::process::id(), host());
        let write = |file: &mut File| {
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

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        // It is held, but its holder has not written its name yet.
        Ok(_) | Err(_) => "it has just begun".into(),
    }
}

/// The machine's name where the system keeps it in a file; a folder may be shared between machines.
fn host() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = files.iter().find_map(|path| std::fs::read_to_string(path).ok());
    name.map_or_else(|| "this machine".into(), |name| name.trim().to_owned())
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
        assert!(text.starts_with("another run is under way here: cowhand up, process "), "{text}");
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
