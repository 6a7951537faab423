use super::*;

/// Nodes n1 to n3: all roles on the first two, the third a worker.
fn nodes() -> Vec<Node> {
    let text = "name: prod\nnodes:\n- 10.0.0.11\n- 10.0.0.12\n- 10.0.0.13\n- {name: w1, address: 10.0.0.14, roles: [worker]}\n\
        engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\nrancher: {hostname: r.example.com, tls: {mode: ingress, issuer: ca}}\n";
    let nowhere = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
    crate::inventory::parse(text, Path::new("prod.yml"), &nowhere).unwrap().nodes
}

fn read(text: &str) -> Result<Playbook, Mistakes> {
    let nowhere = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
    parse(text, Path::new("night.yml"), &nowhere, &nodes())
}

fn one(item: &str) -> Result<Item, Mistakes> {
    read(&format!("name: x\nitems:\n- {item}\n")).map(|mut book| book.items.remove(0))
}

fn told(item: &str) -> String {
    one(item).unwrap().doing.to_string()
}

#[test]
fn the_built_in_lists_name_each_stage_once() {
    let all = [Stage::Check, Stage::Cluster, Stage::Ingress, Stage::CertManager, Stage::Rancher, Stage::Verify];
    assert_eq!(up().unwrap(), all);
    assert_eq!(down().unwrap(), [Stage::Remove]);
}

#[test]
fn the_worked_examples_parse() {
    let maintenance = read(include_str!("../../../playbooks/maintenance.yml")).unwrap();
    assert_eq!((maintenance.name.as_str(), maintenance.items.len()), ("patch night", 4 + 5 * 4));
    let nightly = read(include_str!("../../../playbooks/lab-nightly.yml")).unwrap();
    let told: Vec<String> = nightly.items.iter().map(|item| item.doing.to_string()).collect();
    assert_eq!(told[1..3], ["down", "check, cluster, ingress, cert-manager, rancher, verify"]);
}

