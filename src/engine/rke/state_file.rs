//! RKE's state file, the treasure of the workspace: kept aside, mended, and let go when its cluster was removed. Cut off
//! at any point and run again, each of these arrives: the state of a living cluster is never lost, and that of a removed
//! one never comes back.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use secrecy::zeroize::Zeroizing;

use crate::engine::rke::state::{State, StateError};
use crate::local::workspace::{Done, Secrecy, Workspace, WorkspaceError, utc_stamp};

/// What stands where RKE's state file belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFile {
    Absent,
    /// A cluster can be mended from it: it holds the cluster's CA with its key.
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

    /// Copies the state file to `.cowhand/state/cluster.rkestate.<number>-<UTC time>` (0600) when it is whole and differs
    /// from the newest copy. Never overwrites one; [`Workspace::thin_out_kept`] says which stay.
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
        let aside = self.next_copy()?;
        self.write(&aside, &bytes, Secrecy::Private)?;
        self.thin_out_kept()?;
        Ok(Some(aside))
    }

    /// Copies a broken state file to `.cowhand/state/broken.<UTC time>` before it is replaced.
    pub fn keep_broken_aside(&self) -> Done<Option<PathBuf>> {
        let Some(bytes) = self.read_state()? else { return Ok(None) };
        match judge_state(&bytes) {
            StateFile::Broken { .. } => {
                let aside = self.states().join(format!("broken.{}", utc_stamp()));
                self.write(&aside, &bytes, Secrecy::Private)?;
                self.thin_out_copies(&self.states(), "broken.")?;
                Ok(Some(aside))
            }
            StateFile::Absent | StateFile::Whole => Ok(None),
        }
    }

    /// When the state file is broken: puts the newest whole copy in its place (the broken one stays beside the copies) and
    /// says so; where nothing whole was kept, the state file is absent afterwards. `None` when nothing was broken.
    pub fn mend_state(&self) -> Done<Option<String>> {
        let StateFile::Broken { why } = self.state_file()? else { return Ok(None) };
        let path = self.cluster_state();
        let copy = self.newest_whole_copy()?;
        let Some(broken) = self.keep_broken_aside()? else { return Ok(None) };
        match copy {
            Some((copy, bytes)) => {
                self.write(&path, &bytes, Secrecy::Private)?;
                Ok(Some(format!("{} was {why}; {} was put back", path.display(), copy.display())))
            }
            None => {
                self.remove(&path)?;
                let broken = broken.display();
                Ok(Some(format!("{} was {why} and no whole copy was kept; it is at {broken} now", path.display())))
            }
        }
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
        Ok(self.state_bytes()?.is_some())
    }

    /// RKE's state as the next run will have it: a broken file counts for the copy that [`Workspace::mend_state`] will
    /// put back; `None` when there is neither. Nothing is written.
    pub fn state_bytes(&self) -> Done<Option<Zeroizing<Vec<u8>>>> {
        let Some(bytes) = self.read_state()? else { return Ok(None) };
        if judge_state(&bytes) == StateFile::Whole {
            return Ok(Some(bytes));
        }
        Ok(self.newest_whole_copy()?.map(|(_, bytes)| bytes))
    }

    /// Before a cluster is made: copies without a state file are of a cluster that was removed, perhaps by a run that was
    /// cut off before it renamed them. The new cluster's state must not be mended from them.
    pub fn begin_cluster(&self) -> Done<()> {
        match self.state_file()? {
            StateFile::Absent => {
                self.retire_copies()?;
                self.thin_out_removed()
            }
            StateFile::Whole | StateFile::Broken { .. } => Ok(()),
        }
    }

    /// After the cluster was removed: its state, kubeconfig and cluster.yml go. Copies stay for people under another name:
    /// none of them may ever be put back over the cluster that comes next. The state file goes last. As long as it is
    /// there the cluster counts as not removed, and this can be done again.
    pub fn forget_cluster(&self) -> Done<()> {
        self.keep_state_aside()?;
        self.keep_broken_aside()?;
        self.retire_copies()?;
        for path in [self.kubeconfig(), self.cluster_yml()] {
            // Somebody may have put one of his own there.
            self.keep_aside(&path)?;
            self.remove(&path)?;
        }
        self.remove(&self.cluster_state())?;
        self.thin_out_removed()
    }
}

/// rke's own shape, `{desiredState, currentState}`, with what a cluster can be mended from.
pub(crate) fn judge_state(bytes: &[u8]) -> StateFile {
    let broken = |why: &str| StateFile::Broken { why: why.into() };
    let Ok(text) = std::str::from_utf8(bytes) else { return broken("not a state file of rke") };
    match State::parse(text) {
        Ok(_) => StateFile::Whole,
        Err(StateError::Empty) => broken("empty"),
        Err(StateError::CutOff(_)) => broken("cut off"),
        Err(StateError::Unreadable(_)) => broken("not a state file of rke"),
        Err(StateError::NoCa) => broken("without the cluster's CA"),
        Err(StateError::NoCaKey) => broken("without the key of the cluster's CA"),
    }
}

#[cfg(test)]
#[path = "state_file_tests.rs"]
mod tests;
