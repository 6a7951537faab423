//! What was applied and is seen otherwise now: drift. What is wanted otherwise than it was applied is a change, and stands
//! in a plan.

pub mod authors;
pub mod containers;
pub mod fields;
pub mod nodes;
pub mod objects;
pub mod releases;

use serde::Serialize;
use serde_json::Value;

use crate::engine::change::Shown;
use crate::inventory::{is_secret, masked_value};
use authors::By;
use fields::Part;

/// All that differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Drift {
    pub drift: Vec<Drifted>,
    /// What could not be looked at, each with the reason.
    pub unseen: Vec<String>,
}

/// One object, node or container, with every field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drifted {
    /// `deployment cattle-system/rancher`, `node n1`, `container n1/kubelet`, `release traefik/traefik`.
    pub object: String,
    pub fields: Vec<Field>,
    /// What puts it right.
    pub remedy: String,
}

/// One field; what may be secret is not in here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    pub path: String,
    pub applied: Shown,
    pub seen: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// `cowhand up` applies these objects whenever they are not as wanted.
pub const UP: &str = "`cowhand up` puts it back";

impl Drift {
    pub fn fields(&self) -> usize {
        self.drift.iter().map(|one| one.fields.len()).sum()
    }

    /// In a line.
    pub fn summary(&self) -> String {
        let count = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            several => format!("{several} {one}s"),
        };
        let unseen = match self.unseen.len() {
            0 => String::new(),
            several => format!("; {} could not be looked at", count(several, "thing")),
        };
        match (self.fields(), self.drift.len()) {
            (0, _) => format!("no drift was found{unseen}"),
            (fields, objects) => {
                let differ = if fields == 1 { "differs" } else { "differ" };
                format!(
                    "{} of {} {differ} from what was applied{unseen}",
                    count(fields, "field"),
                    count(objects, "object")
                )
            }
        }
    }
}

/// The longest value that is shown.
const LONGEST: usize = 160;

/// As much of a value as may be shown at this place.
pub(crate) fn shown(path: &[Part], value: Option<&Value>) -> Shown {
    let secret = path.iter().any(|part| is_secret(part.label()));
    match value {
        None => Shown::Absent,
        Some(_) if secret => Shown::Hidden,
        Some(value) => Shown::Text(short(&masked_value(value))),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.lines().count() {
        0 | 1 if text.chars().count() <= LONGEST => text,
        0 | 1 => text.chars().take(LONGEST).chain(['…']).collect(),
        lines => format!("({lines} lines)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_may_be_secret_is_not_shown() {
        let field = |names: &[&str]| names.iter().map(|name| Part::Field((*name).into())).collect::<Vec<_>>();
        let value = json!("CANARY");
        assert_eq!(shown(&field(&["spec", "replicas"]), Some(&json!(3))), Shown::Text("3".into()));
        assert_eq!(shown(&field(&["data", "password"]), Some(&value)), Shown::Hidden);
        let item = Part::Item { label: "DB_PASSWORD".into(), item: json!({"name": "DB_PASSWORD"}) };
        assert_eq!(shown(&[item, Part::Field("value".into())], Some(&value)), Shown::Hidden);
        let whole = shown(&field(&["env"]), Some(&json!([{"name": "A_TOKEN", "value": "CANARY"}])));
        assert!(!format!("{whole:?}").contains("CANARY"), "{whole:?}");
        assert_eq!(shown(&field(&["a"]), Some(&json!("1\n2\n3"))), Shown::Text("(3 lines)".into()));
    }

    #[test]
    fn a_line_counts() {
        let field = Field { path: "a".into(), applied: Shown::Absent, seen: Shown::Absent, by: None };
        let one = Drifted { object: "node n1".into(), fields: vec![field.clone()], remedy: UP.into() };
        let of = |drift: Vec<Drifted>, unseen: &[&str]| Drift {
            drift,
            unseen: unseen.iter().map(|one| (*one).to_owned()).collect(),
        };
        assert_eq!(of(vec![], &[]).summary(), "no drift was found");
        assert_eq!(of(vec![], &["n1"]).summary(), "no drift was found; 1 thing could not be looked at");
        assert_eq!(of(vec![one.clone()], &[]).summary(), "1 field of 1 object differs from what was applied");
        let two = Drifted { fields: vec![field.clone(), field], ..one.clone() };
        assert_eq!(of(vec![one, two], &[]).summary(), "3 fields of 2 objects differ from what was applied");
    }
}
