//! Which file is the inventory, and what is said of a wrong one.

use std::path::Path;

use super::{cowhand, cowhand_with, files, folder};

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

/// Leaf and intermediate of a company, and nobody is told of its CA: found before anything is touched, by the roots that this
/// machine's system knows.
#[test]
fn a_company_chain_without_its_ca_is_no_public_one() {
    let file = |name: &str| std::fs::read_to_string(format!("tests/data/tls/{name}")).unwrap();
    let text = |ca: &str| {
        format!(
            "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\nengine: {{rke: {{}}}}\nrancher: {{hostname: rancher.example.com, \
             tls: {{mode: ingress, issuer: blank, certificate: ./chain.pem, key: ./leaf.key{ca}}}}}\n"
        )
    };
    let (chain, key, root, other) = (file("chain.pem"), file("leaf.key"), file("root.pem"), file("root-other.pem"));
    let files = [("chain.pem", &*chain), ("leaf.key", &*key), ("root.pem", &*root), ("other.pem", &*other)];
    let said = |ca: &str, system: &str| {
        let text = text(ca);
        let alone = folder(&[&files[..], &[("inventory.yml", &*text)]].concat());
        let system = alone.path().join(system);
        let known = [("SSL_CERT_FILE", system.to_str().unwrap()), ("SSL_CERT_DIR", "/nonexistent")];
        let said = cowhand_with(alone.path(), &["check", "--offline", "--output", "json"], &known);
        let events = said.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let findings: Vec<_> = events.flat_map(|event| findings_in(&event)).collect();
        findings.into_iter().filter(|one| one["check"] == "tls.ca-unknown").collect::<Vec<_>>()
    };
    let strange = said("", "other.pem");
    assert_eq!(strange.len(), 1, "{strange:?}");
    assert_eq!(strange[0]["verdict"], "fail");
    assert_eq!(strange[0]["fix"], "give the certificate of O=Example, CN=Example Root as `tls.ca`");
    assert_eq!(said("", "root.pem")[0]["verdict"], "pass");
    assert_eq!(said(", ca: ./root.pem", "other.pem"), Vec::<serde_json::Value>::new());
}

