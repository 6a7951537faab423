//! Labels and taints of nodes, changed as rke would and without it: rke sets them through the API, and no container depends on
//! them (rancher/rke v1.8.0: cluster/cluster.go, SyncLabelsAndTaints; cluster/plan.go).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cluster_yml::{addon_digest, configuration_digest, noted_digest, set_digest};
use super::state::State;
use crate::cluster::Taint;
use crate::engine::change::{Change, Shown};

type Config = Map<String, Value>;

/// What is set and taken away on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMarks {
    pub node: String,
    pub address: String,
    pub set: BTreeMap<String, String>,
    /// Labels that go.
    pub drop: Vec<String>,
    pub add: Vec<Taint>,
    pub remove: Vec<Taint>,
}

/// A change of labels and taints, and of nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct MarksChange {
    /// Only nodes on which something changes.
    pub nodes: Vec<NodeMarks>,
    /// What the state would have to say otherwise, or the nodes.
    pub because: Vec<Change>,
    /// The wanted cluster.yml as it was before, by which everything else is looked at.
    pub former: Config,
}

/// Whether labels and taints alone differ: `None` where nothing does, or more than that, or it cannot be proved. `seen` are the
/// Nodes of the API.
pub fn change(state: &State, wanted: &Config, seen: &[Value]) -> Option<MarksChange> {
    let applied = state.applied()?;
    let former = former(applied, wanted)?;
    // Only the digest shows that nothing was taken out of the configuration beside.
    let noted = recorded_digest(applied)?;
    if configuration_digest(&former) != noted || !state.changes(&former, &[]).is_empty() {
        return None;
    }
    let asked = state.asked().unwrap_or(applied);
    let mut found = MarksChange { nodes: Vec::new(), because: Vec::new(), former };
    for node in nodes(wanted) {
        let address = text(node, "address");
        let name = text(node, "hostname_override").to_lowercase();
        let there = seen.iter().find(|one| one["metadata"]["name"] == name.as_str())?;
        let (is, was) = (Marks::of(node), Marks::of(twin(applied, &address)?));
        let begun = twin(asked, &address).map(Marks::of).unwrap_or_default();
        let now = Marks::seen(there);
        let marks = NodeMarks {
            set: is.labels.iter().filter(|(key, value)| now.labels.get(*key) != Some(*value)).map(owned).collect(),
            drop: gone(was.labels.keys().chain(begun.labels.keys()), |key| is.labels.contains_key(key))
                .into_iter()
                .filter(|key| now.labels.contains_key(key))
                .collect(),
            add: is.taints.iter().filter(|taint| !now.taints.contains(taint)).cloned().collect(),
            remove: gone(was.taints.iter().chain(&begun.taints), |taint| is.taints.contains(taint))
                .into_iter()
                .filter(|taint| now.taints.contains(taint))
                .collect(),
            node: name,
            address: address.clone(),
        };
        because(&address, [&was, &begun, &is], &now, &mut found.because);
        if !marks.is_empty() {
            found.nodes.push(marks);
        }
    }
    (!found.because.is_empty()).then_some(found)
}

impl NodeMarks {
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.drop.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// A node's labels and taints.
#[derive(Debug, Default, PartialEq)]
struct Marks {
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
}

impl Marks {
    /// In cluster.yml or in the state.
    fn of(node: &Config) -> Marks {
        let taints = node.get("taints").and_then(Value::as_array).into_iter().flatten();
        Marks { labels: labels(node.get("labels")), taints: taints.filter_map(Taint::any).collect() }
    }

