//! The house holds its shape: who may look at whom, where things have their place, what is never written.
//!
//! Rules are functions from a file's path and text to complaints, so that each is tested with a planted fault below.
//! They read code without comments and strings; a rule that is about comments reads those alone.
//! What clippy can hold, clippy holds: Cargo.toml, .clippy.toml, the top of src/lib.rs.

use std::path::{Path, PathBuf};

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/planted.rs"]
mod planted;
#[path = "architecture/points.rs"]
mod points;
#[path = "architecture/source.rs"]
mod source;

use source::{Source, places};

/// From the top of the house to its door; a room may use only rooms above it. `src/lib.rs` declares the same list.
const ROOMS: [&str; 17] = [
    "failure",
    "remote",
    "inventory",
    "local",
    "cluster",
    "tls",
    "balancer",
    "facts",
    "engine",
    "backup",
    "check",
    "plan",
    "play",
    "report",
    "session",
    "commands",
    "cli",
];
const PURE: [&str; 5] = ["inventory", "tls", "balancer", "check", "plan"];
/// Pure files in rooms that touch the world elsewhere.
const PURE_FILES: [&str; 19] = [
    "src/backup/bolt.rs",
    "src/backup/database.rs",
    "src/backup/encryption.rs",
    "src/backup/keep.rs",
    "src/backup/label.rs",
    "src/backup/manifest.rs",
    "src/backup/proto.rs",
    "src/backup/prove.rs",
    "src/backup/stored.rs",
    "src/backup/together.rs",
    "src/engine/change.rs",
    "src/engine/member_rule.rs",
    "src/engine/rules.rs",
    "src/engine/rke/changes.rs",
    "src/engine/rke/cluster_yml.rs",
    "src/engine/rke/fields.rs",
    "src/engine/rke/redirect.rs",
    "src/engine/rke/state.rs",
    "src/engine/rke/stopped.rs",
];
/// Besides names that begin with a dot, and `target`, which git does not know.
const TOP_LEVEL: [&str; 9] =
    ["Cargo.toml", "Cargo.lock", "src", "inventory", "playbooks", "tests", "vagrant", "README.md", "target"];
/// The rule is about 400; this leaves room for a last test.
const LONGEST_FILE: usize = 420;
/// How often code outside tests may say that something cannot fail (`expect`, `unreachable!`), each with its reason.
const CANNOT_FAIL: usize = 12;

/// What touches the world. `IpAddr` and `include_str!` do not.
const WORLD: [&str; 29] = [
    "std::fs",
    "File::open",
    "File::create",
    "fs::read",
    "fs::write",
    "read_to_string(",
    ".exists()",
    ".is_file()",
    ".is_dir()",
    ".canonicalize()",
    "read_dir(",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "tokio::",
    "std::process",
    "Command::new",
    "std::env",
    "env::var",
    "std::thread",
    "io::stdin",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "OffsetDateTime::now",
    "facts::gather",
];

// ---- the rules

/// A room uses only rooms above it, and names them from the top, so that this rule can see them.
fn looks_up_only(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else { return Vec::new() };
    let own = ROOMS.iter().position(|it| *it == room);
    let mut complaints = Vec::new();
    for at in places(&source.code, "crate::") {
        for used in first_names(&source.code[at + "crate::".len()..]) {
            let place = ROOMS.iter().position(|it| *it == used);
            let what = match place {
                Some(_) if place <= own => continue,
                Some(_) => format!("`{room}` uses `{used}`, which is below it"),
                None => format!("`crate::{used}` is in no room"),
            };
            complaints.push(source.complaint(at, &source.code, what));
        }
    }
    // As many steps up as the module lies below the crate lead out of the room.
    let module = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let escape = "super::".repeat(module.split('/').count());
    let shipped = source.shipped();
    let escapes = places(&shipped, &escape).into_iter();
    complaints
        .extend(escapes.map(|at| source.complaint(at, &shipped, "leaves its room by `super`; say `crate::room`")));
    complaints
}

