//! The exit codes: those of playbooks/README.md, in its words, each reached by a run where that needs no cluster.
//!
//! 1 is a panic that ends a run, and no honest way to one is known; 7 takes a cluster (story `outside`).

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use super::pages::{file, pages};
use super::{Said, cowhand, folder};

const GOOD: &str = "engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
    rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";

/// An inventory whose nodes are all reached at this port of this machine.
fn at_port(port: u16) -> String {
    let node = |n| format!("- {{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1}}}}\n");
    let nodes: String = (1..4).map(node).collect();
    format!("name: prod\nssh: {{port: {port}, connect_timeout: 20s}}\nnodes:\n{nodes}{GOOD}")
}

/// A port where nobody listens, and which no listener of another test gets by chance.
const NOBODY: u16 = 1;

fn run(inventory: &str, words: &[&str]) -> Said {
    cowhand(folder(&[("inventory.yml", inventory)]).path(), words)
}

#[test]
fn the_page_says_what_explain_says() {
    let page = file("playbooks/README.md");
    let section =
        page.split("\n## Exit codes\n").nth(1).expect("the page has the section").split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let told: Vec<Vec<String>> = rows
        .map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>())
        .filter(|cells: &Vec<String>| cells[0].parse::<u8>().is_ok())
        .collect();
    let said = cowhand(folder(&[]).path(), &["explain", "exit-codes", "--output", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let word = |code: &serde_json::Value, key: &str| code[key].as_str().unwrap().to_owned();
    let codes = said["value"].as_array().unwrap().iter();
    let expected: Vec<Vec<String>> =
        codes.map(|code| vec![code["code"].to_string(), word(code, "meaning"), word(code, "advice")]).collect();
    assert_eq!(told, expected);
}

#[test]
fn done_usage_and_inventory() {
    let good = format!("name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\n{GOOD}");
    assert_eq!(run(&good, &["check", "--offline"]).code, 0);
    assert_eq!(run(&good, &["chekc"]).code, 2);
    assert_eq!(run(&good, &["check", "--skip", "no.such-check"]).code, 2);
    assert_eq!(run(&good.replace("name: prod", "nmae: prod"), &["check", "--offline"]).code, 3);
}

#[test]
fn a_machine_that_cannot_be_reached() {
    for command in ["check", "plan", "status"] {
        let said = run(&at_port(NOBODY), &[command]);
        assert_eq!(said.code, 4, "{command}: {}", said.all());
    }
}

#[test]
fn a_kubeconfig_that_is_not_there_is_no_connection_that_failed() {
    for engine in
        [GOOD.to_owned(), GOOD.replace("{rke: {kubernetes: v1.32.2-rancher1-1}}", "{existing: {kubeconfig: ./no}}")]
    {
        let nodes = if engine.contains("rke") { "nodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\n" } else { "" };
        let said = run(&format!("name: prod\n{nodes}{engine}"), &["kubeconfig"]);
        assert_eq!(said.code, 5, "{}", said.all());
        assert!(said.err.starts_with("error: there is no /"), "{}", said.err);
        // A new cluster is not the first advice where one may be running.
        let (recover, up) = (said.err.find("recover-state"), said.err.find("cowhand up"));
        assert!(!engine.contains("rke") || recover.zip(up).is_some_and(|(recover, up)| recover < up), "{}", said.err);
    }
}

#[test]
fn checks_that_failed() {
    let old = format!(
        "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\n{}",
        GOOD.replace("{rke: {", "{rke: {version: v1.5.0, ")
    );
    assert_eq!(run(&old, &["check", "--offline"]).code, 5);
}

#[test]
fn interrupted() {
    for signal in ["INT", "TERM"] {
        // It takes the connection and says nothing, so the run waits for its greeting; and each run has one of its own.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = folder(&[("inventory.yml", &at_port(silent.local_addr().unwrap().port()))]);
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("cowhand"))
            .args(["check"])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _held = silent.accept().unwrap();
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "SIG{signal}");
    }
}

/// Every `cowhand explain X` that cowhand or one of its pages recommends is one that it knows.
#[test]
fn whatever_is_recommended_to_be_explained_is_known() {
    let mut topics = std::collections::BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut texts: Vec<String> = pages().iter().map(|page| file(page)).collect();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => texts.push(std::fs::read_to_string(path).unwrap()),
            }
        }
    }
    for text in &texts {
        for after in text.split("cowhand explain ").skip(1) {
            let word: String = after
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(*c))
                .collect();
            // `explain {id}` is filled in from a finding, `explain explains…` is a sentence.
            if word.contains(['.', '-']) {
                topics.insert(word.trim_end_matches('.').to_owned());
            }
        }
    }
    assert!(topics.len() >= 3, "{topics:?}");
    let empty = folder(&[]);
    for topic in topics {
        let said = cowhand(empty.path(), &["explain", &topic]);
        assert_eq!(said.code, 0, "{topic}: {}", said.all());
    }
}