#[test]
fn nodes_are_meant_by_name_role_all_and_each() {
    let on = |on: &str| match one(&format!("run: {{on: {on}, words: [uptime]}}")).unwrap().doing {
        Doing::Run(run) => run.on.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(on("n1"), "n1");
    assert_eq!(on("[n3, n1]"), "n1, n3", "in the inventory's order");
    assert_eq!(on("etcd"), "n1, n2, n3");
    assert_eq!(on("all"), "n1, n2, n3, w1");
    assert_eq!(on("each"), "n1, n2, n3, w1, one after the other");
    assert_eq!(on("[each, controlplane]"), "n1, n2, n3, one after the other");
    assert_eq!(on("[w1, w1]"), "w1");
}

#[test]
fn what_takes_a_node_away_is_one_at_a_time_whatever_the_file_says() {
    let run = |item: &str| match one(item).unwrap().doing {
        Doing::Run(run) => (run.disrupts, run.on.each),
        other => panic!("{other:?}"),
    };
    assert_eq!(run("run: {on: all, words: [uptime]}"), (false, false));
    assert_eq!(run("run: {on: all, words: [systemctl, restart, docker]}"), (true, true));
    assert_eq!(run("run: {on: all, words: [sh, -c, 'sleep 1; reboot']}"), (true, true));
    assert_eq!(run("run: {on: all, words: [./patch], disrupts: true}"), (true, true));
    let refused = one("run: {on: all, words: [reboot], disrupts: false}").unwrap_err();
    assert!(refused.to_string().contains("one node at a time"), "{refused}");
}

#[test]
fn a_reboot_is_an_item_of_its_own_and_one_at_a_time_whatever_the_file_says() {
    assert_eq!(told("reboot: {on: etcd}"), "reboot n1, n2, n3, one after the other, at most 15m each");
    let item = one("reboot: {on: [n1, w1], limit: 20m}").unwrap();
    assert!(item.doing.disrupts() && item.doing.changes() && !item.doing.is_repeated());
    assert_eq!(item.doing.to_string(), "reboot n1, w1, one after the other, at most 20m each");
    for (wrong, said) in [
        ("reboot: {}", "on"),
        ("reboot: {on: n9}", "there is no node"),
        ("reboot: {on: n1, always: true}", "always"),
        ("reboot: {on: n1, limit: 2d}", "from 1s to 24h"),
        ("run: {on: n1, words: [reboot]}", "the item `reboot: {on: NODE}`"),
    ] {
        let refused = one(wrong).unwrap_err().to_string();
        assert!(refused.contains(said), "{wrong}: {refused}");
    }
}

#[test]
fn nodes_take_turns_and_each_goes_through_all_of_it() {
    let text = "name: x\nitems:\n- check\n- turns:\n    on: [w1, n1]\n    items:\n    - drain: {on: this, force: true, limit: 5m}\n    \
        - reboot: {on: this}\n    - uncordon: {on: this, always: true}\n    - wait: {nodes: ready}\n- verify\n";
    let items = read(text).unwrap().items;
    let told: Vec<String> = items[1..5].iter().map(|item| item.doing.to_string()).collect();
    let wait = "wait until nodes n1, n2, n3, w1 are Ready, at most 10m";
    let drain = "drain n1, at most 5m each; pods without a controller may be lost";
    assert_eq!(told, [drain, "reboot n1, at most 15m each", "uncordon n1", wait], "in the inventory's order");
    let turns: Vec<Option<&str>> = items.iter().map(|item| item.turn.as_ref().map(|turn| turn.node.as_str())).collect();
    let (n1, w1) = (Some("n1"), Some("w1"));
    assert_eq!(turns, [None, n1, n1, n1, n1, w1, w1, w1, w1, None]);
    let drain = &items[1].doing;
    assert!(drain.changes() && drain.is_repeated() && !items[3].doing.is_repeated() && items[3].always);
}

#[test]
fn what_cannot_be_a_turn_is_told_with_its_line() {
    for (turns, said) in [
        ("{on: all, items: []}", "items: is empty"),
        ("{on: n9, items: [{note: x}]}", "there is no node"),
        ("{on: all, items: [{drain: {on: n1}}]}", "has to be `this` within turns"),
        ("{on: all, items: [{drain: {on: this}, note: x}]}", "does several things"),
        ("{on: all, items: [{confirm: x}]}", "confirm"),
        ("{on: all, items: [{turns: {}}]}", "turns"),
        ("{on: this, items: [{note: x}]}", "there are no turns here"),
    ] {
        let refused = one(&format!("turns: {turns}")).unwrap_err().to_string();
        assert!(refused.contains(said) && refused.contains("night.yml:3"), "{turns}: {refused}");
    }
    let refused = one("{turns: {on: all, items: [{note: x}]}, note: y}").unwrap_err().to_string();
    assert!(refused.contains("does several things"), "{refused}");
    assert!(one("drain: {on: this}").unwrap_err().to_string().contains("name the nodes"));
}

#[test]
fn verbs_that_only_look_are_items() {
    for verb in ["plan", "status", "certs", "drift"] {
        let item = one(verb).unwrap();
        assert_eq!((told(verb).as_str(), item.doing.changes(), item.doing.is_repeated()), (verb, false, true));
    }
}

#[test]
fn an_item_is_told_as_it_is_done_and_a_secret_by_its_file() {
    let item =
        "run: {on: n1, sudo: true, words: [sh, -c, 'echo $1', sh, a b], stdin_file: ./in, env_files: {TOKEN: ./t}}";
    assert_eq!(told(item), "run sudo -n -- sh -c 'echo $1' sh 'a b' on n1; TOKEN from /srv/t, stdin from /srv/in");
    assert_eq!(
        told("upload: {on: [n1, n2], from: motd, to: /etc/motd, mode: \"0644\", sudo: true}"),
        "upload /srv/motd to /etc/motd (0644, root's) on n1, n2"
    );
    assert_eq!(
        told("wait: {deployment: cattle-system/rancher, limit: 5m}"),
        "wait until deployment cattle-system/rancher is ready, at most 5m"
    );
    assert!(one("run: {on: n1, words: [uptime], always: true}").unwrap().always);
}

#[test]
fn every_mistake_is_said_at_once_with_its_line_and_the_nearest_name() {
    let text = "nam: x\nitems:\n- chekc\n- run: {on: n4, words: [uptime]}\n- run: {on: [n1, wroker], word: [uptime]}\n\
        - {note: a, confirm: b}\n- wait: {limit: soon, nodes: ready}\n- run: {on: n1, words: apt-get upgrade}\n\
        - run: {on: n1, words: [apt-get upgrade]}\n- upload: {on: n1, from: x, to: etc, mode: rw}\n- wait: {}\n- {}\n\
        - run: {on: n1, words: [curl, 'https://me:hunter2@example.com']}\n- run: {on: n1, words: [x], env_files: {1A: ./t}}\n";
    insta::assert_snapshot!(read(text).unwrap_err().to_string());
}

#[test]
fn no_item_and_another_file_are_refused() {
    for text in ["name: x\nitems: []\n", "name: x\n", "items: [check]\n", "", "[check]", "name: ' '\nitems: [check]\n"]
    {
        assert!(read(text).is_err(), "{text}");
    }
}

/// Every key of the schema, each at its place, in one file that is good.
const FULL: &str = "name: all\nitems: [check, cluster, ingress, cert-manager, rancher, verify, up, down, recover-state, backup, plan, status, certs, drift,\n\
    {run: {on: [each], words: [x], sudo: true, limit: 1m, stdin_file: ./a, env_files: {A: ./b}, disrupts: true, always: true}},\n\
    {upload: {on: all, from: ./a, to: /b, mode: '0600', sudo: true, always: true}},\n\
    {drain: {on: n1, limit: 5m, force: true, delete_emptydir_data: true}}, {uncordon: {on: n1, always: true}},\n\
    {turns: {on: n1, items: [{drain: {on: this}}, {uncordon: {on: this}}]}},\n\
    {reboot: {on: n1, limit: 20m}}, {wait: {nodes: ready, limit: 1s, always: true}}, {wait: {deployment: a/b}}, {wait: {daemonset: a/b}},\n\
    {confirm: sure}, {note: done}]\n";

#[test]
fn the_schema_and_the_parser_know_the_same() {
    let playbook = read(FULL).unwrap();
    assert_eq!(playbook.items.len(), 21, "{playbook:?}");
    let mut keys = Vec::new();
    collect(&schema(), &mut keys);
    // What the schema has, the parser takes: the file above has every key and word of it.
    for key in &keys {
        let known = FULL.contains(&format!("{key}:")) || FULL.contains(key.as_str());
        assert!(known, "{key} is in the schema and not in the full file");
    }
    // What the schema has not, the parser refuses, at every place where a key may stand.
    for key in keys.iter().filter(|key| FULL.contains(&format!("{key}:"))) {
        let broken = FULL.replacen(&format!("{key}:"), &format!("{key}q:"), 1);
        assert!(read(&broken).is_err(), "{broken}");
    }
}

/// Every key of an object, and every word of a closed choice.
fn collect(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            into.extend(
                map.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.clone()),
            );
            let words = map.get("enum").and_then(Value::as_array).into_iter().flatten();
            into.extend(words.filter_map(Value::as_str).map(str::to_owned));
            map.values().for_each(|inner| collect(inner, into));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
