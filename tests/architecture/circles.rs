//! Which files use each other in a circle, by the names that they take from each other.
//!
//! A name is followed to the file that defines it, through `pub use` of the modules between; a module that only hands names on uses nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, places};

type Module = Vec<String>;

/// `a::b as c` of a `use`: the path, and the name that it has here.
struct Taken {
    path: Vec<String>,
    name: String,
    handed_on: bool,
}

/// One file as a module.
struct File {
    path: String,
    uses: Vec<Taken>,
    /// Its code without `use`.
    body: String,
    defines: BTreeSet<String>,
}

struct House {
    files: BTreeMap<Module, File>,
}

/// What a path leads to.
enum Target {
    Item(Module),
    Module(Module),
}

/// Each circle once, its files in order of their names.
pub fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let house = House::new(sources);
    let edges: BTreeMap<&Module, BTreeSet<Module>> =
        house.files.iter().map(|(module, file)| (module, house.used_by(module, file))).collect();
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = edges.keys().map(|from| (*from, reached(from, &edges))).collect();
    let mut found = BTreeSet::new();
    for (from, there) in &reach {
        let back = there.iter().filter(|to| reach[**to].contains(from));
        let circle: BTreeSet<String> = back.map(|module| house.files[*module].path.clone()).collect();
        if circle.len() > 1 {
            found.insert(circle.into_iter().collect());
        }
    }
    found.into_iter().collect()
}

