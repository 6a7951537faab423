//! What is wanted: raw YAML to [`Inventory`], every mistake at once, each with its place. Pure: reads no file.
//!
//! The file is read into a tree that knows its places (`tree`), compared with the JSON Schema of the raw types
//! (`schema`, `raw`, `reader`), and then judged as a whole (`rules`). A mistake in one corner hides none in another.

mod ansible;
pub mod defaults;
mod document;
mod environment;
mod file_keys;
mod foreign;
mod init;
mod judge;
mod masked;
mod merge;
mod mistake;
mod model;
mod path;
mod rancher_keys;
mod raw;
mod reader;
mod rewrite;
mod rke_keys;
mod rules;
mod scalars;
mod schema;
mod senseless;
mod ssh_config;
mod ssh_folder;
mod ssh_nodes;
mod suggest;
mod syntax;
mod tree;
mod unset;
pub mod versions;
mod wrong;

use std::path::Path;

use serde::Deserialize;

pub use ansible::{ansible, ansible_host};
pub use document::Document;
pub use environment::Environment;
pub use file_keys::{FileKeyError, put};
pub use foreign::{Foreign, NotRead, read_as_cluster_yml, read_cluster_yml};
pub use init::{InitNode, InitRequest, init};
pub use masked::{MASK, is_secret, masked, masked_value, secrets_in};
pub use merge::merge;
pub use mistake::{Mistake, Mistakes};
pub use model::*;
pub use path::KeyPath;
pub use rewrite::{NotWritten, rewrite, says};
pub use schema::{schema, schema_of};
pub use senseless::{
    EXTERNAL_ACME, EXTERNAL_CA, PASSTHROUGH_ACME, PASSTHROUGH_ELSEWHERE, Senseless, senseless, too_old_to_reencrypt,
};
pub use ssh_config::{PassedOver, SshLine, SshSays, is_ssh_pattern, ssh_config_text, ssh_lines};
pub use ssh_folder::{BackupPlace, SshFolder};
pub use ssh_nodes::{NamedMachine, by_name, machines, says_the_same, spelt_out};
pub use suggest::nearest;
pub use tree::Place;

use judge::Judge;
use raw::RawInventory;
use tree::{Content, Tree};

/// Reads an inventory. `file` is what messages call it and, with the environment's folder, what relative paths start from.
///
/// Every mistake is found in one go; a byte order mark and DOS line ends are no mistake.
pub fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Inventory, Mistakes> {
    let alone = |place, message: String| Mistakes::new(file, vec![Mistake { place, key: String::new(), message }]);
    if let Some(what) = something_else(text, None) {
        return Err(alone(Place::START, what.into()));
    }
    let tree = Tree::read(text).map_err(|error| alone(error.place, error.message))?;
    if let Some(what) = something_else(text, Some(&tree)) {
        return Err(alone(Place::START, what.into()));
    }
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
        read => {
            let nodes = read.map(|inventory| inventory.nodes).unwrap_or_default();
            let nodes = nodes.into_iter().map(|node| (node.name, node.address)).collect();
            Err(Mistakes { nodes, ..judge.into_mistakes(file) })
        }
    }
}

/// Where a key such as `rancher.tls.ca` stands in an inventory; `None` when it does not.
pub fn place_of(text: &str, key: &str) -> Option<Place> {
    let tree = Tree::read(text).ok()?;
    let nowhere = Environment { home: None, folder: std::path::PathBuf::new(), variable: &|_| None };
    let judge = Judge::new(&tree, Path::new(""), &nowhere);
    let path = KeyPath::from(key);
    judge.has(&path).then(|| judge.place(&path))
}

/// Each text of a list at the top of an inventory, such as `skip_checks`, with a mistake about it where `wrong` finds one:
/// for values that only another room knows.
pub fn judge_list(text: &str, key: &str, wrong: &dyn Fn(&str) -> Option<String>) -> Vec<Mistake> {
    let Ok(Tree { content: Content::Map(entries), .. }) = Tree::read(text) else { return Vec::new() };
    let list = entries.into_iter().find(|entry| entry.key == key).map(|entry| entry.value.content);
    let Some(Content::List(items)) = list else { return Vec::new() };
    let mistake = |(index, item): (usize, Tree)| match &item.content {
        Content::Text { text, .. } | Content::Number(_, text) | Content::Bool(_, text) => {
            let key = KeyPath::from(key).index(index).to_string();
            wrong(text).map(|message| Mistake { place: item.place, key, message })
        }
        Content::Null | Content::List(_) | Content::Map(_) => None,
    };
    items.into_iter().enumerate().filter_map(mistake).collect()
}

/// What a file is that somebody gave in place of an inventory, by its first lines or its keys. Said once, and without
/// anything of what stands in it: it may well hold a key.
fn something_else(text: &str, tree: Option<&Tree>) -> Option<&'static str> {
    const OF_KUBERNETES: &str = "this is an object of Kubernetes or a kubeconfig, not an inventory";
    const OF_RKE: &str = "this is a cluster.yml of rke, not an inventory; what it says goes under `engine.rke.cluster`";
    const OTHER: &str = "this is not an inventory: none of its keys is name, nodes, engine or rancher";
    if text.contains("-----BEGIN ") && text.trim_start().starts_with("-----BEGIN ") {
        return Some("this is a certificate or a key in PEM, not an inventory");
    }
    let Content::Map(entries) = &tree?.content else { return None };
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    if has("apiVersion") && has("kind") {
        Some(OF_KUBERNETES)
    } else if has("nodes") && !has("engine") && !has("rancher") && (has("services") || has("cluster_name")) {
        Some(OF_RKE)
    } else if entries.len() > 3 && !["name", "nodes", "engine", "rancher"].into_iter().any(has) {
        Some(OTHER)
    } else {
        None
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
