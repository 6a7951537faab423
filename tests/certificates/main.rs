//! cowhand's judgement of certificates against Go's own, of which agents and most servers in a cluster are made: a server that
//! loads the pair and an agent that knows nothing but the CA file shake hands (`go/main.go`, built here by the real Go).
//!
//! The law: **cowhand never accepts what Go refuses.** It may refuse more; each such kind stands in [`STRICTER`] with its reason.

mod changes;
mod der;
mod go;
mod name_changes;
mod named;
mod setups;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cowhand::tls::{Files, Grade, Judgement, Material, Request, judge};
use data_encoding::BASE64;
use go::Verdict;
use secrecy::ExposeSecret;
use setups::{HOST, NOW, SetUp, set_up};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let text_of = BASE64.encode(der);
    for line in text_of.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// What cowhand fails it for; nothing where it accepts.
fn failed(set_up: &SetUp) -> Vec<(&'static str, String)> {
    let found = judgements(set_up).into_iter().filter(|one| one.grade == Grade::Fail);
    found.map(|one| (one.rule.id, format!("{}: {}", one.subject, one.seen))).collect()
}

/// The rules that warn.
fn warned(set_up: &SetUp) -> Vec<&'static str> {
    judgements(set_up).into_iter().filter(|one| one.grade == Grade::Warn).map(|one| one.rule.id).collect()
}

fn judgements(set_up: &SetUp) -> Vec<Judgement> {
    let files = Files {
        certificate: Some(set_up.chain.as_bytes()),
        key: Some(set_up.key.as_bytes()),
        ca: Some(set_up.ca.as_bytes()),
        ..Files::default()
    };
    let now = jiff::Timestamp::from_second(NOW).unwrap();
    let request = Request { hostname: &set_up.host, files, now, ..Request::default() };
    judge(&request)
}

/// The same as it would be sent; `None` when nothing would be.
fn sent(set_up: &SetUp) -> Option<SetUp> {
    let files = Files {
        certificate: Some(set_up.chain.as_bytes()),
        key: Some(set_up.key.as_bytes()),
        ca: Some(set_up.ca.as_bytes()),
        ..Files::default()
    };
    let material = Material::read(&files).ok()?;
    Some(SetUp {
        chain: material.certificate()?.to_owned(),
        key: material.text(cowhand::tls::SecretSource::Key)?.expose_secret().to_owned(),
        ca: material.ca()?.to_owned(),
        ..set_up.clone()
    })
}

/// Where cowhand refuses what Go's handshake accepts: the rule, a part of what it says, and why that is right.
const STRICTER: &[(&str, &str, &str)] = &[
    (
        "tls.unreadable",
        "tls.ca",
        "Go passes over in silence what it cannot read in a CA file, and its checksum counts it",
    ),
    ("tls.unreadable", "where a certificate is wanted", "what does not belong into a file is a mistake to be told"),
    ("tls.unreadable", "the line break between", "it is put right by sending it tidied; every other reader loses both"),
    (
        "tls.unreadable",
        "Unique ID",
        "x509-parser does not read an odd unique identifier; RFC 5280 4.1.2.8 forbids CAs to make any",
    ),
    (
        "tls.unreadable",
        "start cannot be read",
        "RFC 5280 4.1.2.5: to the second and in UTC; Go takes minutes and offsets",
    ),
    ("tls.unreadable", "end cannot be read", "the same"),
    ("tls.unreadable", "URI that cannot be read", "only plain URIs are read here; they name no server"),
    ("tls.weak-key", "", "browsers and current OpenSSL refuse RSA below 2048 bits"),
    (
        "tls.not-a-ca",
        "",
        "Go may find a way around it; what is sent or trusted beside that way is a mistake all the same",
    ),
    ("tls.path-length", "", "the same: whoever trusts the root alone goes past the intermediate that Go stops at"),
    ("tls.server-auth", "", "the same, and an empty list of usages"),
    ("tls.key-kind", "tls.ca", "Go passes over a CA whose key it does not have"),
    (
        "tls.strict",
        "agents would accept it",
        "webpki, by which `verify` and the like look, has no anyExtendedKeyUsage and the like",
    ),
    (
        "tls.strict",
        "certificate policy",
        "where a policy is required, all must name the same one; Go follows mappings, too",
    ),
];

/// Both judges over all of them. How many both accept and both refuse.
fn hold_against_go(set_ups: Vec<SetUp>) -> (usize, usize) {
    let sent: Vec<SetUp> = set_ups.iter().map(|one| sent(one).unwrap_or_else(|| one.clone())).collect();
    let go = go::ask(&sent);
    let (mut accepted, mut refused, mut broken, mut unknown) = (0, 0, Vec::new(), Vec::new());
    let mut stricter: BTreeMap<usize, usize> = BTreeMap::new();
    for (one, Verdict { accepts, why }) in set_ups.iter().zip(go) {
        let failed = failed(one);
        match (failed.is_empty(), accepts) {
            (true, true) => accepted += 1,
            (false, false) => refused += 1,
            (true, false) => broken.push(format!("{}\n  Go: {why}", one.what)),
            (false, true) => {
                let known = |(id, said): &(&str, String)| {
                    STRICTER.iter().position(|(rule, words, _)| rule == id && said.contains(words))
                };
                match failed.iter().find_map(known) {
                    Some(at) => *stricter.entry(at).or_default() += 1,
                    None => unknown.push(format!("{}: {failed:?}", one.what)),
                }
            }
        }
    }
    assert!(broken.is_empty(), "accepted, though Go refuses {}:\n{}", broken.len(), broken.join("\n"));
    assert!(
        unknown.is_empty(),
        "refused for no known reason, though Go accepts {}:\n{}",
        unknown.len(),
        unknown.join("\n")
    );
    println!(
        "{accepted} accepted and {refused} refused by both; refused by cowhand alone, by line of STRICTER: {stricter:?}"
    );
    (accepted, refused)
}

/// More of them with COWHAND_TEST_SET_UPS.
fn seeds() -> u64 {
    std::env::var("COWHAND_TEST_SET_UPS").map_or(1000, |count| count.parse().unwrap())
}

#[test]
fn of_set_ups_made_at_random_none_is_accepted_that_go_refuses() {
    let (accepted, refused) = hold_against_go((0..seeds()).map(set_up).collect());
    assert!(accepted > 200 && refused > 400, "{accepted} accepted by both, {refused} refused by both");
}

#[test]
fn of_the_files_in_tests_data_none_is_accepted_that_go_refuses() {
    let mut set_ups = Vec::new();
    let mut names: Vec<String> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let cas =
        names.iter().filter(|name| name.starts_with("root") || name.starts_with("ca-") || *name == "self-signed.pem");
    let cas: Vec<&String> = cas.filter(|name| name.ends_with(".pem")).collect();
    for name in names.iter().filter(|name| name.ends_with(".pem")) {
        let own = format!("{}.key", name.trim_end_matches(".pem"));
        let key = if names.contains(&own) { own } else { "leaf.key".into() };
        for ca in &cas {
            let (Ok(chain), Ok(ca_text)) = (String::from_utf8(bytes(name)), String::from_utf8(bytes(ca))) else {
                continue;
            };
            let what = format!("{name} with {key} and {ca}");
            set_ups.push(SetUp { what, host: HOST.into(), chain, key: text(&key), ca: ca_text });
        }
    }
    let (accepted, refused) = hold_against_go(set_ups);
    assert!(accepted > 50 && refused > 500, "{accepted} accepted by both, {refused} refused by both");
}
