//! The folder of the inventory, where everything that outlives a run is kept, and how it is written: whole or not at
//! all, keys for nobody else, the state file never lost.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

/// How many logs and state files are kept.
pub(super) const KEPT: usize = 20;
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
}

impl WorkspaceError {
    pub fn hint(&self) -> Option<String> {
        match self {
            WorkspaceError::Full { .. } => {
                Some("make room, then run the same command again; nothing was changed".into())
            }
            WorkspaceError::File { source, path, .. } if source.kind() == ErrorKind::PermissionDenied => {
                Some(format!("is {} owned by somebody else? a run with sudo does that", path.display()))
            }
            WorkspaceError::File { .. } => None,
        }
    }
}

pub(super) type Done<T> = Result<T, WorkspaceError>;

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
        let path = self.logs().join(format!("{}-{command}.log", utc_stamp()));
        match OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(WorkspaceError::File { what: "made", path, source }),
        }
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
        let trial = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".cowhand-trial-").tempfile_in(self.inside())?;
            file.write_all(b"trial\n")?;
            file.as_file().sync_all()?;
            file.close()
        };
        trial().map_err(|source| WorkspaceError::File { what: "written", path: self.inside(), source })
    }

    /// Makes a folder for nobody else; one that is there and open to others is closed.
    fn make(&self, folder: &Path) -> Done<()> {
        let make = || -> std::io::Result<()> {
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
        let folder = path.parent().unwrap_or(&self.folder);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new()
                .prefix(".cowhand-")
                .permissions(Permissions::from_mode(secrecy.mode()))
                .tempfile_in(folder)?;
            file.write_all(bytes)?;
            file.as_file().set_permissions(Permissions::from_mode(secrecy.mode()))?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            // The name is on disk only when its folder is.
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| WorkspaceError::File { what: "written", path: path.into(), source })
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
            fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|source| WorkspaceError::File {
                what: "closed to others",
                path: path.clone(),
                source,
            })?;
            closed.push(format!("{} holds keys and was open to others ({mode:03o}); it is 600 now", path.display()));
        }
        Ok(closed)
    }

    /// Copies a file with keys to the backups (0600) before something else takes its place; `None` when there is none.
    pub fn keep_aside(&self, path: &Path) -> Done<Option<PathBuf>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WorkspaceError::File { what: "read", path: path.into(), source }),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.backups().join(format!("{name}.{}", utc_stamp()));
        self.write(&aside, &bytes, Secrecy::Private)?;
        Ok(Some(aside))
    }

    pub(super) fn files_in(&self, folder: &Path) -> Done<Vec<PathBuf>> {
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

/// Now in UTC, as part of a file name that sorts by time: `20261123T202456.123456Z`.
pub(super) fn utc_stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
}

#[cfg(test)]
#[path = "workspace_tests.rs"]
mod tests;
