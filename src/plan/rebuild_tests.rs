use super::*;

fn machine(name: &str, new: bool, old: bool, seen: MachineSeen) -> RebuildMachine {
    let old = old.then_some(OldNode { etcd: true });
    RebuildMachine { name: name.into(), address: format!("10.0.0.{}", &name[1..]), new, etcd: true, old, seen }
}

fn told(machines: &[RebuildMachine], apis: &[ApiSeen]) -> String {
    against(machines, apis).iter().map(|one| format!("{}\n  fix: {}\n", one.seen, one.fix)).collect()
}

#[test]
fn machines_with_nothing_on_them_and_those_that_are_gone_are_no_reason() {
    let gone = MachineSeen::Unreached { why: "no route".into(), gone: true };
    let remains =
        |running: &[&str]| MachineSeen::Remains { running: running.iter().map(ToString::to_string).collect() };
    let machines = [
        machine("n1", true, true, MachineSeen::Nothing),
        machine("n2", true, true, remains(&["kubelet", "kube-apiserver"])),
        machine("n3", false, true, gone),
        machine("n4", false, true, remains(&[])),
    ];
    assert_eq!(told(&machines, &[]), "");
}

#[test]
fn every_reason_against_it_names_the_machine_and_what_settles_it() {
    let machines = [
        machine("n1", true, true, MachineSeen::Data { running: false }),
        machine("n2", false, true, MachineSeen::Unreached { why: "connection refused".into(), gone: false }),
        machine("n3", false, true, MachineSeen::Remains { running: vec!["kubelet".into(), "kube-proxy".into()] }),
        machine("n4", true, false, MachineSeen::AnotherCa { authority: "79:dc…".into() }),
        machine("n5", true, false, MachineSeen::Unproved { what: "containers of a cluster (kubelet)".into() }),
        machine("n6", true, false, MachineSeen::Unseen { why: "/var/lib/etcd cannot be looked into".into() }),
    ];
    let apis = [ApiSeen { at: "10.0.0.2".into(), answers: false }];
    insta::assert_snapshot!(told(&machines, &apis), @r#"
    an API server of this cluster listens at 10.0.0.2
      fix: this cluster lives: `cowhand status` shows what it lacks, and `cowhand up` mends it
    n1 (10.0.0.1) has etcd's data, and they may be newer than the backup
      fix: `docker start etcd` on n1, if a cluster can be had back with it; if it is only an old disk, move what is in /var/lib/etcd there to another folder: cowhand removes no data of etcd
    n2 (10.0.0.2) of the old cluster cannot be asked: connection refused
      fix: start it, if it can be started: its data may be newer. If it is gone for good, say so: --gone n2
    n3 (10.0.0.3) is a node of the old cluster, is not in the inventory, and kubelet, kube-proxy run there: it would join
      fix: on n3, `docker stop kubelet kube-proxy`, and see that nothing starts them again; or put n3 into the inventory
    n4 (10.0.0.4) belongs to a cluster with another CA (79:dc…)
      fix: take another machine for n4, or `cowhand down` with that cluster's inventory
    n5 (10.0.0.5) has containers of a cluster (kubelet), and no CA that says whose they are
      fix: see with `docker ps -a` on n5 whose it is; if nobody needs it, remove it by hand
    what is on n6 (10.0.0.6) cannot be seen: /var/lib/etcd cannot be looked into
      fix: let the user on n6 use Docker, and sudo without a password
    "#);
}

#[test]
fn where_most_members_have_their_data_starting_them_is_enough() {
    let machines = [
        machine("n1", true, true, MachineSeen::Data { running: true }),
        machine("n2", true, true, MachineSeen::Data { running: false }),
        machine("n3", true, true, MachineSeen::Nothing),
    ];
    let apis = [ApiSeen { at: "10.0.0.1".into(), answers: true }];
    insta::assert_snapshot!(told(&machines, &apis), @r#"
    the cluster's API answers at 10.0.0.1
      fix: this cluster lives: `cowhand status` shows what it lacks, and `cowhand up` mends it
    n1 (10.0.0.1) has etcd's data, and etcd runs on them
      fix: 2 of 3 members of etcd have their data (n1, n2): starting them is enough, and nothing is lost; `docker start etcd kube-apiserver kube-controller-manager kube-scheduler kubelet` on each, then `cowhand status`
    n2 (10.0.0.2) has etcd's data, and they may be newer than the backup
      fix: 2 of 3 members of etcd have their data (n1, n2): starting them is enough, and nothing is lost; `docker start etcd kube-apiserver kube-controller-manager kube-scheduler kubelet` on each, then `cowhand status`
    "#);
}

#[test]
fn the_plan_says_what_goes_what_is_lost_and_what_has_to_follow() {
    let plan = RebuildPlan {
        cluster: "prod".into(),
        file: "prod-20261130T031500Z.cowhand".into(),
        uid: "7e7f8d6c".into(),
        taken: "2026-11-30 03:15:00".into(),
        age: "37m00s".into(),
        revision: 4711,
        next_revision: 1_000_004_711,
        machines: vec![
            machine("n1", true, true, MachineSeen::Nothing),
            machine("n4", true, false, MachineSeen::Nothing),
            machine("n2", true, true, MachineSeen::Remains { running: Vec::new() }),
            machine("n3", false, true, MachineSeen::Unreached { why: "no route".into(), gone: true }),
        ],
        taken_out: vec![("nodes".into(), 3), ("leases".into(), 12), ("pods".into(), 40)],
        rancher: vec![("management.cattle.io/clusters".into(), 4)],
        not_in_it: vec!["data of PersistentVolume orders (claim shop/orders)".into()],
        follow: vec!["DNS: rancher.example.com has to lead to 10.0.0.1, 10.0.0.4".into()],
        goes_on: false,
    };
    insta::assert_snapshot!(plan.to_string(), @r#"
    rebuild of `prod` from prod-20261130T031500Z.cowhand
      backup    taken 2026-11-30 03:15:00 UTC, 37m00s ago; revision 4711; cluster 7e7f8d6c
      machines  n1 (10.0.0.1): old and new; no trace of a cluster
                n4 (10.0.0.4): new; no trace of a cluster
                n2 (10.0.0.2): old and new; what is left of the old cluster is removed first
                n3 (10.0.0.3): old, not in the inventory; gone, as you say
      etcd      revision 4711 becomes 1000004711 or more, all before it is compacted; members and cluster get new ids
      goes      3 nodes, 12 leases, 40 pods; labels and taints that were put on nodes by hand, and pods that no controller makes anew
      lost      whatever was changed after 2026-11-30 03:15:00 UTC
                data of PersistentVolume orders (claim shop/orders)
      Rancher   starts last, when all else is proved; it will believe in 4 management.cattle.io/clusters
      follows   DNS: rancher.example.com has to lead to 10.0.0.1, 10.0.0.4
    "#);
}
