//! A Helm release that is wanted against the one that is there.

use serde_json::Value;

use super::step::{ReleaseWanted, Step};
use crate::inventory::Values;

/// A Helm release as it is in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseFound {
    /// Helm's word: `deployed`, `failed`, `pending-install`…
    pub status: String,
    /// e.g. `1.11.5`, without the chart's name.
    pub chart_version: String,
    /// The values that were given to it, defaults not among them.
    pub values: Values,
    /// Version of the chart that is wanted, as its own Chart.yaml says.
    pub wanted_version: String,
}

/// The step that brings a release to what is wanted, if one is needed.
pub fn step(mut wanted: ReleaseWanted, found: Option<&ReleaseFound>) -> Option<Step> {
    wanted.because = differences(&wanted, found);
    (!wanted.because.is_empty()).then_some(Step::Helm(wanted))
}

fn differences(wanted: &ReleaseWanted, found: Option<&ReleaseFound>) -> Vec<String> {
    let Some(found) = found else { return vec!["not installed yet".into()] };
    let mut because = Vec::new();
    if found.status != "deployed" {
        because.push(format!("its last run ended as `{}`", found.status));
    }
    if found.chart_version != found.wanted_version {
        because.push(format!("chart version: {} -> {}", found.chart_version, found.wanted_version));
    }
    if found.values != wanted.values {
        because.extend(changed("", &found.values, &wanted.values));
    }
    because
}

/// Names the values that differ, never the values themselves: a user may have put a password there.
fn changed(path: &str, was: &Values, is: &Values) -> Vec<String> {
    let mut names = Vec::new();
    let keys = was.keys().chain(is.keys().filter(|key| !was.contains_key(*key)));
    for key in keys {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (was.get(key), is.get(key)) {
            (Some(Value::Object(was)), Some(Value::Object(is))) => names.extend(changed(&name, was, is)),
            (was, is) if was == is => {}
            _ => names.push(format!("value {name} changes")),
        }
    }
    names
}

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
    use crate::inventory::{Chart, ChartSource};
    use serde_json::json;

    fn map(value: Value) -> Values {
        value.as_object().unwrap().clone()
    }

    fn wanted() -> ReleaseWanted {
        ReleaseWanted {
            release: "traefik".into(),
            namespace: "traefik".into(),
            chart: Chart { source: ChartSource::Path("charts/traefik".into()), version: "1.0.0".into() },
            values: map(json!({"a": {"b": 1, "c": "secret-one"}})),
            because: vec![],
        }
    }

    fn found(status: &str, version: &str, values: Value) -> ReleaseFound {
        ReleaseFound {
            status: status.into(),
            chart_version: version.into(),
            values: map(values),
            wanted_version: "1.0.0".into(),
        }
    }

    #[test]
    fn a_release_as_wanted_needs_no_step() {
        let found = found("deployed", "1.0.0", json!({"a": {"c": "secret-one", "b": 1}}));
        assert_eq!(step(wanted(), Some(&found)), None);
    }

    #[test]
    fn each_reason_is_named_and_no_value_is_shown() {
        let found = found("failed", "0.9.0", json!({"a": {"b": 1, "c": "secret-two"}, "d": 1}));
        let Some(Step::Helm(step)) = step(wanted(), Some(&found)) else { panic!("a step is needed") };
        assert_eq!(
            step.because,
            ["its last run ended as `failed`", "chart version: 0.9.0 -> 1.0.0", "value a.c changes", "value d changes"]
        );
    }

    #[test]
    fn merging_goes_into_maps_and_replaces_the_rest() {
        let mut base = map(json!({"a": {"x": 1, "y": [1]}, "b": 1}));
        merge(&mut base, &map(json!({"a": {"y": [2], "z": 3}, "b": {"c": 1}})));
        assert_eq!(Value::Object(base), json!({"a": {"x": 1, "y": [2], "z": 3}, "b": {"c": 1}}));
    }
}
