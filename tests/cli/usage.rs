//! Mistakes on the command line: exit code 2, and nothing is touched.

use super::{cowhand, files, folder};

#[test]
fn no_command_shows_the_help() {
    let said = cowhand(folder(&[]).path(), &[]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("Usage: cowhand"), "{}", said.err);
}

#[test]
fn mistakes_are_named() {
    let empty = folder(&[]);
    let mistakes: [(&str, &[&str]); 11] = [
        ("unknown_command", &["chek"]),
        ("unknown_flag", &["up", "--fast"]),
        ("unknown_output", &["check", "--output", "xml"]),
        ("quiet_and_verbose", &["check", "-q", "-v"]),
        ("list_and_offline", &["check", "--list", "--offline"]),
        ("down_yes_without_name", &["down", "--yes"]),
        ("path_and_print", &["kubeconfig", "--path", "--print"]),
        ("remove_no_node", &["node", "remove"]),
        ("remove_plan_and_yes", &["node", "remove", "n4", "--plan", "--yes", "n4"]),
        ("explain_nothing", &["explain"]),
        ("unknown_shell", &["completions", "cmd"]),
    ];
    for (name, words) in mistakes {
        let said = cowhand(empty.path(), words);
        assert_eq!(said.code, 2, "{name}");
        assert_eq!(said.out, "", "{name}");
        insta::assert_snapshot!(format!("usage_{name}"), said.all());
    }
    assert!(files(empty.path()).is_empty());
}

#[test]
fn an_unknown_check_is_not_explained_but_listed() {
    let said = cowhand(folder(&[]).path(), &["explain", "weather"]);
    insta::assert_snapshot!(said.all(), @r"
    exit code 2
    --- stdout
    --- stderr
    error: there is no check `weather`
    hint: `cowhand check --list` lists all checks; `cowhand explain exit-codes` explains the exit codes
    ");
}
