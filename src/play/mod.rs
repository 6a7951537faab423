//! Doing it: the executor of steps, what it tells on the way, the journal that keeps it.

mod downloading;
mod event;
mod executor;
mod history;
mod journal;
mod journal_thinning;
mod resume;
mod usual;

pub use downloading::Downloading;
pub use event::*;
pub use executor::*;
pub use history::{Ran, StageRan, runs};
pub use journal::{Journal, JournalError};
pub use resume::{Done, done};
pub use usual::usual;
