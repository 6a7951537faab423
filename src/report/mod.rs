//! Telling it: events to bars, plain lines or JSON; findings; errors with causes and a hint.
//!
//! stdout is data, stderr is talk. Everything that a person reads goes through [`Look`], which decides about colour,
//! marks and width, and takes control characters out of what machines said.

mod ask;
mod bars;
mod bug;
pub mod certificates;
mod console;
mod duration;
pub mod drift;
mod failure;
#[cfg(test)]
#[path = "hostile_tests.rs"]
pub(crate) mod hostile;
mod findings;
pub mod history;
pub mod log;
mod look;
mod plain;
pub mod plan;
pub mod rotate;
pub mod run_file;
mod shower;
pub mod status;
mod table;
pub mod upgrade;
mod verbosity;

pub use self::console::{Console, Output};
pub use self::verbosity::Verbosity;
pub use ask::TerminalAsk;
pub use bug::install_panic_hook;
pub use duration::{so_far, took};
pub use findings::{Counts, findings};
pub use look::{Look, Mark, Tone, one_line, printable};
pub use shower::{Paused, Pauser, Shower};
pub use table::{Cell, Table};
