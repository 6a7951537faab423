//! Keys of cluster.yml by their names in dots, `private_registries[0].password`, and values put where they lead.

use serde_json::{Map, Value};

use super::Values;

/// One step of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyStep {
    Key(String),
    Index(usize),
}

/// Why a value has no place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FileKeyError {
    #[error("{0} is not a key of cluster.yml, such as private_registries[0].password")]
    NoKey(String),
    #[error("{0} leads into something that is neither a map nor a list of that length")]
    NoPlace(String),
}

/// `None` when it is no key: an empty part, a bracket without a number.
pub(super) fn key_steps(key: &str) -> Option<Vec<KeyStep>> {
    let mut steps = Vec::new();
    for part in key.split('.') {
        let (name, mut rest) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        if name.is_empty() {
            return None;
        }
        steps.push(KeyStep::Key(name.to_owned()));
        while !rest.is_empty() {
            let (index, behind) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(KeyStep::Index(index.parse().ok()?));
            rest = behind;
        }
    }
    Some(steps)
}

/// Puts a value where its key leads; maps on the way are made, lists are not made longer than by one.
///
/// # Errors
/// When the key is none, or leads into a text or past the end of a list.
pub fn put(root: &mut Values, key: &str, value: Value) -> Result<(), FileKeyError> {
    let steps = key_steps(key).ok_or_else(|| FileKeyError::NoKey(key.to_owned()))?;
    let mut top = Value::Object(std::mem::take(root));
    let done = descend(&mut top, &steps).map(|place| *place = value);
    if let Value::Object(map) = top {
        *root = map;
    }
    done.ok_or_else(|| FileKeyError::NoPlace(key.to_owned()))
}

fn descend<'a>(mut place: &'a mut Value, steps: &[KeyStep]) -> Option<&'a mut Value> {
    for step in steps {
        place = match step {
            KeyStep::Key(key) => {
                if place.is_null() {
                    *place = Value::Object(Map::new());
                }
                place.as_object_mut()?.entry(key.clone()).or_insert(Value::Null)
            }
            KeyStep::Index(index) => {
                if place.is_null() {
                    *place = Value::Array(Vec::new());
                }
                let items = place.as_array_mut()?;
                if *index == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(*index)?
            }
        };
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_goes_where_its_key_leads() {
        let mut root =
            json!({"private_registries": [{"url": "a"}, {"url": "b"}], "addons": ""}).as_object().unwrap().clone();
        put(&mut root, "private_registries[1].password", json!("p")).unwrap();
        put(&mut root, "services.etcd.backup_config.s3backupconfig.secret_key", json!("s")).unwrap();
        put(&mut root, "services.kubelet.extra_env[0]", json!("A=b")).unwrap();
        put(&mut root, "addons", json!("text")).unwrap();
        assert_eq!(
            Value::Object(root.clone()),
            json!({
                "private_registries": [{"url": "a"}, {"url": "b", "password": "p"}], "addons": "text",
                "services": {
                    "etcd": {"backup_config": {"s3backupconfig": {"secret_key": "s"}}},
                    "kubelet": {"extra_env": ["A=b"]},
                },
            })
        );
        let before = root.clone();
        for (key, no_key) in
            [("", true), ("a..b", true), ("a[x]", true), ("private_registries[7].url", false), ("addons.b", false)]
        {
            let error = put(&mut root, key, json!(1)).unwrap_err();
            assert_eq!(matches!(error, FileKeyError::NoKey(_)), no_key, "{key}: {error}");
        }
        assert_eq!(root, before, "what has no place changes nothing");
    }
}
