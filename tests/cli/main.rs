//! The binary as people call it: what it prints, where, and with which exit code. Nothing here reaches a machine.

mod adopt;
mod backup;
mod completions;
mod existing;
mod exit_codes;
mod help;
mod history;
mod init;
mod inventories;
mod lb;
mod man;
mod output;
mod ownership;
mod pages;
mod play;
mod rebuild;
mod signals;
mod ssh_config;
mod terminal;
mod usage;

use std::path::Path;

/// What one call gave back.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Calls cowhand in this folder, in a plain surrounding: no terminal, UTF-8, no colours asked for.
fn cowhand(folder: &Path, words: &[&str]) -> Said {
    cowhand_with(folder, words, &[])
}

/// As [`cowhand`], with environment variables of the test's own.
fn cowhand_with(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Said {
    call(folder, words, variables, "")
}

/// As [`cowhand`], with something on standard input.
fn cowhand_reading(folder: &Path, words: &[&str], input: &str) -> Said {
    call(folder, words, &[], input)
}

fn call(folder: &Path, words: &[&str], variables: &[(&str, &str)], input: &str) -> Said {
    let output = assert_cmd::Command::cargo_bin("cowhand")
        .unwrap()
        .write_stdin(input)
        .current_dir(folder)
        .args(words)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Said {
        code: output.status.code().expect("ended by itself"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// The whole answer as one snapshot.
    fn all(&self) -> String {
        format!("exit code {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// A folder with these files in it, gone when dropped.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The names of all files in a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
