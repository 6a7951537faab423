//! A Helm release that is wanted against the one that is there.

use serde_json::{Value, json};

use super::guard::{Guard, ReleaseShape};
use super::step::{NOT_INSTALLED, ReleaseWanted, Step};
use crate::cluster::{MADE_BY, ObjectRef};
use crate::inventory::Values;

/// A Helm release as it is in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseFound {
    /// Helm's word: `deployed`, `failed`, `pending-install`…
    pub status: String,
    pub revision: u64,
    /// e.g. `1.11.5`, without the chart's name.
    pub chart_version: String,
    /// The values that were given to it, defaults not among them.
    pub values: Values,
    /// Version of the chart that is wanted, as its own Chart.yaml says.
    pub wanted_version: String,
}

/// The steps that bring a release to what is wanted; none where it is so. A namespace that was there keeps its labels: then
/// it is not ours.
pub fn steps(mut wanted: ReleaseWanted, found: Option<&ReleaseFound>, namespace: bool) -> Vec<Step> {
    wanted.because = differences(&wanted, found);
    if wanted.because.is_empty() {
        return Vec::new();
    }
    let there = found.map(|found| ReleaseShape { status: found.status.clone(), revision: found.revision });
    let as_seen = Guard::ReleaseIs { namespace: wanted.namespace.clone(), release: wanted.release.clone(), there };
    let record = found.and_then(|found| unfinished(&wanted.namespace, &wanted.release, &found.status, found.revision));
    let mut steps = Vec::new();
    if found.is_none() && !namespace {
        let because = vec![format!("+ Namespace {}", wanted.namespace)];
        let (what, manifests) = ("the namespace".into(), vec![self::namespace(&wanted.namespace)]);
        steps.push(Step::Apply { what, manifests, because });
    }
    match record {
        None => wanted.guards = vec![as_seen],
        Some(record) => {
            let because = "a helm that was killed left this record of an unfinished revision, and helm goes on only without it; \
                           what runs stays";
            steps.push(Step::Remove { objects: vec![record], because: because.into(), guards: vec![as_seen] });
        }
    }
    steps.push(Step::Helm(wanted));
    steps
}

/// Helm's record of a revision that a killed helm left pending ("another operation is in progress"), if it is one. Helm keeps
/// each as a Secret (helm: pkg/storage/driver/secrets.go). The objects stay, and the next `helm upgrade --install` adopts them;
/// `helm uninstall` would free a first install too, but by deleting what runs, with old cert-managers even all certificates.
pub fn unfinished(namespace: &str, release: &str, status: &str, revision: u64) -> Option<ObjectRef> {
    let record = format!("sh.helm.release.v1.{release}.v{revision}");
    status.starts_with("pending-").then(|| ObjectRef::new("v1", "Secret", Some(namespace), &record))
}

/// A namespace, as an object that says who made it.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {MADE_BY.0: MADE_BY.1}}})
}

fn differences(wanted: &ReleaseWanted, found: Option<&ReleaseFound>) -> Vec<String> {
    let Some(found) = found else { return vec![NOT_INSTALLED.into()] };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Chart, ChartSource};

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
            guards: vec![],
        }
    }

    fn found(status: &str, version: &str, values: Value) -> ReleaseFound {
        ReleaseFound {
            status: status.into(),
            revision: 3,
            chart_version: version.into(),
            values: map(values),
            wanted_version: "1.0.0".into(),
        }
    }

    #[test]
    fn a_release_as_wanted_needs_no_step() {
        let found = found("deployed", "1.0.0", json!({"a": {"c": "secret-one", "b": 1}}));
        assert_eq!(steps(wanted(), Some(&found), true), []);
    }

    #[test]
    fn each_reason_is_named_and_no_value_is_shown() {
        let found = found("failed", "0.9.0", json!({"a": {"b": 1, "c": "secret-two"}, "d": 1}));
        let planned = steps(wanted(), Some(&found), true);
        let [Step::Helm(step)] = planned.as_slice() else { panic!("{planned:?}") };
        assert_eq!(
            step.because,
            ["its last run ended as `failed`", "chart version: 0.9.0 -> 1.0.0", "value a.c changes", "value d changes"]
        );
    }

    #[test]
    fn what_a_killed_helm_left_is_freed_first_and_only_as_it_was_seen() {
        let found = found("pending-upgrade", "1.0.0", json!({"a": {"b": 1, "c": "secret-one"}}));
        let planned = steps(wanted(), Some(&found), true);
        let [Step::Remove { objects, guards, .. }, Step::Helm(helm)] = planned.as_slice() else {
            panic!("{planned:?}")
        };
        assert_eq!(objects[0].to_string(), "secret traefik/sh.helm.release.v1.traefik.v3");
        let there = Some(ReleaseShape { status: "pending-upgrade".into(), revision: 3 });
        let (namespace, release) = ("traefik".into(), "traefik".into());
        assert_eq!(*guards, [Guard::ReleaseIs { namespace, release, there }]);
        assert_eq!(helm.guards, [], "the revision before it is not known");
    }

    #[test]
    fn a_namespace_is_made_for_a_first_release_only_where_there_is_none() {
        let heads = |found: Option<&ReleaseFound>, namespace| {
            steps(wanted(), found, namespace).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let helm = "helm upgrade --install traefik charts/traefik --namespace traefik";
        assert_eq!(heads(None, false), ["apply the namespace (1 object)", helm]);
        assert_eq!(heads(None, true), [helm]);
        assert_eq!(heads(Some(&found("failed", "1.0.0", json!({}))), false), [helm]);
    }
}
