use super::*;

/// A cluster where all is well.
fn well() -> Status {
    let node = |name: &str| NodeSeen {
        name: name.into(),
        ready: true,
        message: String::new(),
        version: "v1.32.2".into(),
        addresses: vec![("InternalIP".into(), "10.0.0.1".into())],
        roles: vec!["etcd".into()],
        unschedulable: false,
        closed_by: None,
        taints: vec![],
    };
    let member = |name: &str| EtcdMember {
        name: name.into(),
        endpoint: String::new(),
        healthy: true,
        error: String::new(),
        stopped: false,
    };
    Status {
        cluster: "prod".into(),
        kubernetes: "v1.32.2".into(),
        nodes: ["n1", "n2", "n3"].map(node).into(),
        unreached: vec![],
        mark: None,
        etcd: ["n1", "n2", "n3"].map(member).into(),
        members: vec![],
        etcd_is_ours: true,
        ingress: vec![],
        ingress_stands: "class traefik is served by traefik.io/ingress-controller, 3 of 3 ready".into(),
        ingress_is_well: true,
        cert_manager: "accepts issuers".into(),
        cert_manager_is_well: true,
        rancher: Some(replicas(3, &["n1", "n2", "n3"], 0)),
        backup: None,
        certificates: vec![],
        unseen: vec![],
        problems: vec![],
    }
}

fn replicas(ready: u64, nodes: &[&str], old_ready: u64) -> RancherSeen {
    RancherSeen {
        image: "rancher/rancher:v2".into(),
        wanted: 3,
        ready,
        nodes: nodes.iter().map(ToString::to_string).collect(),
        old_ready,
        agents: None,
    }
}

fn certificate(what: &str, days_left: i64) -> CertificateLine {
    CertificateLine { what: what.into(), issuer: "kube-ca".into(), days_left, renewed_by: "you" }
}

#[test]
fn old_pods_are_not_taken_for_new_ones() {
    assert_eq!(rancher_line(&replicas(1, &["n1"], 0)), "rancher/rancher:v2, 1 of 3 ready on n1");
    assert_eq!(
        rancher_line(&replicas(0, &[], 3)),
        "rancher/rancher:v2, 0 of 3 ready; 3 pods of the former image still serve"
    );
}

#[test]
fn nothing_that_a_cluster_says_steers_the_terminal() {
    use crate::report::hostile::{HOSTILE, LOOKS, assert_harmless};
    let some = || HOSTILE.to_owned();
    let unseen = |place: &str| Unseen { place: place.into(), why: some() };
    let node = NodeSeen {
        name: some(),
        ready: false,
        message: some(),
        version: some(),
        addresses: vec![(some(), some())],
        roles: vec![some()],
        unschedulable: false,
        closed_by: Some(some()),
        taints: vec![],
    };
    let status = Status {
        nodes: vec![node],
        unreached: vec![Unreached { node: some(), why: some() }],
        mark: Some(some()),
        etcd: vec![],
        ingress: vec![IngressClass { name: some(), controller: some(), default: true }],
        ingress_stands: some(),
        ingress_is_well: false,
        cert_manager: some(),
        cert_manager_is_well: false,
        rancher: None,
        backup: None,
        certificates: vec![CertificateLine { what: some(), issuer: some(), days_left: 1, renewed_by: "x" }],
        unseen: vec![unseen(ETCD), unseen(HOSTILE)],
        ..well()
    }
    .judged();
    for look in &LOOKS {
        let told = status.text(look);
        assert_harmless(&told, look);
        assert!(!told.contains("\u{1b}[32m"), "a Node paints itself: {told:?}");
    }
}

#[test]
fn a_cluster_where_all_is_well_has_no_problem() {
    let status = well().judged();
    assert_eq!(status.problems, Vec::<String>::new());
    assert!(status.text(&Look::PLAIN).ends_with("\nno problem was found\n"), "{}", status.text(&Look::PLAIN));
}

