use super::*;

fn node(name: &str, roles: &[&str]) -> Member {
    Member {
        address: format!("10.0.0.{}", &name[1..]),
        name: name.into(),
        internal_address: String::new(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    }
}

fn join(name: &str) -> Change {
    Change::Join { node: node(name, &["etcd"]) }
}

fn leave(name: &str) -> Change {
    Change::Leave { node: node(name, &["etcd"]) }
}

fn replace(from: &str, to: &str) -> Change {
    let joins = Member { name: from.into(), ..node(to, &["etcd"]) };
    Change::Replace { leaves: node(from, &["etcd"]), joins }
}

fn version(from: &str, to: &str) -> Change {
    Change::Version { what: Program::Kubernetes, from: from.into(), to: to.into() }
}

fn setting(path: &str, from: &str, to: &str) -> Change {
    Change::Setting { path: path.into(), from: Shown::Text(from.into()), to: Shown::Text(to.into()) }
}

/// `n1 n2!`: n2 does not answer.
fn etcd(names: &str) -> Vec<member_rule::Member> {
    let seen = |word: &str| member_rule::Member {
        answers: !word.ends_with('!'),
        ..member_rule::Member::well(word.trim_end_matches('!'))
    };
    names.split_whitespace().map(seen).collect()
}

#[test]
fn each_rule_refuses_what_it_is_for_and_nothing_else() {
    let role = |from: &str, to: &str| setting("nodes[10.0.0.4].role", from, to);
    let worker = Change::Join { node: node("n9", &["worker"]) };
    const RANGE: &str = "services.kube-controller.cluster_cidr";
    // The changes, etcd as it is, and how the refusals begin.
    let table: Vec<(&str, Vec<Change>, &str, &[&str])> = vec![
        ("a first run", vec![Change::Create, join("n1"), join("n2"), join("n3")], "", &[]),
        ("a patch", vec![version("v1.32.2-rancher1-1", "v1.32.4-rancher1-1")], "", &[]),
        ("the next minor", vec![version("v1.31.9", "v1.32.2")], "", &[]),
        ("a minor skipped", vec![version("v1.30.9", "v1.32.2")], "", &["kubernetes v1.30.9 runs, and v1.32.2 is more"]),
        ("a minor down", vec![version("v1.32.2", "v1.31.9")], "", &["kubernetes v1.32.2 runs, and v1.31.9 is older"]),
        ("a patch down", vec![version("v1.32.4", "v1.32.2")], "", &["kubernetes v1.32.4 runs, and v1.32.2 is older"]),
        ("no version", vec![version("head", "v1.32.2")], "", &[]),
        ("a plugin", vec![setting(PLUGIN, "flannel", "canal")], "", &["the network plugin flannel carries"]),
        ("a CIDR", vec![setting(RANGE, "10.42.0.0/16", "10.50.0.0/16")], "", &[RANGE]),
        (
            "Services' range",
            vec![setting("services.kube-api.service_cluster_ip_range", "10.43.0.0/16", "10.53.0.0/16")],
            "",
            &["services.kube-api.service_cluster_ip_range is 10.43.0.0/16"],
        ),
        ("a cluster's name", vec![setting("cluster_name", "lab", "prod")], "", &["the cluster is called lab"]),
        (
            "a node's name",
            vec![setting("nodes[10.0.0.1].hostname_override", "n1", "n9")],
            "",
            &["the node at 10.0.0.1 is called n1"],
        ),
        ("its case", vec![setting("nodes[10.0.0.1].hostname_override", "n1", "N1")], "", &[]),
        ("any other field", vec![setting("services.etcd.backup_config.retention", "6", "28")], "", &[]),
        ("workers", vec![worker.clone(), Change::Leave { node: node("n8", &["worker"]) }], "n1 n2! n3!", &[]),
        ("one member", vec![join("n4")], "n1 n2 n3", &[]),
        ("one member and a worker", vec![join("n4"), worker], "n1 n2 n3", &[]),
        (
            "two members",
            vec![join("n4"), join("n5")],
            "n1 n2 n3",
            &["more than one etcd member would come or go: n4, n5"],
        ),
        ("nobody asked", vec![join("n4"), leave("n3")], "", &["more than one etcd member would come or go: n4, n3"]),
        ("one for another", vec![replace("n3", "n4")], "n1 n2 n3", &["more than one etcd member"]),
        ("the other went by hand", vec![leave("n3"), join("n4")], "n1 n2", &[]),
        ("one has come already", vec![join("n4"), join("n5")], "n1 n2 n3 n4", &[]),
        ("one of three", vec![leave("n3")], "n1 n2 n3", &[]),
        ("the dead one", vec![leave("n3")], "n1 n2 n3!", &[]),
        (
            "a living one beside a dead one",
            vec![leave("n2")],
            "n1 n2 n3!",
            &["n2 leaves etcd: etcd would have no majority while n3 is down"],
        ),
        ("a second one", vec![join("n2")], "n1", &[]),
        ("a second one beside nobody", vec![join("n2")], "n1!", &["n2 joins etcd: 0 of 1 etcd members are well"]),
        (
            "a role less beside a dead one",
            vec![role(r#"["etcd"]"#, r#"["worker"]"#)],
            "n1 n2 n3!",
            &["n1 leaves etcd: etcd would have no majority while n3"],
        ),
        ("a third beside a dead one", vec![join("n3")], "n1 n2!", &["n3 joins etcd: 1 of 2 etcd members are well"]),
        ("a role", vec![role(r#"["worker"]"#, r#"["etcd","worker"]"#)], "n1 n2 n3", &[]),
        (
            "a role and a node",
            vec![role(r#"["etcd"]"#, r#"["worker"]"#), join("n5")],
            "n1 n2 n3 n4",
            &["more than one etcd member would come or go: 10.0.0.4, n5"],
        ),
        ("an upgrade beside a dead one", vec![version("v1.31.9", "v1.32.2")], "n1 n2 n3!", &["etcd on n1 is replaced"]),
        ("an upgrade with all well", vec![version("v1.31.9", "v1.32.2")], "n1 n2 n3", &[]),
        ("an upgrade of a single one", vec![version("v1.31.9", "v1.32.2")], "n1", &[]),
        (
            "a setting of etcd beside a dead one",
            vec![setting("services.etcd.extra_args.quota-backend-bytes", "1", "2")],
            "n1! n2 n3",
            &["etcd on n2 is replaced"],
        ),
        ("a sixth beside a dead one", vec![join("n6")], "n1! n2 n3 n4 n5", &[]),
        ("a fifth beside a dead one", vec![join("n5")], "n1! n2 n3 n4", &["etcd on n2 restarts"]),
        ("a fourth beside a dead one", vec![join("n4")], "n1 n2 n3!", &["n4 joins etcd: etcd would have no majority"]),
        ("certificates alone", vec![Change::Rotate], "", &[]),
        ("a snapshot and a field", vec![Change::Restore, setting("a", "1", "2")], "", &["etcd is put back"]),
        ("what a killed run left", vec![Change::Forget], "n1!", &[]),
    ];
    for (name, changes, members, expected) in table {
        let found = refusals(&changes, &etcd(members));
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (one, start) in found.iter().zip(expected) {
            assert!(one.to_string().starts_with(start), "{name}: {one}");
        }
    }
}

#[test]
fn etcd_is_asked_only_where_a_member_comes_goes_or_restarts() {
    assert!(touches_etcd(&[leave("n3")]) && touches_etcd(&[version("v1.31.9", "v1.32.2")]));
    assert!(touches_etcd(&[setting("services.etcd.snapshot", "true", "false")]));
    let backups = setting("services.etcd.backup_config.retention", "6", "28");
    assert!(!touches_etcd(&[backups, Change::Leave { node: node("n8", &["worker"]) }]));
}

#[test]
fn no_refusal_is_settled_by_removing_the_cluster() {
    let text = || "x".to_string();
    for one in [
        Refusal::OlderKubernetes { there: text(), asked: text() },
        Refusal::SkippedMinor { there: text(), asked: text() },
        Refusal::Plugin { there: text(), asked: text() },
        Refusal::Network { path: text(), there: text(), asked: text() },
        Refusal::ClusterName { there: text(), asked: text() },
        Refusal::NodeName { address: text(), there: text(), asked: text() },
        Refusal::SeveralMembers { nodes: vec![text()] },
        Refusal::MemberRule {
            change: MemberChange::Leave { node: text() },
            answer: Answer::WaitFor { nodes: vec![text()], why: member_rule::Wait::Down },
        },
        Refusal::MemberRule {
            change: MemberChange::Leave { node: text() },
            answer: Answer::Person { why: Person::NoQuorum { answer: 1, voters: 3 } },
        },
        Refusal::NotAlone { what: text() },
    ] {
        let remedy = one.remedy();
        assert!(remedy.contains(" x") && !remedy.contains("down"), "{remedy}");
    }
}
