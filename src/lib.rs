//! cowhand: three Linux machines in, a highly available Rancher out, and kept alive afterwards.
//!
//! Each module is a room with one job and may use only rooms above it in this list; `tests/architecture.rs` holds that.

pub mod remote;
pub mod cluster;
pub mod inventory;
pub mod tls;
pub mod balancer;
pub mod facts;
pub mod check;
pub mod plan;
pub mod execute;
pub mod report;
pub mod commands;

pub mod cli;
