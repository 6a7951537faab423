//! `init` writes what can be read, never over something, and says what is left to do.

use std::os::unix::fs::PermissionsExt;

use super::{cowhand, cowhand_reading, files, folder};

const THREE: [&str; 8] =
    ["init", "--node", "10.0.0.11", "--node", "10.0.0.12", "--node", "n3=10.0.0.13", "--hostname=rancher.example.com"];

#[test]
fn what_is_written_can_be_read_and_is_found() {
    let empty = folder(&[]);
    let said = cowhand(empty.path(), &THREE);
    insta::assert_snapshot!(said.all(), @r"
    exit code 0
    --- stdout
    inventory.yml is written
    next: read it through, then `cowhand check`
    --- stderr
    ");
    assert_eq!(files(empty.path()), ["inventory.yml"]);
    let written = empty.path().join("inventory.yml");
    assert_eq!(std::fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o644);
    let text = std::fs::read_to_string(written).unwrap();
    for given in ["10.0.0.11", "10.0.0.12", "name: n3", "10.0.0.13", "hostname: rancher.example.com"] {
        assert!(text.contains(given), "{given}:\n{text}");
    }
}

#[test]
fn nothing_is_written_over_unless_forced() {
    let there = folder(&[("inventory.yml", "precious\n")]);
    let said = cowhand(there.path(), &THREE);
    insta::assert_snapshot!(said.all(), @r"
    exit code 2
    --- stdout
    --- stderr
    error: inventory.yml is there already
    hint: write to another file with -o FILE, or over this one with --force
    ");
    assert_eq!(std::fs::read_to_string(there.path().join("inventory.yml")).unwrap(), "precious\n");
    assert_eq!(files(there.path()), ["inventory.yml"]);
    assert_eq!(cowhand(there.path(), &[&THREE[..], &["--force"]].concat()).code, 0);
    assert!(std::fs::read_to_string(there.path().join("inventory.yml")).unwrap().contains("10.0.0.11"));
}

#[test]
fn next_to_another_inventory_the_next_step_names_the_file() {
    let there = folder(&[("other.yml", "nodes: []\n")]);
    let said = cowhand(there.path(), &THREE);
    assert!(said.out.ends_with("then `cowhand check -i inventory.yml`\n"), "{}", said.out);
}

#[test]
fn to_standard_output_nothing_is_written() {
    let empty = folder(&[]);
    let said = cowhand(empty.path(), &[&THREE[..], &["-o", "-"]].concat());
    assert!(said.code == 0 && said.out.starts_with("# "), "{}", said.all());
    assert!(files(empty.path()).is_empty());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let said = cowhand(folder(&[]).path(), &["init", "-o", "missing/inventory.yml"]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("error: missing/inventory.yml cannot be written\n  because: "), "{}", said.err);
}

#[test]
fn a_node_that_cannot_be_one_is_refused() {
    for said in ["bad_host", "n1=", "127.0.0.1"] {
        let empty = folder(&[]);
        let refused = cowhand(empty.path(), &["init", "--node", said]);
        assert_eq!(refused.code, 2, "{}", refused.all());
        assert!(refused.err.contains(&format!("`{said}`")), "{}", refused.err);
        assert!(files(empty.path()).is_empty());
    }
}

#[test]
fn nodes_come_from_what_vagrant_prints() {
    let empty = folder(&[]);
    let config = include_str!("../data/inventory/vagrant-virtualbox.ssh-config");
    let said = cowhand_reading(empty.path(), &["init", "--from-ssh-config", "-", "--name", "lab"], config);
    assert_eq!(said.code, 0, "{}", said.all());
    // Behind forwarded ports nobody but the person knows the nodes' own addresses.
    assert!(said.out.contains("still to do  inventory.yml:"), "{}", said.out);
    let config = include_str!("../data/inventory/vagrant-docker.ssh-config");
    let said = cowhand_reading(
        empty.path(),
        &["init", "--from-ssh-config=-", "--hostname=rancher.lab.test", "--force"],
        config,
    );
    assert!(said.code == 0 && !said.out.contains("still to do"), "{}", said.all());
}

#[test]
fn an_ssh_configuration_without_nodes_is_refused() {
    let empty = folder(&[]);
    let said = cowhand_reading(empty.path(), &["init", "--from-ssh-config", "-"], "# nothing\n");
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("error: no nodes can be taken from standard input\n  because: "), "{}", said.err);
    assert!(files(empty.path()).is_empty());
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let said = cowhand(folder(&[]).path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    for key in ["name", "nodes", "engine", "rancher"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn what_is_no_regular_file_is_never_written_over() {
    let there = folder(&[("real.yml", "precious\n")]);
    std::os::unix::fs::symlink("real.yml", there.path().join("link.yml")).unwrap();
    std::fs::create_dir(there.path().join("folder.yml")).unwrap();
    for target in ["link.yml", "folder.yml", "/dev/null"] {
        let said = cowhand(there.path(), &[&THREE[..], &["--force", "-o", target]].concat());
        assert_eq!(said.code, 2, "{}", said.all());
        assert!(said.err.contains("no regular file; it is not written over"), "{}", said.err);
    }
    assert!(std::fs::symlink_metadata(there.path().join("link.yml")).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(there.path().join("real.yml")).unwrap(), "precious\n");
}

#[test]
fn flags_are_judged_as_the_inventory_is() {
    let wrong: [(&[&str], &str); 6] = [
        (&["--hostname", "https://rancher"], "--hostname: "),
        (&["--hostname", "10.0.0.1"], "is an IP address; Rancher needs a name"),
        (&["--name", "Prod_1"], "--name: "),
        (&["--node", "N_1=10.0.0.1"], "--node N_1=10.0.0.1: "),
        (&["--node", "10.0.0.1", "--node", "10.0.0.1"], "--node 10.0.0.1: "),
        (&["--user", "a b"], "--user: "),
    ];
    for (flags, expected) in wrong {
        let empty = folder(&[]);
        let said = cowhand(empty.path(), &[&["init"][..], flags].concat());
        assert_eq!(said.code, 2, "{flags:?}: {}", said.all());
        assert!(said.err.contains(expected), "{flags:?}: {}", said.err);
        assert!(files(empty.path()).is_empty(), "{flags:?}");
    }
}
