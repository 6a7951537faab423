//! What agents make of one change: what Rancher hands out now, and what it is to hand out.

use super::*;
use crate::facts::cluster::HandedOut;
use crate::failure::Hint;
use crate::tls::{Cacerts, Origin, Sense, TABLE};

const ROOT: &str = include_str!("../../tests/data/tls/root.pem");
const OTHER: &str = include_str!("../../tests/data/tls/root-other.pem");
/// Leaf and intermediate, from ROOT.
const CHAIN: &str = include_str!("../../tests/data/tls/chain.pem");
/// Another leaf of the same intermediate.
const RENEWED: &str = include_str!("../../tests/data/tls/time-500-days.pem");
/// A leaf, directly from OTHER_RSA.
const STRANGER: &str = include_str!("../../tests/data/tls/by-P-521.pem");
const STRANGERS_ROOT: &str = include_str!("../../tests/data/tls/root-P-521.pem");

fn cell(wanted: impl Fn(Origin, Cacerts) -> bool) -> &'static Cell {
    let makes = |cell: &&Cell| matches!(cell.sense, Sense::Makes(recipe) if wanted(recipe.origin, recipe.cacerts));
    TABLE.iter().find(makes).unwrap()
}

fn files() -> &'static Cell {
    cell(|origin, cacerts| origin == Origin::Files && cacerts == Cacerts::Given)
}

fn found(cacerts: &str, served: &str) -> AgentsFound {
    let handed_out = if cacerts.is_empty() { HandedOut::Nothing } else { HandedOut::File };
    let clusters = vec!["c-1".into(), "c-2".into()];
    let given = Given { handed_out, cacerts: Some(cacerts.into()), served: Some(served.into()) };
    AgentsFound { clusters, pending: vec![], given }
}

fn chain(chain: &str, cacerts: &str) -> AgentsWanted {
    AgentsWanted { signer: Signer::Chain(chain.into()), cacerts: cacerts.into(), cell: files() }
}

fn one_of(cas: &str, cacerts: &str) -> AgentsWanted {
    let cell = cell(|origin, cacerts| origin == Origin::Balancer && cacerts == Cacerts::Given);
    AgentsWanted { signer: Signer::OneOf(cas.into()), cacerts: cacerts.into(), cell }
}

fn why(seen: AgentsSee) -> Why {
    let AgentsSee::Locked(locked) = seen else { panic!("{seen:?}") };
    locked.why
}

fn notes(seen: AgentsSee) -> String {
    let AgentsSee::Notes(notes) = seen else { panic!("{seen:?}") };
    notes.join("\n")
}

#[test]
fn no_agents_notice_nothing() {
    let none = AgentsFound { clusters: vec![], ..found(ROOT, CHAIN) };
    assert_eq!(see(&none, &chain(STRANGER, STRANGERS_ROOT)), AgentsSee::Nothing);
    assert_eq!(see(&AgentsFound { given: Given::default(), ..none }, &chain(CHAIN, ROOT)), AgentsSee::Nothing);
    assert_eq!(see(&found(ROOT, CHAIN), &chain(RENEWED, ROOT)), AgentsSee::Nothing);
    let public = cell(|_, cacerts| cacerts == Cacerts::Empty);
    let empty = |signer| AgentsWanted { signer, cacerts: String::new(), cell: public };
    assert_eq!(see(&found("", CHAIN), &empty(Signer::Public)), AgentsSee::Nothing);
    assert_eq!(see(&found("", CHAIN), &empty(Signer::Chain(RENEWED.into()))), AgentsSee::Nothing);
}

#[test]
fn what_agents_trust_and_nobody_can_tell_is_no_pass() {
    let unknown = AgentsFound { given: Given::default(), ..found("", CHAIN) };
    assert_eq!(why(see(&unknown, &chain(CHAIN, ROOT))), Why::Unknown);
}

#[test]
fn the_old_ca_beside_the_new_one_in_one_file_saves_nobody() {
    let both = format!("{ROOT}{STRANGERS_ROOT}");
    assert_eq!(why(see(&found(ROOT, CHAIN), &chain(STRANGER, &both))), Why::Stranger);
    let issuer = AgentsWanted { signer: Signer::Chain(format!("{OTHER}{ROOT}")), ..chain("", &both) };
    assert_eq!(why(see(&found(ROOT, CHAIN), &issuer)), Why::Stranger, "the first one signs");
    // Which of the two signs the balancer's certificate, nobody knows here.
    assert_eq!(why(see(&found(ROOT, CHAIN), &one_of(&both, &both))), Why::Stranger);
}

#[test]
fn a_ca_above_or_below_the_one_that_agents_know_is_the_same() {
    let bundle = include_str!("../../tests/data/tls/ca-bundle.pem");
    assert!(matches!(see(&found(ROOT, CHAIN), &one_of(bundle, bundle)), AgentsSee::Notes(_)));
    let issuer = AgentsWanted { signer: Signer::Chain(bundle.into()), ..chain("", ROOT) };
    assert_eq!(see(&found(ROOT, CHAIN), &issuer), AgentsSee::Nothing);
}

