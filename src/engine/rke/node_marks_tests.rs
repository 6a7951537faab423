use serde_json::json;

use super::*;
use crate::engine::rke::cluster_yml::{Additions, cluster_yml};
use crate::inventory::{Environment, Inventory, parse};

fn inventory(nodes: &str) -> Inventory {
    let text = format!(
        "name: prod\nnodes:\n{nodes}\nengine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
         rancher: {{hostname: r.example.com, version: 2.11.3, tls: {{mode: ingress, issuer: ca}}}}\n"
    );
    let environment = Environment { home: None, folder: std::path::Path::new("/srv").into(), variable: &|_| None };
    parse(&text, std::path::Path::new("/srv/prod.yml"), &environment).unwrap()
}

fn wanted(labels: &str, addon: &str) -> Config {
    let others = [2, 3].map(|n| format!("- {{address: 10.0.0.1{n}, name: n{n}}}\n")).concat();
    let inventory = inventory(&format!("- {{address: 10.0.0.11, name: n1{labels}}}\n{others}"));
    let additions = Additions { addon: addon.into(), ..Additions::default() };
    cluster_yml(&inventory, inventory.engine.rke_settings().unwrap(), &additions)
}

/// As rke would record it: camel case, defaults of its own, unknown keys.
fn recorded(config: &Config) -> Value {
    let mut rke = Map::new();
    for (key, value) in config {
        rke.insert(crate::engine::rke::changes::camel(key), value.clone());
    }
    for node in rke["nodes"].as_array_mut().unwrap().iter_mut().filter_map(Value::as_object_mut) {
        let name = node.shift_remove("hostname_override").unwrap();
        node.insert("hostnameOverride".into(), name);
        node.insert("unknown".into(), json!(7));
        let marks = Marks::of(node);
        write(node, &marks, false);
    }
    rke.insert(
        "services".into(),
        json!({"etcd": {"snapshot": true, "backupConfig": {"intervalHours": 6, "retention": 28}}}),
    );
    rke.insert("later".into(), json!({"of": "rke"}));
    Value::Object(rke)
}

fn state(applied: &Config, asked: &Config) -> String {
    let ca = json!({"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}});
    json!({
        "desiredState": {"rkeConfig": recorded(asked), "certificatesBundle": ca, "encryptionConfig": "E"},
        "currentState": {"rkeConfig": recorded(applied), "certificatesBundle": ca}, "more": [1],
    })
    .to_string()
}

fn node(name: &str, labels: Value, taints: Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}})
}

fn bare() -> Vec<Value> {
    with(node("n1", json!({"os": "linux"}), json!([])))
}

fn with(first: Value) -> Vec<Value> {
    vec![first, node("n2", json!({}), json!([])), node("n3", json!({}), json!([]))]
}

fn told(applied: &str, asked: &str, is: &str, seen: &[Value], addon: &str) -> Option<(Vec<String>, Vec<NodeMarks>)> {
    let state = State::parse(&state(&wanted(applied, addon), &wanted(asked, addon))).unwrap();
    let found = change(&state, &wanted(is, addon), seen)?;
    Some((found.because.iter().map(ToString::to_string).collect(), found.nodes))
}

const ZONE: &str = ", labels: {zone: a}";

#[test]
fn a_label_comes_changes_and_goes() {
    for addon in ["", "kind: A\n"] {
        let (because, nodes) = told("", "", ZONE, &bare(), addon).unwrap();
        assert_eq!(because, ["nodes[10.0.0.11].labels.zone: (unset) -> a"]);
        assert_eq!((nodes.len(), nodes[0].node.as_str(), nodes[0].set["zone"].as_str()), (1, "n1", "a"));
        let there = with(node("n1", json!({"zone": "a"}), json!([])));
        let (because, nodes) = told(ZONE, ZONE, ", labels: {zone: b}", &there, addon).unwrap();
        assert_eq!(
            (because, nodes[0].set["zone"].as_str()),
            (vec!["nodes[10.0.0.11].labels.zone: a -> b".into()], "b")
        );
        let (because, nodes) = told(ZONE, ZONE, "", &there, addon).unwrap();
        assert_eq!(because, ["nodes[10.0.0.11].labels.zone: a -> (unset)"]);
        assert_eq!((nodes[0].drop.clone(), nodes[0].set.len()), (vec!["zone".to_owned()], 0));
        assert_eq!(told(ZONE, ZONE, ZONE, &there, addon), None, "nothing differs");
    }
}

