//! Real certificates made by openssl (tests/data/tls/make), one per fault, and what the judge makes of them.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Names of test files; an empty one is not given.
#[derive(Clone, Copy)]
struct Case<'a> {
    hostname: &'a str,
    certificate: &'a str,
    key: &'a str,
    ca: &'a str,
    ca_key: &'a str,
}

const GOOD: Case<'_> =
    Case { hostname: "rancher.example.com", certificate: "chain.pem", key: "leaf.key", ca: "root.pem", ca_key: "" };

fn judged(case: Case<'_>) -> Vec<Judgement> {
    judged_by(case, &[])
}

fn judged_by(case: Case<'_>, node_clocks: &[NodeClock]) -> Vec<Judgement> {
    let file = |name: &str| (!name.is_empty()).then(|| data(name));
    let (certificate, key, ca, ca_key) = (file(case.certificate), file(case.key), file(case.ca), file(case.ca_key));
    judge(&Request {
        hostname: case.hostname,
        certificate: certificate.as_deref(),
        key: key.as_deref(),
        ca: ca.as_deref(),
        ca_key: ca_key.as_deref(),
        public_ca: case.ca.is_empty(),
        now: at("2026-11-22T12:00:00Z"),
        node_clocks,
    })
}

/// What is not a pass, as `grade id`, sorted and each once.
fn faults(case: Case<'_>) -> Vec<String> {
    let mut faults: Vec<String> = judged(case)
        .iter()
        .filter(|judgement| judgement.grade != Grade::Pass)
        .map(|judgement| format!("{:?} {}", judgement.grade, judgement.rule.id).to_lowercase())
        .collect();
    faults.sort();
    faults.dedup();
    faults
}

fn certificate(name: &str) -> Case<'_> {
    Case { certificate: name, ..GOOD }
}

fn pair<'a>(certificate: &'a str, key: &'a str) -> Case<'a> {
    Case { certificate, key, ..GOOD }
}

fn with_ca<'a>(certificate: &'a str, ca: &'a str) -> Case<'a> {
    Case { certificate, ca, ..GOOD }
}

fn key(name: &str) -> Case<'_> {
    Case { key: name, ..GOOD }
}

fn authority<'a>(ca: &'a str, ca_key: &'a str) -> Case<'a> {
    Case { certificate: "", key: "", ca, ca_key, ..GOOD }
}

