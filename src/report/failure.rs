//! An error as a person gets to see it.

use std::fmt::Write as _;

use super::{Look, Tone, printable};
use crate::failure::Failure;

impl Failure {
    /// `error:`, `because:` and `hint:` lines, with a newline at the end.
    pub fn text(&self, look: &Look) -> String {
        let mut text = String::new();
        let mut part = |tone, label: &str, body: &str| {
            let indent = " ".repeat(label.len() + 1);
            let body = printable(body.trim_end()).replace('\n', &format!("\n{indent}"));
            let plain = label.trim_start();
            let before = &label[..label.len() - plain.len()];
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{before}{} {body}", look.paint(tone, plain));
        };
        part(Tone::Bad, "error:", &self.error);
        for cause in &self.because {
            part(Tone::Dim, "  because:", cause);
        }
        if let Some(hint) = &self.hint {
            part(Tone::Good, "hint:", hint);
        }
        if let Some(log) = &self.log {
            part(Tone::Dim, "log:", &log.display().to_string());
        }
        look.letters(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::failure::Exit;

    #[derive(Debug, thiserror::Error)]
    #[error("n2 cannot be reached")]
    struct Unreachable(#[source] HostKey);

    impl crate::failure::Hint for Unreachable {}

    #[derive(Debug, thiserror::Error)]
    #[error("the host key of n2 is not the one known\nknown SHA256:3im5, offered SHA256:Jx0k: {0}")]
    struct HostKey(#[source] std::io::Error);

    #[test]
    fn each_level_is_said_once_and_lines_are_indented() {
        let error = Unreachable(HostKey(std::io::Error::other("refused")));
        let failure = Failure::of(Exit::Unreachable, &error)
            .hint("look at it\nthen try again")
            .logged(Some(Path::new("/w/x.log")));
        assert_eq!(
            failure.text(&Look::PLAIN),
            "error: n2 cannot be reached\n\
             \x20 because: the host key of n2 is not the one known\n\
             \x20          known SHA256:3im5, offered SHA256:Jx0k: refused\n\
             hint: look at it\n\
             \x20     then try again\n\
             log: /w/x.log\n"
        );
    }

    #[test]
    fn what_a_machine_said_cannot_steer_the_terminal() {
        let failure = Failure::new(Exit::StepFailed, "n1 said \u{1b}[2Jboo\u{7}\rbah");
        assert_eq!(failure.text(&Look::PLAIN), "error: n1 said \u{fffd}[2Jboo\u{fffd}\u{fffd}bah\n");
    }
}
