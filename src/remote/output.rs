//! How a command ended, and what it said.

use std::fmt;
use std::time::Duration;

use super::Words;
use crate::failure::Hint;

/// The most that one command may say, stdout and stderr together (bytes): many times what any of ours does, and so
/// little that hundreds of flooding nodes fill no memory. RKE's state, the largest, fits into a Secret of 1 MiB.
pub(super) const LARGEST_OUTPUT: usize = 4 * 1024 * 1024;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It ended by itself; 0 means that it is content.
    Code(i32),
    /// Killed by this signal, e.g. `TERM`. Some login shells (dash) stay in between and make it code 128 + signal.
    Signal(String),
    /// Nobody knows: the connection went away first. The process may still run.
    ConnectionLost,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "ended with exit code {code}"),
            Ended::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Ended::ConnectionLost => write!(f, "was cut off: the connection was lost"),
        }
    }
}

/// What a command left behind. Its stdout can only be had by asking for success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub ended: Ended,
    stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    pub fn new(ended: Ended, stdout: impl Into<Vec<u8>>, stderr: impl Into<Vec<u8>>) -> Self {
        Output { ended, stdout: stdout.into(), stderr: stderr.into() }
    }

    /// Its stdout as text (what is not UTF-8 is replaced), if it ended with code 0.
    ///
    /// `words` and `node` are named in the error.
    pub fn success(self, words: &Words, node: &str) -> Result<String, CommandError> {
        Ok(String::from_utf8_lossy(&self.success_bytes(words, node)?).into_owned())
    }

    /// As [`Output::success`], as bytes.
    pub fn success_bytes(self, words: &Words, node: &str) -> Result<Vec<u8>, CommandError> {
        match self.ended {
            Ended::Code(0) => Ok(self.stdout),
            Ended::Code(_) | Ended::Signal(_) | Ended::ConnectionLost => Err(CommandError {
                node: node.to_string(),
                command: words.line(),
                ended: self.ended,
                last_words: last_lines(&self.stderr, &self.stdout),
            }),
        }
    }
}

/// How many lines of stderr an error shows.
const SHOWN_LINES: usize = 5;

/// The end of stderr, or of stdout if nothing was said on stderr.
fn last_lines(stderr: &[u8], stdout: &[u8]) -> String {
    let tail = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    };
    let said = tail(stderr);
    if said.is_empty() { tail(stdout) } else { said }
}

/// A command that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    pub node: String,
    /// What was sent.
    pub command: String,
    pub ended: Ended,
    /// The last lines of its stderr; empty if it said nothing.
    pub last_words: String,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}, `{}` {}", self.node, shortened(&self.command), self.ended)?;
        if self.last_words.is_empty() { Ok(()) } else { write!(f, ": {}", self.last_words) }
    }
}

impl std::error::Error for CommandError {}

impl Hint for CommandError {
    fn hint(&self) -> Option<String> {
        let said = |text: &str| self.last_words.contains(text);
        if said("sudo:") && (said("password is required") || said("terminal is required")) {
            return Some(format!("let the user on {} use sudo without a password, or connect as root", self.node));
        }
        if self.command.starts_with("sudo ") && self.ended == Ended::Code(127) {
            return Some(format!("install sudo on {}, or connect as root", self.node));
        }
        None
    }
}

/// A long script is told by its beginning.
fn shortened(command: &str) -> String {
    let first = command.lines().next().unwrap_or_default();
    match first.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &first[..end]),
        None if first.len() < command.len() => format!("{first} …"),
        None => first.to_string(),
    }
}

/// Why a command could not be run, or what became of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RemoteError {
    #[error("the connection to {node} is closed: {reason}")]
    Closed { node: String, reason: String },
    #[error("{node} did not let a command be started: {reason}")]
    Refused { node: String, reason: String },
    #[error("on {node}, `{}` did not end within {}", shortened(command), seconds(*after))]
    TimedOut { node: String, command: String, after: Duration },
    #[error("on {node}, `{}` printed more than {} MiB and was ended", shortened(command), LARGEST_OUTPUT >> 20)]
    TooMuch { node: String, command: String },
    #[error("a command for {node} has a NUL byte in it, which no shell can carry")]
    Nul { node: String },
    #[error("{node} could not open {what}: {reason}")]
    NotOpened { node: String, what: String, reason: String },
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Hint for RemoteError {
    fn hint(&self) -> Option<String> {
        match self {
            RemoteError::Command(error) => error.hint(),
            RemoteError::Closed { node, .. } => {
                Some(format!("see whether {node} is up, then run the same again: it goes on where it stopped"))
            }
            // OpenSSH says the same for a socket whether it is not there, not ours to open, or forbidden.
            RemoteError::NotOpened { node, what, .. } if what.starts_with('/') => Some(format!(
                "on {node}, see that {what} is there, that the user may open it (for Docker: is in the group docker), and that AllowStreamLocalForwarding in sshd_config is yes"
            )),
            RemoteError::NotOpened { node, reason, .. } if reason.contains("prohibited") => {
                Some(format!("in sshd_config of {node}, AllowTcpForwarding must be yes"))
            }
            RemoteError::TooMuch { node, .. } => Some(format!(
                "something on {node} floods every login: see ForceCommand in its sshd_config, `command=` in authorized_keys, ~/.ssh/rc and the shell's own files; `ssh {node} true` has to print nothing"
            )),
            RemoteError::Refused { .. }
            | RemoteError::TimedOut { .. }
            | RemoteError::Nul { .. }
            | RemoteError::NotOpened { .. } => None,
        }
    }
}

pub(super) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdout_is_given_for_success_only() {
        let words = Words::new("true");
        assert_eq!(Output::new(Ended::Code(0), "yes\n", "").success(&words, "n1").unwrap(), "yes\n");
        assert!(Output::new(Ended::Code(1), "yes\n", "").success(&words, "n1").is_err());
        assert!(Output::new(Ended::ConnectionLost, "yes\n", "").success(&words, "n1").is_err());
    }

    #[test]
    fn an_error_names_node_command_end_and_last_words() {
        let words = Words::new("docker").arg("ps");
        let stderr = "1\n2\n3\n\n4\n5\n6\n";
        let error = Output::new(Ended::Code(3), "", stderr).success(&words, "n2").unwrap_err();
        assert_eq!(error.to_string(), "on n2, `docker ps` ended with exit code 3: 2\n3\n4\n5\n6");
        let error = Output::new(Ended::Signal("KILL".into()), "", "").success(&words, "n2").unwrap_err();
        assert_eq!(error.to_string(), "on n2, `docker ps` was killed by signal KILL");
    }

    #[test]
    fn a_script_is_shown_by_its_beginning() {
        let error = Output::new(Ended::Code(1), "", "no").success(&Words::shell("set -e\nfalse"), "n1").unwrap_err();
        assert_eq!(error.to_string(), "on n1, `sh -c 'set -e …` ended with exit code 1: no");
    }

    #[test]
    fn sudo_that_asks_gets_a_hint() {
        let output = Output::new(Ended::Code(1), "", "sudo: a password is required\n");
        let error = output.success(&Words::new("id").sudo(), "n1").unwrap_err();
        assert!(error.hint().unwrap().contains("without a password"));
    }
}
