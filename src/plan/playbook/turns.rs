//! Which nodes are meant, and nodes that take turns: each goes through the same items.

use super::items::{Item, Selector, Turn};
use super::raw::{RawItemMap, RawSelector, RawTurns};
use super::rules::Reading;
use crate::inventory::{KeyPath, Node, nearest};

/// The node whose turn it is.
const THIS: &str = "this";

impl Reading<'_, '_> {
    /// The items for the first node, then for the next one.
    pub(super) fn turns(&mut self, raw: RawTurns) -> Vec<Item> {
        let path = self.path.key("turns");
        let (line, listed) = (self.document.place(&path).line, path.key("items"));
        let on = self.selector(raw.on, &path.key("on"));
        if raw.items.is_empty() && !self.document.is_broken(&listed) {
            self.document.mistake(&listed, "is empty; say what is done with each node");
        }
        let mut of_one: Vec<Item> = Vec::new();
        for (index, raw) in raw.items.into_iter().enumerate() {
            let path = listed.index(index);
            let place = self.document.place(&path);
            let mut reading = Reading { path, nodes: self.nodes, this: true, document: &mut *self.document };
            let read = raw.and_then(|raw| reading.map(RawItemMap::from(raw)));
            of_one.extend(read.map(|(always, doing)| Item { place, always, turn: None, doing }));
        }
        let of = |node: &String| {
            let turn = Turn { line, node: node.clone() };
            let own = of_one.iter().cloned();
            own.map(|item| Item { doing: item.doing.on_node(node), turn: Some(turn.clone()), ..item })
                .collect::<Vec<_>>()
        };
        on.into_iter().flat_map(|on| on.nodes).flat_map(|node| of(&node)).collect()
    }

    pub(super) fn selector(&mut self, raw: Option<RawSelector>, path: &KeyPath) -> Option<Selector> {
        let RawSelector { words, list } = raw?;
        if self.this {
            return self.this_one(&words, path);
        }
        let place = |index: usize| if list { path.index(index) } else { path.clone() };
        let mut each = false;
        let mut chosen = vec![false; self.nodes.len()];
        let mut wrong = words.is_empty();
        let only_each = words.iter().all(|word| word.as_deref() == Some("each"));
        for (index, word) in words.iter().enumerate() {
            let Some(word) = word.as_deref() else {
                wrong = true;
                continue;
            };
            each |= word == "each";
            let fits: Vec<bool> = self.nodes.iter().map(|node| is_meant(node, word, only_each)).collect();
            if word != "each" && !fits.contains(&true) {
                wrong = true;
                let message = self.unknown(word);
                self.document.mistake(&place(index), message);
            }
            chosen.iter_mut().zip(fits).for_each(|(chosen, fits)| *chosen |= fits);
        }
        if words.is_empty() && !self.document.is_broken(path) {
            self.document.mistake(path, "names no node; give names of nodes, roles, all, or each");
        }
        let nodes: Vec<String> =
            self.nodes.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(node, _)| node.name.clone()).collect();
        if nodes.is_empty() && !wrong {
            self.document.mistake(path, "means no node: the inventory has none");
        }
        (!wrong && !nodes.is_empty()).then_some(Selector { nodes, each })
    }

    /// In a turn, whatever is done is done on the node whose turn it is.
    fn this_one(&mut self, words: &[Option<String>], path: &KeyPath) -> Option<Selector> {
        if !matches!(words, [Some(word)] if word == THIS) {
            self.document.mistake(path, "has to be `this` within turns: the node whose turn it is");
            return None;
        }
        let nodes = self.nodes.iter().take(1).map(|node| node.name.clone()).collect();
        Some(Selector { nodes, each: true })
    }

    fn unknown(&self, word: &str) -> String {
        if word == THIS {
            return "`this` is the node whose turn it is, and there are no turns here; name the nodes".into();
        }
        let names: Vec<&str> = self
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .chain(["controlplane", "etcd", "worker", "all", "each"])
            .collect();
        let near = nearest(word, &names).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        if ROLES.contains(&word) || word == "all" {
            return format!("no node of the inventory is meant by {word}");
        }
        format!("there is no node {word:?} in the inventory{near} known: {}", names.join(", "))
    }
}

const ROLES: [&str; 3] = ["controlplane", "etcd", "worker"];

fn is_meant(node: &Node, word: &str, only_each: bool) -> bool {
    match word {
        "all" => true,
        "each" => only_each,
        "controlplane" => node.roles.controlplane,
        "etcd" => node.roles.etcd,
        "worker" => node.roles.worker,
        name => node.name == name,
    }
}
