//! Help that teaches, and the version.

use super::{cowhand, folder};

pub const COMMANDS: [&str; 27] = [
    "init",
    "adopt",
    "unprotect",
    "check",
    "plan",
    "up",
    "verify",
    "status",
    "certs",
    "drift",
    "history",
    "play",
    "down",
    "kubeconfig",
    "lb",
    "node",
    "rotate",
    "upgrade",
    "rollback",
    "recover-state",
    "backup",
    "rebuild",
    "explain",
    "completions",
    "man",
    "inventory",
    "schema",
];

#[test]
fn the_first_page() {
    let empty = folder(&[]);
    insta::assert_snapshot!("help", cowhand(empty.path(), &["--help"]).all());
    let short = cowhand(empty.path(), &["-h"]);
    assert_eq!(short.code, 0);
    assert!(short.out.lines().count() <= 50, "must fit on a screen:\n{}", short.out);
}

#[test]
fn every_command_has_a_page_with_two_examples() {
    let empty = folder(&[]);
    for command in COMMANDS {
        let said = cowhand(empty.path(), &[command, "--help"]);
        let examples = said.out.split("Examples:").nth(1).unwrap_or_default();
        assert!(examples.matches("cowhand ").count() >= 1 && examples.lines().count() >= 3, "{command}:\n{}", said.out);
        insta::assert_snapshot!(format!("help_{command}"), said.all());
    }
}

#[test]
fn help_is_a_command_too() {
    let empty = folder(&[]);
    for command in COMMANDS {
        let asked = cowhand(empty.path(), &["help", command]);
        assert_eq!(asked.code, 0, "{}", asked.all());
        assert_eq!(asked.out, cowhand(empty.path(), &[command, "--help"]).out);
    }
    assert_eq!(cowhand(empty.path(), &["help"]).out, cowhand(empty.path(), &["--help"]).out);
    assert_eq!(cowhand(empty.path(), &["help", "chek"]).code, 2);
}

#[test]
fn no_command_is_missing_here() {
    let said = cowhand(folder(&[]).path(), &["-h"]);
    let listed: Vec<&str> = said
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, [&COMMANDS[..], &["help"]].concat());
}

#[test]
fn the_version_is_one_line() {
    let said = cowhand(folder(&[]).path(), &["--version"]);
    assert_eq!((said.code, said.out.as_str()), (0, concat!("cowhand ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn the_bash_completion_is_accepted_by_bash() {
    let said = cowhand(folder(&[]).path(), &["completions", "bash"]);
    let bash = assert_cmd::Command::new("bash").arg("-n").write_stdin(said.out).output().unwrap();
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
}
