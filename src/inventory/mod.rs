//! What is wanted: raw YAML to [`Inventory`], every mistake at once, each with its place. Pure: reads no file.
//!
//! The file is read into a tree that knows its places (`tree`), compared with the JSON Schema of the raw types
//! (`schema`, `raw`, `reader`), and then judged as a whole (`rules`). A mistake in one corner hides none in another.

pub mod defaults;
mod environment;
mod init;
mod judge;
mod mistake;
mod model;
mod path;
mod raw;
mod reader;
mod rke_keys;
mod rules;
mod schema;
mod ssh_config;
mod suggest;
mod syntax;
mod tree;

use std::path::Path;

use serde::Deserialize;

pub use environment::Environment;
pub use init::{InitNode, InitRequest, init};
pub use mistake::{Mistake, Mistakes};
pub use model::*;
pub use schema::schema;
pub use ssh_config::{SshConfigError, nodes_from_ssh_config};
pub use tree::Place;

use judge::Judge;
use path::KeyPath;
use raw::RawInventory;
use tree::{Content, Tree};

/// Reads an inventory. `file` is what messages call it and, with the environment's folder, what relative paths start from.
///
/// Every mistake is found in one go; a byte order mark and DOS line ends are no mistake.
pub fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Inventory, Mistakes> {
    let alone = |place, message: String| Mistakes::new(file, vec![Mistake { place, key: String::new(), message }]);
    let tree = Tree::read(text).map_err(|error| alone(error.place, error.message))?;
    match &tree.content {
        Content::Map(_) => {}
        Content::Null => {
            return Err(alone(Place::START, "the file is empty; `cowhand init` writes one to start from".into()));
        }
        Content::Bool(..) | Content::Number(..) | Content::Text { .. } | Content::List(_) => {
            return Err(alone(tree.place, "an inventory is a map with name, nodes, engine and rancher".into()));
        }
    }
    let mut judge = Judge::new(&tree, file, environment);
    let value = reader::read(&tree, &mut judge);
    let inventory = match RawInventory::deserialize(value) {
        Ok(raw) => rules::inventory(raw, &mut judge),
        // The reader lets only through what the types take; should the two ever differ, that is said, not lost.
        Err(error) => {
            judge.mistake(&KeyPath::default(), error.to_string());
            None
        }
    };
    match inventory {
        Some(inventory) if !judge.has_mistakes() => Ok(inventory),
        Some(_) | None => Err(judge.into_mistakes(file)),
    }
}

/// Reads an inventory from the bytes of a file, which have to be UTF-8.
pub fn parse_bytes(bytes: &[u8], file: &Path, environment: &Environment) -> Result<Inventory, Mistakes> {
    let wrong = |place, message: &str| {
        Err(Mistakes::new(file, vec![Mistake { place, key: String::new(), message: message.to_owned() }]))
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return wrong(Place::START, "the file is UTF-16; save it as UTF-8");
    }
    match str::from_utf8(bytes) {
        Ok(text) => parse(text, file, environment),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let (lines, last) = before.rsplit_once('\n').unwrap_or(("", &before));
            let line = if before.contains('\n') { lines.matches('\n').count() + 2 } else { 1 };
            let place = Place { line: line as u64, column: last.chars().count() as u64 + 1 };
            wrong(place, "this is not UTF-8; save the file as UTF-8")
        }
    }
}
