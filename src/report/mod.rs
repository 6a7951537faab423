//! Telling it: events to bars, plain lines or JSON; findings; errors with causes and a hint.
//!
//! stdout is data, stderr is talk. Everything that a person reads goes through [`Look`], which decides about colour,
//! marks and width, and takes control characters out of what machines said.

mod ask;
mod bars;
mod bug;
mod console;
mod duration;
mod exit;
mod failure;
mod findings;
pub mod log;
mod look;
mod plain;
mod shower;
mod table;

pub use self::console::{Console, Output, Verbosity};
pub use ask::TerminalAsk;
pub use bug::install_panic_hook;
pub use duration::{so_far, took};
pub use exit::Exit;
pub use failure::Failure;
pub use findings::{Counts, findings};
pub use look::{Look, Mark, Tone, printable};
pub use shower::{Paused, Pauser, Shower};
pub use table::Table;