/// `a` of `a::b`, or `a` and `c` of `{a::b, c::{d, e}}`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let Some(group) = path.trim_start().strip_prefix('{') else { return vec![name(path.trim_start())] };
    let mut depth = 0;
    let mut names = vec![String::new()];
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ => names.last_mut().unwrap().push(letter),
        }
    }
    names.iter().map(|text| name(text.trim())).filter(|name: &String| !name.is_empty()).collect()
}

fn pure_rooms_touch_nothing(source: &Source) -> Vec<String> {
    let pure = source.room().is_some_and(|room| PURE.contains(&room)) || PURE_FILES.contains(&source.path.as_str());
    if !pure {
        return Vec::new();
    }
    let shipped = source.shipped();
    let found = WORLD.iter().flat_map(|word| places(&shipped, word).into_iter().map(move |at| (at, word)));
    found.map(|(at, word)| source.complaint(at, &shipped, format!("`{word}` in a pure room"))).collect()
}

fn files_are_short(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let complaint = || format!("{}: {lines} lines, more than {LONGEST_FILE}", source.path);
    (lines > LONGEST_FILE).then(complaint).into_iter().collect()
}

/// What is left over from work that was not finished, and tests that do not run: what clippy does not see of it.
fn nothing_is_left_over(source: &Source) -> Vec<String> {
    let in_code = ["#[ignore", "expect(dead_code", "#![expect("];
    let in_comments = ["FIXME", "TODO", "XXX"];
    let of = |text: &str, words: &[&str]| -> Vec<String> {
        let found = words.iter().flat_map(|word| places(text, word).into_iter().map(move |at| (at, *word)));
        found.map(|(at, word)| source.complaint(at, text, format!("`{word}`"))).collect()
    };
    [of(&source.code, &in_code), of(&source.comments, &in_comments)].concat()
}

/// Not wrong by themselves, but counted over the whole house.
fn said_to_be_impossible(source: &Source) -> Vec<String> {
    let shipped = source.shipped();
    let found = [".expect(", "unreachable!("].into_iter().flat_map(|word| places(&shipped, word));
    found.map(|at| source.complaint(at, &shipped, "says that something cannot fail")).collect()
}

/// Only `remote` quotes words for a shell; only there is state shared under a lock.
fn belongs_to_remote(source: &Source) -> Vec<String> {
    if source.room() == Some("remote") || !source.path.starts_with("src/") {
        return Vec::new();
    }
    let shipped = source.shipped();
    let mut complaints = Vec::new();
    for at in places(&shipped, "fn ") {
        let name = first_names(&shipped[at + 3..]).remove(0);
        let of_shell = name.contains("shell") && (name.contains("quote") || name.contains("escape"));
        if of_shell || name == "quote" || name.starts_with("quote_") {
            complaints.push(source.complaint(at, &shipped, format!("`{name}` quotes outside `remote`")));
        }
    }
    for word in ["Arc<Mutex", "Arc<RwLock", "Arc<tokio::sync::Mutex", "Arc<std::sync::Mutex"] {
        let found = places(&shipped, word).into_iter();
        complaints.extend(found.map(|at| source.complaint(at, &shipped, format!("`{word}` outside `remote`"))));
    }
    complaints
}

/// A new engine has to be thought of in `engine/` alone: elsewhere its questions are asked.
fn engines_are_asked(source: &Source) -> Vec<String> {
    let own = ["src/engine/", "src/inventory/"].iter().any(|room| source.path.starts_with(room));
    if own || !source.path.starts_with("src/") {
        return Vec::new();
    }
    let shipped = source.shipped();
    let found = ["Engine::Rke", "Engine::Existing"].into_iter();
    let found = found.flat_map(|word| places(&shipped, word).into_iter().map(move |at| (at, word)));
    found
        .map(|(at, word)| source.complaint(at, &shipped, format!("`{word}` outside `engine`: ask the engine")))
        .collect()
}

/// What the executor may ask of a cluster and of helm: to write, and to wait. Whatever reads is for planning and for guards,
/// so that every choice stands in a plan.
const WRITES: [&str; 11] = [
    "apply",
    "apply_secret",
    "drop_secret_keys",
    "mark",
    "unmark",
    "delete",
    "reissue",
    "wait",
    "wait_all",
    "upgrade_install",
    "uninstall",
];

