//! A helm release beside the revision that cowhand made: cowhand says in each that it was it.

use serde_json::Value;

use super::authors::{Author, By};
use super::fields::{Part, differences, text};
use super::{Drifted, Field, shown};
use crate::cluster::{BY_COWHAND, Revision};
use crate::engine::change::Shown;

/// The revision whose objects are looked at, and what another hand made after it. `history` is oldest first.
pub fn release<'a>(name: &str, history: &'a [Revision]) -> (Option<&'a Revision>, Option<Drifted>) {
    let ours = history.iter().rev().find(|one| is_ours(one, history));
    let newest = history.last();
    let (Some(ours), Some(newest)) = (ours, newest) else {
        // Of a cowhand that did not say so yet, or taken over: what runs is what was applied.
        return (history.iter().rev().find(|one| one.status == "deployed").or(newest), None);
    };
    if ours.number == newest.number {
        return (Some(ours), None);
    }
    let author =
        Author { manager: "helm".into(), operation: newest.description.clone(), time: newest.deployed.clone() };
    let by = Some(By::Owner(author));
    let mut fields = vec![Field {
        path: "revision".into(),
        applied: Shown::Text(format!("{} ({})", ours.number, ours.description)),
        seen: Shown::Text(format!("{} ({})", newest.number, newest.status)),
        by: by.clone(),
    }];
    if ours.chart_version != newest.chart_version {
        let word = |one: &Revision| Shown::Text(one.chart_version.clone());
        fields.push(Field { path: "chart".into(), applied: word(ours), seen: word(newest), by: by.clone() });
    }
    let values = |one: &Revision| Value::Object(one.values.clone());
    for one in differences(&values(ours), &values(newest)) {
        let path: Vec<Part> = [Part::Field("values".into())].into_iter().chain(one.path).collect();
        let (applied, seen) = (shown(&path, one.applied.as_ref()), shown(&path, one.seen.as_ref()));
        fields.push(Field { path: text(&path), applied, seen, by: by.clone() });
    }
    let remedy = format!("`cowhand up` where values or chart differ; else {}", rollback(name, ours.number));
    (Some(ours), Some(Drifted { object: format!("release {name}"), fields, remedy }))
}

/// Puts the objects back to what a revision says. `name` is `namespace/release`.
pub fn rollback(name: &str, revision: u64) -> String {
    let (namespace, release) = name.split_once('/').unwrap_or(("default", name));
    format!("`helm rollback {release} {revision} --namespace {namespace}`")
}

/// cowhand's own, or one that leads back to it.
fn is_ours(revision: &Revision, history: &[Revision]) -> bool {
    if revision.description.starts_with(BY_COWHAND) {
        return true;
    }
    let back = revision.description.strip_prefix("Rollback to ").and_then(|number| number.trim().parse::<u64>().ok());
    // A revision leads back to an earlier one, never to itself.
    let target = back.and_then(|number| history.iter().find(|one| one.number == number && number < revision.number));
    target.is_some_and(|target| is_ours(target, history))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn revision(number: u64, description: &str, values: Value) -> Revision {
        Revision {
            number,
            status: "deployed".into(),
            description: description.into(),
            deployed: Some(format!("2026-01-0{number}T00:00:00Z")),
            chart_version: "1.0.0".into(),
            values: values.as_object().unwrap().clone(),
            manifest: String::new(),
        }
    }

    fn told(history: &[Revision]) -> (Option<u64>, Vec<String>) {
        let (base, drift) = release("cattle-system/rancher", history);
        let fields = drift.into_iter().flat_map(|one| one.fields);
        (
            base.map(|one| one.number),
            fields.map(|one| format!("{} {:?} {:?}", one.path, one.applied, one.seen)).collect(),
        )
    }

    #[test]
    fn another_hands_revision_is_told_with_its_values() {
        let ours = revision(1, "cowhand 1.0", json!({"replicas": 3, "password": "CANARY1"}));
        let theirs = revision(2, "Upgrade complete", json!({"replicas": 1, "password": "CANARY2"}));
        assert_eq!(told(std::slice::from_ref(&ours)), (Some(1), vec![]));
        assert_eq!(
            told(&[ours.clone(), theirs.clone()]),
            (
                Some(1),
                vec![
                    r#"revision Text("1 (cowhand 1.0)") Text("2 (deployed)")"#.into(),
                    r#"values.replicas Text("3") Text("1")"#.into(),
                    "values.password Hidden Hidden".into(),
                ]
            )
        );
        let back = revision(3, "Rollback to 1", json!({"replicas": 3}));
        assert_eq!(told(&[ours.clone(), theirs.clone(), back]), (Some(3), vec![]));
        let to_theirs = revision(3, "Rollback to 2", json!({"replicas": 1}));
        assert_eq!(told(&[ours, theirs, to_theirs]).0, Some(1));
    }

    #[test]
    fn without_a_word_of_cowhands_what_runs_was_applied() {
        let mut failed = revision(2, "Upgrade failed", json!({}));
        failed.status = "failed".into();
        assert_eq!(told(&[revision(1, "Install complete", json!({})), failed]), (Some(1), vec![]));
        assert_eq!(told(&[]), (None, vec![]));
    }

    #[test]
    fn the_way_back_is_helms() {
        assert_eq!(rollback("cattle-system/rancher", 3), "`helm rollback rancher 3 --namespace cattle-system`");
    }
}