#[test]
fn everything_that_is_wrong_is_named() {
    let mut status = well();
    status.nodes[1].ready = false;
    status.nodes[1].message = "kubelet stopped posting".into();
    status.unreached = vec![Unreached { node: "n3".into(), why: "timed out".into() }];
    status.etcd[0].healthy = false;
    status.etcd[0].error = "its container etcd does not run".into();
    status.ingress_stands = "class traefik is served by x, 2 of 3 ready".into();
    status.ingress_is_well = false;
    status.cert_manager = "deployment cert-manager/cert-manager: 0 of 1 ready".into();
    status.cert_manager_is_well = false;
    status.rancher = Some(replicas(2, &["n1", "n2"], 0));
    status.certificates = vec![certificate("rke kube-admin", 12), certificate("the CA clients trust", -1)];
    status.mark = Some("the cluster bears the mark of another workspace".into());
    let status = status.judged();
    let told = status.text(&Look::PLAIN);
    for part in [
        "the cluster bears the mark of another workspace",
        "node n2 is not Ready: kubelet stopped posting",
        "node n3 is not reached by ssh: timed out",
        "etcd's member n1 is down: its container etcd does not run",
        "ingress: class traefik is served by x, 2 of 3 ready",
        "cert-manager: deployment cert-manager/cert-manager: 0 of 1 ready",
        "Rancher: 2 of 3 replicas ready",
        "the certificate `rke kube-admin` ends in 12 days",
        "the certificate `the CA clients trust` has ended",
    ] {
        assert!(
            status.problems.iter().any(|line| line.starts_with(part)),
            "{part} is not among {:#?}",
            status.problems
        );
        assert!(told.contains(&format!("\n  {part}")), "{told}");
    }
    assert_eq!(status.problems.len(), 9, "{:#?}", status.problems);
    assert!(told.contains("  ssh           n3 is not reached: timed out\n"), "{told}");
    assert!(Status { rancher: None, ..well() }.judged().problems == ["Rancher is not installed"]);
}

#[test]
fn certificates_of_rke_are_one_line_when_none_ends_soon() {
    let all = || vec![certificate("rke kube-ca", 3650), certificate("rke kube-node", 300), certificate("leaf", 90)];
    let told = Status { certificates: all(), ..well() }.text(&Look::PLAIN);
    assert!(told.contains("rke: 2 certificates, kube-node ends first  300") && told.contains("leaf"), "{told}");
    let pressing = [all(), vec![certificate("rke kube-admin", 3)]].concat();
    let told = Status { certificates: pressing, ..well() }.text(&Look::PLAIN);
    assert!(told.contains("rke kube-admin") && told.contains("rke: 2 certificates"), "{told}");
}

#[test]
fn what_was_not_seen_is_said_in_its_place() {
    let mut seen = Lines::default();
    assert_eq!(seen.or_unseen::<()>(ETCD, Err("docker does not answer")), None);
    assert_eq!(seen.or_unseen("x", Ok::<_, String>(1)), Some(1));
    seen.add("Rancher's certificate", b"nothing", Renewer::CertManager);
    seen.add("the CA clients trust", include_bytes!("../../tests/data/tls/root.pem"), Renewer::Ca);
    let status = Status { etcd: vec![], certificates: seen.lines, unseen: seen.unseen, ..well() }.judged();
    let told = status.text(&Look::PLAIN);
    assert!(!told.contains("  members"), "{told}");
    assert!(told.contains("etcd          not seen: docker does not answer"), "{told}");
    assert!(told.contains("not seen: Rancher's certificate: "), "{told}");
    assert!(
        told.contains("you: a new CA; `cowhand up` names the steps") && !told.contains("members healthy"),
        "{told}"
    );
}

#[test]
fn a_member_that_is_down_is_named() {
    let mut members = well().etcd;
    members[0].healthy = false;
    members[0].error = "its container etcd does not run: Exited (137)".into();
    let told = etcd_words(&members);
    assert_eq!(told, "2 of 3 members healthy: n1 is down (its container etcd does not run: Exited (137))");
    assert_eq!(etcd_words(&members[1..2]), "1 of 1 members healthy");
}

#[test]
fn a_node_that_is_closed_says_so() {
    let mut status = well();
    status.nodes[1].unschedulable = true;
    let table = status.table_of_nodes(&crate::report::hostile::LOOKS[0]);
    let closed: Vec<&str> = table.lines().filter(|line| line.contains("Ready, closed for pods")).collect();
    assert!(closed.len() == 1 && closed[0].contains("n2"), "{table}");
}
