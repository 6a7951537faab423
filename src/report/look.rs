//! How text may look where it is going: colour, marks, width.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

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
        let style = style_of(tone);
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

    /// Text as this stream can show it, the last step before it is written. No control character but newlines and our
    /// own styles gets through, whatever was forgotten before; outside UTF-8 the signs cowhand itself uses get an ASCII
    /// form, others a `?`.
    pub fn letters(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(style) = self.own_style(rest) {
                shown.push_str(style);
                rest = &rest[style.len()..];
                continue;
            }
            rest = &rest[letter.len_utf8()..];
            self.letter(if letter != '\n' && steers(letter) { REPLACED } else { letter }, &mut shown);
        }
        shown
    }

    /// The style of ours that the text begins with.
    fn own_style<'a>(&self, text: &'a str) -> Option<&'a str> {
        if !self.colour || !text.starts_with('\u{1b}') {
            return None;
        }
        let styles = TONES.map(style_of);
        let mut known = styles.iter().flat_map(|style| [style.to_string(), format!("{style:#}")]);
        known.find(|style| text.starts_with(style.as_str())).map(|style| &text[..style.len()])
    }

    fn letter(&self, letter: char, into: &mut String) {
        if self.unicode {
            return into.push(letter);
        }
        match letter {
            '→' => into.push_str("->"),
            '…' => into.push_str("..."),
            '·' | '–' | '—' => into.push('-'),
            '×' => into.push('x'),
            '≥' => into.push_str(">="),
            '≤' => into.push_str("<="),
            '✓' => into.push('+'),
            '✗' => into.push('x'),
            '‘' | '’' => into.push('\''),
            '“' | '”' => into.push('"'),
            letter if letter.is_ascii() => into.push(letter),
            _ => into.push('?'),
        }
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
        let options = Options::new(room)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        textwrap::wrap(text, options).join(&format!("\n{}", " ".repeat(indent)))
    }
}

const TONES: [Tone; 5] = [Tone::Good, Tone::Bad, Tone::Careful, Tone::Dim, Tone::Strong];

fn style_of(tone: Tone) -> Style {
    match tone {
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Careful => AnsiColor::Yellow.on_default(),
        Tone::Dim => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
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

/// Stands where something was that could have steered a terminal.
const REPLACED: char = '\u{fffd}';

/// Whether a terminal does something else with it than to show it: the controls of ASCII and Latin-1 (escape sequences
/// begin with one), separators of lines, and what lets a text run the other way and so look like another one.
pub(super) fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a machine said, as it enters a text of ours: what could steer a terminal is shown as U+FFFD, so that one sees
/// that there was something; colours go without a trace. Newlines stay, tabs become a space.
pub fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = colour(rest).unwrap_or_else(|| {
            match letter {
                '\t' => clean.push(' '),
                '\r' if rest.starts_with("\r\n") => {}
                '\n' => clean.push('\n'),
                letter if steers(letter) => clean.push(REPLACED),
                plain => clean.push(plain),
            }
            letter.len_utf8()
        });
        rest = &rest[length..];
    }
    clean
}

/// As [`printable`], in one line: for a cell, a name, the middle of a sentence.
pub fn one_line(text: &str) -> String {
    printable(text.trim_end()).replace('\n', " ")
}

/// The length of the colour that the text begins with: `ESC [`, digits and `;`, `m`.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    numbers[end..].starts_with('m').then_some(2 + end + 1)
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
