//! One line of rke's log, read. Pure.
//!
//! rke writes logfmt or, on a terminal, as `INFO[0000] text`.

use std::borrow::Cow;

/// logrus's levels, and lines that are none of its own (a Go panic, a question).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
    Bare,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RkeLine {
    pub level: Level,
    pub message: String,
}

impl RkeLine {
    pub fn parse(line: &str) -> Self {
        let line = line.trim_end();
        logfmt(line).or_else(|| terminal(line)).unwrap_or_else(|| RkeLine { level: Level::Bare, message: line.into() })
    }
}

fn level(word: &str) -> Option<Level> {
    match word {
        "debug" | "DEBU" | "trace" | "TRAC" => Some(Level::Debug),
        "info" | "INFO" => Some(Level::Info),
        "warning" | "WARN" => Some(Level::Warning),
        "error" | "ERRO" => Some(Level::Error),
        "fatal" | "FATA" | "panic" | "PANI" => Some(Level::Fatal),
        _ => None,
    }
}

/// `time="…" level=info msg="…"`; the message is quoted as Go does when it has to be.
fn logfmt(line: &str) -> Option<RkeLine> {
    let (_, rest) = line.strip_prefix("time=")?.split_once(" level=")?;
    let (word, rest) = rest.split_once(" msg=")?;
    let message = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => rest.to_owned(),
    };
    Some(RkeLine { level: level(word)?, message })
}

/// What stands up to the closing quote, with Go's escapes undone.
fn unquote(quoted: &str) -> String {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => {}
                Some(other) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

/// `INFO[0012] text`, perhaps with colours.
fn terminal(line: &str) -> Option<RkeLine> {
    let plain = without_colours(line);
    let (word, rest) = plain.split_once('[')?;
    let (seconds, message) = rest.split_once(']')?;
    let is_stamp = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_stamp.then_some(())?;
    Some(RkeLine { level: level(word)?, message: message.trim().to_owned() })
}

fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\x1b') {
        return line.into();
    }
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest)).into()
}
