//! What is: one probe script per machine, pure parsers, one gather.

pub mod belongings;
pub mod certificates;
pub mod cluster;
pub mod controllers;
pub mod dns;
pub mod etcd;
pub mod existing;
pub mod inhabitants;
pub mod kubeconfig;
pub mod outside;
pub mod rights;
mod clock;
mod engine;
mod gather;
mod identity;
mod model;
mod network;
mod parse;
mod sections;

pub use clock::*;
pub use gather::{gather, probe};
pub use identity::*;
pub use model::*;
pub use parse::parse;

#[cfg(test)]
mod tests;
