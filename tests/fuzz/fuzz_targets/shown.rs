//! What every target holds its texts against: nothing that is shown steers the terminal of whoever reads it.
// Each target uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cowhand::inventory::{Environment, Inventory, parse};
use cowhand::failure::{Exit, Failure, Hint};
use cowhand::report::{Look, one_line, printable};

pub const LOOKS: [Look; 2] = [Look::PLAIN, Look { colour: false, unicode: true, width: Some(60) }];

/// Fails on anything but text and newlines; the looks here paint nothing.
pub fn harmless(text: &str) {
    let steers = |letter: char| {
        (letter.is_control() && letter != '\n') || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.chars().any(steers), "{text:?}");
}

/// A text of a machine as it gets into a line and into a paragraph.
pub fn told(text: &str) {
    harmless(&one_line(text));
    harmless(&printable(text));
}

/// An error as the command's last words.
pub fn failed(error: &(dyn Hint + 'static)) {
    let failure = Failure::of(Exit::StepFailed, error);
    LOOKS.iter().for_each(|look| harmless(&failure.text(look)));
}

/// Three nodes for rke.
pub fn inventory() -> &'static Inventory {
    static READ: OnceLock<Inventory> = OnceLock::new();
    READ.get_or_init(read)
}

fn read() -> Inventory {
    let text = "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
        rancher: {hostname: rancher.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";
    let surroundings = Environment { home: None, folder: PathBuf::from("/srv"), variable: &|_| None };
    parse(text, Path::new("prod.yml"), &surroundings).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}
