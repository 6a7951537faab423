//! What machines say in the worst case, and that nothing of it steers the terminal of whoever reads it.

use indicatif::ProgressDrawTarget;
use proptest::prelude::*;

use super::ask::TerminalAsk;
use super::bars::Bars;
use super::console::json_line;
use super::plain::Plain;
use super::{Cell, Look, Table, Tone, Verbosity, findings, one_line, printable};
use crate::check::{Finding, Verdict};
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::play::{Event, Fetched, Outcome};

/// Every look that a stream can have.
pub(crate) const LOOKS: [Look; 3] = [
    Look::PLAIN,
    Look { colour: true, unicode: true, width: Some(60) },
    Look { colour: true, unicode: false, width: None },
];

/// Clears the screen, sets the title, rewrites the line, hides what follows, and calls itself Ready.
pub(crate) const HOSTILE: &str =
    "a\u{1b}[2J\u{1b}]0;owned\u{7}\rb\u{9b}31m\u{1b}[8m\u{7f}\u{202e}c\u{2028}\u{1b}[32mReady\u{1b}Pq\u{9c}";

/// Fails on anything but text, newlines and, in colour, the five styles of ours and their end.
pub(crate) fn assert_harmless(text: &str, look: &Look) {
    let mut rest = text.to_owned();
    if look.colour {
        for style in ["\u{1b}[32m", "\u{1b}[1m\u{1b}[31m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[1m", "\u{1b}[0m"] {
            rest = rest.replace(style, "");
        }
    }
    let bidi = |letter| ('\u{202a}'..='\u{202e}').contains(&letter) || ('\u{2066}'..='\u{2069}').contains(&letter);
    let steering = rest.chars().find(|letter| (letter.is_control() && *letter != '\n') || bidi(*letter));
    assert_eq!(steering, None, "{text:?}");
}

fn finding(text: &str) -> Finding {
    let text = text.to_owned();
    Finding {
        check: "net.x",
        subject: Some(text.clone()),
        verdict: Verdict::Fail,
        seen: text.clone(),
        fix: text,
        skipped: false,
    }
}

/// Every kind of event that carries a text.
fn events(text: &str) -> Vec<Event> {
    let (stage, some) = (Stage::Cluster, || text.to_owned());
    vec![
        Event::RunStarted {
            command: "up",
            cluster: some(),
            summary: some(),
            stages: vec![Stage::Check, stage],
            usual: Vec::new(),
        },
        Event::StageStarted { stage },
        Event::Progress { stage, text: some(), part: None },
        Event::StepStarted { stage, step: some(), text: some() },
        Event::Download { what: some(), fetched: Fetched::Part { done: 1, total: Some(9) } },
        Event::Finding { finding: finding(text), as_before: false },
        Event::Warning { text: some() },
        Event::Note { text: some(), detail: false },
        Event::StepFinished { stage, step: some(), seconds: 1.0 },
        Event::StageFinished { stage, outcome: Outcome::Failed, text: some(), seconds: 1.0 },
        Event::Result { text: some() },
    ]
}

fn nothing_steers(text: &str) {
    for look in &LOOKS {
        let mut table = Table::new(["node", "state"]);
        table.row([text.into(), Cell::painted(Tone::Bad, text)]);
        assert_harmless(&table.text(look), look);
        assert_harmless(&findings(&[finding(text)], 1.0, Verbosity::Verbose, look), look);
        let failure = Failure::new(Exit::StepFailed, text).because(text).hint(text).logged(Some(text.as_ref()));
        assert_harmless(&failure.text(look), look);
        assert_harmless(&TerminalAsk::new(*look, None).question(text), look);
        assert_harmless(&look.letters(text), look);
        let mut plain = Plain::new(*look, Verbosity::Verbose);
        let mut bars = Bars::new(*look, Verbosity::Verbose, ProgressDrawTarget::hidden());
        for event in events(text) {
            assert_harmless(&plain.lines(&event), look);
            assert_harmless(&bars.event(&event), look);
            bars.shown().iter().for_each(|shown| assert_harmless(shown, look));
        }
        assert_harmless(&plain.result(text), look);
        assert_harmless(&bars.end().1, look);
    }
    assert_harmless(&printable(text), &Look::PLAIN);
    assert!(!one_line(text).contains('\n'));
    let line = json_line("failure", &Failure::new(Exit::StepFailed, text));
    assert_harmless(&line, &Look::PLAIN);
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["error"], text, "JSON is exact");
}

#[test]
fn the_worst_case_is_shown_as_what_it_is() {
    nothing_steers(HOSTILE);
    let shown =
        "a\u{fffd}[2J\u{fffd}]0;owned\u{fffd}\u{fffd}b\u{fffd}31m\u{fffd}\u{fffd}c\u{fffd}Ready\u{fffd}Pq\u{fffd}";
    assert_eq!(printable(HOSTILE), shown);
    assert_eq!(printable("\u{1b}[1;31mred\u{1b}[0m\tand\r\nplain"), "red and\nplain");
}

#[test]
fn a_style_of_ours_in_what_a_machine_says_paints_nothing() {
    let look = Look { colour: true, ..Look::PLAIN };
    let mut table = Table::new(["node"]);
    table.row(["\u{1b}[32mReady\u{1b}[0m".into()]);
    assert!(!table.text(&look).contains("\u{1b}[32m"));
    assert!(!Failure::new(Exit::StepFailed, "\u{1b}[32mReady").text(&look).contains("\u{1b}[32m"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_steers_a_terminal(
        text in "([\u{0}-\u{1f}\u{7f}-\u{9f}\u{200e}\u{202a}-\u{202e}\u{2066}-\u{2069}a-z0-9;?\\[\\]]|\u{1b}\\[[0-9;]{0,4}[a-zA-Z]){0,40}"
    ) {
        nothing_steers(&text);
    }
}
