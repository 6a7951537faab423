//! What a value of cluster.yml can be, as JSON Schema.

use serde_json::{Map, Value, json};

pub(in crate::inventory) type Keys = Vec<(&'static str, Value)>;

/// What the inventory's reader lets through although it is PEM.
pub(in crate::inventory) const PEM: &str = "application/x-pem-file";

pub(in crate::inventory) fn map(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties(keys)})
}

/// The same with other keys allowed beside these.
pub(in crate::inventory) fn open(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    json!({"type": "object", "additionalProperties": true, "properties": properties(keys)})
}

fn properties(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    keys.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// A map in which none of these may be missing.
pub(super) fn requiring(keys: &[&str], mut map: Value) -> Value {
    map["required"] = json!(keys);
    map
}

/// A map that means something when it is empty, too.
pub(super) fn even_empty(mut map: Value) -> Value {
    map["minProperties"] = json!(0);
    map
}

pub(super) fn described(description: &str, mut schema: Value) -> Value {
    schema["description"] = json!(description);
    schema
}

pub(in crate::inventory) fn text() -> Value {
    json!({"type": "string"})
}

/// Certificates as text, or the path of a file with them.
pub(super) fn pem() -> Value {
    json!({"type": "string", "contentMediaType": PEM})
}

/// Any number from 0 on; 0 is a value as any other.
pub(super) fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A number whose 0 is, for rke, the same as none.
pub(super) fn whole_or_unset() -> Value {
    json!({"type": "integer", "minimum": 0, "default": 0})
}

/// A Go int32.
pub(super) fn small() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": i32::MAX})
}

pub(super) fn port() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": u16::MAX, "default": 0})
}

pub(super) fn number() -> Value {
    json!({"type": "number", "minimum": 0})
}

pub(in crate::inventory) fn flag() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn free() -> Value {
    json!({"type": "object", "additionalProperties": true})
}

pub(in crate::inventory) fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

pub(in crate::inventory) fn texts() -> Value {
    list(text())
}

pub(super) fn map_of(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

pub(in crate::inventory) fn text_map() -> Value {
    map_of(text())
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// A closed choice with its name for messages: `"x" is not TITLE; allowed: …`.
pub(super) fn one_of_called(title: &str, words: &[&str]) -> Value {
    json!({"type": "string", "enum": words, "title": title})
}

/// A key that is known, but not to be set here.
pub(in crate::inventory) fn refused(reason: &str) -> Value {
    json!({"not": {}, "description": reason})
}
