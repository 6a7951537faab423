//! Files of known hosts, each read once a run and shared by all its connections.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::file::read_regular;
use super::host_key::shown;
use super::known_hosts::KnownFile;

/// Some hundred thousand hosts.
const LARGEST: u64 = 64 * 1024 * 1024;

#[derive(Default)]
pub(super) struct KnownStore(Mutex<HashMap<PathBuf, Arc<KnownFile>>>);

impl KnownStore {
    /// A file; one that is not there is an empty one. What this run adds to it is not seen here: see
    /// [`super::host_key::Accepted`].
    pub fn file(&self, path: &Path) -> io::Result<Arc<KnownFile>> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.get(path) {
            return Ok(known.clone());
        }
        let text = match read_regular(path, LARGEST) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", shown(path)))),
        };
        let known = Arc::new(KnownFile::parse(&text, path));
        files.insert(path.to_path_buf(), known.clone());
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand nodes share one file of known hosts.
    #[test]
    fn a_file_is_read_when_it_is_first_asked_for_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        std::fs::write(&path, "").unwrap();
        let store = KnownStore::default();
        let first = store.file(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &store.file(&path).unwrap()), "a second reading would have failed");
        assert!(KnownStore::default().file(&path).is_err());
    }
}
