//! The folder of the inventory, where everything that outlives a run is kept, and how it is written: whole or not at
//! all, keys for nobody else, the state file never lost.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fail::fail_point;
use secrecy::zeroize::Zeroizing;

use crate::failure::Hint;
use crate::local::disk;
use crate::local::disk::WRITING;
use crate::local::thinning::{KEPT, stamped, surplus};

/// How the names of such files begin. A file that nobody holds a lock on is a dead run's.
pub const HELM_KUBECONFIG: &str = "kubeconfig-";

/// What a cluster may live by: where it was kept aside, a person decides.
const PRECIOUS: [&str; 4] = ["cluster.rkestate", "ca.pem", "ca-key.pem", "bootstrap-password"];
/// What has to be free before anything is touched: the log of a run, some state files, a kubeconfig.
const NEEDED: u64 = 64 * 1024 * 1024;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// 0600: it holds keys or passwords.
    Private,
    /// 0644.
    Open,
}

impl Secrecy {
    fn mode(self) -> u32 {
        match self {
            Secrecy::Private => 0o600,
            Secrecy::Open => 0o644,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("{} cannot be {what}", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the disk of {} is full: {} MiB free, {} MiB needed", path.display(), free >> 20, NEEDED >> 20)]
    Full { path: PathBuf, free: u64 },
    #[error("{} is broken, and its copies hold several CAs: {}", path.display(), list(copies))]
    Several { path: PathBuf, copies: Vec<PathBuf> },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl WorkspaceError {
    /// From an I/O error: this could not be done with the file at `path`.
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> WorkspaceError + use<> {
        let path = path.to_owned();
        move |source| WorkspaceError::File { what, path, source }
    }
}

impl Hint for WorkspaceError {
    fn hint(&self) -> Option<String> {
        match self {
            WorkspaceError::Full { .. } => {
                Some("make room, then run the same command again; nothing was changed".into())
            }
            WorkspaceError::File { source, path, .. } if source.kind() == ErrorKind::PermissionDenied => {
                Some(format!("is {} owned by somebody else? a run with sudo does that", path.display()))
            }
            WorkspaceError::File { .. } => None,
            WorkspaceError::Several { .. } => Some(
                "these copies have no number that says which is newer: move those that are not of this cluster to another folder, \
                 or fetch the state from the cluster with `cowhand recover-state`; nothing was changed"
                    .into(),
            ),
        }
    }
}

pub(crate) type Done<T> = Result<T, WorkspaceError>;

/// The folder of the inventory.
#[derive(Debug, Clone)]
pub struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    /// Names the folder; touches nothing. `folder` should be absolute.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Workspace { folder: folder.into() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cluster.yml that people keep, usable by hand.
    pub fn cluster_yml(&self) -> PathBuf {
        self.folder.join("cluster.yml")
    }

    /// RKE's state: the cluster's CA and keys. Lost means a new CA over a living cluster.
    pub fn cluster_state(&self) -> PathBuf {
        self.folder.join("cluster.rkestate")
    }

    /// RKE derives this name from cluster.yml.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kube_config_cluster.yml")
    }

    /// Keys and passwords that cowhand made: `ca-key.pem`, `bootstrap-password`.
    pub fn secrets(&self) -> PathBuf {
        self.folder.join("secrets")
    }

    /// What is cowhand's own business.
    pub fn inside(&self) -> PathBuf {
        self.folder.join(".cowhand")
    }

    pub fn journal(&self) -> PathBuf {
        self.inside().join("journal.jsonl")
    }

    pub fn lock(&self) -> PathBuf {
        self.inside().join("lock")
    }

    pub fn logs(&self) -> PathBuf {
        self.inside().join("logs")
    }

    /// A new log for a run of this command, open to nobody else: `.cowhand/logs/<UTC time>-up.log`. The newest 20 logs
    /// of runs stay, and as many of rke.
    pub fn run_log(&self, command: &str) -> Done<(PathBuf, File)> {
        self.make(&self.logs())?;
        let mut logs = self.files_in(&self.logs())?;
        logs.sort();
        let (of_rke, of_runs): (Vec<PathBuf>, Vec<PathBuf>) = logs
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .partition(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rke-")));
        for old in of_rke.iter().rev().skip(KEPT).chain(of_runs.iter().rev().skip(KEPT - 1)) {
            fs::remove_file(old).map_err(|source| WorkspaceError::File {
                what: "removed",
                path: old.clone(),
                source,
            })?;
        }
        let path = self.logs().join(format!("{}-{}.log", utc_stamp(), command.replace(' ', "-")));
        let make = || {
            fail_point!("workspace.log", crate::remote::fault);
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)
        };
        let made = make();
        made.map_err(WorkspaceError::file("made", &path)).map(|file| (path, file))
    }

    /// Where rke is run: its cluster.yml through the front, and links to the real state and kubeconfig.
    pub fn rke_folder(&self) -> PathBuf {
        self.inside().join("rke")
    }

    pub fn backups(&self) -> PathBuf {
        self.inside().join("backups")
    }

    /// State files kept aside.
    pub fn states(&self) -> PathBuf {
        self.inside().join("state")
    }

    /// The values of each release, for people who go on with helm by hand.
    pub fn values(&self) -> PathBuf {
        self.inside().join("values")
    }

    /// Helm's own home.
    pub fn helm_home(&self) -> PathBuf {
        self.inside().join("helm")
    }

    /// Sees that there is room, then makes the folders (0700), before anything else is touched.
    pub fn prepare(&self) -> Done<()> {
        let statistics = rustix::fs::statvfs(&self.folder).map_err(|error| WorkspaceError::File {
            what: "looked at",
            path: self.folder.clone(),
            source: error.into(),
        })?;
        let free = statistics.f_bavail.saturating_mul(statistics.f_frsize);
        if free < NEEDED {
            return Err(WorkspaceError::Full { path: self.folder.clone(), free });
        }
        let inside = [self.logs(), self.rke_folder(), self.backups(), self.states(), self.values(), self.helm_home()];
        for folder in inside.into_iter().chain([self.inside(), self.secrets()]) {
            self.make(&folder)?;
        }
        // A quota or a read-only mount shows only when something is really written.
        // A name of its own: a second run may stand at this same place before it finds the lock taken.
        let written = || -> std::io::Result<()> {
            fail_point!("workspace.trial", crate::remote::fault);
            let mut file = tempfile::Builder::new().prefix(WRITING).tempfile_in(self.inside())?;
            file.write_all(b"room\n")?;
            file.as_file().sync_all()?;
            file.close()
        };
        disk::blocking(written).map_err(WorkspaceError::file("written", &self.inside()))
    }

    /// The folder of cowhand's own business, made if need be: for files with keys that live as long as a run.
    pub fn open_inside(&self) -> Done<PathBuf> {
        self.make(&self.inside()).map(|()| self.inside())
    }

    /// Removes what runs that were killed left in our folders: kubeconfigs for helm, files that were being written, the
    /// key of a front. Under the lock of the workspace; what a living run holds (`plan` takes no such lock) stays.
    pub fn clear_up(&self) -> Done<()> {
        let ours = [self.inside(), self.secrets(), self.states(), self.backups(), self.values(), self.rke_folder()];
        // People keep files of their own in the workspace itself; none of them has a name like this.
        for folder in ours.iter().chain([&self.folder]) {
            for path in self.files_in(folder)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let in_ours = folder != &self.folder;
                let kubeconfig = in_ours && name.starts_with(HELM_KUBECONFIG);
                let key = in_ours && name.starts_with("front-") && name.ends_with(".key");
                if (kubeconfig || key || name.starts_with(disk::WRITING)) && !is_held(&path) {
                    disk::remove(&path).map_err(WorkspaceError::file("removed", &path))?;
                }
            }
        }
        Ok(())
    }

    /// Makes a folder for nobody else; one that is there and open to others is closed.
    pub(crate) fn make(&self, folder: &Path) -> Done<()> {
        let make = || -> std::io::Result<()> {
            fail_point!("workspace.folder", crate::remote::fault);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            }
            Ok(())
        };
        make().map_err(|source| WorkspaceError::File { what: "made", path: folder.into(), source })
    }

