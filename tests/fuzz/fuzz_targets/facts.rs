//! Whatever a node says, reading it and judging by it must not panic, and no finding steers a terminal.
//!
//! An input is what the probe says, then what the question for etcd's members says, then the kubeconfig's CA in RKE's state, with
//! `\n%%\n` between them. All three nodes say the same.
#![no_main]

use std::path::PathBuf;

use cowhand::check::{self, Context, Skips, etcd_members, node_clocks, removal, run_all};
use cowhand::facts::{
    ClockOffset, MembersSeen, NodeFacts, NodeObservation, Observed, Outcome, Reached, StateFile, Unseen, WorkspaceFacts, etcd, parse,
};
use cowhand::inventory::Node;
use cowhand::remote::scripted::Machine;
use cowhand::remote::{Ended, Output};
use cowhand::report::{Verbosity, findings};
use futures::executor::block_on;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

mod shown;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split("\n%%\n");
    let (probe, said) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let state = parts.next().map(|text| StateFile::read(PathBuf::from("cluster.rkestate"), text)).unwrap_or(StateFile::Absent);
    let inventory = shown::inventory();
    let facts = parse(probe);
    let observed = Observed { nodes: inventory.nodes.iter().map(|node| seen(node, &facts)).collect() };
    let output = Output::new(Ended::Code(0), said.as_bytes(), "");
    let machine = Machine::new("n1").answer(move |_, _| Some(output.clone()));
    let asked = vec![block_on(etcd::ask(&machine, "/var/run/docker.sock"))];
    etcd_members(&inventory.nodes, &state, &asked).iter().for_each(|member| {
        shown::told(&member.name);
        shown::told(&member.error);
    });
    let members = MembersSeen { api: Err(Unseen(said.to_owned())), etcd: asked };
    let workspace = WorkspaceFacts { state, broken: None, first_leaf: None, pinned: None };
    let now = Timestamp::from_second(1_795_348_800).unwrap_or(Timestamp::MAX);
    let context = Context {
        inventory,
        observed: Some(&observed),
        kubeconfig: None,
        cluster: None,
        members: Some(&members),
        images: None,
        now,
        workspace: &workspace,
        certificates: &[],
        name: None,
    };
    let _ = node_clocks(&observed, now);
    let mut found = run_all(&context, &Skips::default()).findings;
    found.extend(removal(&context));
    found.extend(check::proved(&context));
    // One of both is enough for an input: it comes again in other lengths.
    let look = &shown::LOOKS[input.len() % 2];
    shown::harmless(&findings(&found, 1.0, Verbosity::Normal, look));
});

fn seen(node: &Node, facts: &NodeFacts) -> NodeObservation {
    let facts = facts.clone();
    let clock = facts.clock.clone().map(|clock| clock.offset(1_795_465_825.0, 1_795_465_827.0));
    let clock = clock.map(|ClockOffset { seconds, uncertainty }| ClockOffset { seconds, uncertainty });
    let docker_through_ssh = facts.docker.as_ref().map(|docker| docker.api.clone()).map_err(Clone::clone);
    let reached = Reached { facts, clock, docker_through_ssh, tcp_forwarding: Ok(()) };
    NodeObservation {
        name: node.name.clone(),
        address: node.address.clone(),
        outcome: Outcome::Reached(Box::new(reached)),
    }
}