/// A step's executor chooses nothing by what it found.
fn the_player_only_writes(source: &Source) -> Vec<String> {
    if source.room() != Some("play") {
        return Vec::new();
    }
    // A chain may be broken over lines.
    let shipped = source.shipped();
    let mut complaints = Vec::new();
    for receiver in ["cluster", "helm"] {
        for at in places(&shipped, receiver) {
            let rest = shipped[at + receiver.len()..].trim_start();
            let Some(call) = rest.strip_prefix('.') else { continue };
            let name = first_names(call).remove(0);
            let is_call = call.trim_start()[name.len()..].starts_with('(');
            if is_call && !WRITES.contains(&name.as_str()) {
                complaints.push(source.complaint(at, &shipped, format!("`{receiver}.{name}` reads in the executor")));
            }
        }
    }
    for word in ["crate::facts", "crate::engine::rke::state"] {
        let found = places(&shipped, word).into_iter();
        complaints.extend(found.map(|at| source.complaint(at, &shipped, format!("`{word}` in the executor"))));
    }
    complaints
}

fn names_say_something(source: &Source) -> Vec<String> {
    let empty = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
    let parts = source.path.split(['/', '.']);
    parts.filter(|part| empty.contains(part)).map(|part| format!("{}: `{part}` says nothing", source.path)).collect()
}

/// What lies at the top of the repository or in `src` has a place there.
fn has_a_place(folder: &str, name: &str) -> Option<String> {
    let placed = match folder {
        "src" => ["lib.rs", "main.rs", "README.md"].contains(&name) || ROOMS.contains(&name.trim_end_matches(".rs")),
        _ => name.starts_with('.') || TOP_LEVEL.contains(&name),
    };
    (!placed).then(|| format!("{folder}/{name} has no place in the house"))
}

/// The rooms that `src/lib.rs` declares, in its order.
fn declared(library: &Source) -> Vec<String> {
    let lines = library.code.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

// ---- the house itself

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every Rust file below `src` and `tests`, but not the packages of their own that lie in the lab.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![PathBuf::from("src"), PathBuf::from("tests")];
    while let Some(folder) = folders.pop() {
        for name in names(&root().join(&folder)) {
            let path = folder.join(&name);
            let full = root().join(&path);
            if full.is_dir() && !full.join("Cargo.toml").exists() && !full.is_symlink() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                sources.push(Source::new(path.to_str().unwrap(), &std::fs::read_to_string(full).unwrap()));
            }
        }
    }
    sources
}

type Rule = fn(&Source) -> Vec<String>;
const RULES: [Rule; 8] = [
    the_player_only_writes,
    looks_up_only,
    pure_rooms_touch_nothing,
    files_are_short,
    nothing_is_left_over,
    belongs_to_remote,
    engines_are_asked,
    names_say_something,
];

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_file_keeps_every_rule() {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == "src/report/mod.rs"), "the files were not found");
    none(sources.iter().flat_map(|source| RULES.iter().flat_map(move |rule| rule(source))).collect());
}

#[test]
fn little_is_said_to_be_impossible() {
    let said: Vec<String> = sources().iter().flat_map(said_to_be_impossible).collect();
    assert!(said.len() <= CANNOT_FAIL, "{} times, allowed {CANNOT_FAIL}\n{}", said.len(), said.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let found = circles::circles(&sources());
    none(found.iter().map(|circle| format!("in a circle: {}", circle.join(", "))).collect());
}

#[test]
fn everything_has_a_place() {
    let complaints = |folder: &str| -> Vec<String> {
        names(&root().join(folder)).iter().filter_map(|name| has_a_place(folder, name)).collect()
    };
    none([complaints("."), complaints("src")].concat());
}

#[test]
fn the_library_declares_the_rooms_in_their_order() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert_eq!(declared(&Source::new("src/lib.rs", &text)), ROOMS);
}
