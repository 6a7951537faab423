//! Who ran what: the journal, read by `history`; no machine is asked.

use super::{cowhand, folder};

const INVENTORY: &str = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
    rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";

fn run(id: &str, who: &str, command: &str, end: &str) -> String {
    let line = |rest: &str| format!("{{\"time\":\"2026-11-23T20:24:56Z\",\"run\":\"{id}\",{rest}}}\n");
    [
        line(&format!("\"who\":\"{who}\",\"event\":\"run-started\",\"command\":\"{command}\",\"cluster\":\"prod\"")),
        line("\"event\":\"step-started\",\"stage\":\"cluster\",\"step\":\"run rke up\""),
        line("\"event\":\"warning\",\"text\":\"the disk is slow\""),
        line("\"event\":\"stage-finished\",\"stage\":\"cluster\",\"outcome\":\"changed\",\"text\":\"3 nodes Ready\",\"seconds\":96.0"),
        if end.is_empty() { String::new() } else { line(end) },
    ]
    .concat()
}

fn workspace() -> tempfile::TempDir {
    let folder = folder(&[("prod.yml", INVENTORY)]);
    std::fs::create_dir(folder.path().join(".cowhand")).unwrap();
    let done = "\"event\":\"run-finished\",\"ok\":true,\"seconds\":120.0,\"exit\":0";
    let failed = "\"event\":\"run-finished\",\"ok\":false,\"seconds\":9.0,\"exit\":6";
    let journal = [
        run("20261123T202456.123456Z-4711", "ada@laptop", "up", done),
        run("20261124T101112.000001Z-12", "bob@desk", "rotate", failed),
        run("20261124T101113.000001Z-13", "bob@desk", "up", ""),
    ];
    std::fs::write(folder.path().join(".cowhand/journal.jsonl"), journal.concat()).unwrap();
    folder
}

#[test]
fn each_run_with_who_what_and_its_end_newest_first() {
    let folder = workspace();
    insta::assert_snapshot!("history", cowhand(folder.path(), &["history"]).all());
    let newest = cowhand(folder.path(), &["history", "--newest", "1"]);
    assert!(newest.out.contains("2 older; `--newest 3`") && !newest.out.contains("ada@laptop"), "{}", newest.out);
    let said = cowhand(folder.path(), &["history", "--output", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let exits: Vec<Option<u64>> = said["runs"].as_array().unwrap().iter().map(|run| run["exit"].as_u64()).collect();
    assert_eq!(exits, [None, Some(6), Some(0)]);
    assert_eq!(said["runs"][2]["who"], "ada@laptop");
}

#[test]
fn one_run_by_the_beginning_of_its_id() {
    let folder = workspace();
    insta::assert_snapshot!("history_run", cowhand(folder.path(), &["history", "20261123"]).all());
    let several = cowhand(folder.path(), &["history", "20261124"]);
    assert!(several.code == 2 && several.err.contains("several runs begin with `20261124`"), "{}", several.all());
    assert!(several.err.contains("20261124T101113.000001Z-13"), "{}", several.all());
    let none = cowhand(folder.path(), &["history", "1999"]);
    assert!(none.code == 2 && none.err.contains("there is no run `1999`"), "{}", none.all());
}

#[test]
fn without_a_journal_there_is_nothing_to_tell_and_nothing_is_made() {
    let folder = folder(&[("prod.yml", INVENTORY)]);
    let said = cowhand(folder.path(), &["history"]);
    assert!(said.code == 0 && said.out.contains("no run has changed anything from here"), "{}", said.all());
    assert_eq!(super::files(folder.path()), ["prod.yml"]);
}