    /// Writes a file whole or not at all: a new file beside it, synced, then put in its place.
    pub fn write(&self, path: &Path, bytes: &[u8], secrecy: Secrecy) -> Done<()> {
        disk::write(path, bytes, secrecy.mode()).map_err(WorkspaceError::file("written", path))
    }

    /// Puts a file in the place of another one in the same folder.
    pub fn rename(&self, from: &Path, to: &Path) -> Done<()> {
        let renamed = disk::rename(from, to).and_then(|()| disk::sync(to.parent().unwrap_or(&self.folder)));
        renamed.map_err(WorkspaceError::file("put in place", to))
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, path: &Path) -> Done<()> {
        let removed = disk::remove(path).and_then(|()| disk::sync(path.parent().unwrap_or(&self.folder)));
        removed.map_err(WorkspaceError::file("removed", path))
    }

    /// Closes files with keys that others could read, and says which.
    pub fn guard_keys(&self) -> Done<Vec<String>> {
        let mut files = vec![self.cluster_state(), self.kubeconfig()];
        files.extend(self.files_in(&self.secrets())?);
        files.extend(self.files_in(&self.states())?);
        let mut closed = Vec::new();
        for path in files {
            let mode = match fs::metadata(&path) {
                Ok(found) => found.permissions().mode() & 0o777,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(WorkspaceError::File { what: "looked at", path, source }),
            };
            if mode & 0o077 == 0 {
                continue;
            }
            let close = || {
                fail_point!("workspace.close", crate::remote::fault);
                fs::set_permissions(&path, Permissions::from_mode(0o600))
            };
            close().map_err(WorkspaceError::file("closed to others", &path))?;
            closed.push(format!("{} holds keys and was open to others ({mode:03o}); it is 600 now", path.display()));
        }
        Ok(closed)
    }

