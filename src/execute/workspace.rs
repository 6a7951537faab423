//! The folder of the inventory, where everything that outlives a run is kept, and how it is written: whole or not at
//! all, keys for nobody else, the state file never lost.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use serde_json::Value;

/// How many state files are kept aside.
const KEPT: usize = 20;
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

/// What stands where RKE's state file belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFile {
    Absent,
    Whole,
    /// Cut off or empty: rke writes it in place, and was killed or met a full disk while it did.
    Broken {
        why: String,
    },
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

type Done<T> = Result<T, WorkspaceError>;

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

    /// Keys and passwords that cowhand made: `ca.pem`, `ca.key`, `bootstrap-password`.
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

    /// Whether RKE's state file is there and whole.
    pub fn state_file(&self) -> Done<StateFile> {
        let path = self.cluster_state();
        match fs::read(&path) {
            Ok(bytes) => Ok(judge_state(&bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(StateFile::Absent),
            Err(source) => Err(WorkspaceError::File { what: "read", path, source }),
        }
    }

    /// Copies the state file to `.cowhand/state/cluster.rkestate.<UTC time>` (0600) when it is whole and differs from
    /// the newest copy. Never overwrites one; keeps the last 20.
    pub fn keep_state_aside(&self) -> Done<Option<PathBuf>> {
        let path = self.cluster_state();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WorkspaceError::File { what: "read", path, source }),
        };
        if judge_state(&bytes) != StateFile::Whole {
            return Ok(None);
        }
        let kept = self.kept_states()?;
        if kept.last().is_some_and(|newest| fs::read(newest).is_ok_and(|old| old == bytes)) {
            return Ok(None);
        }
        let aside = self.states().join(format!("cluster.rkestate.{}", utc_stamp()));
        self.write(&aside, &bytes, Secrecy::Private)?;
        for old in kept.iter().take((kept.len() + 1).saturating_sub(KEPT)) {
            fs::remove_file(old).map_err(|source| WorkspaceError::File {
                what: "removed",
                path: old.clone(),
                source,
            })?;
        }
        Ok(Some(aside))
    }

    /// When the state file is broken: puts the newest whole copy back (the broken one stays beside the copies) and
    /// says so. `None` when nothing was broken, or nothing whole was kept: then the state file is absent now.
    pub fn mend_state(&self) -> Done<Option<String>> {
        let StateFile::Broken { why } = self.state_file()? else { return Ok(None) };
        let path = self.cluster_state();
        let broken = self.states().join(format!("broken.{}", utc_stamp()));
        fs::rename(&path, &broken).map_err(|source| WorkspaceError::File {
            what: "moved",
            path: path.clone(),
            source,
        })?;
        if let Some((copy, bytes)) = self.newest_whole_copy()? {
            self.write(&path, &bytes, Secrecy::Private)?;
            return Ok(Some(format!("{} was {why}; {} was put back", path.display(), copy.display())));
        }
        Ok(Some(format!("{} was {why} and no whole copy was kept; it is at {} now", path.display(), broken.display())))
    }

    /// RKE's state as the next run will have it: a broken file counts for the copy that [`Workspace::mend_state`] will
    /// put back, if there is one. Nothing is written.
    pub fn state_bytes(&self) -> Done<Option<Zeroizing<Vec<u8>>>> {
        let path = self.cluster_state();
        let bytes = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WorkspaceError::File { what: "read", path, source }),
        };
        if judge_state(&bytes) == StateFile::Whole {
            return Ok(Some(bytes));
        }
        let copy = self.newest_whole_copy()?;
        Ok(Some(copy.map_or(bytes, |(_, bytes)| bytes)))
    }

    fn newest_whole_copy(&self) -> Done<Option<(PathBuf, Zeroizing<Vec<u8>>)>> {
        for copy in self.kept_states()?.into_iter().rev() {
            let read = fs::read(&copy).map(Zeroizing::new);
            let bytes = read.map_err(|source| WorkspaceError::File { what: "read", path: copy.clone(), source })?;
            if judge_state(&bytes) == StateFile::Whole {
                return Ok(Some((copy, bytes)));
            }
        }
        Ok(None)
    }

    /// After the cluster was removed: its state (kept aside first) and its kubeconfig go.
    pub fn forget_cluster(&self) -> Done<()> {
        self.keep_state_aside()?;
        for path in [self.cluster_state(), self.kubeconfig()] {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(WorkspaceError::File { what: "removed", path, source }),
            }
        }
        Ok(())
    }

    /// The copies, oldest first (their names sort by time).
    pub fn kept_states(&self) -> Done<Vec<PathBuf>> {
        let mut kept = self.files_in(&self.states())?;
        kept.retain(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cluster.rkestate."))
        });
        kept.sort();
        Ok(kept)
    }

    fn files_in(&self, folder: &Path) -> Done<Vec<PathBuf>> {
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

/// rke's own shape: `{desiredState, currentState}`.
fn judge_state(bytes: &[u8]) -> StateFile {
    if bytes.is_empty() {
        return StateFile::Broken { why: "empty".into() };
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(state) if state.get("desiredState").is_some() => StateFile::Whole,
        Ok(_) => StateFile::Broken { why: "not a state file of rke".into() },
        Err(_) => StateFile::Broken { why: "cut off".into() },
    }
}

/// Now in UTC, as part of a file name that sorts by time: `20261123T202456.123456Z`.
pub(super) fn utc_stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
}

#[cfg(test)]
#[path = "workspace_tests.rs"]
mod tests;
