//! What holds of all rules, and of the clocks of nodes.

use super::*;
use crate::tls::material::Files;

#[test]
fn a_good_set_passes_every_rule_that_has_something_to_look_at() {
    let clocks = [NodeClock { node: "n1".into(), at: at("2026-11-22T12:00:01Z") }];
    let judgements = judged_in(&folder(), Case { ca_key: "root.key", ..GOOD }, &clocks);
    assert!(judgements.iter().all(|judgement| judgement.grade == Grade::Pass && judgement.fix.is_empty()));
    // keys that are no RSA keys are of no size to be weak; the others are asked where no CA is given, or no certificate
    let elsewhere = ["tls.weak-key", "tls.ca-unknown", "tls.ca-chain"];
    for rule in RULES.iter().filter(|rule| !elsewhere.contains(&rule.id)) {
        assert!(judgements.iter().any(|judgement| judgement.rule.id == rule.id), "{}", rule.id);
    }
}

#[test]
fn a_clock_that_is_behind_is_named_with_its_node() {
    let clocks = [
        NodeClock { node: "n1".into(), at: at("2026-11-22T12:00:00Z") },
        NodeClock { node: "n2".into(), at: at("2026-09-30T23:59:59Z") },
    ];
    let failed: Vec<Judgement> =
        judged_in(&folder(), GOOD, &clocks).into_iter().filter(|judgement| judgement.grade == Grade::Fail).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].rule.id, "tls.node-clock");
    assert_eq!(failed[0].subject, "tls.certificate #1 (CN=rancher.example.com) on n2");
    assert!(failed[0].fix.contains("n2"));
    // what agents are to trust beside the CA counts, too
    let (ca, also, now) = (data("root.pem"), data("time-not-yet.pem"), at("2026-12-02T00:00:00Z"));
    let clocks = [NodeClock { node: "n3".into(), at: at("2026-11-30T23:59:59Z") }];
    let files = Files { ca: Some(&ca), also_trust: Some(&also), ..Files::default() };
    let beside = Request { files, now, node_clocks: &clocks, ..Request::default() };
    let failed: Vec<_> = judge(&beside).into_iter().filter(|one| one.rule.id == "tls.node-clock").collect();
    assert_eq!((failed.len(), failed[0].grade), (1, Grade::Fail), "{failed:?}");
    assert!(failed[0].subject.starts_with("tls.also_trust #1") && failed[0].subject.ends_with("on n3"));
}

#[test]
fn every_rule_says_what_why_and_fix_under_an_id_of_its_own() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len());
    for rule in RULES {
        assert!(rule.id.starts_with("tls.") && !rule.what.is_empty() && !rule.why.is_empty() && !rule.fix.is_empty());
    }
}

#[test]
fn no_key_shows_in_a_judgement() {
    for name in ["leaf.key", "key-two.key", "key-rsa2048.key", "key-encrypted.key", "form-with-key.pem"] {
        let text = format!("{:?}", judged(Case { ca_key: "root.key", ..pair(name, name) }));
        for line in String::from_utf8(data(name)).unwrap().lines().filter(|line| line.len() > 40) {
            let is_public = String::from_utf8(data("chain.pem")).unwrap().contains(line);
            assert!(is_public || !text.contains(line), "{name}");
        }
    }
}
