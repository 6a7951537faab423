//! The rules see what was planted.

use super::*;

/// How many complaints the rule has about this text at this path.
fn count(rule: Rule, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn a_look_downward_is_seen_however_it_is_written() {
    let seen = |path, text| count(looks_up_only, path, text);
    assert_eq!(seen("src/check/mod.rs", "use crate::plan::Step;"), 1);
    assert_eq!(seen("src/check/mod.rs", "use crate::{facts::Observed, plan, report::{Look, Tone}};"), 2);
    assert_eq!(seen("src/check/a.rs", "fn a() { crate::execute::run() }"), 1);
    assert_eq!(seen("src/check/a.rs", "use crate::helpers;"), 1);
    assert_eq!(seen("src/check/mod.rs", "use super::plan::Step;"), 1);
    assert_eq!(seen("src/check/a.rs", "use super::super::plan::Step;"), 1);
    assert_eq!(seen("src/check/a/b.rs", "use super::super::super::plan::Step;"), 1);
    assert_eq!(seen("src/check/a/b.rs", "use super::super::Finding;"), 0);
    assert_eq!(seen("src/check/a.rs", "#[cfg(test)]\nmod tests { use crate::plan; }"), 1);
    assert_eq!(seen("src/plan/a.rs", "use crate::{facts, plan::Step, remote};\nuse super::Plan;"), 0);
    assert_eq!(seen("src/check/a.rs", "// crate::plan\nconst A: &str = \"crate::plan\"; /* crate::cli */"), 0);
    assert_eq!(seen("src/check/mod.rs", "#[cfg(test)]\nmod tests { use super::*; }"), 0);
}

#[test]
fn the_world_in_a_pure_room_is_seen() {
    let seen = |path, text| count(pure_rooms_touch_nothing, path, text);
    for word in WORLD {
        assert_eq!(count(pure_rooms_touch_nothing, "src/plan/rke.rs", &format!("fn a() {{ {word} }}")), 1, "{word}");
    }
    assert_eq!(seen("src/execute/rke.rs", "use std::fs;"), 0);
    assert_eq!(seen("src/inventory/model.rs", "use std::net::{IpAddr, SocketAddr};"), 0);
    assert_eq!(seen("src/tls/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { use std::fs; }"), 0);
    assert_eq!(seen("src/tls/a.rs", "#[cfg(test)]\nmod tests { fn a() {} }\nuse std::fs;"), 1);
    assert_eq!(seen("src/tls/tests.rs", "use std::fs;"), 0);
    assert_eq!(seen("src/tls/chain_tests.rs", "use std::fs;"), 0);
}

#[test]
fn what_is_left_over_is_seen() {
    let seen = |text| count(nothing_is_left_over, "src/plan/a.rs", text);
    assert_eq!(seen("fn a() { todo!() }"), 1);
    assert_eq!(seen("fn a() { dbg!(1); unimplemented!() }"), 2);
    assert_eq!(seen("#[ignore = \"slow\"]\nfn a() {}"), 1);
    assert_eq!(seen("// FIXME later\n/* TODO */"), 2);
    assert_eq!(seen("const A: &str = \"TODO dbg!\"; // my_todo!"), 0);
}

#[test]
fn what_may_end_the_process_is_seen() {
    assert_eq!(count(nothing_is_unwrapped, "src/plan/a.rs", "fn a() { b.unwrap(); panic!(\"no\") }"), 2);
    assert_eq!(count(nothing_is_unwrapped, "src/plan/a.rs", "fn a() { b.unwrap_or_default() }"), 0);
    assert_eq!(count(nothing_is_unwrapped, "tests/cli/main.rs", "fn a() { b.unwrap() }"), 0);
    assert_eq!(count(said_to_be_impossible, "src/plan/a.rs", "fn a() { b.expect(\"why\"); unreachable!() }"), 2);
    assert_eq!(
        count(said_to_be_impossible, "src/plan/a.rs", "#[cfg(test)]\nmod tests { fn a() { b.expect(\"why\") } }"),
        0
    );
}

#[test]
fn what_belongs_to_remote_is_seen_elsewhere() {
    assert_eq!(count(belongs_to_remote, "src/plan/a.rs", "fn shell_quote(word: &str) {}"), 1);
    assert_eq!(count(belongs_to_remote, "src/inventory/a.rs", "fn quoted(word: &str) {}"), 0);
    assert_eq!(count(belongs_to_remote, "src/execute/a.rs", "struct A { b: Arc<Mutex<u8>> }"), 1);
    assert_eq!(count(belongs_to_remote, "src/remote/a.rs", "fn quote() {} struct A { b: Arc<Mutex<u8>> }"), 0);
}

#[test]
fn long_files_and_empty_names_are_seen() {
    assert_eq!(count(files_are_short, "src/plan/a.rs", &"\n".repeat(LONGEST_FILE)), 0);
    assert_eq!(count(files_are_short, "src/plan/a.rs", &"\n".repeat(LONGEST_FILE + 1)), 1);
    assert_eq!(count(names_say_something, "src/plan/utils.rs", ""), 1);
    assert_eq!(count(names_say_something, "src/plan/cert_manager.rs", ""), 0);
}

#[test]
fn what_has_no_place_is_seen() {
    assert!(has_a_place(".", "scripts").is_some());
    assert!(has_a_place("src", "util.rs").is_some());
    assert_eq!(has_a_place(".", ".ci"), None);
    assert_eq!(has_a_place("src", "report"), None);
}

#[test]
fn long_functions_are_seen_and_tables_may_be_long() {
    let function = |lines: usize| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
    let long = function(LONGEST_FUNCTION + 1);
    assert_eq!(count(functions_are_short, "src/plan/a.rs", &long), 1);
    assert_eq!(count(functions_are_short, "src/plan/a.rs", &function(LONGEST_FUNCTION).repeat(2)), 0);
    assert_eq!(count(functions_are_short, "src/plan/a.rs", &format!("trait A {{ fn b(); }}\n{}", "\n".repeat(99))), 0);
    let template = format!("fn a() -> String {{\n\"{}\".into()\n}}\n", "b\n".repeat(99));
    assert_eq!(count(functions_are_short, "src/plan/a.rs", &template), 0);
    assert_eq!(count(functions_are_short, "src/plan/tests.rs", &long), 0);
    assert_eq!(count(files_are_short, LONG_TABLES[0], &"\n".repeat(LONGEST_FILE + 1)), 0);
}
