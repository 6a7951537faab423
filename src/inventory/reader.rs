//! Compares the tree with the schema: what fits becomes a JSON value for the raw types, what does not becomes a mistake
//! and is left out.

use serde_json::{Map, Value};

use super::judge::Judge;
use super::path::KeyPath;
use super::rke_keys::kinds::PEM;
use super::scalars::{count_or_share, flag, number, text, text_or_pem, whole, word};
use super::schema;
use super::suggest::nearest;
use super::tree::{Content, Entry, Tree};
use super::unset;
use super::wrong::{wanted, wrong};

/// Reads the whole file; a value that does not fit is missing in the result.
pub(super) fn read(tree: &Tree, judge: &mut Judge) -> Value {
    read_by(schema::shared(), tree, judge)
}

/// The same by another schema.
pub(super) fn read_by(schema: &Value, tree: &Tree, judge: &mut Judge) -> Value {
    value(tree, schema, &KeyPath::default(), judge).unwrap_or_else(|| Value::Object(Map::new()))
}

fn value(tree: &Tree, schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let schema = schema::resolve(schema);
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return match choices.iter().find(|choice| fits(tree, choice)) {
            Some(choice) => value(tree, choice, path, judge),
            None => wrong(tree, &choices.iter().map(wanted).collect::<Vec<_>>().join(", or "), path, judge),
        };
    }
    if let Some(words) = schema::words(schema) {
        return word(tree, &words, schema, path, judge);
    }
    if schema.get("type").is_some_and(Value::is_array) {
        return count_or_share(tree, path, judge);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if schema.get("contentMediaType").and_then(Value::as_str) == Some(PEM) => {
            text_or_pem(tree, path, judge)
        }
        Some("string") => text(tree, path, judge),
        Some("integer") => whole(tree, schema, path, judge),
        Some("number") => number(tree, schema, path, judge),
        Some("boolean") => flag(tree, path, judge),
        Some("array") => list(tree, schema, path, judge),
        Some("object") => map(tree, schema, path, judge),
        _ => free(tree, path, judge),
    }
}

fn fits(tree: &Tree, schema: &Value) -> bool {
    let kind = match &tree.content {
        Content::Text { .. } | Content::Number(..) | Content::Bool(..) => "string",
        Content::List(_) => "array",
        Content::Map(_) => "object",
        Content::Null => return false,
    };
    schema::resolve(schema).get("type").and_then(Value::as_str) == Some(kind)
}

fn map(tree: &Tree, schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let entries = match &tree.content {
        Content::Map(entries) => entries.as_slice(),
        Content::Null => &[],
        Content::Bool(..) | Content::Number(..) | Content::Text { .. } | Content::List(_) => {
            return wrong(tree, &wanted(schema), path, judge);
        }
    };
    let known = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties");
    let silent = |entry: &Entry| {
        known.and_then(|known| known.get(&entry.key)).is_some_and(|of| unset::is_unset(entry, of, path))
    };
    let mut result = Map::new();
    for (position, entry) in entries.iter().enumerate() {
        let path = path.key(&entry.key);
        if is_twice(&entries[..position], entry, &path, judge) || silent(entry) {
            continue;
        }
        let read = match (known.and_then(|known| known.get(&entry.key)), others) {
            (Some(schema), _) if schema.get("not").is_some() => refused(entry, schema, &path, judge),
            (Some(schema), _) => value(&entry.value, schema, &path, judge),
            (None, Some(Value::Bool(false))) => unknown(entry, known, &path, judge),
            (None, Some(others @ Value::Object(_))) => value(&entry.value, others, &path, judge),
            (None, _) => free(&entry.value, &path, judge),
        };
        if let Some(read) = read {
            result.insert(entry.key.clone(), read);
        }
    }
    let given: Vec<&str> = entries.iter().filter(|entry| !silent(entry)).map(|entry| entry.key.as_str()).collect();
    missing(schema, &given, path, judge);
    Some(Value::Object(result))
}

fn is_twice(earlier: &[Entry], entry: &Entry, path: &KeyPath, judge: &mut Judge) -> bool {
    let first = earlier.iter().find(|earlier| earlier.key == entry.key);
    if let Some(first) = first {
        let message = format!("stands here a second time; the first is in line {}, keep one", first.place.line);
        judge.broken_at(entry.place, path, message);
    }
    first.is_some()
}

fn refused(entry: &Entry, schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let reason = schema.get("description").and_then(Value::as_str).unwrap_or("it is set elsewhere");
    judge.broken_at(entry.place, path, format!("cannot be set here: {reason}"));
    None
}

