//! What `ssh` does not take of a configuration: it is left out and named, where the rest means the same without it.

use crate::commands::init::ssh_names::Config;
use crate::inventory::{PassedOver, SshSays, ssh_lines};
use crate::remote::Refused;

/// What was left out of a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub passed: Vec<PassedOver>,
    /// Of the Host lines that are gone.
    pub names: Vec<String>,
}

impl LeftOut {
    /// Takes the line out of the text: alone before the first Host line (warnings that Vagrant prints), else with all that
    /// its Host line says of plain names.
    ///
    /// # Errors
    /// Where other names would then be reached otherwise than the file says: after a pattern or a Match, or by a line for
    /// all of them.
    pub fn take(&mut self, config: &mut Config, refused: &Refused) -> Result<(), String> {
        let text = |number: usize| config.text.lines().nth(number - 1).unwrap_or_default().trim().to_owned();
        // A line before it has taken it along.
        if text(refused.line).is_empty() {
            return Ok(());
        }
        let what = if refused.unknown { "ssh does not know this line".to_owned() } else { refused.why.clone() };
        let said = format!("line {}, `{}`: {what}", refused.line, text(refused.line));
        let blocks = ssh_lines(&config.text);
        let mut blocks = blocks.iter().filter(|line| !matches!(line.says, SshSays::Include(_))).peekable();
        let mut block = None;
        while let Some(next) = blocks.next_if(|next| next.line <= refused.line) {
            block = Some(next);
        }
        let until = blocks.peek().map_or(usize::MAX, |next| next.line);
        let (gone, passed) = match block.map(|block| (block, &block.says)) {
            None if refused.unknown => {
                let why = "it is no line of an ssh configuration, and is left out".into();
                let (place, text) = (format!("line {}", refused.line), text(refused.line));
                (refused.line..refused.line + 1, PassedOver { place, text, why })
            }
            Some((block, SshSays::Host(names))) if !names.iter().any(|name| crate::inventory::is_ssh_pattern(name)) => {
                self.names.extend(names.iter().cloned());
                let why = format!("it is left out, because of {said}");
                (block.line..until, PassedOver { place: format!("line {}", block.line), text: block.text.clone(), why })
            }
            Some((_, SshSays::Host(_) | SshSays::Match { .. } | SshSays::Include(_))) | None => return Err(said),
        };
        // Line numbers stay.
        let kept = config.text.lines().zip(1..).map(|(line, number)| if gone.contains(&number) { "" } else { line });
        config.text = kept.map(|line| format!("{line}\n")).collect();
        config.file = None;
        self.passed.push(passed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str, line: usize, unknown: bool) -> (Result<(), String>, LeftOut, String) {
        let mut config = Config { text: text.into(), file: Some("config".into()), called: "config".into() };
        let mut left = LeftOut::default();
        let taken = left.take(&mut config, &Refused { line, unknown, why: "Bad port 'x'.".into() });
        (taken, left, config.text)
    }

    #[test]
    fn a_bad_line_takes_its_host_with_it_and_no_other() {
        let text = "Host n1\n HostName 10.0.0.1\nHost n2 m2\n Port x\n User me\nHost n3\nHost *\n User root\n";
        let (taken, left, rest) = take(text, 4, false);
        assert_eq!((taken, left.names), (Ok(()), vec!["n2".into(), "m2".into()]));
        assert_eq!(
            left.passed[0].to_string(),
            "line 3, `Host n2 m2`: it is left out, because of line 4, `Port x`: Bad port 'x'."
        );
        assert_eq!(rest, "Host n1\n HostName 10.0.0.1\n\n\n\nHost n3\nHost *\n User root\n");
        assert!(take(text, 8, true).0.unwrap_err().contains("ssh does not know this line"), "it holds for all names");
    }

    #[test]
    fn what_holds_for_all_names_is_not_left_out() {
        assert!(take("Port x\nHost n1\n", 1, false).0.is_err());
        assert!(take("Match host n1\n Port x\n", 2, false).0.is_err());
        let (taken, left, rest) = take("[fog] a warning\nHost n1\n", 1, true);
        assert_eq!((taken, left.names.len(), rest.as_str()), (Ok(()), 0, "\nHost n1\n"));
    }
}
