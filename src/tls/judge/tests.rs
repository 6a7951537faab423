//! Real certificates made by openssl (tests/data/tls/make), one per fault, and what the judge makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;

use super::*;
use crate::tls::material::Files;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls")
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn data(name: &str) -> Vec<u8> {
    read(&folder().join(name))
}

pub(super) fn at(text: &str) -> Timestamp {
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
    /// What the machine's system trusts.
    system: &'a str,
}

const GOOD: Case<'_> = Case {
    hostname: "rancher.example.com",
    certificate: "chain.pem",
    key: "leaf.key",
    ca: "root.pem",
    ca_key: "",
    system: "",
};

fn judged(case: Case<'_>) -> Vec<Judgement> {
    judged_in(&folder(), case, &[])
}

fn judged_in(folder: &Path, case: Case<'_>, node_clocks: &[NodeClock]) -> Vec<Judgement> {
    let file = |name: &str| (!name.is_empty()).then(|| read(&folder.join(name)));
    let (certificate, key, ca, ca_key) = (file(case.certificate), file(case.key), file(case.ca), file(case.ca_key));
    let system = ders(file(case.system));
    let roots: Vec<&[u8]> = system.iter().map(|der| der.as_slice()).collect();
    judge(&Request {
        hostname: case.hostname,
        files: Files {
            certificate: certificate.as_deref(),
            key: key.as_deref(),
            ca: ca.as_deref(),
            ca_key: ca_key.as_deref(),
            ..Files::default()
        },
        public_ca: case.ca.is_empty(),
        system_roots: &roots,
        first_ca_only: false,
        now: at("2026-11-22T12:00:00Z"),
        node_clocks,
    })
}

fn ders(pem: Option<Vec<u8>>) -> Vec<Zeroizing<Vec<u8>>> {
    let blocks = pem.map(|pem| super::super::pem::read(&pem).unwrap().blocks).unwrap_or_default();
    blocks.into_iter().map(|block| block.content.unwrap()).collect()
}

/// What is not a pass, as `grade id`, sorted and each once.
fn faults(folder: &Path, case: Case<'_>) -> Vec<String> {
    let mut faults: Vec<String> = judged_in(folder, case, &[])
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

/// A chain for which no CA is given.
fn public<'a>(certificate: &'a str, system: &'a str) -> Case<'a> {
    Case { certificate, ca: "", system, ..GOOD }
}

fn key(name: &str) -> Case<'_> {
    Case { key: name, ..GOOD }
}

fn authority<'a>(ca: &'a str, ca_key: &'a str) -> Case<'a> {
    Case { certificate: "", key: "", ca, ca_key, ..GOOD }
}

#[test]
fn each_fault_is_found_and_no_other() {
    find_each_fault(&folder());
}

