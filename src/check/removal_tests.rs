//! `down` goes on only where everything was seen and is this workspace's own.

use std::path::PathBuf;

use super::world::*;
use super::*;
use crate::facts::{CaFingerprint, ContainerState, Outcome, StateFile, Unseen};

/// Every finding that refuses, as `check on node: what was seen`, and each has a remedy.
fn refused(world: &World) -> Vec<String> {
    let findings = removal(&world.context());
    let told = |one: &Finding| {
        assert!(!one.fix.is_empty(), "{one:?}");
        format!("{} on {}: {}", one.check, one.subject.as_deref().unwrap_or_default(), one.seen)
    };
    findings.iter().map(told).collect()
}

/// A cluster of this workspace on three machines.
fn own() -> World {
    let mut world = World::on("debian-13-cluster");
    world.know(vec![authority()]);
    world
}

fn other() -> CaFingerprint {
    CaFingerprint::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap()
}

#[test]
fn our_own_cluster_goes_and_so_does_nothing() {
    assert_eq!(refused(&own()), [""; 0]);
    assert_eq!(refused(&World::good()), [""; 0], "without state: there is nothing to lose");
}

#[test]
fn each_machine_is_judged_not_the_first_alone() {
    let mut world = own();
    world.n2().facts.authority = Ok(Some(other()));
    let told = refused(&world);
    assert!(told.iter().all(|line| line.contains(" on n2: ")) && told[0].starts_with("cluster.foreign"), "{told:?}");
}

#[test]
fn stopped_containers_of_another_cluster_are_its_own_still() {
    let mut world = own();
    let facts = &mut world.n2().facts;
    facts.authority = Ok(Some(other()));
    facts.containers.as_mut().unwrap().iter_mut().for_each(|one| one.state = ContainerState::Stopped);
    let told = refused(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("cluster.ours on n2: ") && told[0].contains("does not know"), "{told:?}");
}

#[test]
fn docker_that_hangs_refuses_whatever_else_is_there() {
    for with_ca in [true, false] {
        let mut world = own();
        let hanging = facts_of("quirk-docker-hangs", 2);
        let facts = &mut world.n2().facts;
        facts.containers = hanging.containers;
        if !with_ca {
            facts.authority = Ok(None);
        }
        let told = refused(&world);
        assert!(told.iter().any(|line| line.starts_with("cluster.ours on n2: ") && line.contains("10 s")), "{told:?}");
    }
}

#[test]
fn a_container_of_somebody_else_that_rke_remove_would_take_refuses() {
    let mut world = own();
    contain_foreign(world.n2(), "nginx-proxy", ContainerState::Running);
    let told = refused(&world);
    assert_eq!(told, ["containers.foreign on n2: nginx-proxy (image somebody/web:1) is not RKE's"]);
    let findings = removal(&world.context());
    assert!(findings[0].fix.contains("docker rename nginx-proxy "), "{findings:?}");
}

#[test]
fn another_distribution_refuses() {
    let mut world = own();
    world.n2().facts.traces = facts_of("quirk-rke2", 2).traces;
    let told = refused(&world);
    assert!(told.len() == 1 && told[0].starts_with("node.other-distribution on n2: "), "{told:?}");
    // Whoever built there all the same said so for `up`: it gives no leave to empty what the other one keeps there.
    world.inventory.skip_checks = vec!["node.other-distribution".into()];
    assert_eq!(refused(&world), told);
}

#[test]
fn a_machine_that_says_nothing_refuses() {
    let mut world = own();
    world.observed.nodes[1].outcome = Outcome::Unreachable { reason: "the probe was cut off".into(), hint: None };
    assert_eq!(refused(&world), ["ssh.reachable on n2: the probe was cut off"]);
    let mut world = own();
    let facts = &mut world.n2().facts;
    facts.authority = Err(Unseen("the login user may not read it".into()));
    facts.containers = Ok(vec![]);
    assert!(refused(&world)[0].starts_with("cluster.ours on n2: whose cluster was here could not be seen"));
}

