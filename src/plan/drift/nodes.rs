//! Labels, taints and annotations of a node beside what RKE set.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::authors::{By, owners};
use super::fields::{Part, text};
use super::{Drifted, Field, UP, shown};
use crate::cluster::{FIELD_MANAGER, Taint};
use crate::engine::change::Shown;

/// What RKE set on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppliedNode {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
}

impl AppliedNode {
    /// Of a node in RKE's state (rancher/rke v1.8.0: cluster/hosts.go, k8s/node.go).
    pub fn of(node: &Map<String, Value>) -> AppliedNode {
        let text = |key: &str| node.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let address = text("address").unwrap_or_default();
        let roles = node.get("role").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let roles = roles.map(|role| (format!("node-role.kubernetes.io/{role}"), "true".to_owned()));
        let labels = node.get("labels").and_then(Value::as_object).into_iter().flatten();
        let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let annotations = [("external", address), ("internal", text("internalAddress").unwrap_or(address))].into_iter();
        let taints = node.get("taints").and_then(Value::as_array).into_iter().flatten();
        AppliedNode {
            name: text("hostnameOverride").unwrap_or(address).to_lowercase(),
            labels: labels.chain(roles).collect(),
            annotations: annotations.map(|(which, ip)| (format!("rke.cattle.io/{which}-ip"), ip.to_owned())).collect(),
            taints: taints.filter_map(Taint::any).collect(),
        }
    }
}

/// Managers of RKE and cowhand.
const OURS: [&str; 2] = ["rke", FIELD_MANAGER];
/// `kubectl`, `kubectl-label`, `kubectl-taint`: what controllers put on nodes is their own business.
const BY_HAND: &str = "kubectl";

/// `seen` is the Node as the API has it.
pub fn node(applied: &AppliedNode, seen: &Value) -> Option<Drifted> {
    let mut fields = Vec::new();
    for (key, wanted) in [("labels", &applied.labels), ("annotations", &applied.annotations)] {
        let there = seen.pointer(&format!("/metadata/{key}")).and_then(Value::as_object);
        for (name, value) in wanted {
            let now = there.and_then(|there| there.get(name));
            if now.and_then(Value::as_str) != Some(value) {
                fields.push(field(seen, &["metadata", key, name], Some(&json!(value)), now));
            }
        }
    }
    let labels = seen.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in labels.filter(|(name, _)| !applied.labels.contains_key(*name)) {
        let one = field(seen, &["metadata", "labels", name], None, Some(value));
        fields.extend(is_by_hand(&one).then_some(one));
    }
    fields.extend(taints(applied, seen));
    (!fields.is_empty()).then(|| Drifted { object: format!("node {}", applied.name), remedy: remedy(&fields), fields })
}

/// What RKE set is put back; what somebody added is not taken away.
fn remedy(fields: &[Field]) -> String {
    let added = fields.iter().any(|field| field.applied == Shown::Absent);
    let labels = |field: &Field| field.path.starts_with("metadata.labels") || field.path.starts_with("spec.taints");
    let ours = fields.iter().any(|field| field.applied != Shown::Absent && labels(field));
    let added_too = "`kubectl label NODE KEY-` or `kubectl taint NODE KEY-` takes away what was added";
    match (ours, added) {
        (true, true) => format!("{UP}; {added_too}"),
        (true, false) => UP.into(),
        (false, true) => added_too.into(),
        (false, false) => "`rke up` in the inventory's folder puts it back".into(),
    }
}

fn taints(applied: &AppliedNode, seen: &Value) -> Vec<Field> {
    let there: Vec<Taint> =
        seen.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten().filter_map(Taint::any).collect();
    let path = |taint: &Taint| format!("spec.taints[{}:{}]", taint.key, taint.effect);
    let by = by(seen, &["spec", "taints"]);
    let mut fields = Vec::new();
    for taint in applied.taints.iter().filter(|taint| !there.contains(taint)) {
        let now = there.iter().find(|other| other.key == taint.key && other.effect == taint.effect);
        let seen = now.map_or(Shown::Absent, |now| Shown::Text(now.value.clone()));
        fields.push(Field { path: path(taint), applied: Shown::Text(taint.value.clone()), seen, by: by.clone() });
    }
    let of_rke = |taint: &Taint| applied.taints.iter().any(|one| one.key == taint.key && one.effect == taint.effect);
    // Kubernetes' own come and go with the node's state, RKE's own with its roles.
    let reserved = |taint: &Taint| {
        taint.key.starts_with("node.kubernetes.io/") || taint.key.starts_with("node-role.kubernetes.io/")
    };
    for taint in there.iter().filter(|taint| !of_rke(taint) && !reserved(taint)) {
        let seen = Shown::Text(taint.value.clone());
        let one = Field { path: path(taint), applied: Shown::Absent, seen, by: by.clone() };
        fields.extend(is_by_hand(&one).then_some(one));
    }
    fields
}

