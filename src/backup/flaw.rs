//! How far a backup is proved, and what stopped the proof.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Hint;

/// Each says all that those before it say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum Level {
    /// The file is there, as long as it was written, with the hash that it was written with.
    There = 0,
    /// It opens, and every hash inside is right, etcd's own among them.
    Whole = 1,
    /// Every page of etcd's database can be reached and read.
    Readable = 2,
    /// State and snapshot are of one and the same cluster.
    Together = 3,
}

impl Level {
    pub const ALL: [Level; 4] = [Level::There, Level::Whole, Level::Readable, Level::Together];

    pub fn word(self) -> &'static str {
        match self {
            Level::There => "there",
            Level::Whole => "whole",
            Level::Readable => "readable",
            Level::Together => "belongs together",
        }
    }

    /// The one below, `None` below the first.
    pub fn below(self) -> Option<Level> {
        match self {
            Level::There => None,
            Level::Whole => Some(Level::There),
            Level::Readable => Some(Level::Whole),
            Level::Together => Some(Level::Readable),
        }
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> u8 {
        level as u8
    }
}

impl TryFrom<u8> for Level {
    type Error = String;

    fn try_from(number: u8) -> Result<Level, String> {
        let found = Level::ALL.into_iter().find(|level| *level as u8 == number);
        found.ok_or_else(|| format!("there is no level {number}"))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "level {} ({})", *self as u8, self.word())
    }
}

/// What keeps a backup from a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{why}")]
pub struct Flaw {
    /// The level that is not reached.
    pub level: Level,
    pub why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Flaw {
    pub fn new(level: Level, why: impl fmt::Display) -> Flaw {
        Flaw { level, why: why.to_string(), remedy: None }
    }

    pub fn remedy(mut self, remedy: impl Into<String>) -> Flaw {
        self.remedy = Some(remedy.into());
        self
    }

    /// From an I/O error while this level was looked at.
    pub fn reading(level: Level, what: &str) -> impl Fn(std::io::Error) -> Flaw {
        move |error| Flaw::new(level, format!("{what} cannot be read: {error}"))
    }
}

impl Hint for Flaw {
    fn hint(&self) -> Option<String> {
        self.remedy.clone()
    }
}
