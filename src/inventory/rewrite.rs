//! A value put in the place of another one in the text of an inventory. Everything else stays as it was written: comments,
//! order, quotes, line ends.

use std::fmt;

use super::tree::{Content, Entry, Place, Tree};

/// Why a value is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotWritten {
    pub key: String,
    /// Where a person has to write it.
    pub line: u64,
    pub why: String,
}

impl fmt::Display for NotWritten {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}: {} cannot be written: {}", self.line, self.key, self.why)
    }
}

/// Whether the file itself says this key, such as `rancher.version`; not where it is left to a default.
pub fn says(text: &str, key: &str) -> bool {
    let Ok(tree) = Tree::read(text) else { return false };
    let mut at = &tree;
    for name in key.split('.') {
        let Content::Map(entries) = &at.content else { return false };
        let Some(entry) = entries.iter().find(|entry| entry.key == name) else { return false };
        at = &entry.value;
    }
    !matches!(at.content, Content::Null)
}

/// The text with this value at this key; where the key is not there, it is put before the first one of its map.
///
/// # Errors
/// Where the value does not stand there as a word of its own: it comes by an anchor, an alias or a merge key, or spans lines.
pub fn rewrite(text: &str, key: &str, value: &str) -> Result<String, NotWritten> {
    let no = |place: Place, why: &str| NotWritten { key: key.into(), line: place.line, why: why.into() };
    let tree = Tree::read(text).map_err(|error| no(error.place, &error.message))?;
    let (above, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut at = &tree;
    for name in above.split('.').filter(|name| !name.is_empty()) {
        let found = entries(at).and_then(|all| all.iter().find(|entry| entry.key == name));
        at = &found.ok_or_else(|| no(at.place, &format!("there is no `{name}` here")))?.value;
    }
    let map = entries(at).filter(|all| !all.is_empty());
    let map = map.ok_or_else(|| no(at.place, "its map is empty here"))?;
    let written = match map.iter().find(|entry| entry.key == last) {
        Some(entry) => replaced(text, &tree, entry, value),
        None => inserted(text, &tree, &map[0], last, value),
    };
    let place = map.iter().find(|entry| entry.key == last).map_or(map[0].place, |entry| entry.place);
    let written = written.map_err(|why| no(place, why))?;
    // What was made is read again: nothing is taken on trust that lies in a person's file.
    match is_there(&written, key, value) {
        true => Ok(written),
        false => Err(no(place, "it would not be read as that")),
    }
}

fn entries(tree: &Tree) -> Option<&[Entry]> {
    match &tree.content {
        Content::Map(entries) => Some(entries),
        Content::Null | Content::Bool(..) | Content::Number(..) | Content::Text { .. } | Content::List(_) => None,
    }
}

const NOT_ITS_OWN: &str =
    "it comes by an anchor, an alias or a merge key, or not on one line with its key; write it by hand";

fn replaced(text: &str, tree: &Tree, entry: &Entry, value: &str) -> Result<String, &'static str> {
    let (key_at, value_at) = (offset(text, entry.place), offset(text, entry.value.place));
    let (Some(key_at), Some(value_at)) = (key_at, value_at) else { return Err(NOT_ITS_OWN) };
    if times(tree, entry.place) != 1 || !is_between(text.get(key_at..value_at).unwrap_or_default(), &entry.key) {
        return Err(NOT_ITS_OWN);
    }
    let there = match &entry.value.content {
        Content::Text { text, .. } | Content::Number(_, text) => text,
        Content::Null | Content::Bool(..) | Content::List(_) | Content::Map(_) => return Err(NOT_ITS_OWN),
    };
    if there.contains("${") {
        return Err("it comes from the environment; change it there");
    }
    let rest = &text[value_at..];
    for quote in ["\"", "'", ""] {
        if rest.starts_with(&format!("{quote}{there}{quote}")) {
            let behind = &rest[there.len() + 2 * quote.len()..];
            return Ok(format!("{}{quote}{value}{quote}{behind}", &text[..value_at]));
        }
    }
    Err(NOT_ITS_OWN)
}

/// `key: `, perhaps in quotes, and nothing else.
fn is_between(text: &str, key: &str) -> bool {
    let plain = text.trim_end();
    let name = plain.strip_suffix(':').map(|name| name.trim_end().trim_matches(['"', '\'']));
    name == Some(key) && plain.len() < text.len() && !text.contains('\n')
}

