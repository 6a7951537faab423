//! Who is a member is what state, API and etcd say, not the inventory.

use super::world::*;
use super::*;
use crate::facts::etcd::EtcdAnswer;
use crate::facts::{Container, ContainerState, EtcdAsked, MembersSeen, StateFile, Unseen};
use crate::inventory::{Node, Roles};

/// A cluster of this many nodes with all planes, and one more that only works; all of them in the inventory.
fn cluster(etcd: u8) -> World {
    let mut world = World::on("debian-13-cluster");
    world.inventory.nodes = (1..=etcd).map(node).chain([Node { roles: worker(), ..node(9) }]).collect();
    world.know(vec![authority()]);
    world
}

fn worker() -> Roles {
    Roles { controlplane: false, etcd: false, worker: true }
}

fn leave_out(world: &mut World, name: &str) {
    world.inventory.nodes.retain(|node| node.name != name);
}

fn worst(world: &World, id: &str) -> Finding {
    world.say(id)[0].clone()
}

fn etcd(world: &mut World) -> &mut Vec<EtcdAsked> {
    &mut world.members.as_mut().unwrap().etcd
}

fn each_answer(world: &mut World, change: impl Fn(&mut EtcdAnswer)) {
    for asked in etcd(world) {
        if let Ok(answer) = &mut asked.answer {
            change(answer);
        }
    }
}

/// No Node of the API and no member of etcd has this name any more.
fn gone_from_the_cluster(world: &mut World, name: &str) {
    world.members.as_mut().unwrap().api.as_mut().unwrap().retain(|node| node.name != name);
    each_answer(world, |answer| answer.members.retain(|member| member.name != format!("etcd-{name}")));
}

#[test]
fn a_cluster_as_the_inventory_has_it_passes() {
    let world = cluster(3);
    for id in ["cluster.members", "etcd.healthy", "etcd.one-change"] {
        assert_eq!(worst(&world, id).verdict, Verdict::Pass, "{id}");
    }
    assert_eq!(worst(&World::good(), "cluster.members").seen, "no cluster was looked for");
}

#[test]
fn a_worker_that_left_the_inventory_is_named_with_what_it_still_is_and_how_it_goes() {
    let mut world = cluster(3);
    leave_out(&mut world, "n9");
    let said = worst(&world, "cluster.members");
    assert_eq!((said.verdict, said.subject.as_deref()), (Verdict::Fail, Some("n9")));
    assert_eq!(
        said.seen,
        "n9 (10.0.0.19) is a Node of the API (Ready) and a node of cluster.rkestate (worker), and not in the inventory; \
         without it in the inventory nothing stops its kubelet: what runs there keeps valid keys of the cluster"
    );
    assert_eq!(
        said.fix,
        "`cowhand node remove n9` takes it out of the cluster; or put n9 (10.0.0.19) back into `nodes`"
    );
}

#[test]
fn a_node_that_cowhand_closed_is_named_with_what_goes_on() {
    let mut world = cluster(3);
    let nodes = world.members.as_mut().unwrap().api.as_mut().unwrap();
    nodes[0].closed_by = Some("ada@laptop, cowhand node drain (process 7), since noon".into());
    nodes[1].closed_by = Some("ada@laptop, cowhand node remove (process 8), since noon".into());
    let said = world.say("cluster.members");
    let told: Vec<_> = said.iter().map(|one| (one.verdict, one.seen.as_str(), one.fix.as_str())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0 == Verdict::Warn && told[0].1.starts_with("n1 is closed for pods, by ada@laptop"), "{told:?}");
    assert!(!told[0].2.contains("node remove"), "{told:?}");
    assert!(told[1].2.contains("`cowhand node remove n2` goes on"), "{told:?}");
}

#[test]
fn an_etcd_member_that_left_the_inventory_is_named_with_its_id() {
    let mut world = cluster(3);
    leave_out(&mut world, "n3");
    let said = worst(&world, "cluster.members");
    assert!(said.verdict == Verdict::Fail && said.seen.contains("a member of etcd (3)"), "{said:?}");
    assert!(said.seen.contains("kubelet, API server and etcd"), "{said:?}");
    assert!(gate(world.report()).is_err());
}