#[test]
fn without_a_state_file_something_has_to_prove_whose_it_is() {
    let mut world = World::good();
    leave(world.n2(), "/var/lib/etcd");
    let told = refused(&world);
    assert!(told.len() == 1 && told[0].contains("/var/lib/etcd there, without a CA"), "{told:?}");
    world.workspace.state = StateFile::Unreadable { path: PathBuf::from("cluster.rkestate"), reason: "EOF".into() };
    assert_eq!(refused(&world).len(), 1);
    // A removal that was cut off goes on.
    world.know(vec![authority()]);
    assert_eq!(refused(&world), [""; 0]);
    // Containers alone are a trace, too.
    let mut world = World::good();
    contain(world.n2(), "etcd", ContainerState::Stopped);
    assert!(refused(&world)[0].contains("container etcd there"));
    // And a CA that nobody here knows.
    let mut world = World::on("debian-13-cluster");
    world.n2().facts.containers = Ok(vec![]);
    assert!(refused(&world).iter().any(|line| line.starts_with("cluster.ours on n2: ")));
}

#[test]
fn a_machine_that_no_state_names_is_left_alone() {
    // Its remains, a running proxy and a data folder of somebody else's, are no proof that it is ours.
    let foreign = |prepare: &dyn Fn(&mut World)| {
        let mut world = World::good();
        world.know(vec![authority()]);
        let StateFile::Present { nodes, .. } = &mut world.workspace.state else { panic!() };
        nodes.desired.retain(|node| node.name != "n2");
        nodes.applied.as_mut().unwrap().retain(|node| node.name != "n2");
        world.members = Some(crate::facts::MembersSeen::unasked("the API does not answer"));
        prepare(&mut world);
        refused(&world)
    };
    let told = foreign(&|_| {});
    assert!(
        told.len() == 1 && told[0].starts_with("cluster.members on n2: n2 (10.0.0.12) is in the inventory"),
        "{told:?}"
    );
    let told = foreign(&|world| {
        leave(world.n2(), "/var/lib/etcd");
        contain(world.n2(), "etcd", ContainerState::Stopped);
    });
    assert!(
        told.iter().any(|line| line.starts_with("cluster.ours on n2: ") && line.contains("does not name")),
        "{told:?}"
    );
    // The cluster's own CA on it, or etcd's list, proves it.
    assert_eq!(foreign(&|world| world.n2().facts.authority = Ok(Some(authority()))), [""; 0]);
    assert_eq!(foreign(&|world| world.members = Some(members(&world.inventory.nodes))), [""; 0]);
    // Its name alone does not: the address may have been mistyped.
    let told = foreign(&|world| {
        world.members = Some(members(&world.inventory.nodes));
        world.inventory.nodes[1].address = "10.0.0.99".into();
    });
    assert!(
        told.iter().any(|line| line.starts_with("cluster.members on n2: n2 (10.0.0.99) is in the inventory")),
        "{told:?}"
    );
}

#[test]
fn a_member_that_the_inventory_lacks_would_live_on() {
    let mut world = own();
    world.inventory.nodes.truncate(2);
    world.observed.nodes.truncate(2);
    for silent in [false, true] {
        if silent {
            world.members = Some(crate::facts::MembersSeen::unasked("the API does not answer"));
        }
        let told = refused(&world);
        assert!(told.len() == 1 && told[0].starts_with("cluster.members on n3: n3 (10.0.0.13) is "), "{told:?}");
        assert!(told[0].ends_with("not in the inventory: it would live on"), "{told:?}");
    }
    // Also when API and etcd have forgotten it: its machine is not swept.
    let mut world = own();
    world.members.as_mut().unwrap().api.as_mut().unwrap().pop();
    world.inventory.nodes.truncate(2);
    world.observed.nodes.truncate(2);
    assert_eq!(refused(&world).len(), 1);
}
