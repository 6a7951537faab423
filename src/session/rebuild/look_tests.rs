use super::*;
use crate::check::world::{authority, captured};
use crate::facts::{Leftover, StateNodes};

fn state() -> StateFile {
    StateFile::Present { path: "s".into(), authorities: vec![authority()], nodes: StateNodes::default() }
}

/// A cluster's node with etcd's folder so.
fn node(data: FolderState) -> NodeFacts {
    let mut facts = captured("debian-13-cluster");
    facts.authority = Ok(Some(authority()));
    facts.leftovers = Ok(vec![Leftover { path: DATA.into(), state: data }]);
    facts
}

#[test]
fn a_machine_is_what_its_etcd_folder_its_ca_and_its_containers_say() {
    let virgin = captured("debian-13");
    assert_eq!(judged(&virgin, &state()), MachineSeen::Nothing);
    assert_eq!(judged(&node(FolderState::Full), &state()), MachineSeen::Data { running: true });
    let MachineSeen::Remains { running } = judged(&node(FolderState::Empty), &state()) else { panic!() };
    assert!(running.contains(&"kubelet".to_owned()), "{running:?}");
    let mut stopped = node(FolderState::Full);
    stopped.containers = Ok(Vec::new());
    assert_eq!(judged(&stopped, &state()), MachineSeen::Data { running: false });
}

#[test]
fn what_is_not_proved_or_not_seen_is_never_nothing() {
    let none = StateFile::Present { path: "s".into(), authorities: Vec::new(), nodes: StateNodes::default() };
    assert!(matches!(judged(&node(FolderState::Empty), &none), MachineSeen::AnotherCa { .. }));
    let mut bare = node(FolderState::Absent);
    bare.authority = Ok(None);
    assert!(matches!(judged(&bare, &state()), MachineSeen::Unproved { .. }));
    assert!(matches!(judged(&node(FolderState::Unreadable), &state()), MachineSeen::Unseen { .. }));
    let unseen = || facts::Unseen("no".into());
    let mut blind = node(FolderState::Empty);
    blind.containers = Err(unseen());
    assert!(matches!(judged(&blind, &state()), MachineSeen::Unseen { .. }));
    let mut blind = node(FolderState::Empty);
    blind.leftovers = Err(unseen());
    assert!(matches!(judged(&blind, &state()), MachineSeen::Unseen { .. }));
    let mut blind = node(FolderState::Empty);
    blind.authority = Err(unseen());
    assert!(matches!(judged(&blind, &state()), MachineSeen::Unseen { .. }));
}
