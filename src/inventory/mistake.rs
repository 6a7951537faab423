//! What is wrong with an inventory: all of it at once, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::tree::Place;
use crate::failure::Hint;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    pub place: Place,
    /// The key it is about, e.g. `nodes[1].roles[0]`; empty when it is about the whole file.
    pub key: String,
    /// What was seen, what is allowed, what to do; lower case, no trailing period. Never holds a secret.
    pub message: String,
}

/// Everything that is wrong with one file, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistakes {
    pub file: PathBuf,
    pub list: Vec<Mistake>,
    /// Name and address of each node, as far as the file could be read.
    #[serde(skip)]
    pub nodes: Vec<(String, String)>,
}

impl Mistakes {
    /// Sorted by place; what was said twice about the same key is said once.
    pub fn new(file: &Path, mut list: Vec<Mistake>) -> Mistakes {
        list.sort_by(|left, right| left.place.cmp(&right.place).then_with(|| left.key.cmp(&right.key)));
        list.dedup();
        Mistakes { file: file.to_owned(), list, nodes: Vec::new() }
    }

    /// With more that is wrong.
    pub fn and(mut self, more: Vec<Mistake>) -> Mistakes {
        self.list.extend(more);
        Mistakes { nodes: std::mem::take(&mut self.nodes), ..Mistakes::new(&self.file, self.list) }
    }
}

impl Hint for Mistakes {
    /// What helps next.
    fn hint(&self) -> Option<String> {
        Some(
            "`cowhand schema` prints every key with what it takes; `cowhand init` writes an inventory to start from"
                .into(),
        )
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let file = self.file.display();
        for (position, mistake) in self.list.iter().enumerate() {
            if position > 0 {
                writeln!(out)?;
            }
            write!(out, "{file}:{}:{}  ", mistake.place.line, mistake.place.column)?;
            if !mistake.key.is_empty() {
                write!(out, "{}: ", mistake.key)?;
            }
            write!(out, "{}", mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
