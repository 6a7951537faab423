//! How many files this process may have open: each connection is one, and so is each pipe to a child.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as a thousand machines need, several times. Some programs go through all files that they might have open, so
/// children do not inherit a limit without an end.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit of open files towards the hard one; 1,024 is usual, and less than a thousand machines need. A
/// system that refuses leaves it as it is, and whatever then fails says so itself.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    if current.is_some_and(|current| current < most) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
    }
}
