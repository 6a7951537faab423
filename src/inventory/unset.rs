//! Keys of cluster.yml that stand there and say nothing, as `rke config` writes them.

use serde_json::Value;

use super::path::KeyPath;
use super::tree::{Content, Entry, Tree};

/// null, "", [], {}, and 0 where rke takes it for none. Beside `engine.rke.cluster`, an empty value is a mistake.
pub(super) fn is_unset(entry: &Entry, schema: &Value, above: &KeyPath) -> bool {
    above.starts_with(&KeyPath::from("engine.rke.cluster")) && says_nothing(&entry.value, schema)
}

fn says_nothing(tree: &Tree, schema: &Value) -> bool {
    let refused = schema.get("not").is_some();
    match &tree.content {
        Content::Null => true,
        Content::Text { text, .. } => text.is_empty(),
        Content::List(items) => items.is_empty(),
        Content::Bool(value, _) => refused && !value,
        Content::Number(number, _) => {
            let zero_is_none = refused || schema.get("default") == Some(&Value::from(0));
            zero_is_none && number.as_f64() == Some(0.0)
        }
        // In a map of free keys (extra_args) an empty value is a value.
        Content::Map(entries) => {
            let known = schema.get("properties");
            let of = |key: &str| if refused { Some(schema) } else { known.and_then(|known| known.get(key)) };
            schema.get("minProperties").is_none()
                && entries.iter().all(|entry| of(&entry.key).is_some_and(|of| says_nothing(&entry.value, of)))
        }
    }
}
