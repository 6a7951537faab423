//! The file as a tree in which every key and every value knows its place.
//!
//! serde-saphyr resolves anchors, aliases and merge keys and keeps its budget; what is kept here is what a message
//! needs: where something stands, and how it was written.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_yaml::options::DuplicateKeyPolicy;
use serde_yaml::{Error as YamlError, Location, MessageFormatter, Spanned, UserMessageFormatter};

/// A place in the file; both count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

impl Place {
    pub(super) const START: Place = Place { line: 1, column: 1 };

    fn of(location: Location) -> Option<Place> {
        (location.line() > 0).then(|| Place { line: location.line(), column: location.column() })
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub place: Place,
    pub content: Content,
}

/// What a value is, after YAML's own rules for plain words were applied (YAML 1.2: `yes` is a word, not a truth).
#[derive(Debug, Clone)]
pub(super) enum Content {
    Null,
    /// With the word that stands in the file.
    Bool(bool, String),
    /// With the digits that stand in the file: `2.10` is not `2.1`.
    Number(Number, String),
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// A key with its value, in the order of the file; a key that stands twice is here twice.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Tree,
}

/// Why a text is no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoTree {
    pub place: Place,
    pub message: String,
}

impl Tree {
    /// Reads one YAML document; `Null` for an empty one.
    pub(super) fn read(text: &str) -> Result<Tree, NoTree> {
        if text.trim_start_matches('\u{feff}').trim().is_empty() {
            return Ok(Tree { place: Place::START, content: Content::Null });
        }
        // An inventory is small: limits that no real one comes near. A level of nesting takes about 45 kB of stack in a
        // debug build (measured), and a thread has 2 MiB.
        let options = serde_yaml::options! {
            budget: serde_yaml::budget! {
                max_depth: 24,
                max_nodes: 50_000,
                max_anchors: 200,
                max_aliases: 2_000,
                max_documents: 2,
            },
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            strict_booleans: true,
            underscored_numbers_as_strings: true,
            leading_zero_numbers_as_strings: true,
            non_finite_float_policy: serde_yaml::options::NonFiniteFloatPolicy::AsString,
            with_snippet: false,
        };
        let spanned: Spanned<Bare> =
            serde_yaml::from_str_with_options(text, options).map_err(|error| NoTree::from_yaml(&error))?;
        Ok(Tree::from_bare(spanned, text))
    }

    fn from_bare(spanned: Spanned<Bare>, text: &str) -> Tree {
        let place = Place::of(spanned.defined).or(Place::of(spanned.referenced)).unwrap_or(Place::START);
        let written = || source(spanned.defined, text);
        let content = match spanned.value {
            Bare::Null => Content::Null,
            Bare::Bool(value) => Content::Bool(value, written().unwrap_or_else(|| value.to_string())),
            Bare::Number(value) => {
                let written = written().unwrap_or_else(|| value.to_string());
                Content::Number(value, written)
            }
            Bare::Text(value) => {
                let plain = written().is_some_and(|written| written == value);
                Content::Text { text: value, plain }
            }
            Bare::List(items) => Content::List(items.into_iter().map(|item| Tree::from_bare(item, text)).collect()),
            Bare::Map(entries) => {
                Content::Map(entries.into_iter().map(|(key, value)| entry(key, value, text)).collect())
            }
        };
        Tree { place, content }
    }
}

fn entry(key: Spanned<String>, value: Spanned<Bare>, text: &str) -> Entry {
    let place = Place::of(key.defined).or(Place::of(key.referenced)).unwrap_or(Place::START);
    Entry { key: key.value, place, value: Tree::from_bare(value, text) }
}

/// The text of the file between two offsets, without the blanks that a span may carry.
fn source(location: Location, text: &str) -> Option<String> {
    let (start, length) = location.span().byte_offset().zip(location.span().byte_len())?;
    let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    Some(text.get(start..start.checked_add(length)?)?.trim().to_owned())
}

const TOO_MUCH: &str = "too much for a file like this: too many values, anchors or aliases, or nested too deeply";

impl NoTree {
    fn from_yaml(error: &YamlError) -> NoTree {
        let error = error.without_snippet();
        let place = error.location().and_then(Place::of).unwrap_or(Place::START);
        let message = match error {
            YamlError::MultipleDocuments { .. } => "a second document begins here; one file is one document".to_owned(),
            YamlError::UnknownAnchor { .. } => "this alias names an anchor that is not there".to_owned(),
            YamlError::Budget { .. }
            | YamlError::AliasReplayLimitExceeded { .. }
            | YamlError::AliasExpansionLimitExceeded { .. }
            | YamlError::AliasReplayStackDepthExceeded { .. } => TOO_MUCH.to_owned(),
            other => plainly(&UserMessageFormatter.format_message(other)),
        };
        NoTree { place, message }
    }
}

