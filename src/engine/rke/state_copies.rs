//! The copies of the state file, and which of them is the newest.
//!
//! A copy is called `cluster.rkestate.<number>-<UTC time>`, that of a removed cluster `removed.rkestate.…`. The number
//! says which is newer; the time is for people, because a clock may be wrong. Copies of earlier versions have no number.
//! They are older than every one that has, and their times say nothing for sure about their order: so one of them is
//! used only when all that are whole hold the same CA, where any of them does.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::engine::rke::state::State;
use crate::engine::rke::state_file::{StateFile, judge_state};
use crate::local::disk;
use crate::local::thinning::surplus;
use crate::local::workspace::{Done, Workspace, WorkspaceError, utc_stamp};

/// How the name of a copy of the state file begins, and that of a removed cluster's.
const COPY: &str = "cluster.rkestate.";
const REMOVED: &str = "removed.rkestate.";

impl Workspace {
    /// The copies of this folder's cluster, oldest first.
    pub fn kept_states(&self) -> Done<Vec<PathBuf>> {
        self.states_named(COPY)
    }

    /// The copies of clusters that were removed, oldest first.
    pub fn removed_states(&self) -> Done<Vec<PathBuf>> {
        self.states_named(REMOVED)
    }

    fn states_named(&self, begin: &str) -> Done<Vec<PathBuf>> {
        let mut kept = self.files_in(&self.states())?;
        kept.retain(|path| name(path).starts_with(begin));
        kept.sort_by_key(|path| (number(path), path.clone()));
        Ok(kept)
    }

    /// The path for the next copy.
    pub(crate) fn next_copy(&self) -> Done<PathBuf> {
        let all = [self.kept_states()?, self.removed_states()?].concat();
        let highest = all.iter().filter_map(|path| number(path)).max().unwrap_or(0);
        Ok(self.states().join(format!("{COPY}{:06}-{}", highest + 1, utc_stamp())))
    }

    /// Leaves the newest 20 copies of this folder's cluster and the newest of each month; also the newest whole one, and
    /// each that holds another CA than that: it may be the last of another cluster.
    pub(crate) fn thin_out_kept(&self) -> Done<()> {
        let mut gone = surplus(&self.kept_states()?);
        if gone.is_empty() {
            return Ok(());
        }
        let Some((newest, bytes)) = self.newest_whole_copy()? else { return Ok(()) };
        let ours = authority(&bytes);
        gone.retain(|copy| {
            let theirs = fs::read(copy).map(Zeroizing::new).ok().and_then(|bytes| authority(&bytes));
            *copy != newest && (theirs.is_none() || theirs == ours)
        });
        self.remove_all(&gone)
    }

    /// Leaves the newest 20 copies of clusters that were removed, and the newest of each month.
    pub(crate) fn thin_out_removed(&self) -> Done<()> {
        self.remove_all(&surplus(&self.removed_states()?))
    }

    /// Gives the copies that are there the name of a removed cluster's: no state file is mended from them any more.
    pub(crate) fn retire_copies(&self) -> Done<()> {
        let copies = self.kept_states()?;
        for copy in &copies {
            let mut retired = self.states().join(name(copy).replacen(COPY, REMOVED, 1));
            if retired.exists() {
                retired = self.states().join(format!("{}.{}", name(&retired), utc_stamp()));
            }
            disk::rename(copy, &retired).map_err(WorkspaceError::file("moved", copy))?;
        }
        if !copies.is_empty() {
            disk::sync(&self.states()).map_err(WorkspaceError::file("written", &self.states()))?;
        }
        Ok(())
    }

    /// The newest copy that a cluster can be mended from.
    ///
    /// # Errors
    /// When only copies without a number are whole, and they hold several CAs.
    pub(crate) fn newest_whole_copy(&self) -> Done<Option<(PathBuf, Zeroizing<Vec<u8>>)>> {
        let mut unnumbered: Vec<(PathBuf, Zeroizing<Vec<u8>>)> = Vec::new();
        for copy in self.kept_states()?.into_iter().rev() {
            let bytes = fs::read(&copy).map(Zeroizing::new).map_err(WorkspaceError::file("read", &copy))?;
            match judge_state(&bytes) {
                StateFile::Whole if number(&copy).is_some() => return Ok(Some((copy, bytes))),
                StateFile::Whole => unnumbered.push((copy, bytes)),
                StateFile::Absent | StateFile::Broken { .. } => {}
            }
        }
        let authorities: Vec<Option<String>> = unnumbered.iter().map(|(_, bytes)| authority(bytes)).collect();
        if authorities.windows(2).any(|two| two[0] != two[1]) {
            let copies = unnumbered.into_iter().map(|(copy, _)| copy).collect();
            return Err(WorkspaceError::Several { path: self.cluster_state(), copies });
        }
        Ok(unnumbered.into_iter().next())
    }
}

fn authority(bytes: &[u8]) -> Option<String> {
    State::parse(std::str::from_utf8(bytes).ok()?).ok()?.ca_pem().map(str::to_owned)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The number in the name of a copy: that of `cluster.rkestate.000017-20261130T025213.123456Z` is 17.
fn number(path: &Path) -> Option<u64> {
    let name = name(path);
    let (number, _) = name.strip_prefix(COPY).or_else(|| name.strip_prefix(REMOVED))?.split_once('-')?;
    number.parse().ok()
}
