//! The forms of output, and that stdout is data and stderr is talk.

use serde_json::Value;

use super::{cowhand, cowhand_with, folder};

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn the_exit_codes_are_explained() {
    insta::assert_snapshot!("exit_codes", cowhand(folder(&[]).path(), &["explain", "exit-codes"]).all());
}

#[test]
fn as_json_an_answer_is_one_line_on_stdout() {
    let said = cowhand(folder(&[]).path(), &["explain", "exit-codes", "--output", "json"]);
    let lines = json_lines(&said.out);
    assert_eq!((said.code, said.err.as_str(), lines.len()), (0, "", 1));
    let codes: Vec<u64> = lines[0]["value"].as_array().unwrap().iter().map(|it| it["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
}

#[test]
fn as_json_a_failure_is_an_event_on_stdout_with_the_exit_code() {
    let said = cowhand(folder(&[]).path(), &["explain", "weather", "--output", "json"]);
    let lines = json_lines(&said.out);
    assert_eq!((said.code, said.err.as_str(), lines.len()), (2, "", 1));
    assert_eq!(lines[0]["event"], "failure");
    assert_eq!(lines[0]["exit"], 2);
    assert_eq!(lines[0]["error"], "there is no check `weather`");
}

#[test]
fn no_terminal_gets_no_escape_whatever_is_asked_for() {
    let empty = folder(&[]);
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color")]] {
        for form in ["bars", "plain"] {
            let said = cowhand_with(empty.path(), &["explain", "exit-codes", "--output", form], variables);
            assert!(!said.all().contains('\u{1b}'), "{form} {variables:?}");
        }
    }
}

#[test]
fn a_locale_that_is_not_utf8_gets_ascii() {
    let files = folder(&[("a.yml", "nodes: []"), ("b.yml", "nodes: []")]);
    let said = cowhand_with(files.path(), &["check"], &[("LC_ALL", "C")]);
    assert!(said.err.contains("a.yml") && said.err.is_ascii(), "{}", said.err);
}

#[test]
fn quiet_still_says_errors() {
    let said = cowhand(folder(&[]).path(), &["explain", "weather", "-q"]);
    assert!(said.err.starts_with("error: "), "{}", said.err);
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let cowhand = assert_cmd::cargo::cargo_bin("cowhand");
    let script = format!("set -o pipefail; '{}' completions bash | head -n 1 >/dev/null", cowhand.display());
    let bash = assert_cmd::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!((bash.status.code(), String::from_utf8_lossy(&bash.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_a_failure() {
    let cowhand = assert_cmd::cargo::cargo_bin("cowhand");
    let script = format!("'{}' completions bash >/dev/full", cowhand.display());
    let bash = assert_cmd::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(bash.status.code(), Some(6));
    let said = String::from_utf8_lossy(&bash.stderr).into_owned();
    assert!(said.starts_with("error: the answer cannot be written to standard output\n  because: "), "{said}");
}
