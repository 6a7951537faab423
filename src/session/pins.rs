//! What tells an inventory of this workspace from all others, and the cluster that it works on: `.cowhand/identity`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::facts::owner::{Pin, Pinned};
use crate::local::workspace::Done;
use crate::local::{Secrecy, Workspace, WorkspaceError};
use data_encoding::HEXLOWER;

impl Workspace {
    /// Files of inventories by their names, since a folder may hold several.
    fn identity(&self, file: String) -> PathBuf {
        self.inside().join("identity").join(file)
    }

    /// The UID of the inventory with this name; `None` when none was made yet.
    pub fn uid(&self, inventory: &str) -> Done<Option<String>> {
        let path = self.uid_file(inventory);
        let Some(text) = read(&path)? else { return Ok(None) };
        let uid = text.trim();
        if uid.is_empty() {
            let source = std::io::Error::other("it holds no UID");
            return Err(WorkspaceError::File { what: "used", path, source });
        }
        Ok(Some(uid.to_owned()))
    }

    /// Keeps the UID: a new one, or that of a mark which is taken over.
    pub fn keep_uid(&self, inventory: &str, uid: &str) -> Done<()> {
        self.keep(self.uid_file(inventory), format!("{uid}\n").as_bytes())
    }

    /// The cluster that the inventory was first run on.
    pub fn pinned(&self, inventory: &str) -> Done<Option<Pinned>> {
        let path = self.pin_file(inventory);
        let Some(text) = read(&path)? else { return Ok(None) };
        match serde_json::from_str(&text) {
            Ok(pin) => Ok(Some(Pinned { path, pin })),
            Err(error) => Err(WorkspaceError::File { what: "used", path, source: std::io::Error::other(error) }),
        }
    }

    pub fn pin(&self, inventory: &str, pin: &Pin) -> Done<()> {
        let path = self.pin_file(inventory);
        let text = serde_json::to_string_pretty(pin).map_err(|error| WorkspaceError::File {
            what: "written",
            path: path.clone(),
            source: std::io::Error::other(error),
        })?;
        self.keep(path, format!("{text}\n").as_bytes())
    }

    /// A kubeconfig with the inventory's context alone, for whoever is given a path; open to nobody else.
    pub fn keep_context(&self, inventory: &str, kubeconfig: &[u8]) -> Done<PathBuf> {
        let path = self.identity(format!("{inventory}.kubeconfig"));
        self.keep(path.clone(), kubeconfig)?;
        Ok(path)
    }

    fn uid_file(&self, inventory: &str) -> PathBuf {
        self.identity(format!("{inventory}.uid"))
    }

    fn pin_file(&self, inventory: &str) -> PathBuf {
        self.identity(format!("{inventory}.pin.json"))
    }

    fn keep(&self, path: PathBuf, bytes: &[u8]) -> Done<()> {
        self.make(&self.inside().join("identity"))?;
        self.write(&path, bytes, Secrecy::Private)
    }
}

/// A new UID: 128 random bits, 32 hexadecimal digits.
pub fn new_uid() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 16]>())
}

fn read(path: &PathBuf) -> Done<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(WorkspaceError::File { what: "read", path: path.clone(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_inventory_of_a_folder_has_its_own_identity() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        assert_eq!((workspace.uid("a").unwrap(), workspace.pinned("a").unwrap()), (None, None));
        let uid = new_uid();
        assert_eq!((uid.len(), uid == new_uid()), (32, false));
        let pin = Pin { context: "c".into(), server: "https://a:6443".into(), cluster: "u-a".into() };
        workspace.keep_uid("a", &uid).unwrap();
        workspace.pin("a", &pin).unwrap();
        assert_eq!(workspace.uid("a").unwrap(), Some(uid));
        let pinned = workspace.pinned("a").unwrap().unwrap();
        assert_eq!(pinned.pin, pin);
        assert_eq!((workspace.uid("b").unwrap(), workspace.pinned("b").unwrap()), (None, None));
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&pinned.path), mode(pinned.path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_broken_file_is_named_and_never_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        workspace.keep_uid("a", "").unwrap();
        fs::write(workspace.pin_file("a"), "{\"context\":").unwrap();
        let said = [workspace.uid("a").unwrap_err().to_string(), workspace.pinned("a").unwrap_err().to_string()];
        assert!(said[0].contains("identity/a.uid") && said[1].contains("identity/a.pin.json"), "{said:?}");
    }
}
