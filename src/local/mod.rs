//! This machine: child processes, tools with their checksums, files, locks.

mod child;
pub(crate) mod disk;
mod lock;
pub mod process;
mod program;
pub(crate) mod thinning;
pub mod tool;
mod tool_seal;
pub mod workspace;

pub use child::{ChildError, HowEnded, run_lines};
pub(crate) use disk::WRITING;
#[cfg(test)]
pub(crate) use disk::fuse;
pub use lock::{Lock, LockError, holder, who};
pub use program::{Captured, Ended, Group, Program, ProgramError, capture, spawn};
pub use workspace::{HELM_KUBECONFIG, Secrecy, Workspace, WorkspaceError};
