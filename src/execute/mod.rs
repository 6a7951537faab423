//! Doing it: steps, the rke process and what its log says, locks, the journal.

mod event;

pub use event::*;
