//! How text may look where it is going: colour, marks, width.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};

/// What one stream can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub colour: bool,
    /// False in a locale that is not UTF-8: then every sign has an ASCII form.
    pub unicode: bool,
    /// Columns of the terminal; `None` where lines must not be broken (files, pipes).
    pub width: Option<usize>,
}

/// What a piece of text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Careful,
    Dim,
    Strong,
}

/// The sign before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Good,
    Bad,
    Warning,
    Unknown,
    Skipped,
    Waiting,
    /// Under way; the number is the picture of the spinner.
    Working(usize),
}

const TURNS: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII_TURNS: [&str; 4] = ["|", "/", "-", "\\"];

impl Look {
    /// No colour, no breaking of lines: what files get.
    pub const PLAIN: Look = Look { colour: false, unicode: true, width: None };

    /// Looks at the stream and at `NO_COLOR`, `TERM`, `LC_ALL`, `LC_CTYPE` and `LANG`.
    pub fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let terminal = stream.is_terminal();
        let width = terminal.then(|| rustix::termios::tcgetwinsize(stream.as_fd()).ok()).flatten();
        Look {
            colour: terminal && colour_wanted(|name| std::env::var(name).ok()),
            unicode: locale_is_utf8(|name| std::env::var(name).ok()),
            width: width.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0),
        }
    }

    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Careful => AnsiColor::Yellow.on_default(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }

    /// The sign, one column wide, painted.
    pub fn mark(&self, mark: Mark) -> String {
        let sign = match (mark, self.unicode) {
            (Mark::Good, true) => "✓",
            (Mark::Good, false) => "+",
            (Mark::Bad, true) => "✗",
            (Mark::Bad, false) => "x",
            (Mark::Warning, _) => "!",
            (Mark::Unknown, _) => "?",
            (Mark::Skipped, _) => "-",
            (Mark::Waiting, true) => "·",
            (Mark::Waiting, false) => ".",
            (Mark::Working(turn), true) => TURNS[turn % TURNS.len()],
            (Mark::Working(turn), false) => ASCII_TURNS[turn % ASCII_TURNS.len()],
        };
        self.paint(tone_of(mark), sign)
    }

    /// How many pictures the spinner has.
    pub(super) fn turns(&self) -> usize {
        if self.unicode { TURNS.len() } else { ASCII_TURNS.len() }
    }

    /// Text as this stream can show it: outside UTF-8 the signs cowhand itself uses get an ASCII form, others a `?`.
    pub fn letters(&self, text: &str) -> String {
        if self.unicode || text.is_ascii() {
            return text.to_owned();
        }
        let mut ascii = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '→' => ascii.push_str("->"),
                '…' => ascii.push_str("..."),
                '·' | '–' | '—' => ascii.push('-'),
                '×' => ascii.push('x'),
                '≥' => ascii.push_str(">="),
                '≤' => ascii.push_str("<="),
                '✓' => ascii.push('+'),
                '✗' => ascii.push('x'),
                '‘' | '’' => ascii.push('\''),
                '“' | '”' => ascii.push('"'),
                letter if letter.is_ascii() => ascii.push(letter),
                _ => ascii.push('?'),
            }
        }
        ascii
    }

    /// Cuts a text to so many columns.
    pub fn cut(&self, text: &str, columns: usize) -> String {
        console::truncate_str(text, columns, if self.unicode { "…" } else { "..." }).into_owned()
    }

    /// Breaks a text at spaces so that it fits between `indent` and the right edge; the following lines are indented.
    pub fn wrap(&self, text: &str, indent: usize) -> String {
        const NARROWEST: usize = 24;
        let Some(room) = self.width.map(|width| width.saturating_sub(indent).max(NARROWEST)) else {
            return text.to_owned();
        };
        let mut lines: Vec<String> = vec![String::new()];
        let mut used = 0;
        for word in text.split(' ') {
            let length = columns(word);
            let line = lines.last_mut().filter(|line| line.is_empty() || used + 1 + length <= room);
            match line {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) => {
                    line.push(' ');
                    line.push_str(word);
                    used += 1;
                }
                None => {
                    lines.push(word.to_owned());
                    used = 0;
                }
            }
            used += length;
        }
        lines.join(&format!("\n{}", " ".repeat(indent)))
    }
}

