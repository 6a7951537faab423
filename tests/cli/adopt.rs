//! `adopt` makes an inventory of what plain rke left, names what it does not carry over, and shows no secret.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{cowhand, files, folder};

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/adopt").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A state as rke leaves it, of this name and these nodes.
fn state(name: &str, addresses: &[&str]) -> String {
    let nodes: Vec<_> = addresses.iter().map(|address| serde_json::json!({"address": address})).collect();
    let half = serde_json::json!({
        "rkeConfig": {"clusterName": name, "kubernetesVersion": "v1.32.2-rancher1-1", "nodes": nodes},
        "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "CANARY-ca"}},
    });
    serde_json::json!({"desiredState": half, "currentState": half}).to_string()
}

const OFFLINE: [&str; 4] = ["adopt", "--from", "cluster.yml", "--offline"];

#[test]
fn secrets_lie_in_files_for_nobody_else_and_are_shown_nowhere() {
    let there = folder(&[("cluster.yml", &data("registries-and-bucket.yml"))]);
    let said = cowhand(there.path(), &OFFLINE);
    assert_eq!(said.code, 0, "{}", said.all());
    let inventory = std::fs::read_to_string(there.path().join("inventory.yml")).unwrap();
    assert!(!said.all().contains("CANARY") && !inventory.contains("CANARY"), "{}\n{inventory}", said.all());
    let secrets = there.path().join("secrets");
    let written: Vec<_> = std::fs::read_dir(&secrets).unwrap().map(|one| one.unwrap().path()).collect();
    assert_eq!(written.len(), 8, "{written:?}");
    for path in written {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn with_a_state_the_workspace_is_whole_and_protected() {
    let nodes = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];
    let yml = data("howto.yml");
    let there = folder(&[("cluster.yml", &yml), ("old.rkestate", &state("local", &nodes))]);
    let said = cowhand(there.path(), &[&OFFLINE[..], &["--state", "old.rkestate"]].concat());
    assert!(said.code == 0 && said.out.contains("an older copy of cluster.rkestate"), "{}", said.all());
    let state_file = there.path().join("cluster.rkestate");
    assert_eq!(std::fs::metadata(state_file).unwrap().permissions().mode() & 0o777, 0o600);
    // What is open is filled in by hand.
    let file = there.path().join("inventory.yml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (key, value) in
        [("hostname", "rancher.example.com"), ("version", "2.11.3"), ("mode", "ingress"), ("issuer", "blank")]
    {
        let at = text.find(&format!("{key}:    # FILL IN")).unwrap();
        let end = text[at..].find('\n').unwrap();
        text.replace_range(at..at + end, &format!("{key}: {value}"));
    }
    std::fs::write(&file, text).unwrap();
    let down = cowhand(there.path(), &["down", "-i", "inventory.yml", "--yes", "local"]);
    assert!(down.code == 5 && down.err.contains("is protected"), "{}", down.all());
    let other = cowhand(there.path(), &["unprotect", "-i", "inventory.yml", "prod"]);
    assert_eq!(other.code, 2, "{}", other.all());
    assert_eq!(cowhand(there.path(), &["unprotect", "-i", "inventory.yml", "local"]).code, 0);
}

/// Each wrong input with what is said of it; nothing is written.
#[test]
fn what_cannot_be_taken_over_is_said_and_nothing_is_written() {
    let howto = data("howto.yml");
    let with = |from: &str, to: &str| howto.replacen(from, to, 1);
    let cases: Vec<(&str, String, &str)> = vec![
        ("empty", String::new(), "it is empty"),
        ("a list", "- a\n".into(), "it is not a map of keys"),
        ("a bracket", "nodes: [CANARY\n".into(), "not YAML"),
        ("a tab", "nodes:\n\t- address: a\n".into(), "a tab indents this line"),
        ("no nodes", "cluster_name: a\n".into(), "names no nodes"),
        ("nodes as a map", "nodes: {a: CANARY}\n".into(), "nodes is a map, and rke wants a list"),
        ("services as text", with("services:", "services: CANARY\nx:"), "services is one value, and rke wants a map"),
        (
            "twice",
            with("kubernetes_version:", "kubernetes_version: CANARY\nkubernetes_version:"),
            "stands here a second time",
        ),
        ("of Rancher", "rancher_kubernetes_engine_config: {nodes: []}\n".into(), "Rancher's own export"),
        ("no user", with("    user: rancher\n", ""), "nodes[0] has no user"),
        ("no role", with("    role: [controlplane, worker, etcd]\n", ""), "nodes[0] has no role"),
        ("no address", with("  - address: 10.0.0.11\n    user", "  - user"), "nodes[0] has no address"),
        (
            "etcd elsewhere",
            with("    snapshot: true", "    external_urls: [https://e:2379]"),
            "etcd is outside of the cluster",
        ),
        ("an underscore", with("10.0.0.11", "node_1"), "nodes[0]"),
        ("this machine", with("10.0.0.11", "127.0.0.1"), "loopback"),
        ("twice the same node", with("10.0.0.12", "10.0.0.11"), "already"),
        ("no control plane", howto.replace("controlplane, ", ""), "a node with controlplane and one with etcd"),
        ("a name with a slash", format!("cluster_name: a/b\n{howto}"), "holds something else than letters"),
        (
            "an alias of nothing",
            with("[controlplane, worker, etcd]", "*none"),
            "this alias names an anchor that is not there",
        ),
    ];
    let mut told = String::new();
    for (what, text, part) in cases {
        let there = folder(&[("cluster.yml", &text)]);
        let said = cowhand(there.path(), &OFFLINE);
        assert_eq!(said.code, 3, "{what}: {}", said.all());
        assert!(said.err.contains(part) && !said.all().contains("CANARY"), "{what}: {}", said.all());
        assert!(said.err.contains("nothing was written"), "{what}: {}", said.all());
        assert_eq!(files(there.path()), ["cluster.yml"], "{what}");
        told += &format!("== {what}\n{}", said.err);
    }
    insta::assert_snapshot!("adopt_refused", told);
}

#[test]
fn words_that_do_not_go_together_are_refused_before_anything_is_read() {
    let mut told = String::new();
    for words in [
        &["adopt"][..],
        &["adopt", "--node", "10.0.0.11"],
        &["adopt", "--node", "10.0.0.11", "--user", "rancher", "--from", "cluster.yml"],
        &["adopt", "--node", "10.0.0.11", "--user", "rancher", "--offline"],
        &["adopt", "--from", "cluster.yml", "--key", "id"],
        &["adopt", "--node", "10.0.0.11", "--user", "rancher", "--state", "cluster.rkestate"],
        &["adopt", "--from", "missing.yml", "--offline"],
        &["adopt", "--from", "cluster.yml", "--kubeconfig", "cluster.yml", "--offline"],
        &["adopt", "--from", "cluster.yml", "-o", "none/inventory.yml", "--offline"],
    ] {
        let there = folder(&[("cluster.yml", &data("howto.yml"))]);
        let said = cowhand(there.path(), words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.all());
        assert_eq!(files(there.path()), ["cluster.yml"], "{words:?}");
        let here = there.path().canonicalize().unwrap();
        told += &format!("== {}\n{}", words.join(" "), said.err.replace(here.to_str().unwrap(), "HERE"));
    }
    insta::assert_snapshot!("adopt_words", told);
}

/// A machine that nobody reaches ends it with nothing but what is needed to ask.
#[test]
fn a_node_that_is_not_reached_leaves_no_inventory() {
    let there = folder(&[]);
    let words = ["adopt", "--node", "127.0.0.2", "--user", "rancher", "--key", "no-such-key", "--port", "9"];
    let said = cowhand(there.path(), &words);
    assert!(said.code != 0 && !there.path().join("inventory.yml").exists(), "{}", said.all());
}

#[test]
fn a_state_of_another_cluster_is_refused() {
    let nodes = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];
    let cases = [
        (state("other", &nodes), "its name is `other`"),
        (state("local", &nodes[..2]), "only the cluster.yml has 10.0.0.13"),
        (state("local", &["10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14"]), "only the state has 10.0.0.14"),
        ("{\"desiredState\": CANARY".into(), "cannot be used"),
        (String::new(), "it is empty, as RKE leaves it"),
        (state("local", &nodes).replace("keyPEM", "other"), "without its key"),
    ];
    for (text, part) in cases {
        let there = folder(&[("cluster.yml", &data("howto.yml")), ("cluster.rkestate", &text)]);
        let said = cowhand(there.path(), &OFFLINE);
        assert!(said.code == 5 && said.err.contains(part) && !said.all().contains("CANARY"), "{part}: {}", said.all());
        assert!(!there.path().join("inventory.yml").exists(), "{part}");
    }
}
