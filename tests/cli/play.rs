//! Run files without a machine: what is refused before anything is touched, what a plan shows, and the nodes for Ansible.

use super::{cowhand, files, folder};

const INVENTORY: &str = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
    rancher: {hostname: r.example.com, version: 2.11.5, tls: {mode: ingress, issuer: ca}}\n";

#[test]
fn a_bad_file_says_every_mistake_and_touches_nothing() {
    let book =
        "name: night\nitems:\n- chekc\n- run: {on: n4, words: [uptime]}\n- run: {on: all, words: [uptime], limt: 5m}\n";
    let folder = folder(&[("prod.yml", INVENTORY), ("night.run", book)]);
    for words in
        [&["play", "night.run"][..], &["play", "night.run", "--plan"], &["play", "night.run", "--yes", "night"]]
    {
        let said = cowhand(folder.path(), words);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.all());
        for text in ["night.run:3:3", "check", "night.run:4:", "n4", "night.run:5:", "limit", "nothing was touched"] {
            assert!(said.err.contains(text), "{text}\n{}", said.err);
        }
    }
    assert_eq!(files(folder.path()), ["night.run", "prod.yml"]);
}

#[test]
fn a_question_that_nobody_can_answer_is_refused_before_anything_is_touched() {
    let book = "name: patch night\nitems:\n- note: first\n- confirm: now?\n- down\n";
    let folder = folder(&[("prod.yml", INVENTORY), ("night.run", book)]);
    let refused = |words: &[&str], text: &str| {
        let said = cowhand(folder.path(), &[&["play", "night.run"], words].concat());
        assert_eq!(said.code, 2, "{}", said.all());
        assert!(said.err.contains(text) && said.err.contains("nothing was touched"), "{}", said.err);
    };
    refused(&[], "nobody is there to ask");
    refused(&[], "--yes 'patch night'");
    refused(&["--yes", "prod"], "this is `patch night`");
    refused(&["--yes", "patch night"], "this is `prod`");
    assert_eq!(files(folder.path()), ["night.run", "prod.yml"]);
}

#[test]
fn a_plan_shows_every_item_as_it_is_done() {
    let book = "name: patch night\nitems:\n- check\n- confirm: the window is open\n\
        - run: {on: all, sudo: true, words: [systemctl, restart, docker], always: true}\n- wait: {nodes: ready}\n";
    let folder = folder(&[("prod.yml", INVENTORY), ("night.run", book)]);
    let said = cowhand(folder.path(), &["play", "night.run", "--plan"]);
    insta::assert_snapshot!(said.all());
    let said = cowhand(folder.path(), &["play", "night.run", "--plan", "--output", "json"]);
    assert!(said.out.contains(r#""disrupts":true"#), "{}", said.all());
    assert_eq!(files(folder.path()), ["night.run", "prod.yml"]);
}

#[test]
fn the_worked_examples_fit_an_inventory() {
    let folder = folder(&[("prod.yml", INVENTORY)]);
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks");
    // The other one has stages that build: its plan would ask the machines.
    let file = format!("{examples}/maintenance.yml");
    let said = cowhand(folder.path(), &["play", &file, "--plan"]);
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn the_schema_of_run_files_and_the_nodes_for_ansible_are_json() {
    let folder = folder(&[("prod.yml", INVENTORY)]);
    let json = |words: &[&str]| -> serde_json::Value {
        let said = cowhand(folder.path(), words);
        assert_eq!(said.code, 0, "{}", said.all());
        serde_json::from_str(&said.out).unwrap()
    };
    assert_eq!(json(&["schema", "--playbook"])["title"], "cowhand run file");
    let listed = json(&["inventory", "--ansible", "--list"]);
    assert_eq!(listed["_meta"]["hostvars"]["n2"], json(&["inventory", "--ansible", "--host", "n2"]));
    assert_eq!(cowhand(folder.path(), &["inventory", "--ansible", "--host", "n9"]).code, 2);
    assert_eq!(cowhand(folder.path(), &["inventory"]).code, 2);
}
