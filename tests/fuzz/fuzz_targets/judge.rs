//! Whatever stands in the TLS files, judging, describing and reading them must not panic.
//!
//! An input is one byte of choices, then certificate, key and CA with `\n%%\n` between them. A chosen part is wrapped as PEM first,
//! so that the fuzzer's changes reach the DER behind the base64 and not the base64 alone.
#![no_main]

use cowhand::tls::{Files, Material, NodeClock, Request, describe, judge};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 4] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"];

fuzz_target!(|input: &[u8]| {
    let Some((&choices, rest)) = input.split_first() else { return };
    let mut parts = split(rest).into_iter();
    let mut part = |bit: u8, label: &str| {
        let bytes = parts.next()?;
        Some(if choices & bit != 0 { wrap(label, bytes) } else { bytes.to_vec() })
    };
    let certificate = part(1, "CERTIFICATE");
    let key = part(2, LABELS[usize::from(choices >> 4 & 3)]);
    let ca = part(4, "CERTIFICATE");
    // 22 November 2026, or the end of the range
    let now = if choices & 8 == 0 { Timestamp::from_second(1_795_348_800).unwrap_or(Timestamp::MAX) } else { Timestamp::MAX };
    let roots = split(rest);
    let files = Files {
        certificate: certificate.as_deref(),
        key: key.as_deref(),
        ca: ca.as_deref(),
        ca_key: key.as_deref(),
        also_trust: certificate.as_deref(),
        acme_server_ca: ca.as_deref(),
    };
    let request = Request {
        hostname: if choices & 64 == 0 { "rancher.example.com" } else { "192.0.2.10" },
        files,
        public_ca: choices & 128 != 0,
        first_ca_only: choices & 16 != 0,
        system_roots: &roots,
        now,
        node_clocks: &[NodeClock { node: "n1".into(), at: now }],
    };
    for judgement in judge(&request) {
        assert!(!judgement.subject.contains(char::is_control) && !judgement.seen.contains(char::is_control));
    }
    if let Some(certificate) = &certificate {
        let _ = describe(certificate, now);
    }
    let _ = Material::read(&files);
});

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b"\n%%\n";
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

fn wrap(label: &str, bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0u32, |sum, index| sum << 8 | u32::from(*chunk.get(index).unwrap_or(&0)));
        for index in 0..4 {
            let character = ALPHABET[(group >> (18 - 6 * index) & 63) as usize];
            text.push(if index > chunk.len() { b'=' } else { character });
        }
    }
    text.extend_from_slice(format!("\n-----END {label}-----\n").as_bytes());
    text
}