#[test]
fn what_only_the_api_or_only_etcd_has_is_named_too() {
    let mut world = cluster(3);
    world.members.as_mut().unwrap().api.as_mut().unwrap().push(api_node("n7"));
    each_answer(&mut world, |answer| answer.members.push(member(255, "etcd-n8", "10.0.0.18")));
    let said = world.say("cluster.members");
    let told: Vec<_> =
        said.iter().map(|one| (one.verdict, one.subject.as_deref().unwrap(), one.seen.as_str())).collect();
    assert_eq!(told[0].0, Verdict::Fail);
    assert!(told[0].1 == "n7" && told[0].2.starts_with("n7 is a Node of the API (Ready), and not"), "{told:?}");
    assert!(told[1].1 == "n8" && told[1].2.starts_with("n8 (10.0.0.18) is a member of etcd (ff), and not"), "{told:?}");
    // One that was added and never started has no name yet.
    let mut world = cluster(3);
    each_answer(&mut world, |answer| answer.members.push(member(9, "", "10.0.0.18")));
    assert_eq!(worst(&world, "cluster.members").subject.as_deref(), Some("10.0.0.18"));
}

#[test]
fn a_node_that_has_left_may_be_forgotten_once_api_and_etcd_were_asked() {
    let forgotten = |change: &dyn Fn(&mut World)| {
        let mut world = cluster(3);
        leave_out(&mut world, "n3");
        gone_from_the_cluster(&mut world, "n3");
        change(&mut world);
        worst(&world, "cluster.members")
    };
    let said = forgotten(&|_| {});
    assert!(said.verdict == Verdict::Warn && said.fix.contains("certificates stay valid"), "{said:?}");
    // Unknown is not gone.
    let silent = forgotten(&|world| world.members.as_mut().unwrap().api = Err(Unseen("refused with 401".into())));
    assert!(
        silent.verdict == Verdict::Fail && silent.seen.contains("could not be seen: refused with 401"),
        "{silent:?}"
    );
    let silent = forgotten(&|world| etcd(world).clear());
    assert!(
        silent.verdict == Verdict::Fail && silent.seen.contains("could not be seen: no node was asked"),
        "{silent:?}"
    );
}

#[test]
fn another_address_under_the_same_name_is_another_machine() {
    let mut world = cluster(3);
    world.inventory.nodes[2].address = "10.0.0.99".into();
    let said = worst(&world, "cluster.members");
    assert!(said.verdict == Verdict::Fail && said.fix.contains("give n3 its address back"), "{said:?}");
    // Not even when the former machine is gone: rke would delete the Node of the new one.
    gone_from_the_cluster(&mut world, "n3");
    assert_eq!(worst(&world, "cluster.members").verdict, Verdict::Fail);
    // And another name at the same address is the same machine.
    let mut world = cluster(3);
    world.inventory.nodes[2].name = "web".into();
    let said = worst(&world, "cluster.members");
    assert!(said.verdict == Verdict::Fail && said.fix.contains("call web n3 again"), "{said:?}");
}

#[test]
fn a_first_run_that_was_cut_off_binds_nobody_while_nothing_of_it_is_there() {
    let begun = |capture: &str| {
        let mut world = World::on(capture);
        world.know(vec![authority()]);
        let StateFile::Present { nodes, .. } = &mut world.workspace.state else { panic!() };
        nodes.applied = None;
        nodes.desired.push(state_node(&node(4)));
        world.members = Some(MembersSeen::unasked("there is no cluster yet"));
        worst(&world, "cluster.members")
    };
    assert_eq!(begun("debian-13").verdict, Verdict::Warn);
    assert_eq!(begun("debian-13-cluster").verdict, Verdict::Fail, "containers of a cluster run here");
}

#[test]
fn an_api_that_is_silent_is_no_pass_and_no_obstacle() {
    let mut world = cluster(3);
    world.members.as_mut().unwrap().api = Err(Unseen("it does not answer".into()));
    let said = worst(&world, "cluster.members");
    assert!(said.verdict == Verdict::Warn && said.seen.contains("it does not answer"), "{said:?}");
    leave_out(&mut world, "n9");
    assert_eq!(worst(&world, "cluster.members").verdict, Verdict::Fail, "the state's own nodes count all the same");
}

/// etcd of n1 is stopped; the others say so.
fn n1_down(world: &mut World) {
    let stopped = Container {
        name: "etcd".into(),
        state: ContainerState::Stopped,
        status: "Exited (137) 2 hours ago".into(),
        label: Some("etcd".into()),
        image: String::new(),
    };
    etcd(world)[0].containers = Ok(vec![stopped]);
    etcd(world)[0].answer = Err(Unseen("its container etcd does not run: Exited (137) 2 hours ago".into()));
    each_answer(world, |answer| answer.health[0] = health("10.0.0.11", false));
}

