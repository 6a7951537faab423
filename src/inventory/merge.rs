//! Values laid over values.

use serde_json::Value;

use super::Values;

/// Lays `over` upon `base`: maps key by key, everything else whole.
pub fn merge(base: &mut Values, over: &Values) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(over)) => merge(inner, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Values {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn merging_goes_into_maps_and_replaces_the_rest() {
        let mut base = map(json!({"a": {"x": 1, "y": [1]}, "b": 1}));
        merge(&mut base, &map(json!({"a": {"y": [2], "z": 3}, "b": {"c": 1}})));
        assert_eq!(Value::Object(base), json!({"a": {"x": 1, "y": [2], "z": 3}, "b": {"c": 1}}));
    }
}
