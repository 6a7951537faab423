//! Doing it: the executor of steps, what it tells on the way, the journal that keeps it.

mod downloading;
mod event;
mod executor;
mod journal;
mod journal_thinning;
mod resume;
mod usual;

pub use downloading::Downloading;
pub use event::*;
pub use executor::*;
pub use journal::{Journal, JournalError};
pub use resume::{Done, done};
pub use usual::usual;
