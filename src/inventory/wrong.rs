//! How a value that is wrong is told: what stands there, and what is wanted.

use serde_json::Value;

use super::judge::Judge;
use super::path::KeyPath;
use super::schema;
use super::tree::{Content, Tree};

pub(super) fn wrong(tree: &Tree, wanted: &str, path: &KeyPath, judge: &mut Judge) -> Option<Value> {
    let message = match &tree.content {
        Content::Null => format!("has no value; wanted: {wanted}. Give one, or remove the key"),
        Content::List(_) => format!("a list stands here; wanted: {wanted}"),
        Content::Map(_) => format!("a map stands here; wanted: {wanted}"),
        Content::Bool(_, written) | Content::Number(_, written) => format!("{written} stands here; wanted: {wanted}"),
        Content::Text { text, .. } => format!("{} stands here; wanted: {wanted}", quoted(text)),
    };
    judge.broken_at(judge.place(path), path, message);
    None
}

/// What a schema wants, in a few words.
pub(super) fn wanted(schema: &Value) -> String {
    let schema = schema::resolve(schema);
    let keys =
        || schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str());
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "text".to_owned(),
        Some("number") => "a number, 0 or more".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("object") if keys().next().is_some() => format!("a map with {}", keys().collect::<Vec<_>>().join(", ")),
        Some("integer") => match (schema.get("minimum"), schema.get("maximum")) {
            (Some(minimum), Some(maximum)) => format!("a whole number from {minimum} to {maximum}"),
            (Some(minimum), None) => format!("a whole number, {minimum} or more"),
            (None, _) => "a whole number".to_owned(),
        },
        _ => "a map".to_owned(),
    }
}

/// A text of the file for a message: short, on one line, and never a secret in PEM.
pub(super) fn quoted(text: &str) -> String {
    const LIMIT: usize = 60;
    if text.contains("-----BEGIN") {
        return "a PEM block".to_owned();
    }
    if looks_random(text) {
        let first: String = text.chars().take(4).collect();
        return format!("\"{first}…\" ({} characters)", text.chars().count());
    }
    let masked = super::masked(text);
    let text = masked.as_str();
    let short: String = text.chars().take(LIMIT).collect();
    if short.len() < text.len() { format!("{:?}", short + "…") } else { format!("{text:?}") }
}

/// A key, a token, a password that a program made: long, without a space, of letters of both sizes and digits.
fn looks_random(text: &str) -> bool {
    const SHORTEST: usize = 20;
    let letters = |fits: fn(&char) -> bool| text.chars().any(|letter| fits(&letter));
    text.len() >= SHORTEST
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "+/=_-.:".contains(letter))
        && letters(char::is_ascii_uppercase)
        && letters(char::is_ascii_lowercase)
        && letters(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        let token = "kubeconfig-u-abcdeFGHIJ12345:x9";
        assert_eq!(quoted(token), "\"kube…\" (31 characters)");
        assert_eq!(quoted("http://me:CANARY@proxy"), "\"http://me:***@proxy\"");
        for harmless in ["rancher.example.com", "v1.32.2-rancher1-1", "Rancher at 10 o'clock, in Room 5", "RANCHER_2"] {
            assert_eq!(quoted(harmless), format!("{harmless:?}"));
        }
    }
}
