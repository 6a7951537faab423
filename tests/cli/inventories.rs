//! Which file is the inventory, and what is said of a wrong one.

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