fn is_by_hand(field: &Field) -> bool {
    matches!(&field.by, Some(By::Owner(author)) if author.manager.starts_with(BY_HAND))
}

fn field(seen: &Value, path: &[&str], applied: Option<&Value>, now: Option<&Value>) -> Field {
    let parts = parts(path);
    Field { path: text(&parts), applied: shown(&parts, applied), seen: shown(&parts, now), by: by(seen, path) }
}

fn by(seen: &Value, path: &[&str]) -> Option<By> {
    let metadata = seen.get("metadata").unwrap_or(&Value::Null);
    let owners = owners(metadata, &parts(path));
    let foreign = owners.iter().find(|one| !OURS.contains(&one.manager.as_str()));
    foreign.or(owners.first()).cloned().map(By::Owner)
}

fn parts(path: &[&str]) -> Vec<Part> {
    path.iter().map(|name| Part::Field((*name).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> AppliedNode {
        AppliedNode {
            name: "n1".into(),
            labels: [("zone".to_owned(), "a".to_owned()), ("node-role.kubernetes.io/etcd".into(), "true".into())]
                .into(),
            annotations: [("rke.cattle.io/external-ip".to_owned(), "10.0.0.11".to_owned())].into(),
            taints: vec![Taint { key: "team".into(), value: "db".into(), effect: "NoSchedule".into() }],
        }
    }

    fn seen() -> Value {
        let entry = |manager: &str, tree: Value| json!({"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": tree});
        json!({
            "metadata": {
                "name": "n1", "annotations": {"rke.cattle.io/external-ip": "10.0.0.11"},
                "labels": {"zone": "a", "node-role.kubernetes.io/etcd": "true", "kubernetes.io/os": "linux"},
                "managedFields": [
                    entry("kubelet", json!({"f:metadata": {"f:labels": {"f:kubernetes.io/os": {}}}})),
                    entry("rke", json!({"f:metadata": {"f:labels": {"f:zone": {}}}, "f:spec": {"f:taints": {}}})),
                    entry("kubectl-label", json!({"f:metadata": {"f:labels": {"f:mine": {}, "f:zone": {}}}})),
                ],
            },
            "spec": {"taints": [
                {"key": "team", "value": "db", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
        })
    }

    fn told(seen: &Value) -> Vec<String> {
        let found = node(&applied(), seen);
        found
            .into_iter()
            .flat_map(|one| one.fields)
            .map(|one| format!("{} {:?} {:?}", one.path, one.applied, one.seen))
            .collect()
    }

    #[test]
    fn each_of_rkes_own_is_compared() {
        assert_eq!(told(&seen()), [] as [String; 0]);
        for (pointer, value, expected) in [
            ("/metadata/labels/zone", json!("b"), r#"metadata.labels.zone Text("a") Text("b")"#),
            (
                "/metadata/annotations/rke.cattle.io~1external-ip",
                json!("1.1.1.1"),
                r#"metadata.annotations[rke.cattle.io/external-ip] Text("10.0.0.11") Text("1.1.1.1")"#,
            ),
            ("/spec/taints/0/value", json!("web"), r#"spec.taints[team:NoSchedule] Text("db") Text("web")"#),
            ("/spec/taints", json!([]), r#"spec.taints[team:NoSchedule] Text("db") Absent"#),
        ] {
            let mut seen = seen();
            *seen.pointer_mut(pointer).unwrap() = value;
            assert_eq!(told(&seen), [expected]);
        }
        let mut gone = seen();
        gone["metadata"]["labels"].as_object_mut().unwrap().shift_remove("zone");
        assert_eq!(told(&gone), [r#"metadata.labels.zone Text("a") Absent"#]);
        assert_eq!(node(&applied(), &gone).unwrap().remedy, UP);
    }

    #[test]
    fn what_kubectl_added_is_told_and_what_controllers_add_is_not() {
        let mut seen = seen();
        seen["metadata"]["labels"]["mine"] = json!("1");
        seen["metadata"]["labels"]["nfd"] = json!("1");
        assert_eq!(told(&seen), [r#"metadata.labels.mine Absent Text("1")"#]);
        let extra = json!({"key": "x", "value": "y", "effect": "NoExecute"});
        seen["spec"]["taints"].as_array_mut().unwrap().push(extra);
        assert_eq!(told(&seen).len(), 1, "rke holds the list");
        seen["metadata"]["managedFields"][1]["manager"] = json!("kubectl-taint");
        assert_eq!(told(&seen)[1], r#"spec.taints[x:NoExecute] Absent Text("y")"#);
        assert!(node(&applied(), &seen).unwrap().remedy.starts_with("`kubectl label"));
    }
}