#[test]
fn each_fault_is_found_and_no_other() {
    let table: &[(Case<'_>, &[&str])] = &[
        // what is good
        (GOOD, &[]),
        (Case { ca: "", ..GOOD }, &[]),
        (with_ca("chain.pem", "ca-bundle.pem"), &[]),
        (pair("key-rsa2048.pem", "key-rsa2048.key"), &[]),
        (pair("key-rsa2048.pem", "key-pkcs1.key"), &[]),
        (pair("key-P-384.pem", "key-P-384.key"), &[]),
        (key("key-sec1.key"), &[]),
        (key("key-with-parameters.key"), &[]),
        (certificate("name-wildcard.pem"), &[]),
        (Case { hostname: "RANCHER.Example.com.", ..GOOD }, &[]),
        (Case { hostname: "192.0.2.10", ..certificate("name-address.pem") }, &[]),
        (Case { hostname: "2001:db8::10", ..certificate("name-address.pem") }, &[]),
        (authority("root.pem", "root.key"), &[]),
        (Case { ca: "ca-bundle.pem", ca_key: "intermediate.key", ..GOOD }, &[]),
        // names
        (certificate("name-other.pem"), &["fail tls.name", "fail tls.strict"]),
        (certificate("name-wildcard-high.pem"), &["fail tls.name", "fail tls.strict"]),
        (certificate("name-only-cn.pem"), &["fail tls.name", "fail tls.strict"]),
        (
            Case { hostname: "a.rancher.example.com", ..certificate("name-wildcard.pem") },
            &["fail tls.name", "fail tls.strict"],
        ),
        (Case { hostname: "192.0.2.11", ..certificate("name-address.pem") }, &["fail tls.name", "fail tls.strict"]),
        // chain
        (certificate("leaf.pem"), &["fail tls.ca-mismatch", "fail tls.chain-incomplete", "fail tls.strict"]),
        (with_ca("leaf.pem", ""), &["fail tls.chain-incomplete"]),
        (with_ca("leaf.pem", "ca-bundle.pem"), &["warn tls.chain-incomplete"]),
        (certificate("chain-with-root.pem"), &["warn tls.root-included"]),
        (certificate("chain-disordered.pem"), &["warn tls.chain-order", "warn tls.root-included"]),
        (certificate("chain-reversed.pem"), &["fail tls.chain-order"]),
        (
            with_ca("chain.pem", "root-other.pem"),
            &["fail tls.ca-mismatch", "fail tls.chain-incomplete", "fail tls.strict"],
        ),
        (with_ca("chain.pem", "root-twin.pem"), &["fail tls.ca-mismatch", "fail tls.strict"]),
        (pair("self-signed.pem", "self-signed.key"), &["fail tls.ca-mismatch", "fail tls.strict"]),
        (Case { ca: "", ..pair("self-signed.pem", "self-signed.key") }, &["fail tls.ca-mismatch"]),
        (Case { ca: "self-signed.pem", ..pair("self-signed.pem", "self-signed.key") }, &["warn tls.not-a-ca"]),
        (with_ca("path-too-long.pem", "root-short.pem"), &["fail tls.path-length", "fail tls.strict"]),
        (certificate("name-constrained.pem"), &["fail tls.strict"]),
        (
            with_ca("by-rsa1024.pem", "root-rsa1024.pem"),
            &["fail tls.weak-key", "warn tls.ca-mismatch", "warn tls.strict"],
        ),
        (with_ca("by-P-521.pem", "root-P-521.pem"), &["warn tls.ca-mismatch", "warn tls.key-kind", "warn tls.strict"]),
        // authorities
        (authority("root-not-ca.pem", "root-not-ca.key"), &["fail tls.not-a-ca"]),
        (authority("root-no-sign.pem", ""), &["fail tls.not-a-ca"]),
        (authority("root.pem", "root-other.key"), &["fail tls.key-mismatch"]),
        (authority("ca-bundle.pem", "root.key"), &["fail tls.key-mismatch"]),
        // times
        (certificate("time-expired.pem"), &["fail tls.expired", "fail tls.strict"]),
        (certificate("time-not-yet.pem"), &["fail tls.not-yet-valid", "fail tls.strict"]),
        (certificate("time-ends-soon.pem"), &["warn tls.ends-soon"]),
        (certificate("time-500-days.pem"), &[]),
        (with_ca("time-500-days.pem", ""), &["warn tls.too-long"]),
        (certificate("time-900-days.pem"), &["warn tls.too-long"]),
        // purpose
        (certificate("usage-client.pem"), &["fail tls.server-auth", "fail tls.strict"]),
        (certificate("usage-none.pem"), &["warn tls.server-auth"]),
        (certificate("usage-no-signature.pem"), &["warn tls.server-auth"]),
        // algorithms
        (certificate("digest-sha1.pem"), &["fail tls.strict", "fail tls.weak-signature", "warn tls.ca-mismatch"]),
        (pair("key-rsa1024.pem", "key-rsa1024.key"), &["fail tls.weak-key"]),
        (pair("key-P-521.pem", "key-P-521.key"), &["warn tls.key-kind"]),
        (pair("key-ed25519.pem", "key-ed25519.key"), &["warn tls.key-kind"]),
        (pair("key-secp256k1.pem", "key-secp256k1.key"), &["fail tls.key-kind"]),
        (pair("key-ed448.pem", "key-ed448.key"), &["fail tls.key-kind", "warn tls.key-mismatch"]),
        // keys
        (key("root.key"), &["fail tls.key-mismatch"]),
        (key("intermediate.key"), &["fail tls.key-mismatch"]),
        (key("key-rsa2048.key"), &["fail tls.key-mismatch"]),
        (key("key-ed448.key"), &["fail tls.key-mismatch"]),
        (key("key-encrypted.key"), &["fail tls.key-encrypted"]),
        (key("key-encrypted-old.key"), &["fail tls.key-encrypted"]),
        (key("key-public.key"), &["fail tls.unreadable"]),
        (key("key-two.key"), &["fail tls.unreadable"]),
        (key("key.der"), &["fail tls.unreadable"]),
        (key("chain.pem"), &["fail tls.unreadable"]),
        (key("key-windows.key"), &["warn tls.form"]),
        // files
        (certificate("form-windows.pem"), &["warn tls.form"]),
        (certificate("form-comments.pem"), &["warn tls.form"]),
        (certificate("form-indented.pem"), &["warn tls.form"]),
        (with_ca("chain.pem", "form-empty.pem"), &["fail tls.unreadable"]),
        (certificate("form-utf16.pem"), &["fail tls.unreadable"]),
        (certificate("form-empty.pem"), &["fail tls.unreadable"]),
        (certificate("form-text.pem"), &["fail tls.unreadable"]),
        (certificate("form-cut.pem"), &["fail tls.unreadable"]),
        (certificate("form-broken.pem"), &["fail tls.unreadable"]),
        (certificate("form-with-key.pem"), &["fail tls.unreadable"]),
        (certificate("form-trusted.pem"), &["fail tls.unreadable"]),
        (certificate("form-request.csr"), &["fail tls.unreadable"]),
        (certificate("form.der"), &["fail tls.unreadable"]),
        (certificate("form.p12"), &["fail tls.unreadable"]),
        (certificate("form.p7b"), &["fail tls.unreadable"]),
    ];
    let mut wrong = Vec::new();
    for (case, wanted) in table {
        let found = faults(*case);
        if found != *wanted {
            let Case { hostname, certificate, key, ca, ca_key } = case;
            wrong
                .push(format!("{hostname} {certificate} {key} {ca} {ca_key}\n  wanted {wanted:?}\n  found  {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_words_of_every_fault_are_reviewed() {
    let cases = [
        certificate("name-only-cn.pem"),
        certificate("name-other.pem"),
        Case { hostname: "a.rancher.example.com", ..certificate("name-wildcard.pem") },
        certificate("leaf.pem"),
        with_ca("leaf.pem", "ca-bundle.pem"),
        certificate("chain-disordered.pem"),
        certificate("chain-reversed.pem"),
        with_ca("chain.pem", "root-twin.pem"),
        certificate("name-constrained.pem"),
        certificate("time-expired.pem"),
        certificate("time-ends-soon.pem"),
        certificate("time-900-days.pem"),
        with_ca("path-too-long.pem", "root-short.pem"),
        with_ca("by-rsa1024.pem", "root-rsa1024.pem"),
        pair("key-ed448.pem", "key-ed448.key"),
        key("intermediate.key"),
        key("key-encrypted.key"),
        certificate("form-windows.pem"),
        certificate("form-with-key.pem"),
        certificate("form-request.csr"),
        certificate("form.p12"),
        certificate("form-cut.pem"),
    ];
    let mut text = String::new();
    for case in cases {
        let Case { hostname, certificate, key, ca, .. } = case;
        text.push_str(&format!("{hostname}: {certificate}, {key}, {ca}\n"));
        for judgement in judged(case).iter().filter(|judgement| judgement.grade != Grade::Pass) {
            let Judgement { rule, grade, subject, seen, fix } = judgement;
            text.push_str(&format!("  {grade:?} {} · {subject} · {seen}\n    fix {fix}\n", rule.id));
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../tests/data/tls/judgements");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("faults", text));
}

#[test]
fn a_good_set_passes_every_rule_that_has_something_to_look_at() {
    let clocks = [NodeClock { node: "n1".into(), at: at("2026-11-22T12:00:01Z") }];
    let judgements = judged_by(Case { ca_key: "root.key", ..GOOD }, &clocks);
    assert!(judgements.iter().all(|judgement| judgement.grade == Grade::Pass && judgement.fix.is_empty()));
    for rule in RULES {
        assert!(
            judgements.iter().any(|judgement| judgement.rule.id == rule.id) || rule.id == "tls.weak-key",
            "{}",
            rule.id
        );
    }
}

#[test]
fn a_clock_that_is_behind_is_named_with_its_node() {
    let clocks = [
        NodeClock { node: "n1".into(), at: at("2026-11-22T12:00:00Z") },
        NodeClock { node: "n2".into(), at: at("2026-09-30T23:59:59Z") },
    ];
    let failed: Vec<Judgement> =
        judged_by(GOOD, &clocks).into_iter().filter(|judgement| judgement.grade == Grade::Fail).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].rule.id, "tls.node-clock");
    assert_eq!(failed[0].subject, "tls.certificate #1 (CN=rancher.example.com) on n2");
    assert!(failed[0].fix.contains("n2"));
}

#[test]
fn the_checksum_said_is_that_of_the_text_that_is_sent() {
    let root = String::from_utf8(data("root.pem")).unwrap();
    let said = |bytes: &[u8]| {
        let now = at("2026-11-22T12:00:00Z");
        let request = Request {
            hostname: "x",
            certificate: None,
            key: None,
            ca: Some(bytes),
            ca_key: None,
            public_ca: false,
            now,
            node_clocks: &[],
        };
        judge(&request).into_iter().find(|judgement| judgement.rule.id == "tls.ca-checksum").unwrap().seen
    };
    let plain = said(root.as_bytes());
    assert_eq!(plain, format!("agents will compute {}", ca_checksum(&root)));
    let windows = said(root.replace('\n', "\r\n").as_bytes());
    assert!(windows.starts_with(&plain) && windows.contains("the file itself has another one"), "{windows}");
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

const SEEDS: &[&str] = &[
    "chain.pem",
    "root.pem",
    "leaf.key",
    "key-pkcs1.key",
    "key-sec1.key",
    "key-rsa2048.key",
    "key-ed25519.key",
    "form.der",
    "form.p12",
    "form.p7b",
    "form-windows.pem",
    "key-encrypted-old.key",
    "name-constrained.pem",
    "key-P-521.pem",
    "name-address.pem",
    "ca-bundle.pem",
];

/// A real file with some bytes overwritten, cut out or doubled; inside the base64 too, so that broken DER is reached.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0u8..4, any::<u8>());
    (prop::sample::select(SEEDS), prop::collection::vec(edit, 0..12), any::<bool>()).prop_map(|(name, edits, der)| {
        let mut bytes = data(name);
        let first = pem::read(&bytes).ok().and_then(|pem| pem.blocks.first().cloned());
        let content = first.and_then(|block| Some((block.label.clone(), block.content.ok()?))).filter(|_| der);
        let label = content.map(|(label, content)| {
            bytes = content.to_vec();
            label
        });
        for (place, kind, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => bytes[at] ^= 1 << (byte % 8),
            }
        }
        match label {
            Some(label) => pem::encode_certificate(&bytes).replace("CERTIFICATE", &label).into_bytes(),
            None => bytes,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_that_is_given_makes_it_panic(
        certificate in mutated(),
        key in mutated(),
        ca in mutated(),
        hostname in "[a-z0-9.*:-]{0,20}",
        now in -377_705_023_201i64..253_402_207_200,
    ) {
        let now = Timestamp::from_second(now).unwrap();
        let judgements = judge(&Request {
            hostname: &hostname,
            certificate: Some(&certificate),
            key: Some(&key),
            ca: Some(&ca),
            ca_key: Some(&key),
            public_ca: false,
            now,
            node_clocks: &[NodeClock { node: "n1".into(), at: now }],
        });
        prop_assert!(!judgements.is_empty());
        for judgement in judgements {
            prop_assert!(!judgement.seen.contains('\n') && !judgement.seen.contains('\u{1b}'), "{}", judgement.seen);
            prop_assert_eq!(judgement.grade == Grade::Pass, judgement.fix.is_empty());
        }
        let _ = super::super::describe(&certificate, now);
        let files = super::super::Files { certificate: Some(&certificate), key: Some(&key), ca: Some(&ca), ..Default::default() };
        let _ = super::super::Material::read(&files);
    }
}
