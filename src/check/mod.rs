//! Is it good enough: one constant per check. Pure: a check sees facts and cannot reach a machine.

mod finding;
pub mod outside;

pub use finding::*;
