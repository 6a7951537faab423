//! Two values of one object, compared field by field. Items of a list are paired by what names them, as the API does.

use serde_json::Value;

/// A step into a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Field(String),
    /// An item of a list, with what names it.
    Item {
        label: String,
        item: Value,
    },
}

impl Part {
    pub fn label(&self) -> &str {
        match self {
            Part::Field(name) => name,
            Part::Item { label, .. } => label,
        }
    }
}

/// `spec.template.spec.containers[rancher].image`.
pub fn text(path: &[Part]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            Part::Field(name) if text.is_empty() => text += name,
            // A name with dots in it is one name.
            Part::Field(name) if name.contains(['.', '/']) => text += &format!("[{name}]"),
            Part::Field(name) => text += &format!(".{name}"),
            Part::Item { label, .. } => text += &format!("[{label}]"),
        }
    }
    text
}

/// A place at which two values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub path: Vec<Part>,
    pub applied: Option<Value>,
    pub seen: Option<Value>,
}

/// What names the items of a list (kubernetes: `x-kubernetes-list-map-keys`, and what is unique besides).
const NAMES: [&[&str]; 7] = [
    &["name"],
    &["mountPath"],
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["key", "effect"],
    &["topologyKey"],
    &["ip"],
];

/// Where the two differ; what is null is not there.
pub fn differences(applied: &Value, seen: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), Some(applied), Some(seen), &mut found);
    found
}

fn compare(path: &mut Vec<Part>, applied: Option<&Value>, seen: Option<&Value>, found: &mut Vec<Difference>) {
    let there = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    match (applied, seen) {
        (applied, seen) if !there(applied) && !there(seen) => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                path.push(Part::Field(key.clone()));
                compare(path, left.get(key), right.get(key), found);
                path.pop();
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => items(path, left, right, found),
        (applied, seen) if applied == seen => {}
        (applied, seen) => found.push(Difference {
            path: path.clone(),
            applied: applied.filter(|value| !value.is_null()).cloned(),
            seen: seen.filter(|value| !value.is_null()).cloned(),
        }),
    }
}

fn items(path: &mut Vec<Part>, left: &[Value], right: &[Value], found: &mut Vec<Difference>) {
    let mut at = |label: String, item: &Value, applied: Option<&Value>, seen: Option<&Value>| {
        path.push(Part::Item { label, item: item.clone() });
        compare(path, applied, seen, found);
        path.pop();
    };
    if let Some(names) = NAMES.iter().find(|names| name_all(names, left) && name_all(names, right)) {
        for item in left {
            let label = label(names, item);
            let twin = right.iter().find(|other| self::label(names, other) == label);
            at(label, item, Some(item), twin);
        }
        for item in right.iter().filter(|item| !left.iter().any(|other| label(names, other) == label(names, item))) {
            at(label(names, item), item, None, Some(item));
        }
    } else if left.len() == right.len() {
        for (index, (left, right)) in left.iter().zip(right).enumerate() {
            at(index.to_string(), right, Some(left), Some(right));
        }
    } else {
        found.push(Difference {
            path: path.clone(),
            applied: Some(Value::Array(left.to_vec())),
            seen: Some(Value::Array(right.to_vec())),
        });
    }
}

/// Whether each item has a name of its own.
fn name_all(names: &[&str], items: &[Value]) -> bool {
    let mut seen = Vec::new();
    items.iter().all(|item| {
        let label = label(names, item);
        let named = item.is_object() && !label.is_empty() && !seen.contains(&label);
        seen.push(label);
        named
    })
}

/// The item's name; empty where it lacks one.
pub fn label(names: &[&str], item: &Value) -> String {
    let words = names.iter().map(|name| match item.get(*name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    });
    words.collect::<Option<Vec<String>>>().unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(applied: Value, seen: Value) -> Vec<String> {
        let word = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
        let line = |one: &Difference| format!("{} {} {}", text(&one.path), word(&one.applied), word(&one.seen));
        differences(&applied, &seen).iter().map(line).collect()
    }

    #[test]
    fn each_difference_has_its_place() {
        for (applied, seen, expected) in [
            (json!({"a": 1}), json!({"a": 1}), vec![]),
            (json!({"a": null}), json!({}), vec![]),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 2}, "c": 3}), vec!["a.b 1 2", "c - 3"]),
            (json!({"labels": {"x.y/z": "1"}}), json!({"labels": {}}), vec!["labels[x.y/z] \"1\" -"]),
            (
                json!({"env": [{"name": "A", "value": "1"}, {"name": "B"}]}),
                json!({"env": [{"name": "B"}, {"name": "A", "value": "2"}, {"name": "C"}]}),
                vec!["env[A].value \"1\" \"2\"", "env[C] - {\"name\":\"C\"}"],
            ),
            (
                json!({"ports": [{"port": 80, "protocol": "TCP", "name": "a"}]}),
                json!({"ports": [{"port": 81, "protocol": "TCP", "name": "a"}]}),
                vec!["ports[a].port 80 81"],
            ),
            (
                json!({"ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]}),
                json!({"ports": [{"containerPort": 80, "protocol": "UDP"}]}),
                vec!["ports[80/TCP] {\"containerPort\":80,\"protocol\":\"TCP\"} -"],
            ),
            (json!({"args": ["a", "b"]}), json!({"args": ["a", "c"]}), vec!["args[1] \"b\" \"c\""]),
            (json!({"args": ["a"]}), json!({"args": ["a", "c"]}), vec!["args [\"a\"] [\"a\",\"c\"]"]),
            (json!({"a": [{"name": "x"}]}), json!({"a": [1]}), vec!["a[0] {\"name\":\"x\"} 1"]),
        ] {
            assert_eq!(told(applied.clone(), seen.clone()), expected, "{applied} {seen}");
        }
    }
}
