use super::*;
use crate::cluster::{Fate, PodSeen};

fn node(name: &str) -> StateNode {
    StateNode {
        name: name.into(),
        address: format!("10.0.0.{}", &name[1..]),
        internal_address: format!("10.0.0.{}", &name[1..]),
        roles: Roles::ALL,
    }
}

/// One of four nodes, all well: n4, which the inventory still has.
fn well() -> LeaveFound {
    let pod = PodSeen {
        namespace: "shop".into(),
        name: "web-1".into(),
        owner: Some("ReplicaSet web".into()),
        fate: Fate::Evicted,
    };
    LeaveFound {
        name: "n4".into(),
        cluster: "prod".into(),
        state: Some(node("n4")),
        node: Some(NodeSeen { name: "n4".into(), ready: true, ..NodeSeen::default() }),
        member: Some((0xabc, "n4".into())),
        etcd: ["n1", "n2", "n3", "n4"].map(member_rule::Member::well).into(),
        machine: MachineFound::Reached {
            api: vec!["kube-apiserver".into(), "kube-scheduler".into()],
            etcd: true,
            left: vec!["container etcd".into(), "files in /etc/kubernetes".into()],
            kept: vec!["/opt/rke/etcd-snapshots".into()],
        },
        staying: ["n1", "n2", "n3"].map(node).into(),
        wanted: vec![Roles::ALL; 3],
        listed: true,
        adopted: false,
        joining: vec![],
        pods: Some((
            Draining { node: "n4".into(), evicted: vec![pod], stay: 2 },
            vec!["shop/web-1: budget web".into()],
        )),
    }
}

fn lost(found: LeaveFound) -> LeaveFound {
    let mut etcd = found.etcd;
    etcd.iter_mut().filter(|one| one.node == found.name).for_each(|one| one.answers = false);
    LeaveFound {
        etcd,
        node: found.node.map(|node| NodeSeen { ready: false, ..node }),
        machine: MachineFound::Away { why: "no route to host".into() },
        pods: None,
        ..found
    }
}

