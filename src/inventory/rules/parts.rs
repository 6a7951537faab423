//! What several rules read: lists of which some items were not understood, and where a tool comes from.

use crate::inventory::judge::Judge;
use crate::inventory::model::Tool;
use crate::inventory::path::KeyPath;
use crate::inventory::raw::Items;
use crate::inventory::syntax;

/// `search`, `download` or a path.
pub(super) fn tool(text: Option<&str>, path: &KeyPath, judge: &mut Judge) -> Tool {
    let Some(text) = text else { return Tool::Search };
    syntax::tool_word(text).unwrap_or_else(|| Tool::Path(judge.file(path, Some(text)).unwrap_or_default()))
}

/// The items of a list that were understood, each with its position.
pub(super) fn items<T>(list: &Items<T>) -> impl Iterator<Item = (usize, &T)> {
    list.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_ref()?)))
}
