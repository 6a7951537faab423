//! What a text is and what it would be, side by side as a unified diff.

use similar::{ChangeTag, TextDiff};

use super::{Look, Tone};

/// A unified diff with three lines around each change; empty when nothing differs. The caller sees to it that no secret is in either text.
pub fn diff(name: &str, before: &str, after: &str, look: &Look) -> String {
    if before == after {
        return String::new();
    }
    let changes = TextDiff::from_lines(before, after);
    let mut text = format!(
        "{}\n{}\n",
        look.paint(Tone::Strong, &format!("--- {name} (now)")),
        look.paint(Tone::Strong, &format!("+++ {name} (planned)"))
    );
    for hunk in changes.unified_diff().context_radius(3).iter_hunks() {
        text.push_str(&look.paint(Tone::Dim, hunk.header().to_string().trim_end()));
        text.push('\n');
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            text.push_str(&match change.tag() {
                ChangeTag::Equal => format!(" {line}"),
                ChangeTag::Delete => look.paint(Tone::Bad, &format!("-{line}")),
                ChangeTag::Insert => look.paint(Tone::Good, &format!("+{line}")),
            });
            text.push('\n');
        }
    }
    look.letters(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let after = "a\nb\nc\nd\ne\nF\ng\nh\n";
        assert_eq!(
            diff("cluster.yml", before, after, &Look::PLAIN),
            "--- cluster.yml (now)\n+++ cluster.yml (planned)\n@@ -3,6 +3,6 @@\n c\n d\n e\n-f\n+F\n g\n h\n"
        );
        assert_eq!(diff("cluster.yml", before, before, &Look::PLAIN), "");
    }

    #[test]
    fn a_terminal_gets_colour() {
        let look = Look { colour: true, ..Look::PLAIN };
        assert!(diff("x", "a\n", "b\n", &look).contains("\u{1b}[32m+b\u{1b}[0m"));
    }
}
