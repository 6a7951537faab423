//! What a whole log of rke means, and what helps. Pure.
//!
//! A run may write any number of lines; what is kept of them is one row of the table for the last words and one for what
//! came before.

pub use crate::engine::rke::causes::Explained;
use crate::engine::rke::causes::{CAUSES, Row, SYMPTOMS};
use crate::engine::rke::line::{Level, RkeLine};

/// What was heard of a run so far.
#[derive(Debug, Default)]
pub struct Heard {
    last_words: Found,
    before: Found,
}

/// The rows that fit: the newest cause, and the newest symptom.
#[derive(Debug, Default)]
struct Found {
    cause: Option<&'static Row>,
    symptom: Option<&'static Row>,
}

impl Heard {
    /// Takes in one line.
    pub fn hear(&mut self, line: &RkeLine) {
        match line.level {
            Level::Fatal => self.last_words = Found::of(&line.message),
            // Go's HTTP client and a panic speak without a level.
            Level::Warning | Level::Error | Level::Bare => self.before.add(Found::of(&line.message)),
            Level::Debug | Level::Info => {}
        }
    }

    /// The cause in the last words, else the one that was warned of before, else what the last words are usually due to.
    pub fn explained(&self) -> Option<&'static Explained> {
        let Heard { last_words, before } = self;
        let row = last_words.cause.or(before.cause).or(last_words.symptom).or(before.symptom)?;
        Some(&row.explained)
    }
}

impl Found {
    fn of(message: &str) -> Found {
        let first = |rows: &'static [Row]| rows.iter().find(|row| row.says.iter().all(|words| message.contains(words)));
        Found { cause: first(CAUSES), symptom: first(SYMPTOMS) }
    }

    fn add(&mut self, newer: Found) {
        self.cause = newer.cause.or(self.cause);
        self.symptom = newer.symptom.or(self.symptom);
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
