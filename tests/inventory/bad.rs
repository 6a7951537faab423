//! Every file `bad/NN-name.yml` is refused with exactly the text of `bad/NN-name.txt` beside it.
//!
//! `COWHAND_BLESS=1 cargo test --test inventory` writes the texts anew; read the difference before it is committed.

use std::path::{Path, PathBuf};

use crate::read;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inventory/bad")
}

#[test]
fn every_bad_inventory_is_refused_with_the_expected_text() {
    let mut files: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    assert!(files.len() >= 45, "only {} bad inventories", files.len());
    let mut differences = Vec::new();
    for file in files {
        let seen = match read(&std::fs::read(&file).unwrap()) {
            Ok(_) => "accepted\n".to_owned(),
            Err(mistakes) => format!("{mistakes}\n"),
        };
        let expected_file = file.with_extension("txt");
        if std::env::var_os("COWHAND_BLESS").is_some() {
            std::fs::write(&expected_file, &seen).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if seen != expected || seen == "accepted\n" {
            differences.push(format!("{}\n--- expected\n{expected}--- seen\n{seen}", file.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn no_text_shows_a_secret() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains("hunter2"), "{} shows the canary", file.display());
        }
    }
}
