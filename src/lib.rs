//! cowhand: three Linux machines in, a highly available Rancher out, and kept alive afterwards.
//!
//! Each module is a room with one job and may use only rooms above it in this list; `tests/architecture.rs` holds that.

// Shipped code ends in an error that says what to do, speaks through the report alone, and has short functions.
#![cfg_attr(
    not(test),
    deny(
        clippy::cognitive_complexity,
        clippy::exit,
        clippy::mem_forget,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::too_many_lines,
        clippy::unwrap_used
    )
)]

pub mod failure;
pub mod remote;
pub mod inventory;
pub mod local;
pub mod cluster;
pub mod tls;
pub mod balancer;
pub mod facts;
pub mod engine;
pub mod backup;
pub mod check;
pub mod plan;
pub mod play;
pub mod report;
pub mod session;
pub mod commands;

pub mod cli;
