//! Backups as people call them, without a machine: keys, and everything that is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{cowhand, folder};

const INVENTORY: &str = "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\nengine: {rke: {}}\n\
    rancher: {hostname: rancher.example.com, tls: {mode: ingress, issuer: ca}}\n";
const EXISTING: &str = "name: shared\nengine: {existing: {kubeconfig: kubeconfig}}\ningress: {class: nginx}\n\
    rancher: {hostname: rancher.example.com, tls: {mode: ingress, issuer: ca}}\n";

/// A label of 1024 bytes with this in it, and what follows.
fn file(label: &str, behind: &str) -> String {
    format!("{label:<1023}\n{behind}")
}

/// As it stands in a label that is right but for the hash.
fn label(format: u32, level: u32, length: usize) -> String {
    format!(
        r#"{{"cowhand-backup":{format},"name":"prod","uid":"u","taken":"2026-11-30T03:15:00Z","revision":7,"level":{level},"length":{length},"sha256":"00"}}"#
    )
}

/// A file in a folder of its own below.
fn below(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn close(folder: &Path, names: &[&str]) {
    for name in names {
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_key_is_made_once_for_its_owner_alone_and_never_shown() {
    let folder = folder(&[]);
    let said = cowhand(folder.path(), &["backup", "new-key", "key"]);
    assert!(said.code == 0 && said.out.contains("\nage1") && !said.all().contains("AGE-SECRET"), "{}", said.all());
    let text = std::fs::read_to_string(folder.path().join("key")).unwrap();
    assert!(text.contains("\nAGE-SECRET-KEY-1"), "{text}");
    assert_eq!(std::fs::metadata(folder.path().join("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(cowhand(folder.path(), &["backup", "new-key", "key"]).code, 2);
    assert_eq!(std::fs::read_to_string(folder.path().join("key")).unwrap(), text, "never written over");
}

#[test]
fn what_cannot_be_is_refused_with_its_reason_and_remedy() {
    let newer = file(&label(9, 3, 0), "");
    let changed = file(&label(1, 3, 4), "text");
    let cut = file(&label(1, 3, 99), "text");
    let worse = file(&label(1, 2, 4), "text");
    let files = [
        ("prod.yml", INVENTORY),
        ("shared.yml", EXISTING),
        ("empty.cowhand", ""),
        ("text.cowhand", "a letter\n"),
        ("newer.cowhand", &newer),
        ("cut.cowhand", &cut),
        ("open-key", "AGE-SECRET-KEY-1HUNTER2\n"),
        ("wrong-key", "AGE-SECRET-KEY-1HUNTER2\n"),
        ("no-key", "# nothing\n"),
        ("passphrase", "hunter2\n"),
        ("empty-passphrase", "\n"),
        ("two-lines", "hunter2\nhunter3\n"),
    ];
    let folder = folder(&files);
    below(folder.path(), "changed/prod.cowhand", &changed);
    below(folder.path(), "worse/prod.cowhand", &worse);
    close(folder.path(), &["wrong-key", "no-key", "passphrase", "empty-passphrase", "two-lines"]);
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let asked: [&[&str]; 29] = [
        &["backup", "-i", "prod.yml"],
        &["backup", "-i", "shared.yml", "--recipient", recipient],
        &["backup", "-i", "none.yml"],
        &["backup", "-i", "prod.yml", "--recipient", "age1nonsense"],
        &["backup", "-i", "prod.yml", "--recipient", recipient, "--passphrase-file", "passphrase"],
        &["backup", "-i", "prod.yml", "--passphrase-file", "none"],
        &["backup", "-i", "prod.yml", "--passphrase-file", "open-key"],
        &["backup", "-i", "prod.yml", "--passphrase-file", "empty-passphrase"],
        &["backup", "-i", "prod.yml", "--passphrase-file", "two-lines"],
        &["backup", "-i", "prod.yml", "--recipient", recipient, "--keep", "7y"],
        &["backup", "-i", "prod.yml", "--recipient", recipient, "--keep", "0d"],
        &["backup", "-i", "prod.yml", "--recipient", recipient, "-o", "not-mounted"],
        &["backup", "-i", "prod.yml", "--recipient", recipient, "-o", "prod.yml"],
        &["backup", "verify"],
        &["backup", "verify", "none.cowhand"],
        &["backup", "verify", "changed"],
        &["backup", "verify", "empty.cowhand"],
        &["backup", "verify", "text.cowhand"],
        &["backup", "verify", "newer.cowhand"],
        &["backup", "verify", "cut.cowhand"],
        &["backup", "verify", "changed/prod.cowhand"],
        &["backup", "verify", "cut.cowhand", "--identity", "open-key"],
        &["backup", "verify", "cut.cowhand", "--identity", "wrong-key"],
        &["backup", "verify", "cut.cowhand", "--identity", "no-key"],
        &["backup", "extract", "cut.cowhand", "-o", "out"],
        &["backup", "list", "none"],
        &["backup", "check", "changed", "--max-age", "9999d"],
        &["backup", "check", "worse", "--max-age", "26h"],
        &["backup", "check", "worse", "--max-age", "26"],
    ];
    let mut told = String::new();
    for words in asked {
        let said = cowhand(folder.path(), words);
        assert_ne!(said.code, 0, "{words:?}: {}", said.all());
        assert!(!said.all().to_lowercase().contains("hunter"), "{words:?}: {}", said.all());
        told += &format!("$ cowhand {}\n{}\n", words.join(" "), said.all());
    }
    let told = told.replace(folder.path().to_str().unwrap(), "…");
    insta::with_settings!({filters => vec![(r"\d{8}T\d{6}\.\d+Z", "<TIME>"), (r"after \d+\.\d+s", "after <TIME>")]}, {
        insta::assert_snapshot!("refused_backups", told);
    });
}

#[test]
fn a_folder_is_listed_by_its_labels_alone() {
    let good = file(&label(1, 3, 4), "text");
    let folder = folder(&[]);
    for (name, text) in [("b/prod.cowhand", good.as_str()), ("b/broken.cowhand", "x"), ("b/notes.txt", "")] {
        below(folder.path(), name, text);
    }
    let said = cowhand(folder.path(), &["backup", "list", "b"]);
    assert!(said.code == 0 && said.out.contains("level 3 (belongs together)"), "{}", said.all());
    assert!(said.out.contains("broken.cowhand") && !said.out.contains("notes"), "{}", said.all());
    let json: serde_json::Value =
        serde_json::from_str(&cowhand(folder.path(), &["backup", "list", "b", "--output", "json"]).out).unwrap();
    assert_eq!(json["backups"][0]["label"]["uid"], "u");
}
