//! `down` goes on only where everything was seen and is this workspace's own.

use std::path::PathBuf;

use super::world::*;
use super::*;
use crate::facts::{CaFingerprint, ContainerState, Outcome, StateFile, Unseen};

/// Every finding that refuses, as `check on node: what was seen`, and each has a remedy.
fn refused(world: &World) -> Vec<String> {
    let findings = removal(&world.context(), &Skips::default());
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
fn another_distribution_refuses() {
    let mut world = own();
    world.n2().facts.traces = facts_of("quirk-rke2", 2).traces;
    let told = refused(&world);
    assert!(told.len() == 1 && told[0].starts_with("node.other-distribution on n2: "), "{told:?}");
    // Somebody who built there all the same has said so in the inventory.
    let skips = Skips::new(["node.other-distribution"]).unwrap();
    assert_eq!(removal(&world.context(), &skips), []);
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