#[test]
fn a_stopped_member_is_named_whichever_it_is() {
    let mut world = World::on("debian-13-cluster");
    world.know(vec![authority()]);
    n1_down(&mut world);
    let said = worst(&world, "etcd.healthy");
    assert_eq!((said.verdict, said.subject.as_deref()), (Verdict::Warn, Some("n1")));
    assert!(said.seen.contains("Exited (137)") && said.fix.contains("`cowhand up` starts it"), "{said:?}");
    assert!(gate(world.report()).is_ok(), "up may mend it");
    let proved = proved(&world.context());
    assert!(proved.iter().any(|one| one.check == "etcd.healthy" && one.verdict == Verdict::Fail), "{proved:?}");
    // Nobody answers: each of them is named still.
    for asked in etcd(&mut world) {
        asked.answer = Err(Unseen("etcd gives no list of its members: no leader".into()));
    }
    let down: Vec<_> = world.say("etcd.healthy").into_iter().filter(|one| one.verdict == Verdict::Warn).collect();
    assert_eq!(down.len(), 3, "{down:?}");
}

#[test]
fn members_are_counted_by_state_and_list_not_by_one_answer() {
    let told = |world: &World| {
        let asked = &world.members.as_ref().unwrap().etcd;
        let all = etcd_members(&world.inventory.nodes, &world.workspace.state, asked);
        all.iter()
            .map(|one| format!("{} {}", one.name, if one.healthy { "up" } else { &one.error }))
            .collect::<Vec<_>>()
    };
    let mut world = cluster(3);
    assert_eq!(told(&world), ["n1 up", "n2 up", "n3 up"]);
    // One of two that see the third tells more than one that does not.
    if let Ok(answer) = &mut etcd(&mut world)[1].answer {
        answer.health[2] = health("10.0.0.13", false);
    }
    assert_eq!(told(&world), ["n1 up", "n2 up", "n3 up"]);
    n1_down(&mut world);
    assert_eq!(told(&world), ["n1 its container etcd does not run: Exited (137) 2 hours ago", "n2 up", "n3 up"]);
    each_answer(&mut world, |answer| {
        answer.members.retain(|member| member.id != 3);
        answer.health.remove(2);
    });
    assert_eq!(told(&world)[2], "n3 it is not among etcd's members");
    etcd(&mut world).clear();
    assert_eq!(told(&world)[1], "n2 no node was asked");
}

#[test]
fn one_member_comes_or_goes_at_a_time() {
    let changed = |change: &dyn Fn(&mut World)| {
        let mut world = cluster(3);
        change(&mut world);
        worst(&world, "etcd.one-change")
    };
    let join = |world: &mut World, index: u8| world.inventory.nodes.push(node(index));
    let said = changed(&|world| join(world, 4));
    assert_eq!((said.verdict, said.seen.as_str()), (Verdict::Pass, "n4 joins"));
    let said = changed(&|world| (4..=5).for_each(|index| join(world, index)));
    assert_eq!((said.verdict, said.seen.as_str()), (Verdict::Fail, "n4 and n5 join, in one run"));
    let said = changed(&|world| {
        join(world, 4);
        leave_out(world, "n3");
    });
    assert_eq!((said.verdict, said.seen.as_str()), (Verdict::Fail, "n4 joins and n3 leaves, in one run"));
    assert_eq!(said.fix, "`cowhand node remove n3` first; `cowhand up` then lets the other join");
    // A role that is taken away is a member that leaves, too.
    let said = changed(&|world| (1..=2).for_each(|index| world.inventory.nodes[index].roles.etcd = false));
    assert_eq!(said.seen, "n2 and n3 leave, in one run");
    // Beside a member that is down, even one is too many.
    let said = changed(&|world| {
        join(world, 4);
        n1_down(world);
    });
    assert_eq!(
        (said.verdict, said.seen.as_str()),
        (Verdict::Fail, "n4 joins: etcd would have no majority while n1 is down")
    );
    // Of five, one may be down.
    let mut world = cluster(5);
    n1_down(&mut world);
    join(&mut world, 6);
    assert_eq!(worst(&world, "etcd.one-change").verdict, Verdict::Pass);
    // What etcd lists counts: a join that was cut off is in the state already.
    let said = changed(&|world| {
        (4..=5).for_each(|index| join(world, index));
        let StateFile::Present { nodes, .. } = &mut world.workspace.state else { panic!() };
        nodes.desired.push(state_node(&node(4)));
    });
    assert_eq!(said.verdict, Verdict::Fail);
    // A first build brings all at once.
    let mut world = World::good();
    world.members = Some(MembersSeen::unasked("there is no cluster yet"));
    assert_eq!(worst(&world, "etcd.one-change").verdict, Verdict::Pass);
}

#[test]
fn what_guards_members_is_skipped_by_nobody() {
    for id in ["cluster.members", "etcd.one-change"] {
        assert_eq!(Skips::new([id]).unwrap_err(), SkipError::Never { id });
    }
}
