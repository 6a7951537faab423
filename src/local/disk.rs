//! The file operations of the workspace. Tests end a run before any of them (see [`crate::remote::POINTS`]).

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fail::fail_point;
use tokio::runtime::{Handle, RuntimeFlavor};

/// How the name of a file begins while it is being written.
pub(crate) const WRITING: &str = ".cowhand-writing-";

/// Writes a file whole or not at all: a new file beside it, synced, then put in its place; its name is on disk, too.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    blocking(|| {
        fail_point!("disk.write", crate::remote::fault);
        let mut file =
            tempfile::Builder::new().prefix(WRITING).permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
        // Who clears up after killed runs leaves alone what is held.
        file.as_file().lock()?;
        file.write_all(bytes)?;
        fail_point!("disk.written", crate::remote::fault);
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        fail_point!("disk.place", crate::remote::fault);
        file.persist(path).map_err(|error| error.error)?;
        sync(folder)
    })
}

/// Renames a file; [`sync`] of the folders on both sides makes it last.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fail_point!("disk.rename", crate::remote::fault);
    fs::rename(from, to)
}

/// Removes a file; one that is not there is removed already. [`sync`] of its folder makes it last.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fail_point!("disk.remove", crate::remote::fault);
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What was renamed and removed in the folder is so after a power failure as well.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    fail_point!("disk.sync", crate::remote::fault);
    blocking(|| File::open(folder)?.sync_all())
}

/// A disk may take its time: the other tasks of this thread go to another one meanwhile.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // Nobody else waits for this thread.
        Ok(_) | Err(_) => work(),
    }
}

/// Ends what a test does before its n-th file operation, as a kill would. The points of the crate `fail` are the whole
/// process's, and tests run side by side: so each of them calls back, and the thread that is to end is told by itself.
/// Operations are counted, not named, so that none can be forgotten.
#[cfg(test)]
pub(crate) mod fuse {
    use std::cell::{Cell, RefCell};
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::Once;

    use crate::remote::POINTS;

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
        static DONE: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    struct Cut;

    fn burn(point: &'static str) {
        match LEFT.get() {
            None => return,
            Some(0) => resume_unwind(Box::new(Cut)),
            Some(left) => LEFT.set(Some(left - 1)),
        }
        DONE.with_borrow_mut(|done| done.push(point));
    }

    /// Does `work` up to its n-th file operation; `None` when it was cut off there.
    pub(crate) fn cut_off_after<T>(operations: usize, work: impl FnOnce() -> T) -> Option<T> {
        static LAID: Once = Once::new();
        LAID.call_once(|| {
            for point in POINTS {
                fail::cfg_callback(*point, move || burn(point)).unwrap();
            }
        });
        LEFT.set(Some(operations));
        DONE.take();
        let end = catch_unwind(AssertUnwindSafe(work));
        LEFT.set(None);
        match end {
            Ok(done) => Some(done),
            Err(cause) if cause.is::<Cut>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }

    /// The points that the last `cut_off_after` on this thread went through.
    pub(crate) fn done() -> Vec<&'static str> {
        DONE.with_borrow(Clone::clone)
    }
}
