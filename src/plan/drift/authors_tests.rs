use serde_json::json;

use super::*;
use crate::plan::drift::fields::{differences, text};

const OURS: &[&str] = &["helm"];

/// As kubectl and helm leave it (kubernetes 1.32).
fn deployment() -> Value {
    json!({
        "metadata": {"managedFields": [
            {"manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"rancher\"}": {
                    ".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-02-01T00:00:00Z", "fieldsV1": {
                "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"rancher\"}": {
                    "f:env": {"k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}}}},
            {"manager": "kubectl", "operation": "Update", "subresource": "scale", "time": "2026-03-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-04-01T00:00:00Z", "fieldsV1": {
                "f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "2026-05-01T00:00:00Z", "fieldsV1": {
                "f:status": {"f:replicas": {}}, "f:spec": {"f:image": {}}}},
        ], "labels": {"app": "rancher"}, "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [
            {"name": "rancher", "image": "r:1", "args": ["a"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}}},
    })
}

fn manifest() -> Value {
    let mut manifest = deployment();
    manifest["metadata"] = json!({"labels": {"app": "rancher"}});
    manifest["spec"]["replicas"] = json!(3);
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "1"}]);
    manifest
}

#[test]
fn a_changed_field_has_its_owner_with_time() {
    let (applied, seen) = (manifest(), deployment());
    let found = differences(&applied["spec"], &seen["spec"]);
    let told: Vec<(String, Option<By>)> = found
        .iter()
        .map(|one| {
            let path: Vec<Part> = [Part::Field("spec".into())].into_iter().chain(one.path.clone()).collect();
            (text(&path), who(&seen["metadata"], &path, OURS))
        })
        .collect();
    let by = |manager: &str, operation: &str, month: u8| {
        let time = Some(format!("2026-0{month}-01T00:00:00Z"));
        Some(By::Owner(Author { manager: manager.into(), operation: operation.into(), time }))
    };
    assert_eq!(
        told,
        [
            ("spec.replicas".into(), by("kubectl", "Update of scale", 3)),
            ("spec.template.spec.containers[rancher].env[B]".into(), by("kubectl-edit", "Update", 2)),
        ]
    );
}

#[test]
fn what_others_added_is_told_once_and_without_what_was_applied() {
    let seen = deployment();
    let told: Vec<(String, String)> = additions(&manifest(), &seen, OURS)
        .into_iter()
        .map(|(one, author)| (text(&one.path), author.manager))
        .collect();
    assert_eq!(told, [("spec.template.spec.containers[rancher].env[B]".to_owned(), "kubectl-edit".to_owned())]);
    assert_eq!(additions(&manifest(), &seen, &["helm", "kubectl-edit", "kubectl"]), []);
}

#[test]
fn whoever_took_a_field_away_wrote_the_object_last() {
    let seen = deployment();
    let path = [Part::Field("spec".into()), Part::Field("paused".into())];
    let Some(By::LastWriter(author)) = who(&seen["metadata"], &path, OURS) else { panic!() };
    assert_eq!(author.manager, "kubectl", "not a controller, and not by its status");
    assert_eq!(who(&json!({}), &path, OURS), None);
}

#[test]
fn a_leaf_owns_what_is_below_it_and_a_list_is_asked_by_key_value_or_place() {
    let metadata = |tree: Value| json!({"managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": tree}]});
    let item = |label: &str, item: Value| Part::Item { label: label.into(), item };
    let field = |name: &str| Part::Field(name.into());
    for (tree, path, owned) in [
        (json!({"f:args": {}}), vec![field("args"), item("1", json!("x"))], true),
        (json!({"f:args": {".": {}}}), vec![field("args"), item("1", json!("x"))], false),
        (
            json!({"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {}}}),
            vec![field("ports"), item("80", json!({"port": 80}))],
            true,
        ),
        (json!({"f:ports": {"k:{\"port\":80}": {}}}), vec![field("ports"), item("81", json!({"port": 81}))], false),
        (json!({"f:finalizers": {"v:\"a\"": {}}}), vec![field("finalizers"), item("0", json!("a"))], true),
        (json!({"f:list": {"i:0": {}}}), vec![field("list"), item("0", json!({}))], true),
        (json!({"f:a": {"f:b": {}}}), vec![field("a")], true),
        (json!({"f:a": {"f:b": {}}}), vec![field("a"), field("c")], false),
    ] {
        assert_eq!(!owners(&metadata(tree.clone()), &path).is_empty(), owned, "{tree} {path:?}");
    }
}