fn inserted(text: &str, tree: &Tree, first: &Entry, key: &str, value: &str) -> Result<String, &'static str> {
    let at = offset(text, first.place).ok_or(NOT_ITS_OWN)?;
    if times(tree, first.place) != 1 {
        return Err(NOT_ITS_OWN);
    }
    let line_at = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before = &text[line_at..at];
    if before.trim_start_matches('\u{feff}').trim().is_empty() {
        let end = if text[at..].split('\n').next().is_some_and(|line| line.ends_with('\r')) { "\r\n" } else { "\n" };
        return Ok(format!(
            "{}{key}: {value}{end}{}{}",
            &text[..at],
            before.trim_start_matches('\u{feff}'),
            &text[at..]
        ));
    }
    match before.trim_end().ends_with('{') {
        true => Ok(format!("{}{key}: {value}, {}", &text[..at], &text[at..])),
        false => Err(NOT_ITS_OWN),
    }
}

/// How many keys of the whole tree were written at this place: an alias gives what it names once more.
fn times(tree: &Tree, place: Place) -> usize {
    match &tree.content {
        Content::Map(entries) => {
            entries.iter().map(|one| usize::from(one.place == place) + times(&one.value, place)).sum()
        }
        Content::List(items) => items.iter().map(|item| times(item, place)).sum(),
        Content::Null | Content::Bool(..) | Content::Number(..) | Content::Text { .. } => 0,
    }
}

fn offset(text: &str, place: Place) -> Option<usize> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = mark;
    for _ in 1..place.line {
        at += text[at..].find('\n')? + 1;
    }
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let within = text[at..].char_indices().map(|(start, _)| start).chain([text.len() - at]).nth(column)?;
    Some(at + within)
}

fn is_there(text: &str, key: &str, value: &str) -> bool {
    let Ok(tree) = Tree::read(text) else { return false };
    let mut at = &tree;
    for name in key.split('.') {
        let Some(entry) = entries(at).and_then(|all| all.iter().find(|entry| entry.key == name)) else { return false };
        at = &entry.value;
    }
    matches!(&at.content, Content::Text { text, .. } | Content::Number(_, text) if text == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_changes_wherever_it_stands() {
        for (text, key, value, wanted) in [
            (
                "rancher: # ours\n  version: 2.11.3   # since May\n  hostname: x\n",
                "rancher.version",
                "2.11.5",
                "rancher: # ours\n  version: 2.11.5   # since May\n  hostname: x\n",
            ),
            (
                "rancher: {hostname: x, version: '2.11.3'}\r\n",
                "rancher.version",
                "2.11.5",
                "rancher: {hostname: x, version: '2.11.5'}\r\n",
            ),
            (
                "engine: {rke: {kubernetes: \"v1.31.6-rancher1-1\", x: 1}}\n",
                "engine.rke.kubernetes",
                "v1.32.2-rancher1-1",
                "engine: {rke: {kubernetes: \"v1.32.2-rancher1-1\", x: 1}}\n",
            ),
            (
                "rancher:\n  # the page\n  hostname: x\n",
                "rancher.version",
                "2.11.5",
                "rancher:\n  # the page\n  version: 2.11.5\n  hostname: x\n",
            ),
            ("rancher: { hostname: x}\n", "rancher.version", "2.11.5", "rancher: { version: 2.11.5, hostname: x}\n"),
            (
                "\u{feff}rancher:\r\n  hostname: ä\r\n  'version' : v2.11.3\r\n",
                "rancher.version",
                "2.11.5",
                "\u{feff}rancher:\r\n  hostname: ä\r\n  'version' : 2.11.5\r\n",
            ),
            ("a: 1\nrancher: {version: 2.11.3}", "rancher.version", "2.11.5", "a: 1\nrancher: {version: 2.11.5}"),
        ] {
            assert_eq!(rewrite(text, key, value).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_stands_elsewhere_is_refused_with_its_line() {
        for (text, line, why) in [
            ("x: &v 2.11.3\nrancher:\n  version: *v\n", 3, "anchor"),
            ("rancher:\n  version: &v 2.11.3\nb: *v\n", 2, "anchor"),
            ("base: &b\n  version: 2.11.3\nrancher:\n  <<: *b\n  hostname: x\n", 2, "merge key"),
            ("rancher:\n  version: >-\n    2.11.3\n", 2, "one line"),
            ("rancher:\n  version: ${RANCHER}\n", 2, "environment"),
            ("name: x\nrancher: {}\n", 2, "empty"),
            ("name: x\n", 1, "no `rancher`"),
        ] {
            let refused = rewrite(text, "rancher.version", "2.11.5").unwrap_err();
            assert_eq!(refused.line, line, "{text}: {refused}");
            assert!(refused.why.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn a_default_is_not_said() {
        let text = "rancher: {hostname: x}\ncert_manager: {chart: {version: v1.17.4}}\n";
        assert!(says(text, "cert_manager.chart.version") && says(text, "rancher.hostname"));
        assert!(!says(text, "rancher.version") && !says(text, "engine.rke.kubernetes"));
    }
}
