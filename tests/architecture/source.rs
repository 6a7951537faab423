//! A Rust file taken apart into code, comments and the rest, without understanding more of it.

use super::ROOMS;

/// One Rust file, taken apart.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
    /// The text with comments, strings and character literals blanked out, lines kept.
    pub code: String,
    /// The text with everything but comments blanked out.
    pub comments: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let (code, comments) = take_apart(text);
        Source { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    /// The room, for files of a room.
    pub fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?.trim_end_matches(".rs");
        ROOMS.contains(&first).then_some(first)
    }

    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        !self.path.starts_with("src/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.path.contains("/tests/")
    }

    /// Code that is shipped: without `#[cfg(test)]` items.
    pub fn shipped(&self) -> String {
        if self.is_test() { String::new() } else { without_tests(&self.code) }
    }

    pub fn complaint(&self, at: usize, text: &str, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.path, text[..at].matches('\n').count() + 1)
    }
}

/// Where the word stands in the text as a whole word: not as a part of a longer name.
pub fn places(text: &str, word: &str) -> Vec<usize> {
    let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let joins_before = word.starts_with(part_of_name);
    let joins_after = word.ends_with(part_of_name);
    let whole = |at: &usize| {
        let (before, after) = (&text[..*at], &text[at + word.len()..]);
        !(joins_before && before.ends_with(part_of_name) || joins_after && after.starts_with(part_of_name))
    };
    text.match_indices(word).map(|(at, _)| at).filter(whole).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Code and comments, each as long as the text in lines, the rest blanked out.
pub fn take_apart(text: &str) -> (String, String) {
    let letters: Vec<char> = text.chars().collect();
    let mut kinds = vec![Kind::Code; letters.len()];
    let mut at = 0;
    while at < letters.len() {
        let (kind, end) = piece(&letters, at);
        kinds[at..end].fill(kind);
        at = end;
    }
    let only = |wanted: Kind| {
        let keep = |(letter, kind): (&char, &Kind)| if *kind == wanted || *letter == '\n' { *letter } else { ' ' };
        letters.iter().zip(&kinds).map(keep).collect::<String>()
    };
    (only(Kind::Code), only(Kind::Comment))
}

/// What begins here, and where it ends.
fn piece(letters: &[char], at: usize) -> (Kind, usize) {
    let next = |offset: usize| letters.get(at + offset).copied().unwrap_or('\0');
    let name_before = at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_');
    match letters[at] {
        '/' if next(1) == '/' => (Kind::Comment, find(letters, at, |it| it[0] == '\n')),
        '/' if next(1) == '*' => (Kind::Comment, block_comment(letters, at)),
        '"' => (Kind::Literal, quoted(letters, at, '"')),
        '\'' if next(1) == '\\' || next(2) == '\'' => (Kind::Literal, quoted(letters, at, '\'')),
        'r' | 'b' | 'c' if !name_before => {
            raw_string(letters, at).map_or((Kind::Code, at + 1), |end| (Kind::Literal, end))
        }
        _ => (Kind::Code, at + 1),
    }
}

fn find(letters: &[char], from: usize, ends: impl Fn(&[char]) -> bool) -> usize {
    (from..letters.len()).find(|at| ends(&letters[*at..])).unwrap_or(letters.len())
}

fn block_comment(letters: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at + 1 < letters.len() {
        match (letters[at], letters[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    letters.len()
}

fn quoted(letters: &[char], from: usize, mark: char) -> usize {
    let mut at = from + 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            letter if letter == mark => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`; `None` for a name that begins with such a letter.
fn raw_string(letters: &[char], from: usize) -> Option<usize> {
    let raw = from + usize::from(letters[from] != 'r');
    if letters.get(raw) != Some(&'r') {
        return None;
    }
    let hashes = letters[raw + 1..].iter().take_while(|letter| **letter == '#').count();
    let open = raw + 1 + hashes;
    if letters.get(open) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    Some((find(letters, open + 1, |rest| rest.starts_with(&close)) + close.len()).min(letters.len()))
}

/// Blanks out each item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut result = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let item = &rest[start + MARK.len()..];
        let mut depth = 0;
        let ends = |letter: char| match letter {
            '{' => {
                depth += 1;
                false
            }
            '}' => {
                depth -= 1;
                depth == 0
            }
            ';' => depth == 0,
            _ => false,
        };
        let length = item.find(ends).map_or(item.len(), |last| last + 1);
        let end = start + MARK.len() + length;
        result.push_str(&rest[..start]);
        result.extend(rest[start..end].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    result + rest
}

#[test]
fn comments_strings_and_lifetimes_are_told_apart() {
    let text = "a<'b>('\"', '\\'', \"c // d\", r#\"e \" f\"#, br\"g\") /* h /* i */ j */ k // l\nm";
    let (code, comments) = take_apart(text);
    assert_eq!(code.split_whitespace().collect::<String>(), "a<'b>(,,,,)km");
    assert_eq!(comments.split_whitespace().collect::<String>(), "/*h/*i*/j*///l");
    assert_eq!((code.lines().count(), comments.lines().count()), (2, 2));
}
