//! How two streams of Kubernetes objects differ, field by field.

use serde_json::{Map, Value};

use crate::cluster::parse_documents;
use crate::engine::change::{FieldChange, Shown};
use crate::inventory::masked_value;

/// A longer value is shortened.
const LONGEST: usize = 60;

/// Objects that come, objects that go, and the fields that differ. Values that may be secret are hidden. `None` when one
/// of the two is no YAML.
pub fn differences(was: &str, is: &str) -> Option<Vec<FieldChange>> {
    let (was, is) = (objects(was)?, objects(is)?);
    let mut found = Vec::new();
    for (name, wanted) in &is {
        match was.iter().find(|(there, _)| there == name) {
            None => found.push(FieldChange::Comes { object: name.clone() }),
            Some((_, there)) => {
                let mut fields = Vec::new();
                compare("", &Maskable::of(there), &Maskable::of(wanted), &mut fields);
                let differs = |(path, from, to)| FieldChange::Differs { object: name.clone(), path, from, to };
                found.extend(fields.into_iter().map(differs));
            }
        }
    }
    let gone = was.iter().filter(|(there, _)| !is.iter().any(|(name, _)| name == there));
    found.extend(gone.map(|(name, _)| FieldChange::Goes { object: name.clone() }));
    Some(found)
}

/// The objects of the stream, each with its name.
fn objects(text: &str) -> Option<Vec<(String, Value)>> {
    let objects = parse_documents(text).ok()?;
    Some(objects.into_iter().map(|object| (name(&object), object)).collect())
}

fn name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/metadata/namespace") {
        "" => format!("{} {}", text("/kind"), text("/metadata/name")),
        namespace => format!("{} {namespace}/{}", text("/kind"), text("/metadata/name")),
    }
}

type Fields = Map<String, Value>;
/// Its path, and what was and what shall be there.
type Field = (String, Shown, Shown);

/// A value, and the same as it may be shown.
struct Maskable<'a> {
    raw: &'a Value,
    masked: Value,
}

