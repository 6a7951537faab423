//! What a shell is told when somebody presses TAB: it asks cowhand itself.

use super::{cowhand, cowhand_with, folder};

/// What can stand at the place of the last word.
fn offered(words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    // As the script for bash asks.
    let asks = [("COWHAND_COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", index.as_str()), ("_CLAP_IFS", "\n")];
    let said = cowhand_with(folder(&[]).path(), &[&["--"], words].concat(), &asks);
    assert_eq!(said.code, 0, "{}", said.all());
    said.out.lines().map(str::to_owned).collect()
}

#[test]
fn ids_of_checks_are_offered_where_they_can_be_said() {
    let skip = offered(&["cowhand", "check", "--skip", "node."]);
    assert!(skip.iter().any(|id| id == "node.memory") && skip.iter().all(|id| id.starts_with("node.")), "{skip:?}");
    let all = offered(&["cowhand", "up", "--skip", ""]);
    assert!(!all.iter().any(|id| id == "ssh.reachable"), "it cannot be skipped: {all:?}");
    let explain = offered(&["cowhand", "explain", ""]);
    for id in ["exit-codes", "ssh.reachable", "docker.too-new"] {
        assert!(explain.iter().any(|offered| offered == id), "{id}: {explain:?}");
    }
    assert_eq!(offered(&["cowhand", "recover"]), ["recover-state"]);
}

#[test]
fn each_script_asks_the_program_in_path() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = cowhand(folder(&[]).path(), &["completions", shell]);
        assert_eq!(said.code, 0, "{shell}: {}", said.all());
        assert!(said.out.contains("COWHAND_COMPLETE") && said.out.contains("cowhand"), "{shell}: {}", said.out);
        assert!(!said.out.contains(env!("CARGO_MANIFEST_DIR")), "{shell}: {}", said.out);
    }
}