#[test]
fn a_taint_comes_and_goes_and_another_hands_stays() {
    let taint = ", taints: [{key: team, value: db, effect: NoSchedule}]";
    let theirs = json!({"key": "x", "effect": "NoExecute"});
    let seen = with(node("n1", json!({}), json!([theirs])));
    let (because, nodes) = told("", "", taint, &seen, "").unwrap();
    assert_eq!(because, ["nodes[10.0.0.11].taints: (unset) -> team=db:NoSchedule"]);
    assert_eq!((nodes[0].add.len(), nodes[0].remove.len()), (1, 0));
    let there = json!({"key": "team", "value": "db", "effect": "NoSchedule"});
    let seen = with(node("n1", json!({}), json!([theirs, there])));
    let (because, nodes) = told(taint, taint, "", &seen, "").unwrap();
    assert_eq!(because, ["nodes[10.0.0.11].taints: team=db:NoSchedule -> (unset)"]);
    assert_eq!((nodes[0].add.len(), nodes[0].remove.len()), (0, 1));
}

#[test]
fn what_was_taken_off_by_hand_is_put_back() {
    let (because, nodes) = told(ZONE, ZONE, ZONE, &bare(), "").unwrap();
    assert_eq!((because[0].as_str(), nodes[0].set.len()), ("nodes[10.0.0.11].labels.zone: (unset) -> a", 1));
}

#[test]
fn what_a_run_that_was_cut_off_had_set_is_taken_back() {
    let there = with(node("n1", json!({"zone": "a"}), json!([])));
    // It was asked for, and the inventory was put back before the next run.
    let (because, nodes) = told("", ZONE, "", &there, "").unwrap();
    assert_eq!(because, ["nodes[10.0.0.11].labels.zone: a -> (unset)"]);
    assert_eq!(nodes[0].drop, ["zone"]);
    // The same inventory goes on: on the node it is done, in the state not yet.
    let (because, nodes) = told("", ZONE, ZONE, &there, "").unwrap();
    assert_eq!((because.len(), nodes.len()), (1, 0));
}

#[test]
fn anything_else_beside_is_left_to_rke() {
    assert_eq!(told("", "", ", labels: {zone: a}, internal_address: 10.1.0.11", &bare(), ""), None, "another address");
    assert_eq!(told("", "", ZONE, &bare()[1..], ""), None, "a node that has not joined");
    let state_of = |config: &Config| State::parse(&state(config, config)).unwrap();
    let mut other = wanted("", "");
    other.insert("kubernetes_version".into(), json!("v1.31.1-rancher1-1"));
    assert_eq!(change(&state_of(&other), &wanted(ZONE, ""), &bare()), None, "another version");
    let mut unnoted = wanted("", "");
    unnoted.shift_remove("network");
    assert_eq!(change(&state_of(&unnoted), &wanted(ZONE, ""), &bare()), None, "nothing proves what was asked for");
    // Asked for earlier and no longer: only the digest knows.
    let mut more = wanted("", "");
    more.insert("ssh_agent_auth".into(), json!(true));
    more.insert("prefix_path".into(), json!("/opt"));
    let digest = configuration_digest(&more);
    set_digest(&mut more, &digest);
    more.shift_remove("prefix_path");
    assert_eq!(change(&state_of(&more), &wanted(ZONE, ""), &bare()), None, "something was taken out");
    assert_eq!(change(&state_of(&wanted("", "kind: A\n")), &wanted(ZONE, "kind: B\n"), &bare()), None, "another addon");
}

#[test]
fn the_state_is_written_as_rke_would_and_the_rest_stays() {
    for addon in ["", "kind: A\n"] {
        let (before, is) =
            (wanted("", addon), wanted(", labels: {zone: a}, taints: [{key: k, effect: NoSchedule}]", addon));
        let text = state(&before, &before);
        let after = written(&text, &is, Written::Whole).unwrap();
        assert_eq!(after, serde_json::from_str::<Value>(&state(&is, &is)).unwrap());
        assert_eq!(
            after["currentState"]["rkeConfig"]["nodes"][0]["taints"],
            json!([{"key": "k", "effect": "NoSchedule"}])
        );
        let half = written(&text, &is, Written::Desired).unwrap();
        assert_eq!(half, serde_json::from_str::<Value>(&state(&before, &is)).unwrap());
        // And back again.
        let back = written(&after.to_string(), &before, Written::Whole).unwrap();
        assert_eq!(back.to_string(), text);
    }
    for wrong in ["", "{}", "{\"desiredState\": {\"rkeConfig\": {\"nodes\": []}}}"] {
        assert_eq!(written(wrong, &wanted(ZONE, ""), Written::Whole), None);
    }
    assert_eq!(as_rke_writes(&json!({"a": "<b> & \u{2028}"})), "{\"a\":\"\\u003cb\\u003e \\u0026 \\u2028\"}");
}