fn unknown(entry: &Entry, known: Option<&Map<String, Value>>, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let names: Vec<&str> = known
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema.get("not").is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let allowed = format!("allowed: {}", names.join(", "));
    let message = match (nearest(&entry.key, &names), judge.known_elsewhere(&entry.key, path)) {
        (Some(name), _) => {
            judge.meant(path.sibling(name));
            // RKE's many keys would hide the one that was meant.
            let allowed = if names.len() > 12 { String::new() } else { format!(" {allowed}") };
            format!("there is no such key; did you mean {name:?}?{allowed}")
        }
        (None, Some(place)) => {
            judge.meant(KeyPath::from(place.as_str()).key(&entry.key));
            format!("there is no such key here; it belongs under {place}")
        }
        (None, None) => format!("there is no such key; {allowed}"),
    };
    judge.broken_at(entry.place, path, message);
    None
}

fn missing(schema: &Value, given: &[&str], path: &KeyPath, judge: &mut Judge) {
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let inner = path.key(key);
        if given.contains(&key) || judge.is_broken(&inner) {
            continue;
        }
        let known = schema.get("properties").and_then(|known| known.get(key));
        let meaning = known.and_then(|schema| schema.get("description")).and_then(Value::as_str).map(decapitalised);
        let allowed =
            known.map(|schema| schema::words(schema::resolve(schema)).unwrap_or_default()).unwrap_or_default();
        let message = match (meaning, allowed.is_empty()) {
            (Some(meaning), _) => format!("is missing: {meaning}"),
            (None, false) => format!("is missing; allowed: {}", allowed.join(", ")),
            (None, true) => "is missing".to_owned(),
        };
        judge.broken_at(judge.place(path), &inner, message);
    }
}

fn list(tree: &Tree, schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let items = match &tree.content {
        Content::List(items) => items.as_slice(),
        Content::Null => &[],
        Content::Bool(..) | Content::Number(..) | Content::Text { .. } | Content::Map(_) => {
            return wrong(tree, &wanted(schema), path, judge);
        }
    };
    let of = schema.get("items").unwrap_or(&Value::Bool(true));
    // Null for what was not understood: the others keep their positions.
    let read = items.iter().enumerate().map(|(index, item)| value(item, of, &path.index(index), judge));
    Some(Value::Array(read.map(|item| item.unwrap_or(Value::Null)).collect()))
}

/// A value that goes on as it stands, to helm or rke. Words that YAML 1.1, which those read, takes for something else are
/// refused rather than guessed; so are private keys.
fn free(tree: &Tree, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    match &tree.content {
        Content::Null => Some(Value::Null),
        Content::Bool(value, _) => Some(Value::Bool(*value)),
        Content::Number(number, _) => Some(Value::Number(number.clone())),
        Content::Text { text, .. } if text.contains("PRIVATE KEY-----") => {
            judge.broken_at(tree.place, path, "holds a private key; an inventory is readable, keep the key elsewhere");
            None
        }
        Content::Text { text, plain: true } if is_ambiguous(text) => {
            let message = format!(
                "{text} is read in different ways by different programs; write \"{text}\" for the text, or true, \
                    false or a plain number"
            );
            judge.broken_at(tree.place, path, message);
            None
        }
        Content::Text { text, .. } => Some(Value::String(text.clone())),
        Content::List(items) => {
            let read = items.iter().enumerate().filter_map(|(index, item)| free(item, &path.index(index), judge));
            Some(Value::Array(read.collect()))
        }
        Content::Map(entries) => {
            let mut result = Map::new();
            for (position, entry) in entries.iter().enumerate() {
                let path = path.key(&entry.key);
                if !is_twice(&entries[..position], entry, &path, judge)
                    && let Some(value) = free(&entry.value, &path, judge)
                {
                    result.insert(entry.key.clone(), value);
                }
            }
            Some(Value::Object(result))
        }
    }
}

/// `yes`, `off`, `0755`, `1_000`: YAML 1.1 has them for truths and numbers, YAML 1.2 for text.
fn is_ambiguous(text: &str) -> bool {
    const TRUTHS: [&str; 6] = ["y", "yes", "on", "n", "no", "off"];
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    TRUTHS.contains(&text.to_ascii_lowercase().as_str())
        || (digits.len() > 1
            && digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '_'))
}

fn decapitalised(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut rest = sentence.chars();
    // A name (IP, TCP, Rancher) keeps its capital.
    let is_word = sentence
        .split(' ')
        .next()
        .is_some_and(|word| word != "Rancher" && word.chars().skip(1).all(char::is_lowercase));
    match rest.next() {
        Some(first) if is_word => first.to_lowercase().chain(rest).collect(),
        _ => sentence.to_owned(),
    }
}