fn tone_of(mark: Mark) -> Tone {
    match mark {
        Mark::Good => Tone::Good,
        Mark::Bad | Mark::Unknown => Tone::Bad,
        Mark::Warning => Tone::Careful,
        Mark::Skipped | Mark::Waiting => Tone::Dim,
        Mark::Working(_) => Tone::Strong,
    }
}

/// <https://no-color.org>: present and not empty means no colour.
fn colour_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = variable("TERM").is_none_or(|value| value.is_empty() || value == "dumb");
    !refused && !dumb
}

/// POSIX: the first of the three that is set and not empty decides.
fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

/// Takes out what could steer a terminal: escape sequences and control characters; tabs become a space.
pub fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => clean.push('\n'),
            '\t' => clean.push(' '),
            '\u{1b}' => {
                // A control sequence goes on to a letter or `@`, `~`…; any other escape is one character long.
                if letters.next() == Some('[') {
                    for part in letters.by_ref() {
                        if ('@'..='~').contains(&part) {
                            break;
                        }
                    }
                }
            }
            control if control.is_control() => {}
            // Right-to-left overrides let a text look like another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            plain => clean.push(plain),
        }
    }
    clean
}

/// Columns a text takes on the screen: escapes none, wide letters two.
pub(super) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn no_color_and_dumb_terminals_are_heard() {
        assert!(colour_wanted(given(&[("TERM", "xterm")])));
        assert!(colour_wanted(given(&[("TERM", "xterm"), ("NO_COLOR", "")])));
        assert!(!colour_wanted(given(&[("TERM", "xterm"), ("NO_COLOR", "1")])));
        assert!(!colour_wanted(given(&[("TERM", "dumb")])));
        assert!(!colour_wanted(given(&[])));
    }

    #[test]
    fn the_first_locale_that_is_set_decides() {
        assert!(locale_is_utf8(given(&[("LANG", "de_DE.UTF-8")])));
        assert!(locale_is_utf8(given(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")])));
        assert!(!locale_is_utf8(given(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")])));
        assert!(!locale_is_utf8(given(&[])));
    }

    #[test]
    fn outside_utf8_everything_is_ascii() {
        let look = Look { unicode: false, ..Look::PLAIN };
        assert_eq!(look.letters("n1→n3 · ≥ 4 … ü"), "n1->n3 - >= 4 ... ?");
        for mark in [Mark::Good, Mark::Bad, Mark::Warning, Mark::Unknown, Mark::Skipped, Mark::Waiting] {
            assert!(look.mark(mark).is_ascii());
        }
        assert!((0..9).all(|turn| look.mark(Mark::Working(turn)).is_ascii()));
    }

    #[test]
    fn long_text_is_cut_or_broken_at_the_width() {
        let look = Look { width: Some(34), ..Look::PLAIN };
        assert_eq!(look.cut("abcdef", 6), "abcdef");
        assert_eq!(look.cut("abcdefg", 6), "abcde…");
        assert_eq!(
            look.wrap("set one thing here and another thing there", 4),
            "set one thing here and another\n    thing there"
        );
        assert_eq!(Look::PLAIN.wrap("never broken in a file", 400), "never broken in a file");
    }

    #[test]
    fn painted_text_has_the_width_of_plain_text() {
        let look = Look { colour: true, ..Look::PLAIN };
        assert_ne!(look.paint(Tone::Bad, "no"), "no");
        assert_eq!(columns(&look.paint(Tone::Bad, "no→")), 3);
        assert_eq!(columns("節点"), 4);
    }
}
