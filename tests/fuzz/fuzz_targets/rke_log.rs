//! Whatever rke says, reading its log must not panic, must not keep more than it may, and tells nothing that steers a terminal.
#![no_main]

use cowhand::engine::rke::line::RkeLine;
use cowhand::engine::rke::log::{RkeLog, redact};
use libfuzzer_sys::fuzz_target;

mod shown;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let mut log = RkeLog::new(vec![("10.0.0.11".into(), "n1".into()), ("10.0.0.12".into(), "n2".into())]);
    let (mut done, mut percent) = (0, 0);
    for line in text.lines() {
        // What the log file keeps is as long as what was said, but for the words that stand for secrets.
        assert!(redact(line).len() <= line.len() * 8 + 64);
        if let Some(progress) = log.hear(&RkeLine::parse(line)) {
            assert!(progress.done >= done && progress.percent >= percent && progress.percent <= 100, "{progress:?}");
            (done, percent) = (progress.done, progress.percent);
            shown::told(&progress.text);
        }
    }
    log.troubles().iter().for_each(|trouble| shown::told(&trouble.to_string()));
    assert!(log.troubles().len() <= text.lines().count());
    log.fatal().into_iter().for_each(shown::told);
    if let Some(known) = log.explained() {
        shown::harmless(known.why);
        shown::harmless(known.remedy);
    }
});
