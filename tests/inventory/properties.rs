//! What holds for any text.

use cowhand::inventory::schema;
use proptest::prelude::*;
use serde_json::Value;

use crate::{file, read};

/// Words that bring random text near an inventory.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "name", "nodes", "engine", "rke", "rancher", "tls", "mode", "issuer", "acme", "ssh", "jump", "cluster", "values",
            "services", "roles", "taints", "chart", "path", ": ", ":\n", "\n", "\n  ", "\n    ", "- ", "{", "}", "[", "]", ", ", "&a ",
            "*a", "<<: *a", "'", "\"", "|\n", "~", "${X}", "true", "0755", "1", "-1", "1e999", "#", "---\n", "!!binary ", "? ", "\t",
            "ä", "\u{feff}", "\u{0}", "yes", "10.0.0.1", "2.11.3", "ingress", "null",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_and_a_refusal_has_a_reason(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        if let Err(mistakes) = read(text.as_bytes()) {
            prop_assert!(!mistakes.list.is_empty());
            for mistake in &mistakes.list {
                prop_assert!(!mistake.message.is_empty() && mistake.place.line > 0 && mistake.place.column > 0);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_broken_line_in_a_good_file_never_panics(line in 0usize..90, junk in "\\PC{0,12}") {
        let text = String::from_utf8(file("inventory/full.yml")).unwrap();
        let broken: Vec<_> = text.lines().enumerate().map(|(at, old)| if at == line { junk.as_str() } else { old }).collect();
        let _ = read(broken.join("\n").as_bytes());
    }
}

/// A key of the file: its line, and its column in characters.
struct Key {
    line: usize,
    column: usize,
    name: String,
}

/// The keys of `full.yml`, except those below `values` and `labels`, where any key is allowed.
fn keys(text: &str) -> Vec<Key> {
    let known = known_names();
    let mut keys = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let content = content.split(" #").next().unwrap_or("");
        if content.trim_start().starts_with('#') {
            continue;
        }
        let free =
            content.find("values: {").or(content.find("labels: {")).map_or(usize::MAX, |at| at + "values: ".len());
        for (at, _) in content.match_indices(':') {
            let name: String = content[..at]
                .chars()
                .rev()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                .collect();
            let name: String = name.chars().rev().collect();
            if at < free
                && known.contains(&name)
                && content[at + 1..].starts_with([' ', '\n']) | (at + 1 == content.len())
            {
                keys.push(Key { line, column: at - name.len(), name });
            }
        }
    }
    keys
}

fn known_names() -> Vec<String> {
    fn collect(schema: &Value, names: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                names.extend(
                    map.get("properties")
                        .and_then(Value::as_object)
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name.clone()),
                );
                map.values().for_each(|inner| collect(inner, names));
            }
            Value::Array(items) => items.iter().for_each(|inner| collect(inner, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut names = Vec::new();
    collect(&schema(), &mut names);
    names
}

#[test]
fn every_misspelt_key_is_reported_at_its_place_with_the_right_one() {
    let text = String::from_utf8(file("inventory/full.yml")).unwrap();
    let keys = keys(&text);
    assert!(keys.len() > 70, "only {} keys found", keys.len());
    for key in keys {
        // The last letter doubled: near enough to be recognised, and no other key.
        let misspelt = format!("{}{}", key.name, key.name.chars().next_back().unwrap());
        let lines: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(line, content)| {
                if line != key.line {
                    return content.to_owned();
                }
                format!("{}{misspelt}{}", &content[..key.column], &content[key.column + key.name.len()..])
            })
            .collect();
        let mistakes = read(lines.join("\n").as_bytes()).expect_err(&misspelt);
        let [mistake] = mistakes.list.as_slice() else { panic!("{misspelt}: more than the one mistake\n{mistakes}") };
        let place = (key.line as u64 + 1, key.column as u64 + 1);
        assert_eq!((mistake.place.line, mistake.place.column), place, "{mistakes}");
        assert!(mistake.message.contains(&format!("did you mean {:?}?", key.name)), "{mistakes}");
    }
}
