//! Run files: lists of what one run does, in order. Pure: a text and the inventory's nodes in, items out.

mod disrupting;
mod items;
mod raw;
mod rules;
mod turns;

use std::path::Path;

use serde_json::Value;

pub use items::{Awaited, Doing, Drain, Item, Look, Playbook, Reboot, Run, Secret, Selector, Turn, Upload};

use crate::inventory::{Document, Environment, Mistakes, Node, schema_of};
use crate::plan::Stage;
use raw::RawPlaybook;

const UP: &str = include_str!("../../../playbooks/up.yml");
const DOWN: &str = include_str!("../../../playbooks/down.yml");

/// The JSON Schema of a run file (draft 2020-12), with a description for every key.
pub fn schema() -> Value {
    schema_of::<RawPlaybook>()
}

/// Reads a run file for these nodes. `file` is what messages call it, and its folder is where relative paths start from.
pub fn parse(text: &str, file: &Path, environment: &Environment, nodes: &[Node]) -> Result<Playbook, Mistakes> {
    Document::read(text, file, environment, &schema(), |raw: RawPlaybook, document| {
        rules::playbook(raw, nodes, document)
    })
}

/// What `up` plays.
pub fn up() -> Result<Vec<Stage>, Mistakes> {
    built_in("playbooks/up.yml", UP)
}

/// What `down` plays.
pub fn down() -> Result<Vec<Stage>, Mistakes> {
    built_in("playbooks/down.yml", DOWN)
}

/// The stages of a list that is built in.
fn built_in(file: &str, text: &str) -> Result<Vec<Stage>, Mistakes> {
    let nowhere = Environment { home: None, folder: std::path::PathBuf::new(), variable: &|_| None };
    let items = parse(text, Path::new(file), &nowhere, &[])?.items.into_iter();
    Ok(items.flat_map(|item| item.doing.stages().to_vec()).collect())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
