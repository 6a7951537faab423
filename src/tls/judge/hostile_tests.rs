//! Real files with bytes changed: whatever is given, nothing panics and every answer is one clean line. (tests/fuzz goes further.)

use jiff::Timestamp;
use proptest::prelude::*;

use super::tests::data;
use super::*;
use crate::tls::material::Files;
use crate::tls::{Material, describe, pem};

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
        let files = Files {
            certificate: Some(&certificate),
            key: Some(&key),
            ca: Some(&ca),
            ca_key: Some(&key),
            also_trust: Some(&certificate),
            acme_server_ca: Some(&ca),
        };
        let judgements = judge(&Request {
            hostname: &hostname,
            files,
            public_ca: false,
            first_ca_only: now.as_second() % 2 == 0,
            system_roots: &[&certificate, &ca],
            now,
            node_clocks: &[NodeClock { node: "n1".into(), at: now }],
        });
        prop_assert!(!judgements.is_empty());
        for judgement in judgements {
            prop_assert!(!judgement.seen.contains('\n') && !judgement.seen.contains('\u{1b}'), "{}", judgement.seen);
            prop_assert_eq!(judgement.grade == Grade::Pass, judgement.fix.is_empty());
        }
        let _ = describe(&certificate, now);
        let _ = Material::read(&files);
    }
}