    /// Copies a file with keys to the backups (0600) before something else takes its place; `None` when there is none. Of
    /// each name the newest 20 copies stay, and the newest of each month.
    pub fn keep_aside(&self, path: &Path) -> Done<Option<PathBuf>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WorkspaceError::File { what: "read", path: path.into(), source }),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.backups().join(format!("{name}.{}", utc_stamp()));
        self.write(&aside, &bytes, Secrecy::Private)?;
        if !PRECIOUS.iter().any(|precious| name.starts_with(precious)) {
            self.thin_out_copies(&self.backups(), &format!("{name}."))?;
        }
        Ok(Some(aside))
    }

    /// Removes what is [`surplus`] of the copies that are called so, with a time behind it.
    pub(crate) fn thin_out_copies(&self, folder: &Path, called: &str) -> Done<()> {
        let mut copies = self.files_in(folder)?;
        copies.retain(|path| stamped(path).is_some_and(|(before, _)| before == called));
        copies.sort();
        self.remove_all(&surplus(&copies))
    }

    pub(crate) fn remove_all(&self, paths: &[PathBuf]) -> Done<()> {
        paths.iter().try_for_each(|path| disk::remove(path).map_err(WorkspaceError::file("removed", path)))
    }

    pub(crate) fn files_in(&self, folder: &Path) -> Done<Vec<PathBuf>> {
        let unread = |source| WorkspaceError::File { what: "read", path: folder.into(), source };
        match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(unread(source)),
            Ok(entries) => {
                let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
                Ok(paths.map_err(unread)?.into_iter().filter(|path| path.is_file()).collect())
            }
        }
    }
}

/// Whether somebody holds a lock on it; the kernel frees it with its holder.
fn is_held(path: &Path) -> bool {
    let locked = File::open(path).map(|file| file.try_lock());
    !matches!(locked, Ok(Ok(())))
}

/// Now in UTC, as part of a file name that sorts by time: `20261123T202456.123456Z`.
pub(crate) fn utc_stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
}

#[cfg(test)]
#[path = "workspace_tests.rs"]
mod tests;
