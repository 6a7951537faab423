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
    assert_eq!(seen("src/check/a.rs", "fn a() { crate::play::run() }"), 1);
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
    assert_eq!(seen("src/engine/rke/run.rs", "use std::fs;"), 0);
    assert_eq!(seen("src/engine/rke/state.rs", "use std::fs;"), 1);
    assert_eq!(seen("src/inventory/model.rs", "use std::net::{IpAddr, SocketAddr};"), 0);
    assert_eq!(seen("src/tls/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { use std::fs; }"), 0);
    assert_eq!(seen("src/tls/a.rs", "#[cfg(test)]\nmod tests { fn a() {} }\nuse std::fs;"), 1);
    assert_eq!(seen("src/tls/tests.rs", "use std::fs;"), 0);
    assert_eq!(seen("src/tls/chain_tests.rs", "use std::fs;"), 0);
}

#[test]
fn what_is_left_over_is_seen() {
    let seen = |text| count(nothing_is_left_over, "src/plan/a.rs", text);
    assert_eq!(seen("#![expect(dead_code, reason = \"later\")]\nfn a() {}"), 2);
    assert_eq!(seen("#[ignore = \"slow\"]\nfn a() {}"), 1);
    assert_eq!(seen("// FIXME later\n/* TODO */"), 2);
    assert_eq!(seen("const A: &str = \"TODO #[ignore\"; // my_todo!"), 0);
}

#[test]
fn what_is_said_to_be_impossible_is_seen() {
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
    assert_eq!(count(belongs_to_remote, "src/play/a.rs", "struct A { b: Arc<Mutex<u8>> }"), 1);
    assert_eq!(count(belongs_to_remote, "src/remote/a.rs", "fn quote() {} struct A { b: Arc<Mutex<u8>> }"), 0);
}

#[test]
fn a_choice_in_the_executor_is_seen() {
    let seen = |path, text| count(the_player_only_writes, path, text);
    assert_eq!(seen("src/play/a.rs", "fn a() { self.cluster.get(&object).await }"), 1);
    assert_eq!(seen("src/play/a.rs", "fn a() { self\n.cluster\n.secret_digest(a, b).await }"), 1);
    assert_eq!(seen("src/play/a.rs", "fn a() { let there = helm.release(run, a, b).await; }"), 1);
    assert_eq!(seen("src/play/a.rs", "use crate::facts::inhabitants;"), 1);
    assert_eq!(seen("src/play/a.rs", "fn a() { self.cluster.apply(&all, &how, tell); cluster.wait_all(&all); }"), 0);
    assert_eq!(seen("src/play/a.rs", "use crate::cluster::{Apply, Cluster};\nfn a() { StepError::cluster(name) }"), 0);
    assert_eq!(seen("src/session/guards.rs", "fn a() { reached.cluster.nodes() }"), 0);
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
fn circles_are_seen_through_modules_that_hand_names_on() {
    let seen = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        circles::circles(&sources)
    };
    let facade = ("src/plan/mod.rs", "mod a;\nmod b;\nmod make;\npub use a::{A, make};\npub use b::B;\n");
    let a = "use super::B;\npub struct A(B);\npub fn make() {}";
    let circle = vec![vec!["src/plan/a.rs".to_owned(), "src/plan/b.rs".to_owned()]];
    for b in [
        "use super::A;\npub struct B(A);",
        "use super::a::{self, A as Other};\npub struct B(Other);",
        "use crate::plan as all;\npub struct B;\nfn b() { all::make() }",
        "pub struct B;\nfn b() { crate::plan::a::make() }",
        "use crate::plan::stars::make;\npub struct B;",
    ] {
        let stars = ("src/plan/stars.rs", "pub use super::a::*;");
        let found = seen(&[facade, stars, ("src/plan/a.rs", a), ("src/plan/b.rs", b)]);
        assert_eq!(found, circle, "{b}");
    }
    for b in [
        "pub struct B;",
        "pub struct B; // use super::A;",
        "pub struct B;\n#[cfg(test)]\nmod tests { use super::super::A; }",
        "use super::a;\npub struct B;",
        "use std::A;\npub struct B;\nfn b() { A::make() }",
    ] {
        assert_eq!(seen(&[facade, ("src/plan/a.rs", a), ("src/plan/b.rs", b)]), Vec::<Vec<String>>::new(), "{b}");
    }
    // What hands on and uses as well is in it, and a longer way round is one, too.
    let uses = ("src/plan/mod.rs", "mod a;\npub use a::A;\npub struct Of(A);");
    assert_eq!(seen(&[uses, ("src/plan/a.rs", "use super::Of;\npub struct A(Of);")]).len(), 1);
    let round = [
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "use crate::c::C; pub struct B;"),
        ("src/c.rs", "use crate::a::A; pub struct C;"),
    ];
    assert_eq!(seen(&round), [["src/a.rs", "src/b.rs", "src/c.rs"]]);
}

#[test]
fn a_match_on_an_engine_outside_its_room_is_seen() {
    let text = "fn a() { match b { Engine::Rke(_) => 1, Engine::Existing(_) => 2 } }";
    assert_eq!(count(engines_are_asked, "src/session/a.rs", text), 2);
    assert_eq!(count(engines_are_asked, "src/engine/mod.rs", text), 0);
    assert_eq!(count(engines_are_asked, "src/session/a.rs", &format!("#[cfg(test)]\nmod tests {{ {text} }}")), 0);
}
