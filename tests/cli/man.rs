//! The manual pages: one for every command, complete, and rendered by the programs that people read them with.

use std::path::Path;
use std::process::Command;

use super::help::COMMANDS;
use super::{Said, cowhand, files, folder};

/// The subcommands that `cowhand lb --help` lists.
const BALANCERS: [&str; 4] = ["haproxy", "nginx", "keepalived", "aws"];

/// Those that `cowhand backup --help` lists.
const OF_BACKUP: [&str; 7] = ["verify", "show", "extract", "list", "check", "key-check", "new-key"];

/// The words of every command, those of its own first: `[]`, `[check]`, `[lb, nginx]`.
fn all_commands() -> Vec<Vec<&'static str>> {
    let own = COMMANDS.iter().map(|command| vec![*command]);
    let below = BALANCERS.iter().map(|balancer| vec!["lb", *balancer]);
    let of_node = ["drain", "uncordon", "remove"].map(|verb| vec!["node", verb]);
    let of_backup = OF_BACKUP.iter().map(|verb| vec!["backup", *verb]);
    [vec![]].into_iter().chain(own).chain(below).chain(of_node).chain(of_backup).collect()
}

fn page_of(words: &[&str]) -> String {
    format!("{}.1", [&["cowhand"], words].concat().join("-"))
}

/// The folder that `cowhand man --dir` makes, and what was said of it.
fn written(inside: &Path) -> Said {
    cowhand(inside, &["man", "--dir", "share/man1"])
}

#[test]
fn every_command_has_a_page_and_no_page_is_left_over() {
    let folder = folder(&[]);
    let said = written(folder.path());
    let mut expected: Vec<String> = all_commands().iter().map(|words| page_of(words)).collect();
    expected.sort();
    assert_eq!(
        said.all(),
        format!("exit code 0\n--- stdout\n{} pages written to share/man1\n--- stderr\n", expected.len())
    );
    assert_eq!(files(&folder.path().join("share/man1")), expected);
    // again: a page of an older cowhand is replaced
    let page = folder.path().join("share/man1/cowhand-up.1");
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, "old").unwrap();
    assert_eq!(written(folder.path()).code, 0);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text);
}

#[test]
fn without_a_folder_the_first_page_goes_to_standard_output() {
    let folder = folder(&[]);
    let said = cowhand(folder.path(), &["man"]);
    assert_eq!(said.code, 0, "{}", said.all());
    written(folder.path());
    assert_eq!(said.out, std::fs::read_to_string(folder.path().join("share/man1/cowhand.1")).unwrap());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = folder(&[("file", "")]);
    let said = cowhand(folder.path(), &["man", "--dir", "file/man1"]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.err.starts_with("error: file/man1 cannot be written"), "{}", said.err);
    assert!(said.err.contains("hint: "), "{}", said.err);
}

/// Long options and arguments in angle brackets of a `--help`, and the lines of its examples.
fn told_by_help(words: &[&str]) -> Vec<String> {
    let folder = folder(&[]);
    let help = cowhand(folder.path(), &[words, &["--help"]].concat()).out;
    let options = help.lines().filter(|line| line.starts_with(' ')).filter_map(|line| {
        let found = line.split([' ', '.']).find(|word| word.starts_with("--"))?;
        line.trim_start().starts_with('-').then(|| found.to_owned())
    });
    let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
    let examples = examples.lines().take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned());
    options.chain(examples).collect()
}

/// The text of a page as the program that people read it with shows it: man (groff), mandoc, or none where neither is.
fn rendered(page: &Path) -> Option<String> {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let mut reader = if there("man") {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]);
        man
    } else if there("mandoc") {
        Command::new("mandoc")
    } else {
        return None;
    };
    // wide, so that no line of an example is broken; MAN_KEEP_FORMATTING unset: plain text into a pipe
    reader.envs([("MANWIDTH", "160"), ("LC_ALL", "C.UTF-8"), ("MANPAGER", "cat")]).env_remove("MAN_KEEP_FORMATTING");
    let said = reader.arg(page).output().unwrap();
    let complaints = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
    Some(String::from_utf8(said.stdout).unwrap())
}

/// In a page's own roff, dashes and apostrophes are escaped.
fn unescaped(roff: &str) -> String {
    roff.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
}

#[test]
fn a_page_says_what_help_says_and_is_rendered_so() {
    let folder = folder(&[]);
    written(folder.path());
    for words in all_commands() {
        let page = folder.path().join("share/man1").join(page_of(&words));
        let roff = std::fs::read_to_string(&page).unwrap();
        let title =
            format!(".TH {} 1 \"\" \"cowhand {}\"", page_of(&words).trim_end_matches(".1"), env!("CARGO_PKG_VERSION"));
        assert!(roff.contains(&title), "{title}: {roff}");
        let told = told_by_help(&words);
        assert!(told.len() >= 5, "{words:?}: {told:?}");
        let shown = rendered(&page);
        for text in [Some(unescaped(&roff)), shown].into_iter().flatten() {
            let missing: Vec<&String> = told.iter().filter(|word| !text.contains(word.as_str())).collect();
            assert!(missing.is_empty(), "{words:?} misses {missing:?} in\n{text}");
        }
    }
}