    fn seen(node: &Value) -> Marks {
        let taints = node.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten();
        Marks { labels: labels(node.pointer("/metadata/labels")), taints: taints.filter_map(Taint::any).collect() }
    }
}

fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
    let all = value.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn gone<'a, T: Clone + PartialEq + 'a>(before: impl Iterator<Item = &'a T>, stays: impl Fn(&T) -> bool) -> Vec<T> {
    let mut gone: Vec<T> = Vec::new();
    for one in before {
        if !stays(one) && !gone.contains(one) {
            gone.push(one.clone());
        }
    }
    gone
}

/// A line for each label and taint that the state says otherwise, or that the node lacks.
fn because(address: &str, [was, begun, is]: [&Marks; 3], now: &Marks, found: &mut Vec<Change>) {
    let mut say = |what: String, from: Option<&String>, to: Option<&String>| {
        let shown = |value: Option<&String>| value.map_or(Shown::Absent, |value| Shown::Text(value.clone()));
        found.push(Change::Setting { path: format!("nodes[{address}].{what}"), from: shown(from), to: shown(to) });
    };
    let mut keys: Vec<&String> = is.labels.keys().chain(was.labels.keys()).chain(begun.labels.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let wanted = is.labels.get(key);
        let recorded = [was, begun].into_iter().map(|one| one.labels.get(key)).find(|one| *one != wanted);
        // What nobody asked for any more may be on the node by another hand.
        let lacking = wanted.is_some().then(|| now.labels.get(key)).filter(|seen| *seen != wanted);
        if let Some(from) = recorded.or(lacking) {
            say(format!("labels.{key}"), from, wanted);
        }
    }
    let mut taints: Vec<&Taint> = is.taints.iter().chain(&was.taints).chain(&begun.taints).collect();
    taints.dedup();
    let mut told: Vec<&Taint> = Vec::new();
    for taint in taints {
        let wanted = is.taints.contains(taint);
        let recorded = was.taints.contains(taint) == wanted && begun.taints.contains(taint) == wanted;
        if told.contains(&taint) || recorded && (!wanted || now.taints.contains(taint)) {
            continue;
        }
        told.push(taint);
        let word = taint.to_string();
        match wanted {
            true => say("taints".into(), None, Some(&word)),
            false => say("taints".into(), Some(&word), None),
        }
    }
}

/// The wanted cluster.yml with the labels and taints that RKE has, and with its digest; `None` where a node is new.
fn former(applied: &Config, wanted: &Config) -> Option<Config> {
    let mut former = wanted.clone();
    for node in former.get_mut("nodes")?.as_array_mut()?.iter_mut().filter_map(Value::as_object_mut) {
        let twin = twin(applied, &text(node, "address"))?;
        write(node, &Marks::of(twin), true);
    }
    let digest = recorded_digest(applied)?.to_owned();
    set_digest(&mut former, &digest);
    Some(former)
}

/// Labels and taints stand last, as rke writes them, and not at all when there are none. cluster.yml spells out an empty value.
fn write(node: &mut Config, marks: &Marks, spell_out: bool) {
    node.shift_remove("labels");
    node.shift_remove("taints");
    if !marks.labels.is_empty() {
        node.insert("labels".into(), json!(marks.labels));
    }
    if !marks.taints.is_empty() {
        let taint = |taint: &Taint| {
            let mut map = Map::new();
            map.insert("key".into(), json!(taint.key));
            if spell_out || !taint.value.is_empty() {
                map.insert("value".into(), json!(taint.value));
            }
            map.insert("effect".into(), json!(taint.effect));
            Value::Object(map)
        };
        node.insert("taints".into(), marks.taints.iter().map(taint).collect());
    }
}

/// Which half of a state is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// What was asked for, as rke writes it first.
    Desired,
    /// What was asked for, and what was applied.
    Whole,
}

/// The state with the wanted labels, taints and digest; all else stays as it is, known or not. `None` when it is no state that
/// knows these nodes.
pub fn written(state: &str, wanted: &Config, which: Written) -> Option<Value> {
    let mut state: Value = serde_json::from_str(state).ok()?;
    let digest = recorded_digest(wanted)?;
    let halves: &[&str] = match which {
        Written::Desired => &["desiredState"],
        Written::Whole => &["desiredState", "currentState"],
    };
    for half in halves {
        let config = state.pointer_mut(&format!("/{half}/rkeConfig"))?.as_object_mut()?;
        for node in nodes(wanted) {
            let address = text(node, "address");
            let all = config.get_mut("nodes")?.as_array_mut()?.iter_mut().filter_map(Value::as_object_mut);
            let twin = all.into_iter().find(|one| one.get("address").and_then(Value::as_str) == Some(&address))?;
            write(twin, &Marks::of(node), false);
        }
        recorded_digest(config)?;
        set_digest(config, digest);
    }
    Some(state)
}

/// As rke writes it into its Secret (Go: encoding/json, which escapes these for HTML).
pub fn as_rke_writes(state: &Value) -> String {
    let mut text = String::new();
    for letter in state.to_string().chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text += &format!("\\u{:04x}", u32::from(letter)),
            letter => text.push(letter),
        }
    }
    text
}

/// In cluster.yml or in the state; both spell these the same.
fn recorded_digest(config: &Config) -> Option<&str> {
    let addon = config.get("addons").and_then(Value::as_str).and_then(|text| addon_digest(text).0);
    addon.and_then(|line| line.rsplit(' ').next()).or_else(|| noted_digest(config))
}

fn nodes(config: &Config) -> impl Iterator<Item = &Config> {
    config.get("nodes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn twin<'a>(config: &'a Config, address: &str) -> Option<&'a Config> {
    nodes(config).find(|node| node.get("address").and_then(Value::as_str) == Some(address))
}

fn text(node: &Config, key: &str) -> String {
    node.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "node_marks_tests.rs"]
mod tests;
