//! The lines of an ssh configuration that name machines. What holds for a name is OpenSSH's to say, not ours: see
//! [`crate::remote::routes`].

use std::fmt;

use crate::remote::split_words;

/// A line that says which machines there are, or where more of them stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshLine {
    /// Counted from 1.
    pub line: usize,
    pub text: String,
    pub says: SshSays,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshSays {
    /// `Host`: names and patterns.
    Host(Vec<String>),
    /// `Match`; whether it runs a command (`exec`).
    Match { runs: bool },
    /// `Include`: file patterns.
    Include(Vec<String>),
}

/// Something about machines that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// `line 6`, or `line 6 of config.d/lab`.
    pub place: String,
    pub text: String,
    pub why: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, `{}`: {}", self.place, self.text, self.why)
    }
}

/// An ssh configuration's bytes as text: UTF-8, or UTF-16 as PowerShell's `>` writes it. The second value says whether
/// `ssh` itself could not read the bytes as they are.
///
/// # Errors
/// What they are instead.
pub fn ssh_config_text(bytes: &[u8]) -> Result<(String, bool), String> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units)
            .map(|text| (text, true))
            .map_err(|_| "it begins as UTF-16 and goes on otherwise".into())
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => plain(rest).map(|text| (text, true)),
        _ => plain(bytes).map(|text| (text, false)),
    }
}

fn plain(bytes: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is neither UTF-8 nor UTF-16")
    })?;
    match text.find('\0') {
        Some(at) => Err(format!("line {} holds a NUL", text[..at].matches('\n').count() + 1)),
        None => Ok(text.to_owned()),
    }
}

/// The Host, Match and Include lines, in order.
pub fn ssh_lines(text: &str) -> Vec<SshLine> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, content)| {
            let (key, values) = words(content)?;
            let runs = |word: &String| word.trim_start_matches('!').to_ascii_lowercase().starts_with("exec");
            let says = match key.as_str() {
                "host" => SshSays::Host(values),
                "match" => SshSays::Match { runs: values.iter().any(runs) },
                "include" => SshSays::Include(values),
                _ => return None,
            };
            Some(SshLine { line: index + 1, text: content.trim().to_owned(), says })
        })
        .collect()
}

/// Whether a word of a Host line is a pattern and no name.
pub fn is_ssh_pattern(name: &str) -> bool {
    name.contains(['*', '?', '!'])
}

/// The keyword in small letters and its values. `None` for an empty line or a comment.
fn words(content: &str) -> Option<(String, Vec<String>)> {
    let content = content.trim();
    if content.is_empty() || content.starts_with('#') {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || c == '=' || c == '"';
    let (key, rest) = content.split_at(content.find(ends).unwrap_or(content.len()));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Some((key.to_ascii_lowercase(), split_words(rest, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<(usize, Vec<String>)> {
        let names = |line: SshLine| match line.says {
            SshSays::Host(names) => Some((line.line, names)),
            SshSays::Match { .. } | SshSays::Include(_) => None,
        };
        ssh_lines(text).into_iter().filter_map(names).collect()
    }

    #[test]
    fn host_lines_are_parted_as_ssh_parts_them() {
        for line in ["Host a b", "HOST\ta  b ", "host = a b", "Host=a b", "Host \"a\" 'b' # c d", "Host a b #"] {
            assert_eq!(hosts(line), [(1, vec!["a".to_owned(), "b".to_owned()])], "{line}");
        }
        assert_eq!(
            hosts("# Host x\n\n  Host a#b \"c d\" e\\ f\r\n"),
            [(3, vec!["a#b".into(), "c d".into(), "e f".into()])]
        );
        assert!(hosts("HostName x\nHostKeyAlias y\n").is_empty());
    }

    #[test]
    fn commands_that_a_match_runs_are_seen() {
        let runs = |text: &str| ssh_lines(text)[0].says == SshSays::Match { runs: true };
        assert!(runs("Match host x exec \"true\"") && runs("match !exec=\"a b\"") && !runs("Match host x user exe"));
    }

    #[test]
    fn bytes_become_text() {
        let wide = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
            mark.into_iter().chain("Host ä\r\n".encode_utf16().flat_map(unit)).collect::<Vec<u8>>()
        };
        for bytes in [wide([0xff, 0xfe], u16::to_le_bytes), wide([0xfe, 0xff], u16::to_be_bytes)] {
            assert_eq!(ssh_config_text(&bytes), Ok(("Host ä\r\n".into(), true)));
        }
        assert_eq!(ssh_config_text("\u{feff}Host a".as_bytes()), Ok(("Host a".into(), true)));
        assert_eq!(ssh_config_text(b"Host a\n"), Ok(("Host a\n".into(), false)));
        assert_eq!(ssh_config_text(b"\n\xff"), Err("line 2 is neither UTF-8 nor UTF-16".into()));
        assert_eq!(ssh_config_text(b"H\0o\0"), Err("line 1 holds a NUL".into()));
    }
}