#[test]
fn each_fault_is_found_in_files_that_openssl_makes_now() {
    let fresh = tempfile::tempdir().unwrap();
    let made = Command::new(folder().join("make")).arg(fresh.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    find_each_fault(fresh.path());
}

fn find_each_fault(folder: &Path) {
    let table: &[(Case<'_>, &[&str])] = &[
        // what is good
        (GOOD, &[]),
        (public("chain.pem", "root.pem"), &[]),
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
        (public("leaf.pem", "root.pem"), &["fail tls.chain-incomplete"]),
        (public("leaf.pem", ""), &["fail tls.chain-incomplete"]),
        // a company's CA, and nobody is told of it
        (public("chain.pem", "root-other.pem"), &["fail tls.ca-unknown"]),
        (public("chain.pem", "root-twin.pem"), &["fail tls.ca-unknown"]),
        (public("chain-with-root.pem", "root-other.pem"), &["fail tls.ca-unknown", "warn tls.root-included"]),
        (public("chain-with-root.pem", "ca-two-roots.pem"), &["warn tls.root-included"]),
        (public("chain.pem", ""), &["warn tls.ca-unknown"]),
        (public("chain.pem", "intermediate.pem"), &[]),
        (public("leaf.pem", "intermediate.pem"), &[]),
        (Case { key: "self-signed.key", ..public("self-signed.pem", "self-signed.pem") }, &[]),
        (public("by-rsa1024.pem", "root-rsa1024.pem"), &["warn tls.ca-unknown"]),
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
        (with_ca("path-too-long.pem", "ca-too-deep.pem"), &["fail tls.path-length", "fail tls.strict"]),
        (certificate("name-constrained.pem"), &["fail tls.strict"]),
        (certificate("name-excluded.pem"), &["fail tls.strict"]),
        (
            certificate("by-intermediate-sha1.pem"),
            &["fail tls.strict", "fail tls.weak-signature", "warn tls.ca-mismatch"],
        ),
        (certificate("by-intermediate-rsa1024.pem"), &["fail tls.weak-key", "warn tls.ca-mismatch", "warn tls.strict"]),
        (
            with_ca("by-rsa1024.pem", "root-rsa1024.pem"),
            &["fail tls.weak-key", "warn tls.ca-mismatch", "warn tls.strict"],
        ),
        // agents compute with P-521; the library of cowhand's own probes does not
        (with_ca("by-P-521.pem", "root-P-521.pem"), &["warn tls.key-kind", "warn tls.strict"]),
        // authorities
        (authority("root-not-ca.pem", "root-not-ca.key"), &["fail tls.not-a-ca"]),
        (authority("root-no-sign.pem", ""), &["fail tls.not-a-ca"]),
        (authority("root.pem", "root-other.key"), &["fail tls.key-mismatch"]),
        (authority("ca-bundle.pem", "root.key"), &["fail tls.key-mismatch"]),
        (authority("ca-bundle.pem", "intermediate.key"), &[]),
        (authority("intermediate.pem", "intermediate.key"), &["warn tls.ca-chain"]),
        (authority("ca-wrong-root.pem", "intermediate.key"), &["fail tls.ca-chain"]),
        (authority("ca-twin-root.pem", "intermediate.key"), &["fail tls.ca-chain"]),
        (authority("ca-two-roots.pem", "root.key"), &["fail tls.ca-chain"]),
        (authority("ca-reversed.pem", "intermediate.key"), &["fail tls.ca-chain", "fail tls.key-mismatch"]),
        (authority("ca-too-deep.pem", "under-short.key"), &["fail tls.path-length"]),
        (authority("root-short.pem", "root-short.key"), &[]),
        (
            authority("excluded.pem", "intermediate.key"),
            &["fail tls.key-mismatch", "fail tls.name", "warn tls.ca-chain"],
        ),
        (authority("constrained-dot.pem", "constrained-dot.key"), &["fail tls.name"]),
        (Case { hostname: "a.rancher.example.com", ..authority("constrained-dot.pem", "constrained-dot.key") }, &[]),
        (authority("constrained-directory.pem", "constrained-directory.key"), &["fail tls.critical"]),
        (with_ca("by-root-usage.pem", "root-usage.pem"), &["fail tls.server-auth", "fail tls.strict"]),
        (authority("root-usage.pem", "root-usage.key"), &["fail tls.server-auth"]),
        // times
        (certificate("time-expired.pem"), &["fail tls.expired", "fail tls.strict"]),
        (with_ca("chain.pem", "ca-with-expired.pem"), &["warn tls.expired"]),
        (authority("root-expired.pem", ""), &["fail tls.expired"]),
        (certificate("time-not-yet.pem"), &["fail tls.not-yet-valid", "fail tls.strict"]),
        (certificate("time-ends-soon.pem"), &["warn tls.ends-soon"]),
        (certificate("time-500-days.pem"), &[]),
        (public("time-500-days.pem", "root.pem"), &["warn tls.too-long"]),
        (certificate("time-900-days.pem"), &["warn tls.too-long"]),
        // purpose
        (certificate("usage-client.pem"), &["fail tls.server-auth", "fail tls.strict"]),
        (certificate("usage-none.pem"), &["warn tls.server-auth"]),
        (certificate("usage-no-signature.pem"), &["warn tls.server-auth"]),
        // algorithms
        (certificate("digest-sha1.pem"), &["fail tls.strict", "fail tls.weak-signature", "warn tls.ca-mismatch"]),
        (certificate("by-rsa-with-md5.pem"), &["fail tls.strict", "fail tls.weak-signature", "warn tls.ca-mismatch"]),
        (pair("key-rsa1024.pem", "key-rsa1024.key"), &["fail tls.weak-key"]),
        (pair("key-rsa8256.pem", "key-rsa8256.key"), &["fail tls.key-kind", "fail tls.strict"]),
        (pair("key-P-521.pem", "key-P-521.key"), &["warn tls.key-kind"]),
        (pair("key-ed25519.pem", "key-ed25519.key"), &["warn tls.key-kind"]),
        (pair("key-secp256k1.pem", "key-secp256k1.key"), &["fail tls.key-kind", "fail tls.strict"]),
        (pair("key-ed448.pem", "key-ed448.key"), &["fail tls.key-kind", "fail tls.strict", "warn tls.key-mismatch"]),
        (pair("key-spelt-out.pem", "key-spelt-out.key"), &["fail tls.key-kind", "fail tls.strict"]),
        (pair("key-spelt-out.pem", "key-spelt-out-sec1.key"), &["fail tls.key-kind", "fail tls.strict"]),
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
        (certificate("form.jks"), &["fail tls.unreadable"]),
        (certificate("form-binary.p7b"), &["fail tls.unreadable"]),
        (certificate("form-encoded.pem"), &["fail tls.unreadable"]),
        (certificate("form-bare.pem"), &["fail tls.unreadable"]),
        (certificate("form-joined.pem"), &["fail tls.unreadable"]),
        (certificate("form-mark-inside.pem"), &["warn tls.form"]),
    ];
    let mut wrong = Vec::new();
    for (case, wanted) in table {
        let found = faults(folder, *case);
        if found != *wanted {
            let Case { hostname, certificate, key, ca, ca_key, system } = case;
            let case = format!("{hostname} {certificate} {key} {ca} {ca_key} {system}");
            wrong.push(format!("{case}\n  wanted {wanted:?}\n  found  {found:?}"));
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
        public("leaf.pem", ""),
        public("chain.pem", "root-other.pem"),
        public("chain.pem", ""),
        authority("ca-twin-root.pem", "intermediate.key"),
        authority("ca-two-roots.pem", "root.key"),
        authority("intermediate.pem", "intermediate.key"),
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
        certificate("form.jks"),
        certificate("form-cut.pem"),
        certificate("form-joined.pem"),
        certificate("form-mark-inside.pem"),
        certificate("form-encoded.pem"),
        certificate("form-bare.pem"),
        certificate("form-binary.p7b"),
        pair("key-spelt-out.pem", "key-spelt-out.key"),
        authority("constrained-dot.pem", "constrained-dot.key"),
        authority("constrained-directory.pem", "constrained-directory.key"),
        with_ca("by-root-usage.pem", "root-usage.pem"),
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

/// What openssl itself says of the same files at the same time, asked as a client of the name with that root only.
fn openssl_accepts(certificate: &str, ca: &str) -> bool {
    let words =
        ["-attime", "1795348800", "-purpose", "sslserver", "-verify_hostname", GOOD.hostname, "-auth_level", "1"];
    let run = Command::new("openssl")
        .arg("verify")
        .args(words)
        .args(["-CAfile", ca, "-untrusted", certificate, certificate])
        .current_dir(folder())
        .output()
        .unwrap();
    run.status.success()
}

/// openssl at its lower level still takes SHA-1, and looks at the common name where there is no DNS name; it does not read an
/// indented file, which cowhand sends tidied; and it has keys that Go has not.
const OPENSSL_DIFFERS: [&str; 9] = [
    "key-rsa8256.pem",
    "key-secp256k1.pem",
    "key-ed448.pem",
    "digest-sha1.pem",
    "by-rsa-with-md5.pem",
    "by-intermediate-sha1.pem",
    "name-only-cn.pem",
    "name-address.pem",
    "form-indented.pem",
];

#[test]
fn openssl_agrees_on_what_a_strict_agent_would_accept() {
    let (mut compared, mut differ) = (0, Vec::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_server = !name.starts_with("root")
            && ![
                "intermediate.pem",
                "under-short.pem",
                "constrained.pem",
                "excluded.pem",
                "constrained-dot.pem",
                "constrained-directory.pem",
            ]
            .contains(&name.as_str());
        if !name.ends_with(".pem") || !is_server || name.starts_with("ca-") || name == "chain-reversed.pem" {
            continue;
        }
        for ca in ["root.pem", "ca-bundle.pem", "root-other.pem", "root-twin.pem", "root-short.pem", "root-no-sign.pem"]
        {
            let judgements = judged(with_ca(&name, ca));
            let Some(strict) = judgements.iter().find(|judgement| judgement.rule.id == "tls.strict") else { continue };
            // openssl reads past what must not stand in a file at all
            let readable =
                judgements.iter().all(|found| found.rule.id != "tls.unreadable" || found.grade == Grade::Pass);
            if strict.grade == Grade::Warn || !readable || OPENSSL_DIFFERS.contains(&name.as_str()) {
                continue;
            }
            if (strict.grade == Grade::Pass) != openssl_accepts(&name, ca) {
                differ.push(format!("{name} {ca}: {:?}: {}", strict.grade, strict.seen));
            }
            compared += 1;
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(compared > 100, "{compared}");
}

#[path = "rules_tests.rs"]
mod rules;
