//! Who wrote a field, as the API keeps it in `metadata.managedFields` (kubernetes.io: server-side apply, field management).

use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::{self, Difference, Part};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    /// `kubectl-edit`, `helm`, `docker`…
    pub manager: String,
    /// The API's `Update` or `Apply`; of others, what they did.
    pub operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// How it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "as", rename_all = "kebab-case")]
pub enum By {
    /// The field is theirs.
    Owner(Author),
    /// The field is nobody's any more; they wrote the object last.
    LastWriter(Author),
}

/// Controllers of Kubernetes and cert-manager, which fill in what is theirs.
const CONTROLLERS: [&str; 6] =
    ["kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cainjector", "cert-manager-cainjector"];

/// Entries of the object itself, not of its status.
fn entries(metadata: &Value) -> impl Iterator<Item = &Value> {
    let all = metadata.get("managedFields").and_then(Value::as_array).into_iter().flatten();
    all.filter(|entry| entry.get("subresource").and_then(Value::as_str) != Some("status"))
}

fn manager(entry: &Value) -> &str {
    entry.get("manager").and_then(Value::as_str).unwrap_or_default()
}

fn author(entry: &Value) -> Author {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let operation = text("operation").unwrap_or_default();
    let operation = match text("subresource").filter(|one| !one.is_empty()) {
        Some(subresource) => format!("{operation} of {subresource}"),
        None => operation,
    };
    Author { manager: manager(entry).to_owned(), operation, time: text("time") }
}

/// Who owns the field, the newest first.
pub fn owners(metadata: &Value, path: &[Part]) -> Vec<Author> {
    let owns = |entry: &&Value| entry.get("fieldsV1").is_some_and(|tree| owns(tree, path));
    let mut found: Vec<Author> = entries(metadata).filter(owns).map(author).collect();
    found.sort_by(|a, b| b.time.cmp(&a.time));
    found
}

/// Who made the field what it is: of its owners the newest that is not of `ours`, else of ours; where nobody owns it, whoever
/// else wrote the object last.
pub fn who(metadata: &Value, path: &[Part], ours: &[&str]) -> Option<By> {
    let owners = owners(metadata, path);
    let foreign = |one: &&Author| !ours.contains(&one.manager.as_str());
    if let Some(owner) = owners.iter().find(foreign).or(owners.first()) {
        return Some(By::Owner(owner.clone()));
    }
    let all = entries(metadata).map(author);
    let others = all.filter(|one| !ours.contains(&one.manager.as_str()) && !is_controller(&one.manager));
    others.max_by(|a, b| a.time.cmp(&b.time)).map(By::LastWriter)
}

fn is_controller(manager: &str) -> bool {
    CONTROLLERS.contains(&manager)
}

/// Whether the tree of an entry has the path in it; a leaf owns all below it.
fn owns(tree: &Value, path: &[Part]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let Some(children) = tree.as_object() else { return false };
    children.is_empty() || child(children, first).is_some_and(|below| owns(below, rest))
}

fn child<'a>(children: &'a Map<String, Value>, part: &Part) -> Option<&'a Value> {
    match part {
        Part::Field(name) => children.get(&format!("f:{name}")),
        Part::Item { item, label } => {
            let found = children.iter().find(|(key, _)| names(key, item, label));
            found.map(|(_, below)| below)
        }
    }
}

/// Whether a key of an entry means this item of a list: `k:{"name":"a"}` by its keys, `v:"a"` by its value, `i:0` by its place.
fn names(key: &str, item: &Value, label: &str) -> bool {
    match key.split_once(':') {
        Some(("k", keys)) => serde_json::from_str::<Map<String, Value>>(keys).is_ok_and(|keys| bears(item, &keys)),
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        Some(("i", index)) => index == label,
        _ => false,
    }
}

/// Whether the item bears these keys; one that it lacks has the API's default.
fn bears(item: &Value, keys: &Map<String, Value>) -> bool {
    item.is_object() && keys.iter().all(|(key, value)| item.get(key).is_none_or(|own| own == value))
}

/// What others than `ours` put beside what was applied: `applied` is the manifest, `seen` the object as it is.
pub fn additions(applied: &Value, seen: &Value, ours: &[&str]) -> Vec<(Difference, Author)> {
    let metadata = seen.get("metadata").unwrap_or(&Value::Null);
    let mut found: Vec<(Difference, Author)> = Vec::new();
    let strangers = entries(metadata).filter(|one| !ours.contains(&manager(one)) && !is_controller(manager(one)));
    for entry in strangers {
        let Some(tree) = entry.get("fieldsV1") else { continue };
        let mut paths = Vec::new();
        added(tree, (Some(applied), Some(seen)), &mut Vec::new(), &mut paths);
        for difference in paths {
            if !found.iter().any(|(known, _)| known.path == difference.path) {
                found.push((difference, author(entry)));
            }
        }
    }
    found
}

fn added(
    tree: &Value,
    (applied, seen): (Option<&Value>, Option<&Value>),
    path: &mut Vec<Part>,
    found: &mut Vec<Difference>,
) {
    for (key, below) in tree.as_object().into_iter().flatten() {
        let Some((part, applied, seen)) = step(key, applied, seen) else { continue };
        path.push(part);
        match (applied, seen) {
            (_, None) => {}
            (None, Some(value)) => {
                found.push(Difference { path: path.clone(), applied: None, seen: Some(value.clone()) })
            }
            (Some(applied), Some(seen)) => added(below, (Some(applied), Some(seen)), path, found),
        }
        path.pop();
    }
}

type Below<'a> = (Part, Option<&'a Value>, Option<&'a Value>);

fn step<'a>(key: &str, applied: Option<&'a Value>, seen: Option<&'a Value>) -> Option<Below<'a>> {
    if let Some(name) = key.strip_prefix("f:") {
        let of = |value: Option<&'a Value>| value?.get(name).filter(|value| !value.is_null());
        return Some((Part::Field(name.into()), of(applied), of(seen)));
    }
    let item = |value: Option<&'a Value>| {
        value?.as_array()?.iter().enumerate().find(|(index, item)| names(key, item, &index.to_string()))
    };
    let (index, there) = item(seen)?;
    let named = key.strip_prefix("k:").and_then(|keys| serde_json::from_str::<Map<String, Value>>(keys).ok());
    let keys: Vec<String> = named.into_iter().flatten().map(|(key, _)| key).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let label = fields::label(&keys, there);
    let label = if label.is_empty() { index.to_string() } else { label };
    Some((Part::Item { label, item: there.clone() }, item(applied).map(|(_, one)| one), Some(there)))
}

#[cfg(test)]
#[path = "authors_tests.rs"]
mod tests;
