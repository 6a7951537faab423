//! Doing it: steps, the rke process and what its log says, locks, the journal.

mod child;
mod downloading;
mod event;
mod hands;
mod journal;
mod lock;
pub mod rke;
pub mod rke_explain;
pub mod rke_log;
pub mod rke_ways;
mod state_file;
mod sweep;
pub mod tool;
mod workspace;

pub use child::{ChildError, HowEnded, run_lines};
pub use downloading::Downloading;
pub use event::*;
pub use hands::*;
pub use journal::{Journal, JournalError};
pub use lock::{Lock, LockError};
pub use state_file::StateFile;
pub use sweep::{Sweep, SweepError, Swept};
pub use workspace::{Secrecy, Workspace, WorkspaceError};
