//! Collects mistakes, and knows where in the file a key stands.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::mistake::{Mistake, Mistakes};
use super::path::{KeyPath, Step};
use super::suggest::elsewhere;
use super::tree::{Content, Place, Tree};

/// One reading of one file.
pub(super) struct Judge<'a> {
    tree: &'a Tree,
    environment: &'a Environment<'a>,
    /// The folder of the inventory, absolute.
    folder: PathBuf,
    mistakes: Vec<Mistake>,
    /// Keys whose value was not understood: rules that depend on them stay silent.
    broken: Vec<KeyPath>,
    /// It is an inventory, whose keys are known in other places.
    inventory: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(tree: &'a Tree, file: &Path, environment: &'a Environment<'a>) -> Judge<'a> {
        let folder = environment.folder.join(file.parent().unwrap_or(Path::new("")));
        Judge { tree, environment, folder, mistakes: Vec::new(), broken: Vec::new(), inventory: true }
    }

    /// The same for a file that is no inventory.
    pub(super) fn of_another_kind(self) -> Judge<'a> {
        Judge { inventory: false, ..self }
    }

    /// Where in an inventory a key that is unknown here is known.
    pub(super) fn known_elsewhere(&self, key: &str, path: &KeyPath) -> Option<String> {
        if self.inventory { elsewhere(key, path) } else { None }
    }

    /// A mistake in a value that was understood: other rules about the same key still speak.
    pub(super) fn mistake(&mut self, path: &KeyPath, message: impl Into<String>) {
        let place = self.place(path);
        self.mistakes.push(Mistake { place, key: path.to_string(), message: message.into() });
    }

    /// A mistake at a place of its own, in something that could not be understood.
    pub(super) fn broken_at(&mut self, place: Place, path: &KeyPath, message: impl Into<String>) {
        self.mistakes.push(Mistake { place, key: path.to_string(), message: message.into() });
        self.broken.push(path.clone());
    }

    /// Says that a key was meant elsewhere, so that nobody complains that it is missing.
    pub(super) fn meant(&mut self, path: KeyPath) {
        self.broken.push(path);
    }

    /// Whether a value, or something in it or around it, was not understood.
    pub(super) fn is_broken(&self, path: &KeyPath) -> bool {
        self.broken.iter().any(|broken| broken.starts_with(path) || path.starts_with(broken))
    }

    pub(super) fn any_broken(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.is_broken(&KeyPath::from(*path)))
    }

    /// The absolute path that a text of the file means; a mistake is collected where it means none.
    pub(super) fn file(&mut self, path: &KeyPath, text: Option<&str>) -> Option<PathBuf> {
        match self.environment.path(text?, &self.folder) {
            Ok(file) => Some(file),
            Err(reason) => {
                self.mistake(path, reason);
                None
            }
        }
    }

    pub(super) fn has_mistakes(&self) -> bool {
        !self.mistakes.is_empty()
    }

    pub(super) fn into_mistakes(self, file: &Path) -> Mistakes {
        Mistakes::new(file, self.mistakes)
    }

    /// Whether a key stands in the file.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        let mut tree = self.tree;
        path.steps().iter().all(|step| child(tree, step).map(|(next, _)| tree = next).is_some())
    }

    /// Where a value begins; of a map or a list, and of what is not there, the key that leads to it.
    pub(super) fn place(&self, path: &KeyPath) -> Place {
        let (mut tree, mut place) = (self.tree, self.tree.place);
        for step in path.steps() {
            let Some(next) = child(tree, step) else { return place };
            (tree, place) = next;
        }
        match tree.content {
            Content::Map(_) | Content::List(_) | Content::Null => place,
            Content::Bool(..) | Content::Number(..) | Content::Text { .. } => tree.place,
        }
    }
}

fn child<'t>(tree: &'t Tree, step: &Step) -> Option<(&'t Tree, Place)> {
    match (step, &tree.content) {
        (Step::Key(key), Content::Map(entries)) => {
            entries.iter().find(|entry| entry.key == *key).map(|entry| (&entry.value, entry.place))
        }
        (Step::Index(index), Content::List(items)) => items.get(*index).map(|item| (item, item.place)),
        (Step::Key(_) | Step::Index(_), _) => None,
    }
}
