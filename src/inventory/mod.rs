//! What is wanted: raw YAML to [`Inventory`], every mistake at once, each with its place. Pure: reads no file.

mod model;

pub use model::*;
