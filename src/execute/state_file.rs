//! RKE's state file and the copies of it: the treasure of the workspace.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use super::workspace::{Done, KEPT, Secrecy, Workspace, WorkspaceError, utc_stamp};

/// How the name of a copy of the state file begins, and that of a removed cluster's.
const COPY: &str = "cluster.rkestate.";
const REMOVED: &str = "removed.rkestate.";

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

impl Workspace {
    /// RKE's state file as it is; it holds every key of the cluster.
    fn read_state(&self) -> Done<Option<Zeroizing<Vec<u8>>>> {
        let path = self.cluster_state();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(WorkspaceError::File { what: "read", path, source }),
        }
    }

    /// Whether RKE's state file is there and whole.
    pub fn state_file(&self) -> Done<StateFile> {
        Ok(self.read_state()?.map_or(StateFile::Absent, |bytes| judge_state(&bytes)))
    }

    /// Copies the state file to `.cowhand/state/cluster.rkestate.<UTC time>` (0600) when it is whole and differs from
    /// the newest copy. Never overwrites one; keeps the last 20.
    pub fn keep_state_aside(&self) -> Done<Option<PathBuf>> {
        self.keep_state_aside_as(|_| None)
    }

    /// The same, with the text that `change` makes of it, if any.
    pub fn keep_state_aside_as(&self, change: impl FnOnce(&str) -> Option<String>) -> Done<Option<PathBuf>> {
        let Some(mut bytes) = self.read_state()? else { return Ok(None) };
        if judge_state(&bytes) != StateFile::Whole {
            return Ok(None);
        }
        if let Some(changed) = std::str::from_utf8(&bytes).ok().and_then(change) {
            bytes = Zeroizing::new(changed.into_bytes());
        }
        let kept = self.kept_states()?;
        let same = |newest: &PathBuf| fs::read(newest).map(Zeroizing::new).is_ok_and(|old| old == bytes);
        if kept.last().is_some_and(same) {
            return Ok(None);
        }
        let aside = self.states().join(format!("{COPY}{}", utc_stamp()));
        self.write(&aside, &bytes, Secrecy::Private)?;
        self.thin_out(&[kept, vec![aside.clone()]].concat())?;
        Ok(Some(aside))
    }

    /// Leaves the newest 20 of these, which are sorted oldest first.
    fn thin_out(&self, copies: &[PathBuf]) -> Done<()> {
        for old in copies.iter().take(copies.len().saturating_sub(KEPT)) {
            fs::remove_file(old).map_err(|source| WorkspaceError::File {
                what: "removed",
                path: old.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// When the state file is broken: puts the newest whole copy back (the broken one stays beside the copies) and says
    /// so; where nothing whole was kept, the state file is absent afterwards. `None` when nothing was broken.
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

    /// What is wrong with the state file, and what [`Workspace::mend_state`] will do about it; `None` when nothing is.
    pub fn to_mend(&self) -> Done<Option<(String, String)>> {
        let StateFile::Broken { why } = self.state_file()? else { return Ok(None) };
        let will = match self.newest_whole_copy()? {
            Some((copy, _)) => format!("`cowhand up` puts {} back", copy.display()),
            None => format!(
                "no whole copy was kept: `cowhand up` moves it to {} and makes a new cluster; if there is one already, put its whole state file back first",
                self.states().display()
            ),
        };
        Ok(Some((format!("{} is {why}", self.cluster_state().display()), will)))
    }

    /// Whether the next run will have a whole state, its own or a copy that it puts back.
    pub fn will_have_state(&self) -> Done<bool> {
        Ok(match self.state_file()? {
            StateFile::Absent => false,
            StateFile::Whole => true,
            StateFile::Broken { .. } => self.newest_whole_copy()?.is_some(),
        })
    }

    /// RKE's state as the next run will have it: a broken file counts for the copy that [`Workspace::mend_state`] will
    /// put back, if there is one. Nothing is written.
    pub fn state_bytes(&self) -> Done<Option<Zeroizing<Vec<u8>>>> {
        let Some(bytes) = self.read_state()? else { return Ok(None) };
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

    /// After the cluster was removed: its state, kubeconfig and cluster.yml go. Copies stay for people under another name:
    /// none of them may ever be put back over the cluster that comes next.
    pub fn forget_cluster(&self) -> Done<()> {
        self.keep_state_aside()?;
        // Somebody may have put one of his own there.
        self.keep_aside(&self.kubeconfig())?;
        self.keep_aside(&self.cluster_yml())?;
        for path in [self.cluster_state(), self.kubeconfig(), self.cluster_yml()] {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(WorkspaceError::File { what: "removed", path, source }),
            }
        }
        for copy in self.kept_states()? {
            let name = copy.file_name().unwrap_or_default().to_string_lossy().replacen(COPY, REMOVED, 1);
            fs::rename(&copy, self.states().join(name)).map_err(|source| WorkspaceError::File {
                what: "moved",
                path: copy.clone(),
                source,
            })?;
        }
        self.thin_out(&self.removed_states()?)
    }

    /// The copies of this folder's cluster, oldest first (their names sort by time).
    pub fn kept_states(&self) -> Done<Vec<PathBuf>> {
        self.states_named(COPY)
    }

    /// The copies of clusters that were removed, oldest first.
    pub fn removed_states(&self) -> Done<Vec<PathBuf>> {
        self.states_named(REMOVED)
    }

    fn states_named(&self, begin: &str) -> Done<Vec<PathBuf>> {
        let mut kept = self.files_in(&self.states())?;
        kept.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin)));
        kept.sort();
        Ok(kept)
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
