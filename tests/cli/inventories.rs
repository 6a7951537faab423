//! Which file is the inventory, and what is said of a wrong one.

use std::path::Path;

use super::{cowhand, files, folder};

/// Every command that needs an inventory.
const COMMANDS: [&[&str]; 8] = [
    &["check", "--offline"],
    &["plan"],
    &["up"],
    &["verify"],
    &["status"],
    &["down", "--yes", "prod"],
    &["kubeconfig"],
    &["recover-state"],
];

#[test]
fn without_an_inventory_every_command_says_what_to_do() {
    let other = folder(&[("cluster.yml", "nodes: []\n"), ("values.yaml", "replicas: 3\n")]);
    for words in COMMANDS {
        let said = cowhand(other.path(), words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.all());
        assert!(said.err.starts_with("error: no inventory is in the current folder\n"), "{words:?}: {}", said.err);
    }
    insta::assert_snapshot!("no_inventory", cowhand(other.path(), &["up"]).all());
    assert_eq!(files(other.path()), ["cluster.yml", "values.yaml"]);
}

#[test]
fn of_several_inventories_none_is_guessed() {
    let two =
        folder(&[("a.yml", "nodes: []\n"), ("b.yaml", "rancher: {}\n"), ("kube_config_cluster.yml", "nodes: []\n")]);
    for words in COMMANDS {
        let said = cowhand(two.path(), words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.all());
    }
    insta::assert_snapshot!("several_inventories", cowhand(two.path(), &["up"]).all());
}

/// Every file of `tests/data/inventory/bad` and what is to be said of it.
fn bad() -> Vec<(String, Vec<u8>, String)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inventory/bad");
    let names = files(&data).into_iter().filter(|name| name.ends_with(".yml"));
    let one = |name: String| {
        let text = std::fs::read_to_string(data.join(&name).with_extension("txt")).unwrap();
        let bytes = std::fs::read(data.join(&name)).unwrap();
        (name, bytes, text)
    };
    names.map(one).collect()
}

#[test]
fn a_bad_inventory_ends_with_3_its_mistakes_and_nothing_touched() {
    let bad = bad();
    assert!(bad.len() >= 40, "only {} bad inventories", bad.len());
    for (name, bytes, expected) in bad {
        let alone = folder(&[]);
        std::fs::write(alone.path().join("inventory.yml"), bytes).unwrap();
        let said = cowhand(alone.path(), &["check", "--offline", "-i", "inventory.yml"]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{name}: {}", said.all());
        assert!(said.err.starts_with("error: "), "{name}: {}", said.err);
        for line in expected.lines() {
            assert!(said.err.contains(line), "{name} misses\n{line}\nin\n{}", said.err);
        }
        assert_eq!(files(alone.path()), ["inventory.yml"], "{name}");
    }
}

#[test]
fn every_command_refuses_a_bad_inventory() {
    for words in COMMANDS {
        let alone = folder(&[("inventory.yml", "nodes: [10.0.0.1]\nengien: {}\n")]);
        let said = cowhand(alone.path(), words);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{words:?}: {}", said.all());
        assert_eq!(files(alone.path()), ["inventory.yml"], "{words:?}");
    }
}

#[test]
fn several_mistakes_as_people_see_them() {
    let alone = folder(&[("inventory.yml", "nmae: prod\nnodes: [10.0.0.1]\n")]);
    insta::assert_snapshot!("several_mistakes", cowhand(alone.path(), &["check", "--offline"]).all());
}

#[test]
fn as_json_a_bad_inventory_is_one_failure() {
    let alone = folder(&[("inventory.yml", "nodes: [10.0.0.1]\n")]);
    let said = cowhand(alone.path(), &["check", "--offline", "--output", "json"]);
    let failure: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, said.err.as_str()), (3, ""));
    assert_eq!((&failure["event"], &failure["exit"]), (&"failure".into(), &3.into()));
    assert!(failure["because"][0].as_str().unwrap().starts_with("inventory.yml:"), "{failure}");
}

#[test]
fn an_inventory_that_cannot_be_read_is_named() {
    let empty = folder(&[]);
    for (name, cause) in [("missing.yml", "No such file"), (".", "Is a directory"), ("/dev/zero", "larger than 4 MiB")]
    {
        let said = cowhand(empty.path(), &["check", "--offline", "-i", name]);
        assert_eq!(said.code, 3, "{}", said.all());
        assert!(said.err.starts_with(&format!("error: the inventory {name} cannot be read\n")), "{}", said.err);
        assert!(said.err.contains(cause), "{}", said.err);
    }
}
