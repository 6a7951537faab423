//! Single values compared with the schema; what does not fit becomes a mistake.

use serde_json::Value;

use super::judge::Judge;
use super::path::KeyPath;
use super::suggest::nearest;
use super::tree::{Content, Tree};
use super::wrong::{quoted, wanted, wrong};

pub(super) fn text(tree: &Tree, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    match &tree.content {
        Content::Text { text, .. } if text.contains("-----BEGIN") => {
            judge.broken_at(tree.place, path, "holds a PEM block; put it into a file and give the file's path");
            None
        }
        Content::Text { text, .. } => Some(Value::String(text.clone())),
        // As it was written: 2.10 is not 2.1.
        Content::Number(_, written) | Content::Bool(_, written) => Some(Value::String(written.clone())),
        Content::Null | Content::List(_) | Content::Map(_) => wrong(tree, "text", path, judge),
    }
}

pub(super) fn word(tree: &Tree, words: &[&str], schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let allowed = words.join(", ");
    let seen = match &tree.content {
        Content::Text { text, .. } => text,
        Content::Number(_, written) | Content::Bool(_, written) => written,
        Content::Null | Content::List(_) | Content::Map(_) => {
            return wrong(tree, &format!("one of {allowed}"), path, judge);
        }
    };
    if words.contains(&seen.as_str()) {
        return Some(Value::String(seen.clone()));
    }
    let what = schema.get("title").and_then(Value::as_str).unwrap_or("allowed here");
    let near = nearest(seen, words).map(|word| format!(" (did you mean {word:?}?)")).unwrap_or_default();
    judge.broken_at(tree.place, path, format!("{} is not {what}; allowed: {allowed}{near}", quoted(seen)));
    None
}

/// Certificates may stand in the file itself; a private key never.
pub(super) fn text_or_pem(tree: &Tree, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    match &tree.content {
        Content::Text { text, .. } if text.contains("PRIVATE KEY") => {
            judge.broken_at(tree.place, path, "holds a private key; wanted: certificates only");
            None
        }
        Content::Text { text, .. } if text.contains("-----BEGIN CERTIFICATE-----") => Some(Value::String(text.clone())),
        Content::Text { .. }
        | Content::Number(..)
        | Content::Bool(..)
        | Content::Null
        | Content::List(_)
        | Content::Map(_) => text(tree, path, judge),
    }
}

/// `2` or `25%`; which of the two it is has to stay.
pub(super) fn count_or_share(tree: &Tree, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    match &tree.content {
        Content::Number(number, _)
            if number.as_i64().is_some_and(|count| (0..=i64::from(i32::MAX)).contains(&count)) =>
        {
            Some(Value::Number(number.clone()))
        }
        Content::Text { text, .. } if is_share(text) => Some(Value::String(text.clone())),
        Content::Text { .. }
        | Content::Number(..)
        | Content::Bool(..)
        | Content::Null
        | Content::List(_)
        | Content::Map(_) => wrong(tree, "a whole number, or a share such as 25%", path, judge),
    }
}

fn is_share(text: &str) -> bool {
    text.strip_suffix('%')
        .is_some_and(|number| (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn number(tree: &Tree, schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let least = schema.get("minimum").and_then(Value::as_f64);
    match &tree.content {
        Content::Number(number, _) if number.as_f64().is_some_and(|seen| least.is_none_or(|least| seen >= least)) => {
            Some(Value::Number(number.clone()))
        }
        Content::Number(..)
        | Content::Text { .. }
        | Content::Bool(..)
        | Content::Null
        | Content::List(_)
        | Content::Map(_) => wrong(tree, &wanted(schema), path, judge),
    }
}

pub(super) fn whole(tree: &Tree, schema: &Value, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let range = |key| schema.get(key).and_then(Value::as_i64);
    if let Content::Number(number, _) = &tree.content
        && let Some(whole) = number.as_i64()
        && range("minimum").is_none_or(|minimum| whole >= minimum)
        && range("maximum").is_none_or(|maximum| whole <= maximum)
    {
        return Some(Value::from(whole));
    }
    wrong(tree, &wanted(schema), path, judge)
}

pub(super) fn flag(tree: &Tree, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    match &tree.content {
        Content::Bool(value, _) => Some(Value::Bool(*value)),
        Content::Null | Content::Number(..) | Content::Text { .. } | Content::List(_) | Content::Map(_) => {
            wrong(tree, "true or false", path, judge)
        }
    }
}