#[test]
fn the_way_in_three_runs_locks_nobody_out() {
    let both = format!("{ROOT}{STRANGERS_ROOT}");
    let first = notes(see(&found(ROOT, CHAIN), &chain(CHAIN, &both)));
    assert!(
        first.contains("c-1, c-2") && first.contains("force.deploy=true") && !first.contains("lose Rancher"),
        "{first}"
    );
    // The checksum stays, and still it is not for agents that were not deployed anew.
    let second = notes(see(&found(&both, CHAIN), &chain(STRANGER, &both)));
    let sum = ca_checksum(&both);
    assert!(second.contains("lose Rancher") && second.contains(&format!("CATTLE_CA_CHECKSUM {sum}")), "{second}");
    assert!(!second.contains("force.deploy"), "{second}");
    assert_eq!(see(&found(&both, STRANGER), &chain(STRANGER, &both)), AgentsSee::Nothing, "planned again");
    let third = notes(see(&found(&both, STRANGER), &chain(STRANGER, STRANGERS_ROOT)));
    assert!(third.contains("force.deploy=true") && !third.contains("lose Rancher"), "{third}");
}

#[test]
fn agents_that_wait_to_be_deployed_anew_do_not_know_the_new_ca_yet() {
    let both = format!("{ROOT}{STRANGERS_ROOT}");
    let waiting = AgentsFound { pending: vec!["c-2".into()], ..found(&both, CHAIN) };
    let AgentsSee::Locked(locked) = see(&waiting, &chain(STRANGER, &both)) else { panic!() };
    assert_eq!((locked.why, locked.clusters.as_str()), (Why::NotDeployed, "c-2"));
    assert!(locked.hint().unwrap().contains("force.deploy: \"false\""), "{}", locked.hint().unwrap());
    assert_eq!(see(&waiting, &chain(RENEWED, &both)), AgentsSee::Nothing, "another leaf is not another CA");
}

#[test]
fn a_jump_is_told() {
    let public = cell(|_, cacerts| cacerts == Cacerts::Empty);
    let none = AgentsWanted { signer: Signer::Chain(STRANGER.into()), cacerts: String::new(), cell: public };
    let later = AgentsWanted { signer: Signer::MadeLater, ..none.clone() };
    for (now, wanted) in [
        (found(ROOT, CHAIN), chain(STRANGER, STRANGERS_ROOT)),
        (found(ROOT, CHAIN), none),
        (found(ROOT, CHAIN), AgentsWanted { signer: Signer::Public, ..later.clone() }),
        (found(ROOT, CHAIN), later.clone()),
        (found("", CHAIN), chain(STRANGER, STRANGERS_ROOT)),
        (found("", CHAIN), later),
    ] {
        let AgentsSee::Locked(locked) = see(&now, &wanted) else { panic!("{wanted:?}") };
        assert!(locked.to_string().contains("c-1, c-2") && locked.hint().unwrap().contains("--replace-ca"));
        assert_eq!(locked.why, Why::Stranger);
    }
}

#[test]
fn from_a_public_ca_the_first_run_hands_out_its_root_and_the_new_one() {
    let both = format!("{ROOT}{OTHER}");
    let seen = notes(see(&found("", CHAIN), &chain(RENEWED, &both)));
    assert!(seen.contains("stay connected, and learn the CA"), "{seen}");
    assert_eq!(why(see(&found("", STRANGER), &chain(CHAIN, &both))), Why::Stranger);
}

#[test]
fn the_hint_is_a_way_that_the_inventory_takes() {
    let hint =
        |handed_out, cell| LockedOut { clusters: "c-1".into(), why: Why::Stranger, handed_out, cell }.hint().unwrap();
    let usual = hint(HandedOut::File, files());
    assert!(usual.contains("First `also_trust: NEW-CA.pem` beside the present files"), "{usual}");
    assert!(usual.contains("insecureCommand"), "{usual}");
    // Beside Rancher's own CA, and beside one for passthrough, also_trust is refused.
    let ranchers = hint(HandedOut::TlsRancher, files());
    assert!(
        ranchers.contains("First `issuer: ca` without passthrough") && ranchers.contains("tls-rancher"),
        "{ranchers}"
    );
    let public = hint(HandedOut::Nothing, files());
    assert!(public.contains("First `ca: ROOT.pem`") && !public.contains("--replace-ca`, since"), "{public}");
    let made = hint(HandedOut::File, cell(|_, cacerts| cacerts == Cacerts::RancherMakes));
    assert!(made.contains("cannot be handed out before it signs") && !made.contains("three runs"), "{made}");
    let passthrough = hint(HandedOut::File, cell(|_, cacerts| cacerts == Cacerts::TlsRancher));
    assert!(passthrough.contains("with passthrough again"), "{passthrough}");
    let to_public = hint(HandedOut::File, cell(|_, cacerts| cacerts == Cacerts::Empty));
    assert!(to_public.contains("`ca: NEW-CA.pem` (the public CA's root)"), "{to_public}");
}
