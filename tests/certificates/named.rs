//! Set-ups that people really had, each with what is said of it and what Go makes of it.

use super::der::{Extension, extension, name, sequence, tlv};
use super::setups::{CLIENT, INTERMEDIATE, LEAF, Plan, ROOT, plain, usage, written};
use super::{STRICTER, failed, go, warned};
use cowhand::tls::roots_of;

/// What cowhand fails and Go says of a good set-up with this change.
fn judged(change: impl FnOnce(&mut Plan)) -> (Vec<(&'static str, String)>, go::Verdict) {
    let mut plan = plain();
    change(&mut plan);
    let set_up = written(&plan, "named");
    let verdict = go::ask(std::slice::from_ref(&set_up)).remove(0);
    (failed(&set_up), verdict)
}

/// Refused by both, by this rule with these words; and Go says the like.
fn refused(rule: &str, words: &str, of_go: &str, change: impl FnOnce(&mut Plan)) {
    let (failed, go) = judged(change);
    assert!(failed.iter().any(|(id, said)| *id == rule && said.contains(words)), "{rule} {words}: {failed:?}");
    assert!(!go.accepts && go.why.contains(of_go), "{of_go}: {go:?}");
}

fn accepted(change: impl FnOnce(&mut Plan)) {
    let (failed, go) = judged(change);
    assert!(failed.is_empty() && go.accepts, "{failed:?} {go:?}");
}

fn with(draft: usize, extension: Extension) -> impl FnOnce(&mut Plan) {
    move |plan| plan.drafts[draft].extensions.push(extension)
}

#[test]
fn what_is_good_is_accepted() {
    accepted(|_| {});
    assert!(STRICTER.iter().all(|(rule, _, why)| rule.starts_with("tls.") && !why.is_empty()));
}

#[test]
fn a_negative_serial_number_is_named() {
    for draft in [INTERMEDIATE, LEAF] {
        refused("tls.unreadable", "its serial number is negative", "negative serial number", |plan| {
            plan.drafts[draft].serial = vec![0x85];
        });
    }
    accepted(|plan| plan.drafts[LEAF].serial = vec![0]);
    accepted(|plan| plan.drafts[LEAF].serial = vec![0x7f; 21]);
}

#[test]
fn a_critical_extension_that_go_does_not_know_is_named_wherever_it_is() {
    for draft in [ROOT, INTERMEDIATE, LEAF] {
        let unknown = |critical| with(draft, extension("1.3.6.1.4.1.99999.1", critical, vec![5, 0]));
        refused("tls.critical", "its extension 1.3.6.1.4.1.99999.1 is critical", "x509: ", unknown(true));
        accepted(unknown(false));
    }
}

#[test]
fn critical_name_constraints_of_a_kind_that_go_does_not_know_are_named() {
    let tree = |critical| {
        let directory = sequence(&[tlv(0xa0, &sequence(&[tlv(0xa4, &name(0x0c, b"Example"))]))]);
        extension("2.5.29.30", critical, directory)
    };
    for draft in [ROOT, INTERMEDIATE] {
        refused("tls.critical", "name constraints are critical and of a kind", "x509: ", with(draft, tree(true)));
    }
}

#[test]
fn a_constraint_with_a_leading_dot_means_names_below_it() {
    let below =
        |tree: &str| extension("2.5.29.30", true, sequence(&[tlv(0xa0, &sequence(&[tlv(0x82, tree.as_bytes())]))]));
    let words = "may sign for .rancher.example.com only";
    refused("tls.strict", words, "not permitted by any constraint", with(INTERMEDIATE, below(".rancher.example.com")));
    refused("tls.strict", words, "not permitted by any constraint", with(ROOT, below(".rancher.example.com")));
    accepted(with(ROOT, below(".example.com")));
}

#[test]
fn a_foreign_extended_usage_of_a_ca_is_named_for_the_root_too() {
    for draft in [ROOT, INTERMEDIATE] {
        let foreign = extension("2.5.29.37", false, usage(&[CLIENT]));
        refused("tls.server-auth", "agents ask each CA on the way", "incompatible key usage", with(draft, foreign));
    }
}

#[test]
fn a_root_of_version_1_is_taken_with_a_warning_and_an_intermediate_is_not() {
    let of_version_1 = |draft: usize| {
        move |plan: &mut Plan| {
            plan.drafts[draft].version = vec![];
            plan.drafts[draft].extensions.clear();
        }
    };
    accepted(of_version_1(ROOT));
    let mut plan = plain();
    of_version_1(ROOT)(&mut plan);
    let set_up = written(&plan, "named");
    assert_eq!(warned(&set_up), ["tls.not-a-ca"]);
    assert_eq!(roots_of(set_up.chain.as_bytes(), set_up.ca.as_bytes()).len(), 1);
    refused("tls.not-a-ca", "no basicConstraints", "x509: ", of_version_1(INTERMEDIATE));
}

#[test]
fn names_are_read_in_every_kind_of_text_that_go_reads_and_the_others_are_named() {
    let issuer = |text: Vec<u8>| {
        move |plan: &mut Plan| {
            plan.drafts[INTERMEDIATE].subject = text.clone();
            plan.drafts[LEAF].issuer = text;
        }
    };
    for (tag, text) in [(0x1e, &b"\0C\0\xc4"[..]), (0x14, b"C\xc4"), (0x0c, "C\u{c4}".as_bytes()), (0x13, b"CA")] {
        accepted(issuer(name(tag, text)));
    }
    refused("tls.unreadable", "holds a UniversalString", "unsupported string type", issuer(name(0x1c, b"\0\0\0C")));
    refused(
        "tls.unreadable",
        "characters that its kind of text does not have",
        "PrintableString",
        issuer(name(0x13, b"C@")),
    );
}