/// Every object with a check's id in it, wherever it stands.
fn findings_in(value: &serde_json::Value) -> Vec<serde_json::Value> {
    match value {
        serde_json::Value::Object(map) if map.contains_key("check") && map.contains_key("verdict") => {
            vec![value.clone()]
        }
        serde_json::Value::Object(map) => map.values().flat_map(findings_in).collect(),
        serde_json::Value::Array(all) => all.iter().flat_map(findings_in).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn as_json_a_bad_inventory_is_one_failure() {
    let alone = folder(&[("inventory.yml", "nodes: [10.0.0.1]\n")]);
    let said = cowhand(alone.path(), &["check", "--offline", "--output", "json"]);
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [failure, finished] = lines.as_slice() else { panic!("{}", said.out) };
    assert_eq!((said.code, said.err.as_str()), (3, ""));
    assert_eq!(
        (&finished["event"], &finished["exit"], &finished["ok"]),
        (&"run-finished".into(), &3.into(), &false.into())
    );
    assert_eq!((&failure["event"], &failure["exit"]), (&"failure".into(), &3.into()));
    assert!(failure["because"][0].as_str().unwrap().starts_with("inventory.yml:"), "{failure}");
}

#[test]
fn an_inventory_that_is_not_there_ends_every_command_with_3() {
    for words in COMMANDS {
        let empty = folder(&[]);
        let said = cowhand(empty.path(), &[words, &["-i", "missing.yml"]].concat());
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{words:?}: {}", said.all());
        assert!(said.err.starts_with("error: the inventory missing.yml cannot be read\n"), "{words:?}: {}", said.err);
        assert!(files(empty.path()).is_empty(), "{words:?}");
    }
}

#[test]
fn of_a_file_that_is_something_else_nothing_is_repeated() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARYb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n";
    let kubeconfig =
        "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- user: {token: CANARY, client-key-data: CANARY}\n";
    let cluster = "cluster_name: x\nnodes:\n- {address: 10.0.0.1, ssh_key: CANARY}\nservices: {}\n";
    let other = "a: CANARY\nb: CANARY\nc: CANARY\nd: CANARY\n";
    let binary = "\u{1}\u{2}CANARY\u{0}";
    for (text, expected) in [
        (key, "a certificate or a key in PEM"),
        (kubeconfig, "a kubeconfig"),
        (cluster, "a cluster.yml of rke"),
        (other, "none of its keys"),
        (binary, ""),
    ] {
        let alone = folder(&[("x", text)]);
        let said = cowhand(alone.path(), &["check", "--offline", "-i", "x"]);
        assert_eq!(said.code, 3, "{}", said.all());
        assert!(said.err.contains(expected) && !said.all().contains("CANARY"), "{}", said.all());
        assert!(said.err.lines().count() <= 4, "one mistake, not hundreds: {}", said.err);
    }
}

#[test]
fn a_missing_tls_file_is_told_with_its_line() {
    let text = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\nrancher:\n  \
        hostname: rancher.example.com\n  version: 2.11.3\n  tls:\n    mode: ingress\n    issuer: ca\n    ca: ./no-ca.pem\n    \
        ca_key: ./no-key.pem\n";
    let alone = folder(&[("inventory.yml", text)]);
    let said = cowhand(alone.path(), &["check", "--offline"]);
    assert_eq!(said.code, 3, "{}", said.all());
    assert!(said.err.starts_with("error: inventory.yml:10:9  rancher.tls.ca: "), "{}", said.err);
}

#[test]
fn charts_that_are_none_are_told_at_once_with_their_lines_before_anything_is_reached() {
    let nodes = [1, 2, 3].map(|n| format!("{{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1, port: 1}}}}")).join(", ");
    let text = "name: prod\nnodes: [NODES]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
        ingress:\n  provider: traefik\n  chart:\n    path: ./missing\ncert_manager:\n  chart:\n    path: ./other\nrancher:\n  \
        hostname: rancher.example.com\n  version: 2.11.3\n  tls: {mode: ingress, issuer: ca}\n  chart:\n    path: ./empty\n";
    let alone = folder(&[("inventory.yml", &text.replace("NODES", &nodes))]);
    for (name, about) in [("other", Some("name: nginx\n")), ("empty", None)] {
        std::fs::create_dir(alone.path().join(name)).unwrap();
        about.iter().for_each(|about| std::fs::write(alone.path().join(name).join("Chart.yaml"), about).unwrap());
    }
    for words in [&["check", "--offline"][..], &["plan"], &["up"]] {
        let said = cowhand(alone.path(), words);
        assert_eq!(said.code, 3, "{words:?}: {}", said.all());
        for expected in [
            ":7:11  ingress.chart.path: ",
            "/missing cannot be read as a chart: No such file",
            ":10:11  cert_manager.chart.path: ",
            "/other is the chart \"nginx\", not cert-manager: `helm pull",
            ":16:11  rancher.chart.path: ",
            "/empty is no chart, it has no Chart.yaml: `helm pull",
        ] {
            assert!(said.err.contains(expected), "{words:?}, {expected}: {}", said.err);
        }
    }
    std::fs::write(alone.path().join("other/Chart.yaml"), "name: cert-manager\n").unwrap();
    let said = cowhand(alone.path(), &["check", "--offline"]);
    assert!(said.code == 3 && !said.err.contains("cert_manager"), "{}", said.err);
}

#[test]
fn a_chart_of_another_rancher_is_told_with_both_versions() {
    let text = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
        rancher:\n  hostname: rancher.example.com\n  version: 2.11.3\n  tls: {mode: ingress, issuer: ca}\n  chart: {path: ./rancher}\n";
    let alone = folder(&[("inventory.yml", text)]);
    std::fs::create_dir(alone.path().join("rancher")).unwrap();
    let judged = |about: &str| {
        std::fs::write(alone.path().join("rancher/Chart.yaml"), format!("name: rancher\n{about}")).unwrap();
        cowhand(alone.path(), &["check", "--offline"])
    };
    let said = judged("version: 2.11.2\nappVersion: v2.11.2\n");
    assert_eq!(said.code, 3, "{}", said.all());
    assert!(said.err.contains("inventory.yml:8:17  rancher.chart.path: "), "{}", said.err);
    assert!(said.err.contains("has version 2.11.2 in its Chart.yaml, and rancher.version is 2.11.3"), "{}", said.err);
    assert_eq!(judged("version: 2.11.3\nappVersion: v2.11.3\n").code, 0);
}

#[test]
fn the_ca_of_a_bucket_is_read_before_anything_is_reached() {
    let text = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine:\n  rke:\n    cluster:\n      services:\n        etcd:\n          \
        backup_config: {s3backupconfig: {bucket_name: b, endpoint: e,\n            custom_ca: ./bucket.pem}}\n\
        rancher: {hostname: rancher.example.com, tls: {mode: ingress, issuer: ca}}\n";
    let alone = folder(&[("inventory.yml", text)]);
    let said = cowhand(alone.path(), &["check", "--offline"]);
    assert_eq!(said.code, 3, "{}", said.all());
    let key = "engine.rke.cluster.services.etcd.backup_config.s3backupconfig.custom_ca";
    assert!(said.err.contains(&format!("inventory.yml:9:24  {key}: ")), "{}", said.err);
    assert!(said.err.contains("bucket.pem cannot be read: No such file"), "{}", said.err);
    std::fs::write(alone.path().join("bucket.pem"), "a CA\n").unwrap();
    let said = cowhand(alone.path(), &["check", "--offline"]);
    assert!(said.code == 3 && said.err.contains("rke wants a CA in PEM here: "), "{}", said.all());
    let ca = include_str!("../data/facts/kube-ca.pem");
    std::fs::write(alone.path().join("bucket.pem"), ca).unwrap();
    assert_eq!(cowhand(alone.path(), &["check", "--offline"]).code, 0);
}

#[test]
fn a_password_file_without_a_password_is_refused_with_its_name() {
    let text = |own: &str| {
        format!(
            "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\nrancher:\n  \
             hostname: rancher.example.com\n  version: 2.11.3\n  tls: {{mode: ingress, issuer: ca}}\n{own}"
        )
    };
    let (made, own) = (text(""), text("  bootstrap_password: ./own\n"));
    let alone = folder(&[("inventory.yml", &made), ("own", " \n")]);
    std::fs::create_dir(alone.path().join("secrets")).unwrap();
    let file = alone.path().join("secrets/bootstrap-password");
    for empty in ["", " \n"] {
        std::fs::write(&file, empty).unwrap();
        let said = cowhand(alone.path(), &["check", "--offline"]);
        assert_eq!(said.code, 3, "{}", said.all());
        assert!(said.err.contains("secrets/bootstrap-password, the file of the first login"), "{}", said.err);
    }
    std::fs::write(&file, "short\n").unwrap();
    assert_eq!(cowhand(alone.path(), &["check", "--offline"]).code, 0);
    std::fs::write(alone.path().join("inventory.yml"), &own).unwrap();
    let said = cowhand(alone.path(), &["check", "--offline"]);
    assert_eq!(said.code, 3, "{}", said.all());
    assert!(said.err.contains("inventory.yml:8:23  rancher.bootstrap_password: "), "{}", said.err);
    assert!(said.err.contains("/own is empty"), "{}", said.err);
}

#[test]
fn an_inventory_that_cannot_be_read_is_named() {
    let empty = folder(&[]);
    // A FIFO without a writer would be waited for, and hear no signal.
    assert!(std::process::Command::new("mkfifo").arg(empty.path().join("pipe.yml")).status().unwrap().success());
    for (name, cause) in [
        ("missing.yml", "No such file"),
        (".", "it is a directory, not a regular file"),
        ("/dev/zero", "it is a device, not a regular file"),
        ("pipe.yml", "it is a pipe, not a regular file"),
    ] {
        let said = cowhand(empty.path(), &["check", "--offline", "-i", name]);
        assert_eq!(said.code, 3, "{}", said.all());
        assert!(said.err.starts_with(&format!("error: the inventory {name} cannot be read\n")), "{}", said.err);
        assert!(said.err.contains(cause), "{}", said.err);
    }
}

#[test]
fn an_unknown_check_to_skip_is_a_mistake_of_the_file_like_any_other() {
    let text = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
        rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n\
        skip_checks:\n  - node.cpu\n  - node.memroy\n  - ssh.reachable\n";
    let there = folder(&[("prod.yml", text)]);
    let said = cowhand(there.path(), &["check", "--offline"]);
    assert_eq!(said.code, 3, "{}", said.all());
    for part in [
        "error: 2 mistakes in the inventory",
        "prod.yml:7:5  skip_checks[1]: there is no check `node.memroy` to skip; did you mean `node.memory`?",
        "prod.yml:8:5  skip_checks[2]: the check `ssh.reachable` cannot be skipped",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    // A group is no check, and its checks are named.
    let group = folder(&[("prod.yml", &text.replace("node.memroy", "docker"))]);
    let said = cowhand(group.path(), &["check", "--offline"]);
    assert!(
        said.err.contains("skip_checks[1]: there is no check `docker` to skip; each is skipped by itself: docker."),
        "{}",
        said.err
    );
    // Beside other mistakes it is told with them.
    let both = folder(&[("prod.yml", &text.replace("hostname: r.example.com", "hostname: '-'"))]);
    let said = cowhand(both.path(), &["check", "--offline"]);
    assert!(
        said.code == 3 && said.err.contains("error: 3 mistakes") && said.err.contains("node.memory"),
        "{}",
        said.all()
    );
    // On the command line it stays a mistake of the command line.
    let good = folder(&[("prod.yml", text.split("skip_checks").next().unwrap())]);
    assert_eq!(cowhand(good.path(), &["check", "--offline", "--skip", "node.memroy"]).code, 2);
}

#[test]
fn passthrough_waits_for_the_cluster_to_say_what_serves_its_class() {
    // Offline nobody knows; the check of the cluster and the plan do. A class by name is no better known.
    for class in ["", "ingress: {class: web}\n"] {
        let text = format!(
            "name: shared\nengine: {{existing: {{kubeconfig: kubeconfig}}}}\n{class}rancher: {{hostname: rancher.example.com, \
             version: 2.11.5, tls: {{mode: rancher, issuer: ca, passthrough: true}}}}\n"
        );
        let alone = folder(&[("inventory.yml", &text)]);
        let said = cowhand(alone.path(), &["check", "--offline"]);
        assert_eq!(said.code, 5, "only the kubeconfig is missing: {}", said.all());
        assert!(said.out.contains("kubeconfig.usable") && !said.all().contains("ingress class"), "{}", said.all());
        let said = cowhand(alone.path(), &["verify"]);
        assert_eq!(said.code, 4, "{}", said.all());
        assert!(!said.all().contains("TLS set-up"), "{}", said.all());
    }
}