/// Every module that can be got to from this one, and it itself when there is a way back.
fn reached<'a>(from: &Module, edges: &'a BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut rest: Vec<&Module> = edges[from].iter().collect();
    while let Some(module) = rest.pop() {
        if found.insert(module) {
            rest.extend(&edges[module]);
        }
    }
    found
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`; the door and files of tests are none.
fn module(source: &Source) -> Option<Module> {
    let inside = source.path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    (!source.is_test() && inside != "main")
        .then(|| inside.split('/').filter(|part| *part != "lib").map(str::to_owned).collect())
}

impl House {
    fn new(sources: &[Source]) -> House {
        let of = |source: &Source| module(source).map(|module| (module, File::new(source)));
        House { files: sources.iter().filter_map(of).collect() }
    }

    fn child(&self, module: &Module, name: &str) -> Option<Module> {
        let child: Module = module.iter().cloned().chain([name.to_owned()]).collect();
        self.files.contains_key(&child).then_some(child)
    }

    /// The files whose names this one uses.
    fn used_by(&self, module: &Module, file: &File) -> BTreeSet<Module> {
        let unused = |name: &str| name == "*" || places(&file.body, name).is_empty();
        let handed_on = |taken: &&Taken| taken.handed_on && unused(&taken.name);
        let taken = file.uses.iter().filter(|taken| !handed_on(taken)).map(|taken| taken.path.clone());
        let mut used = BTreeSet::new();
        for path in taken.chain(paths(&file.body)) {
            match self.lead(module, &path, 0) {
                Some(Target::Item(there)) => used.insert(there),
                // `use super::*`; a module by its name is used where one of its names is.
                Some(Target::Module(there)) if path.last().is_some_and(|last| last == "*") => used.insert(there),
                Some(Target::Module(_)) | None => false,
            };
        }
        used.remove(module);
        used
    }

    /// Where a path that stands in this module leads to; `None` for what is not of this crate.
    fn lead(&self, module: &Module, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        if depth > 20 {
            return None;
        }
        let supers = path.iter().take_while(|part| *part == "super").count();
        match first.as_str() {
            "crate" => self.descend(Vec::new(), rest, depth),
            "self" => self.descend(module.clone(), rest, depth),
            "super" => self.descend(module[..module.len().checked_sub(supers)?].to_vec(), &path[supers..], depth),
            name => {
                if let Some(child) = self.child(module, name) {
                    return self.descend(child, rest, depth);
                }
                let file = &self.files[module];
                if file.defines.contains(name) {
                    return Some(Target::Item(module.clone()));
                }
                let taken = file.uses.iter().find(|taken| taken.name == name && taken.path.len() > 1)?;
                self.lead(module, &[&taken.path, rest].concat(), depth + 1)
            }
        }
    }

    /// The rest of a path, from a module on.
    fn descend(&self, module: Module, path: &[String], depth: usize) -> Option<Target> {
        let Some((name, rest)) = path.split_first() else { return Some(Target::Module(module)) };
        if let Some(child) = self.child(&module, name) {
            return self.descend(child, rest, depth);
        }
        if name == "*" {
            return Some(Target::Module(module));
        }
        let file = self.files.get(&module)?;
        if let Some(taken) = file.uses.iter().find(|taken| taken.name == *name && !file.defines.contains(name)) {
            return self.lead(&module, &[&taken.path, rest].concat(), depth + 1);
        }
        let behind_star = file.uses.iter().filter(|taken| taken.name == "*" && !file.defines.contains(name));
        let modules = behind_star.filter_map(|taken| match self.lead(&module, &taken.path, depth + 1)? {
            Target::Module(there) => self.files.get(&there).map(|file| (there, file)),
            Target::Item(_) => None,
        });
        let has = |file: &File| file.defines.contains(name) || file.uses.iter().any(|taken| taken.name == *name);
        match modules.into_iter().find(|(_, file)| has(file)) {
            Some((there, _)) => self.descend(there, path, depth + 1),
            None => Some(Target::Item(module)),
        }
    }
}

impl File {
    fn new(source: &Source) -> File {
        let mut body = source.shipped();
        let mut uses = Vec::new();
        let mut blank_out = |at: usize, end: &[char]| {
            let end = body[at..].find(end).map_or(body.len(), |length| at + length);
            let before = body[..at].trim_end();
            let handed_on = before.ends_with("pub") || before.ends_with(')');
            let statement = body[at..end].to_owned();
            body.replace_range(at..end, &" ".repeat(end - at));
            (statement, handed_on)
        };
        for at in places(&source.shipped(), "use ") {
            let (statement, handed_on) = blank_out(at, &[';']);
            uses.extend(taken(&statement["use ".len()..], handed_on));
        }
        for at in places(&source.shipped(), "mod ") {
            blank_out(at, &[';', '{']);
        }
        File { path: source.path.clone(), uses, defines: defined(&body), body }
    }
}

/// A `use` without its braces: every name by its own path.
fn taken(tree: &str, handed_on: bool) -> Vec<Taken> {
    let tree = tree.trim();
    if let Some(group) = tree.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let mut depth = 0;
        let parts = group.split(|letter: char| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ',' && depth == 0
        });
        return parts.filter(|part| !part.trim().is_empty()).flat_map(|part| taken(part, handed_on)).collect();
    }
    if let Some((first, rest)) = tree.split_once("::") {
        let first = first.trim();
        return taken(rest, handed_on).into_iter().map(|one| one.below(first)).collect();
    }
    let (last, name) = tree.split_once(" as ").unwrap_or((tree, tree));
    vec![Taken { path: vec![last.trim().to_owned()], name: name.trim().to_owned(), handed_on }]
}

impl Taken {
    /// The same with a part before it; `a::{self}` is `a`.
    fn below(mut self, first: &str) -> Taken {
        if self.path == ["self"] {
            self.path.clear();
            self.name = if self.name == "self" { first.to_owned() } else { self.name };
        }
        self.path.insert(0, first.to_owned());
        self
    }
}

/// What the file defines outside of any braces.
fn defined(body: &str) -> BTreeSet<String> {
    let mut depth = 0;
    let outside = |letter: char| {
        depth += i32::from(letter == '{');
        let shown = if depth == 0 || letter == '\n' { letter } else { ' ' };
        depth -= i32::from(letter == '}');
        shown
    };
    let flat: String = body.chars().map(outside).collect();
    let words: Vec<&str> =
        flat.split(|letter: char| !is_name(letter) && letter != '!').filter(|it| !it.is_empty()).collect();
    let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules!"];
    words.windows(2).filter(|pair| kinds.contains(&pair[0])).map(|pair| pair[1].to_owned()).collect()
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Every path of two names or more, `a::b` of `a::b::<C>` too.
fn paths(body: &str) -> Vec<Vec<String>> {
    let parts = body.split(|letter: char| !is_name(letter) && letter != ':');
    let path =
        |text: &str| -> Vec<String> { text.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect() };
    let outer = |text: &&str| !text.starts_with("::") && text.contains("::");
    parts.filter(outer).map(path).filter(|path| path.len() > 1).collect()
}
