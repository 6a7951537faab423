//! Whatever stands in known_hosts, reading it and judging a key by it must not panic, and no key is known by a file that has none.
//!
//! An input is a host's name and a port on its first line, then the file.
#![no_main]

use cowhand::remote::fuzzed::known_hosts;
use libfuzzer_sys::fuzz_target;

mod shown;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let (first, file) = text.split_once('\n').unwrap_or((&text, ""));
    let (host, port) = first.rsplit_once(' ').unwrap_or((first, "22"));
    let (known, said) = known_hosts(host, port.parse().unwrap_or(22), file);
    assert!(!known || file.contains("AAAA"));
    shown::told(&said);
});