/// The parser's own words, where others help more.
fn plainly(message: &str) -> String {
    if message.contains("recursion limit") || message.contains("too complex") {
        TOO_MUCH.to_owned()
    } else if message.contains("tabs disallowed") {
        "a tab indents this line; YAML wants spaces".to_owned()
    } else if message.contains("illegal placement of ':'") {
        format!("not YAML: {message}; perhaps a bracket or a quote further up is not closed")
    } else {
        format!("not YAML: {message}")
    }
}

/// A value as serde gives it, before its text is looked up.
enum Bare {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Bare>>),
    Map(Vec<(Spanned<String>, Spanned<Bare>)>),
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BareVisitor)
    }
}

struct BareVisitor;

impl<'de> Visitor<'de> for BareVisitor {
    type Value = Bare;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Bare, E> {
        Ok(Bare::Null)
    }

    fn visit_none<E>(self) -> Result<Bare, E> {
        Ok(Bare::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bare, D::Error> {
        Bare::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bare, E> {
        Ok(Bare::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bare, E> {
        Ok(Bare::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bare, E> {
        Ok(Bare::Number(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Bare, E> {
        Ok(Number::from_i128(value).map_or_else(|| Bare::Text(value.to_string()), Bare::Number))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Bare, E> {
        Ok(Number::from_u128(value).map_or_else(|| Bare::Text(value.to_string()), Bare::Number))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bare, E> {
        Ok(Number::from_f64(value).map_or_else(|| Bare::Text(value.to_string()), Bare::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Bare, E> {
        Ok(Bare::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bare, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Bare::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bare, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Bare::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<Entry> {
        match Tree::read(text).unwrap().content {
            Content::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_words_and_digits_keep_their_spelling() {
        let entries = entries("a: 2.10\nb: yes\nc: 'yes'\nd: 0755\ne: True\n");
        let nodes: Vec<_> = entries.into_iter().map(|entry| entry.value.content).collect();
        assert!(matches!(&nodes[0], Content::Number(_, written) if written == "2.10"), "{nodes:?}");
        assert!(matches!(&nodes[1], Content::Text { text, plain: true } if text == "yes"), "{nodes:?}");
        assert!(matches!(&nodes[2], Content::Text { text, plain: false } if text == "yes"), "{nodes:?}");
        assert!(matches!(&nodes[3], Content::Text { text, plain: true } if text == "0755"), "{nodes:?}");
        assert!(matches!(&nodes[4], Content::Bool(true, written) if written == "True"), "{nodes:?}");
    }

    #[test]
    fn a_byte_order_mark_and_dos_lines_change_no_place() {
        let entries = entries("\u{feff}a: 1\r\nb: 2\r\n");
        assert_eq!(entries[1].place, Place { line: 2, column: 1 });
        assert_eq!(entries[1].value.place, Place { line: 2, column: 4 });
    }

    #[test]
    fn a_key_that_stands_twice_is_there_twice() {
        let keys: Vec<_> = entries("a: 1\na: 2\n").into_iter().map(|entry| (entry.key, entry.place.line)).collect();
        assert_eq!(keys, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    }

    #[test]
    fn what_an_alias_brings_has_the_place_where_it_was_written() {
        let entries = entries("a: &x {p: 1}\nb: {<<: *x, q: 2}\n");
        let Content::Map(merged) = &entries[1].value.content else { panic!("{entries:?}") };
        let places: Vec<_> = merged.iter().map(|entry| (entry.key.as_str(), entry.place.line)).collect();
        assert_eq!(places, [("q", 2), ("p", 1)]);
    }

    #[test]
    fn nesting_and_bombs_end_as_errors() {
        let block: String = (0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        let flow = "[".repeat(5000);
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..9 {
            let alias = format!("*a{},", n - 1).repeat(9);
            bomb += &format!("a{n}: &a{n} [{}]\n", alias.trim_end_matches(','));
        }
        for text in [block, flow, bomb] {
            let error = Tree::read(&text).unwrap_err();
            assert!(error.message.contains("too "), "{error:?}");
        }
    }
}
