//! Another file that people write, read as an inventory is: against a JSON Schema, every mistake at once, each with its
//! place. Pure: reads no file.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::environment::Environment;
use super::judge::Judge;
use super::mistake::{Mistake, Mistakes};
use super::path::KeyPath;
use super::reader;
use super::tree::{Place, Tree};

/// One reading of one file, for the rules that no schema can say.
pub struct Document<'a>(Judge<'a>);

impl Document<'_> {
    /// Reads `text` against `schema`, which refers to nothing outside itself, and lets `rules` make of it what is wanted.
    ///
    /// # Errors
    /// Every mistake of the file, those of the rules among them.
    pub fn read<Raw: DeserializeOwned, Done>(
        text: &str,
        file: &Path,
        environment: &Environment,
        schema: &Value,
        rules: impl FnOnce(Raw, &mut Document) -> Option<Done>,
    ) -> Result<Done, Mistakes> {
        let alone = |place, message| Mistakes::new(file, vec![Mistake { place, key: String::new(), message }]);
        let tree = Tree::read(text).map_err(|error| alone(error.place, error.message))?;
        let mut document = Document(Judge::new(&tree, file, environment).of_another_kind());
        let value = reader::read_by(schema, &tree, &mut document.0);
        let done = match Raw::deserialize(value) {
            Ok(raw) => rules(raw, &mut document),
            // The reader lets only through what the types take; should the two ever differ, that is said, not lost.
            Err(error) => {
                document.mistake(&KeyPath::default(), error.to_string());
                None
            }
        };
        match done {
            Some(done) if !document.0.has_mistakes() => Ok(done),
            Some(_) | None => Err(document.0.into_mistakes(file)),
        }
    }

    pub fn mistake(&mut self, path: &KeyPath, message: impl Into<String>) {
        self.0.mistake(path, message);
    }

    /// Whether a value, or something in it or around it, was not understood, and that is said already.
    pub fn is_broken(&self, path: &KeyPath) -> bool {
        self.0.is_broken(path)
    }

    pub fn place(&self, path: &KeyPath) -> Place {
        self.0.place(path)
    }

    /// The absolute path that a text of the file means; a mistake is collected where it means none.
    pub fn file(&mut self, path: &KeyPath, text: Option<&str>) -> Option<PathBuf> {
        self.0.file(path, text)
    }
}
