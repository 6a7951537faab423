//! Is it good enough: one constant per check. Pure: a check sees facts and cannot reach a machine.

mod away;
mod certificates;
mod clock;
mod compatibility;
mod containers;
mod context;
pub mod dns;
mod docker;
mod etcd;
mod existing;
mod finding;
pub mod outside;
mod former;
mod gate;
mod images;
mod inhabitants;
mod kubeconfig;
mod leaves;
mod list;
mod machine;
mod members;
mod names;
mod network;
mod owner;
mod ports;
mod question;
mod removal;
mod rights;
mod run;
mod secrets;
mod ssh;
mod topology;

pub use away::without;
pub use certificates::node_clocks;
pub use context::{Answer, Context};
pub use etcd::{EtcdMember, etcd_members};
pub use finding::*;
pub use gate::{Blocked, Cleared, gate};
pub use list::{ALL, listed};
pub use owner::refusal as owner_refusal;
pub use question::{Check, Listed};
pub use removal::{leaving, proved, removal};
pub use run::{Report, SkipError, Skips, run_all};

#[cfg(test)]
#[path = "bad_tests.rs"]
mod bad;
#[cfg(test)]
mod members_tests;
#[cfg(test)]
mod removal_tests;
#[cfg(test)]
#[path = "existing_tests.rs"]
mod existing_worlds;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "world_tests.rs"]
pub(crate) mod world;