#[test]
fn a_leave_as_it_is_shown() {
    insta::assert_snapshot!(leave(&well(), false).unwrap().text(), @r"
    n4 leaves the cluster
      - close the node for new pods
      - evict 1 pods (2 stay that belong to it)
          shop/web-1 (ReplicaSet web)
          held for now: shop/web-1: budget web
      - stop kube-apiserver, kube-scheduler
      - remove the etcd member n4 (abc)
      - stop etcd
      - clean its machine, keys and data of the cluster included (2 things there)
          container etcd
          files in /etc/kubernetes
      - delete the Node from the API
      - take it out of cluster.rkestate
      - run rke up over the nodes that stay
      ! kept on n4: /opt/rke/etcd-snapshots: snapshots hold every key of the cluster; move them away, or delete them
      ! take n4 out of the inventory afterwards: the next `cowhand up` would let it join again
    ");
}

#[test]
fn a_machine_that_is_lost_is_not_cleaned_and_the_plan_says_what_that_means() {
    let found = LeaveFound { listed: false, joining: vec!["n5".into()], ..lost(well()) };
    let refused = leave(&found, false).unwrap_err();
    assert_eq!(refused.exit, Exit::Unreachable);
    assert!(refused.hint.unwrap().contains("open etcd and make any identity"), "a control plane has the CA's key");
    insta::assert_snapshot!(leave(&found, true).unwrap().text(), @r"
    n4 leaves the cluster
      - close the node for new pods
      - remove the etcd member n4 (abc)
      - delete the Node from the API
      - take it out of cluster.rkestate
      ! n4 is not reached (no route to host): the keys on its disk open etcd and make any identity of the cluster until the cluster gets another CA
      ! if its machine comes back, `cowhand status` names it, `cowhand up` refuses, and `cowhand node remove n4` cleans it
      ! the kubelet of n4 does not report: its pods start elsewhere once its Node is deleted
      ! `cowhand up` then lets n5 join
    ");
    let reached = leave(&well(), true).unwrap_err();
    assert!(reached.exit == Exit::Usage && reached.error.contains("needs no --unreachable"), "{reached:?}");
}

#[test]
fn a_run_that_was_cut_off_goes_on_with_what_is_left() {
    let done = |change: &dyn Fn(&mut LeaveFound)| {
        let mut found = well();
        change(&mut found);
        serde_json::to_value(leave(&found, false).unwrap().steps).unwrap()
    };
    let names = |steps: serde_json::Value| {
        steps.as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let whole = done(&|_| {});
    assert_eq!(whole[3], serde_json::json!({"step": "remove-member", "id": "abc", "member": "n4"}));
    assert_eq!(
        names(whole),
        ["close", "drain", "stop", "remove-member", "stop", "clean", "delete-node", "forget", "rke-up"]
    );
    let closed = |found: &mut LeaveFound| {
        let node = found.node.as_mut().unwrap();
        (node.unschedulable, node.closed_by) = (true, Some("ada".into()));
    };
    let from_etcd = done(&|found| {
        closed(found);
        found.member = None;
        found.etcd.truncate(3);
    });
    assert_eq!(names(from_etcd), ["drain", "stop", "stop", "clean", "delete-node", "forget", "rke-up"]);
    let cleaned = done(&|found| {
        (found.member, found.pods) = (None, None);
        closed(found);
        found.node.as_mut().unwrap().ready = false;
        found.machine = MachineFound::Reached { api: vec![], etcd: false, left: vec![], kept: vec![] };
    });
    assert_eq!(names(cleaned), ["delete-node", "forget", "rke-up"]);
    // Somebody else's cordon gets our mark, so that it is known whose it is.
    let by_hand = done(&|found| found.node.as_mut().unwrap().unschedulable = true);
    assert_eq!(names(by_hand)[0], "close");
    // Where another one joins, the next `up` runs rke.
    let joining = done(&|found| found.joining = vec!["n5".into()]);
    assert_eq!(names(joining).last().unwrap(), "forget");
}

#[test]
fn what_forbids_it_says_what_to_do_instead() {
    let worker = Roles { controlplane: false, etcd: false, worker: true };
    let three = || {
        let found = well();
        LeaveFound { staying: ["n1", "n2"].map(node).into(), etcd: found.etcd[1..].to_vec(), ..found }
    };
    let refused = |found: &LeaveFound, unreachable: bool| {
        let failure = leave(found, unreachable).unwrap_err();
        assert!(failure.exit == Exit::Usage || failure.hint.as_ref().unwrap().ends_with("; nothing was changed"));
        (failure.error, failure.hint.unwrap())
    };
    let (error, hint) = refused(&LeaveFound { state: None, node: None, member: None, ..well() }, false);
    assert!(error.contains("has no node n4") && hint.contains("n1, n2, n3"), "{error}: {hint}");
    let (error, hint) = refused(&LeaveFound { wanted: vec![Roles::ALL; 2], ..three() }, false);
    assert!(error.contains("the inventory has 2 nodes") && hint.contains("takes its place"), "{error}: {hint}");
    let (error, hint) = refused(&three(), false);
    assert!(error.contains("n4 is well") && hint.contains("let the other one join first"), "{error}: {hint}");
    assert!(leave(&lost(three()), true).is_ok(), "a dead one leaves before the new one joins");
    let (error, _) = refused(&LeaveFound { staying: vec![StateNode { roles: worker, ..node("n1") }], ..well() }, false);
    assert_eq!(error, "n4 is the last node with the role controlplane");
    let mut beside = well();
    beside.etcd[0].answers = false;
    beside.etcd.truncate(3);
    beside.member = Some((1, "n2".into()));
    let (error, hint) = refused(&beside, false);
    assert!(error.contains("no majority while n1 is down") && hint.contains("mend n1"), "{error}: {hint}");
    let mut without_quorum = lost(well());
    without_quorum.etcd[0].answers = false;
    let (error, hint) = refused(&without_quorum, true);
    assert!(error.contains("2 of 4 etcd members are well") && hint.contains("restore etcd"), "{error}: {hint}");
    // A worker may go whatever stays.
    let found = three();
    let gone = StateNode { roles: worker, ..node("n4") };
    assert!(leave(&LeaveFound { state: Some(gone), member: None, ..found }, false).is_ok());
}
