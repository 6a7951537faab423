//! An object of the cluster beside the manifest that was applied.

use serde_json::{Map, Value};

use super::authors::{By, additions, who};
use super::fields::{Difference, Part, differences, text};
use super::{Drifted, Field, shown};
use crate::cluster::{Beside, FIELD_MANAGER, MARKS, ObjectRef};
use crate::engine::change::Shown;

/// Whose manifests these are.
#[derive(Debug, Clone)]
pub struct Source {
    /// Field managers that applied them.
    pub managers: &'static [&'static str],
    pub remedy: String,
}

/// What rke's job and cowhand write into the addon's objects.
pub const ADDON: &[&str] = &["kubectl-client-side-apply", FIELD_MANAGER, MARKS];
/// What helm and cowhand write into a release's objects.
pub const RELEASE: &[&str] = &["helm", "Helm", FIELD_MANAGER, MARKS];
/// Objects that cowhand alone applies.
pub const OWN: &[&str] = &[FIELD_MANAGER, MARKS];

/// How the object differs from what was applied; `None` where it does not.
pub fn object(name: &ObjectRef, manifest: &Value, beside: &Beside, source: &Source) -> Option<Drifted> {
    let mut fields = Vec::new();
    match beside {
        Beside::Missing => fields.push(Field {
            path: "(the whole object)".into(),
            applied: Shown::Text("applied".into()),
            seen: Shown::Absent,
            by: None,
        }),
        Beside::There { live, applied } => {
            let metadata = live.get("metadata").unwrap_or(&Value::Null);
            for one in differences(&counted(applied), &counted(live)) {
                let by = who(metadata, &one.path, source.managers);
                fields.push(field(one, by));
            }
            for (one, author) in additions(&counted(manifest), live, source.managers) {
                let known = |field: &Field| field.path == text(&one.path);
                if counts(&one.path) && !fields.iter().any(known) {
                    fields.push(field(one, Some(By::Owner(author))));
                }
            }
        }
    }
    (!fields.is_empty()).then(|| Drifted { object: name.to_string(), fields, remedy: source.remedy.clone() })
}

/// The same of an object that cowhand alone applies: what is ours there still is as we left it, and differs because another
/// thing is wanted now.
pub fn own(name: &ObjectRef, manifest: &Value, beside: &Beside, source: &Source) -> Option<Drifted> {
    if *beside == Beside::Missing {
        return None;
    }
    let mut found = object(name, manifest, beside, source)?;
    let foreign = |by: &By| matches!(by, By::Owner(author) if !source.managers.contains(&author.manager.as_str()));
    found.fields.retain(|field| field.by.as_ref().is_some_and(foreign));
    (!found.fields.is_empty()).then_some(found)
}

fn field(one: Difference, by: Option<By>) -> Field {
    Field {
        path: text(&one.path),
        applied: shown(&one.path, one.applied.as_ref()),
        seen: shown(&one.path, one.seen.as_ref()),
        by,
    }
}

/// Without what the API and controllers keep there: of the metadata, labels alone.
fn counted(object: &Value) -> Value {
    let mut counted: Map<String, Value> = object.as_object().cloned().unwrap_or_default();
    for key in ["status", "apiVersion", "kind"] {
        counted.shift_remove(key);
    }
    if let Some(metadata) = counted.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| key == "labels");
    }
    Value::Object(counted)
}

/// What is added elsewhere is bookkeeping: cainjector's CA, and the note of a restart.
fn counts(path: &[Part]) -> bool {
    let label = |at: usize| path.get(at).map_or("", Part::label);
    let last = path.last().map_or("", Part::label);
    match label(0) {
        "status" | "apiVersion" | "kind" => false,
        "metadata" => label(1) == "labels",
        _ => last != "caBundle" && last != "kubectl.kubernetes.io/restartedAt" && label(1) != "finalizers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source() -> Source {
        Source { managers: RELEASE, remedy: "helm".into() }
    }

    fn name() -> ObjectRef {
        ObjectRef::new("v1", "ConfigMap", Some("a"), "b")
    }

    fn live(managed: Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "status": {"x": 1},
            "metadata": {"name": "b", "uid": "1", "labels": {"app": "x", "by": "hand"}, "annotations": {"theirs": "1"}, "managedFields": managed},
            "data": {"a": "1", "token": "CANARY"},
        })
    }

    fn entry(manager: &str, tree: Value) -> Value {
        json!({"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": tree})
    }

    #[test]
    fn what_differs_and_what_was_added_is_told_and_bookkeeping_is_not() {
        let manifest = json!({"kind": "ConfigMap", "metadata": {"name": "b", "labels": {"app": "x"}}, "data": {"a": "2", "token": "CANARY2"}});
        let theirs = entry(
            "kubectl-edit",
            json!({
                "f:metadata": {"f:labels": {"f:by": {}}, "f:annotations": {"f:theirs": {}}}, "f:data": {"f:a": {}, "f:token": {}}, "f:status": {"f:x": {}},
            }),
        );
        let live = live(json!([theirs]));
        let mut applied = live.clone();
        applied["data"] = manifest["data"].clone();
        let found = object(&name(), &manifest, &Beside::There { live, applied }, &source()).unwrap();
        let told: Vec<String> =
            found.fields.iter().map(|one| format!("{} {:?} {:?}", one.path, one.applied, one.seen)).collect();
        assert_eq!(found.object, "configmap a/b");
        assert_eq!(
            told,
            [r#"data.a Text("2") Text("1")"#, "data.token Hidden Hidden", r#"metadata.labels.by Absent Text("hand")"#]
        );
        assert!(!serde_json::to_string(&found).unwrap().contains("CANARY"));
    }

    #[test]
    fn nothing_differs_and_nothing_is_there() {
        let same = live(json!([entry("helm", json!({"f:data": {"f:a": {}}}))]));
        let beside = Beside::There { live: same.clone(), applied: same.clone() };
        assert_eq!(object(&name(), &same, &beside, &source()), None);
        let missing = object(&name(), &same, &Beside::Missing, &source()).unwrap();
        assert_eq!((missing.fields.len(), missing.fields[0].by.as_ref()), (1, None));
        assert_eq!(own(&name(), &same, &Beside::Missing, &source()), None, "it may never have been applied");
    }

    #[test]
    fn of_our_own_objects_only_what_others_hold_is_drift() {
        let own_source = Source { managers: OWN, remedy: String::new() };
        for (holder, drift) in [("cowhand", false), ("kubectl-edit", true)] {
            let live = live(json!([entry(holder, json!({"f:data": {"f:a": {}}}))]));
            let mut applied = live.clone();
            applied["data"]["a"] = json!("2");
            let manifest = json!({"data": {"a": "2"}});
            let found = own(&name(), &manifest, &Beside::There { live, applied }, &own_source);
            assert_eq!(found.is_some(), drift, "{holder}");
        }
    }

    #[test]
    fn a_restart_and_a_ca_that_was_filled_in_are_no_drift() {
        let field = |names: &[&str]| names.iter().map(|name| Part::Field((*name).into())).collect::<Vec<_>>();
        for (path, expected) in [
            (field(&["spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"]), false),
            (field(&["webhooks", "clientConfig", "caBundle"]), false),
            (field(&["metadata", "annotations", "a"]), false),
            (field(&["spec", "finalizers"]), false),
            (field(&["metadata", "labels", "a"]), true),
            (field(&["spec", "replicas"]), true),
        ] {
            assert_eq!(counts(&path), expected, "{path:?}");
        }
    }
}
