//! The pages that people read: the first one stays short, no link leads nowhere, and nothing that they list is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::help::COMMANDS;
use super::{cowhand, folder};

const LONGEST_FIRST_PAGE: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page, as paths from the root: `*.md` anywhere but in `target` and in hidden folders.
pub fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            match entry.file_type().unwrap().is_dir() {
                true if name.starts_with('.') || name == "target" => {}
                true => folders.push(path),
                false if name.ends_with(".md") => pages.push(path.to_str().unwrap().to_owned()),
                false => {}
            }
        }
    }
    pages.sort();
    pages
}

/// The page without what stands in fences.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// Where the links of a page lead, as they are written; inside of `code` there are none.
fn links(text: &str) -> Vec<String> {
    let outside: String = prose(text).split('`').step_by(2).collect();
    outside.split("](").skip(1).map(|after| after.split(')').next().unwrap().to_owned()).collect()
}

/// The anchors of a page's headings, made as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// What is wrong with a link of this page, if anything.
fn fault(page: &str, link: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { root().join(page) } else { root().join(page).parent().unwrap().join(path) };
    if !target.exists() {
        return Some(format!("{page}: {link} leads to no file"));
    }
    let there = || anchors(&std::fs::read_to_string(&target).unwrap_or_default()).contains(anchor);
    (!anchor.is_empty() && !there()).then(|| format!("{page}: {link} leads to no heading"))
}

#[test]
fn the_first_page_is_short_and_begins_with_the_two_commands() {
    let page = file("README.md");
    let lines = page.lines().count();
    assert!(lines <= LONGEST_FIRST_PAGE, "README.md has {lines} lines, more than {LONGEST_FIRST_PAGE}");
    let fence = page.split("```\n").nth(1).unwrap();
    let commands: Vec<&str> = fence.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(commands, ["tests/lab/try", "tests/run"]);
    assert!(commands.iter().all(|command| root().join(command).is_file()));
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    for needed in ["README.md", "inventory/README.md", "playbooks/README.md", "tests/README.md", "vagrant/README.md"] {
        assert!(pages.iter().any(|page| page == needed), "{needed} is not among {pages:?}");
    }
    let mut seen = 0;
    let mut faults = Vec::new();
    for page in &pages {
        let links = links(&file(page));
        seen += links.len();
        faults.extend(links.iter().filter_map(|link| fault(page, link)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 50, "{seen} links");
}

/// `src/tls/table.rs`, `tests/lab/story tls`: a command's own words do not count, nor does a pattern.
#[test]
fn every_file_that_a_page_names_is_there() {
    let mut seen = 0;
    let mut missing = Vec::new();
    for page in pages() {
        let text = prose(&file(&page));
        let quoted = text.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_whitespace().next());
        let ours = |path: &&str| ["src/", "tests/"].iter().any(|folder| path.starts_with(folder));
        for path in quoted.filter(ours).filter(|path| !path.contains(['*', '…']) && !path.contains("NN-")) {
            seen += 1;
            if !root().join(path).exists() {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(seen >= 30, "{seen} paths");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "# One thing: a × b\n[good](#one-thing-a--b) [`code`](x.md) `[no](link)`\n```\n# no heading, [no](link)\n```\n[b](y.md#z)\n";
    assert_eq!(links(text), ["#one-thing-a--b", "x.md", "y.md#z"]);
    assert_eq!(anchors(text), BTreeSet::from(["one-thing-a--b".to_owned()]));
    assert_eq!(fault("vagrant/README.md", "../README.md#first-steps"), None);
    assert_eq!(fault("README.md", "https://example.com"), None);
    assert!(fault("README.md", "vagrant/NONE.md").unwrap().ends_with("leads to no file"));
    assert!(fault("README.md", "vagrant/README.md#none").unwrap().ends_with("leads to no heading"));
    assert!(fault("vagrant/README.md", "#none").unwrap().ends_with("leads to no heading"));
}

#[test]
fn the_table_of_commands_has_them_all_in_the_order_of_help() {
    let page = file("README.md");
    let section = page.split("\n## Commands\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<Vec<_>>(), COMMANDS);
}

/// The keys of the inventory's schema; those of RKE's cluster.yml and of chart values are other programs'.
fn keys(schema: &serde_json::Value) -> BTreeSet<String> {
    let definitions = schema["$defs"].as_object().unwrap();
    let own = definitions.iter().filter(|(name, _)| name.starts_with("Raw")).map(|(_, definition)| definition);
    let maps = own.chain([schema]).filter_map(|definition| definition["properties"].as_object());
    maps.flat_map(|map| map.keys().cloned()).collect()
}

#[test]
fn the_page_of_the_inventory_names_every_key() {
    let schema = cowhand(folder(&[]).path(), &["schema"]);
    let keys = keys(&serde_json::from_str(&schema.out).unwrap());
    assert!(keys.len() >= 55 && keys.contains("connect_timeout"), "{keys:?}");
    let page = file("inventory/README.md");
    let section = page.split("\n## Keys\n").nth(1).unwrap().split("\n## ").next().unwrap();
    // by itself, or as a part of a path such as `tls.ca_key`
    let quoted: BTreeSet<&str> =
        section.split('`').skip(1).step_by(2).flat_map(|word| word.split(['.', ' '])).collect();
    let missing: Vec<&String> = keys.iter().filter(|key| !quoted.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "inventory/README.md does not name {missing:?}");
}

#[test]
fn the_page_of_the_tests_names_every_kind() {
    let page = file("tests/README.md");
    let entries = std::fs::read_dir(root().join("tests")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names: Vec<String> = folders.map(|folder| folder.file_name().into_string().unwrap()).collect();
    assert!(names.len() >= 12, "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !page.contains(&format!("`tests/{name}"))).collect();
    assert!(missing.is_empty(), "tests/README.md does not name {missing:?}");
}

#[test]
fn the_page_of_the_tests_names_every_story() {
    let stories = root().join("tests/lab/stories");
    let mut names: Vec<String> = std::fs::read_dir(stories)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("\nSTEPS = "))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let page = file("tests/README.md");
    let mut told: Vec<&str> =
        page.split("<!-- last-run:").skip(1).map(|after| after.split(" -->").next().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, names);
}
