//! Is it good enough: one constant per check. Pure: a check sees facts and cannot reach a machine.

mod certificates;
mod clock;
mod compatibility;
mod context;
pub mod dns;
mod docker;
mod existing;
mod finding;
pub mod outside;
mod former;
mod gate;
mod inhabitants;
mod kubeconfig;
mod list;
mod machine;
mod names;
mod network;
mod ports;
mod run;
mod secrets;
mod ssh;
mod topology;
pub mod versions;

pub use certificates::node_clocks;
pub use context::{Answer, Context};
pub use finding::*;
pub use gate::{Blocked, Cleared, gate};
pub use list::{ALL, Check, Listed, listed};
pub use run::{Report, SkipError, Skips, run_all};

#[cfg(test)]
#[path = "bad_tests.rs"]
mod bad;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "world_tests.rs"]
mod world;
