//! What this process asks of the system for itself.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};

/// Keys and passwords are in our memory: it is written into no core dump, and nobody but root may look into it. Programs
/// that we start write no core dump either. Best effort: a system that refuses keeps its own ways.
pub fn keep_memory_private() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Whether whoever started us wants the run to outlive its terminal, as nohup(1) does.
pub fn hangup_is_ignored() -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action sigaction only fills in the one that holds, which is read only when it has.
    unsafe {
        libc::sigaction(libc::SIGHUP, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

static CLOSED: AtomicBool = AtomicBool::new(false);

// Rust's own start opens /dev/null in the place of a closed stream (std: sys/pal/unix/mod.rs); after that, nothing tells
// `>&-` from `>/dev/null`, and what is written goes nowhere without an error.
ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn look() {
        // SAFETY: F_GETFD only asks; a number that is no open file answers EBADF.
        let open = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } != -1;
        CLOSED.store(!open, Ordering::Relaxed);
    }
}

/// Whether whoever started us closed it (`>&-`).
pub fn stdout_was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_root_looks_into_our_memory_and_no_core_dump_holds_it() {
        use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};
        keep_memory_private();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
    }
}
