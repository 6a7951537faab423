//! What is: one probe script per machine, pure parsers, one gather.

pub mod api;
pub mod belongings;
pub mod certificates;
pub mod cluster;
pub mod controllers;
pub mod dns;
pub mod etcd;
pub mod etcd_alone;
pub mod existing;
pub mod images;
pub mod leaves;
pub mod inhabitants;
pub mod kubeconfig;
pub mod outside;
pub mod owner;
pub mod rights;
pub mod rollout;
pub mod running;
pub mod spread;
pub mod node_fingerprint;
pub mod users;
mod clock;
mod container;
mod engine;
mod fact;
mod fingerprint;
mod gather;
mod identity;
mod members;
mod model;
mod network;
mod parse;
mod sections;

pub use clock::*;
pub use container::{LABELLED, REPOSITORIES, UNLABELLED};
pub use etcd::EtcdAsked;
pub use fact::{Fact, Unseen};
pub use fingerprint::CaFingerprint;
pub use gather::{gather, probe};
pub use identity::*;
pub use members::*;
pub use model::*;
pub use parse::parse;
pub use running::Running;

#[cfg(test)]
mod tests;