impl<'a> Maskable<'a> {
    fn of(raw: &'a Value) -> Maskable<'a> {
        Maskable { raw, masked: masked_value(raw) }
    }

    fn part(&self, raw: &'a Value, masked: Option<&Value>) -> Maskable<'a> {
        Maskable { raw, masked: masked.cloned().unwrap_or(Value::Null) }
    }

    fn fields(&self) -> Option<(&'a Fields, &Fields)> {
        self.raw.as_object().zip(self.masked.as_object())
    }

    /// The entries of a list whose entries all have a name of their own, by that name.
    fn named(&self) -> Option<Vec<(&'a str, Maskable<'a>)>> {
        let (raw, masked) = self.raw.as_array().zip(self.masked.as_array())?;
        let names: Vec<&str> = raw.iter().map(|one| one.get("name")?.as_str()).collect::<Option<_>>()?;
        let unique = names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
        let entries = names.into_iter().zip(raw).zip(masked);
        unique.then(|| entries.map(|((name, raw), masked)| (name, self.part(raw, Some(masked)))).collect())
    }

    fn text(&self) -> String {
        let text = match &self.masked {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match text.chars().count() > LONGEST || text.contains('\n') {
            true => format!("{}…", text.lines().next().unwrap_or_default().chars().take(LONGEST).collect::<String>()),
            false => text,
        }
    }
}

fn compare(path: &str, was: &Maskable<'_>, is: &Maskable<'_>, found: &mut Vec<Field>) {
    if was.raw == is.raw {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if let (Some((was_raw, was_masked)), Some((is_raw, is_masked))) = (was.fields(), is.fields()) {
        let before = was_raw.iter().map(|(key, raw)| (key.as_str(), was.part(raw, was_masked.get(key)))).collect();
        let after = is_raw.iter().map(|(key, raw)| (key.as_str(), is.part(raw, is_masked.get(key)))).collect();
        return entries(&below, before, after, found);
    }
    if let (Some(before), Some(after)) = (was.named(), is.named()) {
        return entries(&|name: &str| format!("{path}[{name}]"), before, after, found);
    }
    let (before, after) = (was.text(), is.text());
    found.push(match before == after {
        true => (path.to_owned(), Shown::Hidden, Shown::Hidden),
        false => (path.to_owned(), Shown::Text(before), Shown::Text(after)),
    });
}

fn entries(
    path: &dyn Fn(&str) -> String,
    was: Vec<(&str, Maskable<'_>)>,
    is: Vec<(&str, Maskable<'_>)>,
    found: &mut Vec<Field>,
) {
    for (key, wanted) in &is {
        match was.iter().find(|(there, _)| there == key) {
            Some((_, there)) => compare(&path(key), there, wanted, found),
            None => found.push((path(key), Shown::Absent, Shown::Text(wanted.text()))),
        }
    }
    let gone = was.iter().filter(|(there, _)| !is.iter().any(|(key, _)| key == there));
    found.extend(gone.map(|(key, there)| (path(key), Shown::Text(there.text()), Shown::Absent)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(was: &str, is: &str) -> Option<Vec<String>> {
        let words = |one: &FieldChange| one.to_string().trim_start_matches("addon ").to_owned();
        differences(was, is).map(|found| found.iter().map(words).collect())
    }

    const DEPLOYMENT: &str = "
kind: Deployment
metadata: {name: rancher, namespace: cattle-system}
spec:
  replicas: 3
  template: {spec: {containers: [{name: rancher, image: 'rancher:v1', env: [{name: A, value: '1'}, {name: MY_TOKEN, value: old}]}]}}
";

    #[test]
    fn each_field_is_a_line_of_its_own() {
        let wanted = DEPLOYMENT.replace("replicas: 3", "replicas: 5").replace("rancher:v1", "rancher:v2");
        let wanted =
            wanted.replace("{name: A, value: '1'}", "{name: B, value: '2'}").replace("value: old", "value: new");
        let found = told(DEPLOYMENT, &format!("# a comment\n{wanted}---\nkind: Namespace\nmetadata: {{name: x}}\n"));
        let place = "~ Deployment cattle-system/rancher spec";
        let container = format!("{place}.template.spec.containers[rancher]");
        let expected = [
            format!("{place}.replicas: 3 -> 5"),
            format!("{container}.env[MY_TOKEN].value: another value"),
            format!("{container}.env[B]: (none) -> {{\"name\":\"B\",\"value\":\"2\"}}"),
            format!("{container}.env[A]: {{\"name\":\"A\",\"value\":\"1\"}} -> (none)"),
            format!("{container}.image: rancher:v1 -> rancher:v2"),
            "+ Namespace x".into(),
        ];
        let (mut found, mut expected) = (found.unwrap(), expected.to_vec());
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_object_that_goes_is_said_and_no_secret_is_shown() {
        let secret = |value: &str| format!("kind: Secret\nmetadata: {{name: s}}\nstringData: {{k: {value}}}\n");
        assert_eq!(told(&secret("canary1"), ""), Some(vec!["- Secret s".into()]));
        let said = told(&secret("canary1"), &secret("canary2")).unwrap();
        assert_eq!(said, ["~ Secret s stringData.k: another value"]);
        assert_eq!(told("a: [", ""), None);
        assert_eq!(told(DEPLOYMENT, DEPLOYMENT), Some(vec![]));
    }

    #[test]
    fn a_long_value_is_shortened() {
        let map = |value: &str| format!("kind: ConfigMap\nmetadata: {{name: m}}\ndata: {{k: '{value}'}}\n");
        let said = told(&map("short"), &map(&"x".repeat(200))).unwrap();
        assert_eq!(said, [format!("~ ConfigMap m data.k: short -> {}…", "x".repeat(LONGEST))]);
    }
}
