//! `rebuild` as people call it, without a machine: everything that is refused before one is asked.

use std::os::unix::fs::PermissionsExt;

use super::{cowhand, folder};

const INVENTORY: &str = "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\nengine: {rke: {}}\n\
    rancher: {hostname: rancher.example.com, tls: {mode: ingress, issuer: ca}}\n";

/// A label that is right but for the hash, and what follows it.
fn backup(format: u32, length: usize, behind: &str) -> String {
    let label = format!(
        r#"{{"cowhand-backup":{format},"name":"prod","uid":"u","taken":"2026-11-30T03:15:00Z","revision":7,"level":3,"length":{length},"sha256":"00"}}"#
    );
    format!("{label:<1023}\n{behind}")
}

#[test]
fn what_cannot_be_is_refused_before_a_machine_is_asked() {
    let (newer, cut, changed) = (backup(9, 0, ""), backup(1, 99, "text"), backup(1, 4, "text"));
    let files = [
        ("prod.yml", INVENTORY),
        ("empty.cowhand", ""),
        ("text.cowhand", "a letter\n"),
        ("newer.cowhand", newer.as_str()),
        ("cut.cowhand", cut.as_str()),
        ("changed.cowhand", changed.as_str()),
        ("open-key", "AGE-SECRET-KEY-1HUNTER2\n"),
        ("wrong-key", "AGE-SECRET-KEY-1HUNTER2\n"),
        ("passphrase", "hunter2\n"),
    ];
    let folder = folder(&files);
    assert_eq!(cowhand(folder.path(), &["backup", "new-key", "key"]).code, 0);
    for name in ["wrong-key", "passphrase"] {
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let asked: [&[&str]; 15] = [
        &["rebuild"],
        &["rebuild", "--from", "cut.cowhand", "-i", "none.yml"],
        &["rebuild", "--from", "cut.cowhand"],
        &["rebuild", "--from", "cut.cowhand", "--identity", "none"],
        &["rebuild", "--from", "cut.cowhand", "--identity", "open-key"],
        &["rebuild", "--from", "cut.cowhand", "--identity", "wrong-key"],
        &["rebuild", "--from", "cut.cowhand", "--identity", "key", "--passphrase-file", "passphrase"],
        &["rebuild", "--from", "none.cowhand", "--identity", "key"],
        &["rebuild", "--from", ".", "--identity", "key"],
        &["rebuild", "--from", "empty.cowhand", "--identity", "key"],
        &["rebuild", "--from", "text.cowhand", "--identity", "key"],
        &["rebuild", "--from", "newer.cowhand", "--identity", "key"],
        &["rebuild", "--from", "cut.cowhand", "--identity", "key"],
        &["rebuild", "--from", "changed.cowhand", "--passphrase-file", "passphrase", "--yes", "prod"],
        &["rebuild", "--from", "cut.cowhand", "--identity", "key", "--plan", "--yes", "prod"],
    ];
    let mut told = String::new();
    for words in asked {
        let said = cowhand(folder.path(), words);
        assert_ne!(said.code, 0, "{words:?}: {}", said.all());
        assert!(!said.all().to_lowercase().contains("hunter"), "{words:?}: {}", said.all());
        told += &format!("$ cowhand {}\n{}\n", words.join(" "), said.all());
    }
    assert!(!folder.path().join(".cowhand").exists() && !folder.path().join("cluster.rkestate").exists());
    insta::assert_snapshot!("refused_rebuilds", told.replace(folder.path().to_str().unwrap(), "…"));
}
