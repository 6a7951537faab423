//! Where things are told: stdout for data, stderr for talk, in the form that was asked for.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::look::steers;
use super::{Counts, Look, Verbosity, findings, printable};
use crate::check::Finding;
use crate::failure::{Exit, Failure};

/// The form of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A living list of stages; on a terminal only, elsewhere the same as plain.
    Bars,
    /// One line an event.
    Plain,
    /// One JSON object a line, on stdout.
    Json,
}

/// How this run talks: decided once, at the door.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    pub output: Output,
    pub verbosity: Verbosity,
    /// What stdout can show.
    pub out: Look,
    /// What stderr can show.
    pub err: Look,
}

impl Console {
    /// Looks at the streams; `wanted` is what `--output` said.
    pub fn detect(wanted: Option<Output>, verbosity: Verbosity) -> Self {
        let (out, err) = (Look::of(&io::stdout()), Look::of(&io::stderr()));
        // Moving the cursor needs a terminal that says what it is.
        let dumb = std::env::var("TERM").map_or(true, |name| name.is_empty() || name == "dumb");
        let lively = io::stderr().is_terminal() && !dumb && verbosity != Verbosity::Quiet;
        let output = match wanted {
            Some(Output::Json) => Output::Json,
            Some(Output::Plain) => Output::Plain,
            Some(Output::Bars) | None if lively => Output::Bars,
            Some(Output::Bars) | None => Output::Plain,
        };
        Console { output, verbosity, out, err }
    }

    /// Data as it stands (a certificate, a schema, a script), whatever the form.
    pub fn raw(&self, text: &str) -> Result<(), Failure> {
        write_out(text)
    }

    /// The answer of a command: the text for people, or in JSON `{"event":<name>, "time":…, …value}` on one line.
    ///
    /// `value` serialises to a map; anything else stands under the key `value`.
    pub fn data(&self, name: &str, value: &impl Serialize, text: impl FnOnce(&Look) -> String) -> Result<(), Failure> {
        match self.output {
            Output::Json => write_out(&json_line(name, value)),
            Output::Bars | Output::Plain => write_out(&self.out.letters(&text(&self.out))),
        }
    }

    /// What checks found, on stdout: problems, fixes and counts; in JSON one `finding` a line and one `checked`.
    pub fn findings(&self, heading: &str, all: &[Finding], seconds: f64) -> Result<(), Failure> {
        match self.output {
            Output::Json => {
                #[derive(Serialize)]
                struct One<'a> {
                    finding: &'a Finding,
                }
                #[derive(Serialize)]
                struct Checked {
                    counts: Counts,
                    seconds: f64,
                }
                let mut lines: String = all.iter().map(|finding| json_line("finding", &One { finding })).collect();
                lines += &json_line("checked", &Checked { counts: Counts::of(all), seconds });
                write_out(&lines)
            }
            Output::Bars | Output::Plain => {
                let heading = match self.verbosity {
                    Verbosity::Quiet => String::new(),
                    Verbosity::Normal | Verbosity::Verbose => self.out.letters(&format!("{}\n\n", printable(heading))),
                };
                write_out(&(heading + &findings(all, seconds, self.verbosity, &self.out)))
            }
        }
    }

    /// One line of talk on stderr, left out with `-q` and in JSON.
    pub fn talk(&self, text: &str) {
        if self.verbosity != Verbosity::Quiet && self.output != Output::Json {
            write_err(&format!("{}\n", self.err.letters(&printable(text))));
        }
    }

    /// The last line of a command that streams events, in JSON: `run-finished`. For people the run has said it itself.
    pub fn finished(&self, exit: Exit, seconds: f64) {
        #[derive(Serialize)]
        struct Finished {
            ok: bool,
            seconds: f64,
            exit: Exit,
        }
        if self.output == Output::Json {
            let line = json_line("run-finished", &Finished { ok: exit.is_success(), seconds, exit });
            // The exit code still says it when stdout is gone.
            drop(write_out(&line));
        }
    }

    /// Why the command did not do what was asked: on stderr, or in JSON as the event `failure` on stdout.
    pub fn failure(&self, failure: &Failure) {
        match self.output {
            // Where stdout takes nothing, a code without a word would leave everybody in the dark.
            Output::Json => {
                if write_out(&json_line("failure", failure)).is_err() {
                    write_err(&failure.text(&self.err));
                }
            }
            Output::Bars | Output::Plain => write_err(&failure.text(&self.err)),
        }
    }
}

/// `{"event":name,"time":"2026-11-23T20:00:00Z", …}` and a newline.
pub(super) fn json_line(name: &str, value: &impl Serialize) -> String {
    let mut line = Map::new();
    line.insert("event".into(), name.into());
    line.insert("time".into(), jiff::Timestamp::now().to_string().into());
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => {
            for (key, field) in fields {
                line.entry(key).or_insert(field);
            }
        }
        Ok(other) => drop(line.insert("value".into(), other)),
        // Only a map whose keys are no strings cannot be JSON, and that is a bug worth seeing.
        Err(error) => drop(line.insert("error".into(), error.to_string().into())),
    }
    escaped(&format!("{}\n", Value::Object(line)))
}

/// JSON's writer escapes the controls of ASCII only; the others stand in strings, where an escape means the same.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\n' => escaped.push('\n'),
            letter if steers(letter) => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// A reader that has read enough (`| head`) is no failure; a full disk is.
fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::with_cause(Exit::NotHere, "the answer cannot be written to standard output", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_err(text: &str) {
    // Nobody is left to be told when stderr is gone.
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_names_its_event_first_and_never_breaks() {
        let failure = Failure::new(Exit::Unreachable, "n2 cannot be reached").because("two\nlines");
        let line = json_line("failure", &failure);
        assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["event", "time", "exit", "error", "because", "hint"]);
        assert_eq!(value["exit"], 4);
    }

    #[test]
    fn a_list_stands_under_value() {
        let value: Value = serde_json::from_str(&json_line("ids", &["a", "b"])).unwrap();
        assert_eq!(value["value"], serde_json::json!(["a", "b"]));
    }
}
