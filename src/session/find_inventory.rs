//! Which file is the inventory when nobody says it.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};
use crate::remote::read_regular;
use crate::session::load::LARGEST;

/// Top-level keys by which an inventory is told from any other YAML file, also when it is full of mistakes.
const KEYS: [&str; 3] = ["nodes", "rancher", "engine"];

/// The one `*.yml` or `*.yaml` file in the folder that looks like an inventory.
///
/// rke's own files are none. None or several: a usage error that lists what was seen.
pub fn find_inventory(folder: &Path) -> Result<PathBuf, Failure> {
    let files = yaml_files(folder).map_err(|error| {
        Failure::with_cause(Exit::Usage, "the current folder cannot be read", &error)
            .hint("name the inventory with -i FILE")
    })?;
    let (mut found, mut others, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for path in &files {
        match read_regular(path, LARGEST) {
            Ok(bytes) if looks_like_one(&String::from_utf8_lossy(&bytes)) => found.push(path),
            Ok(_) => others.push(path),
            Err(error) => unread.push(format!("{} cannot be read: {error}", list(&[path]))),
        }
    }
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(none(&others, unread)),
        several => Err(Failure::new(Exit::Usage, format!("{} inventories are in the current folder", several.len()))
            .because(list(several))
            .hint("name one of them with -i FILE")),
    }
}

fn none(others: &[&PathBuf], unread: Vec<String>) -> Failure {
    let failure = Failure::new(Exit::Usage, "no inventory is in the current folder");
    let failure = match others {
        [] if unread.is_empty() => failure.because("it holds no *.yml or *.yaml file"),
        [] => failure,
        some => failure.because(format!(
            "no top-level key {} in\n{}",
            KEYS.map(|key| format!("`{key}`")).join(", "),
            list(some)
        )),
    };
    let failure = unread.into_iter().fold(failure, Failure::because);
    failure.hint("name it with -i FILE, or let `cowhand init --help` show how to write one")
}

fn list(files: &[&PathBuf]) -> String {
    let names: Vec<String> =
        files.iter().filter_map(|path| path.file_name()).map(|name| name.display().to_string()).collect();
    names.join("\n")
}

/// Sorted by name, as paths that are short when the folder is the current one.
fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if yaml && !name.starts_with('.') && !is_of_rke(&name) && (path.is_file() || path.is_dir()) {
            files.push(path.strip_prefix(".").unwrap_or(&path).to_owned());
        }
    }
    files.sort();
    Ok(files)
}

/// `cluster.yml` has a top-level `nodes` as well, and both are written by cowhand next to the inventory.
fn is_of_rke(name: &str) -> bool {
    name.starts_with("cluster.") || name.starts_with("kube_config")
}

fn looks_like_one(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').lines().any(|line| {
        let key = line.split_once(':').map(|(key, _)| key.trim_end().trim_matches(['"', '\'']));
        key.is_some_and(|key| KEYS.contains(&key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const RKE: (&str, &str) = ("cluster.yml", "nodes:\n- address: 10.0.0.1\n");

    #[test]
    fn the_one_inventory_is_found_among_other_files() {
        let folder = folder(&[
            RKE,
            ("kube_config_cluster.yml", "nodes: []"),
            ("values.yaml", "tls:\n  nodes: 1\n"),
            ("notes.txt", "nodes:"),
            ("ha.yaml", "\u{feff}name: prod\r\nengine :\r\n"),
        ]);
        assert_eq!(find_inventory(folder.path()).unwrap(), folder.path().join("ha.yaml"));
    }

    #[test]
    fn none_says_what_was_seen() {
        let failure = find_inventory(folder(&[RKE, ("values.yaml", "a: 1")]).path()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.because, ["no top-level key `nodes`, `rancher`, `engine` in\nvalues.yaml"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_apart_from_what_is_no_inventory() {
        let folder = folder(&[("values.yaml", "a: 1")]);
        std::fs::create_dir(folder.path().join("x.yml")).unwrap();
        let because = find_inventory(folder.path()).unwrap_err().because;
        assert_eq!(because.len(), 2, "{because:?}");
        assert!(because[0].ends_with("in\nvalues.yaml"), "{because:?}");
        assert!(because[1].starts_with("x.yml cannot be read: it is a directory, not a regular file"), "{because:?}");
        std::fs::remove_file(folder.path().join("values.yaml")).unwrap();
        assert_eq!(find_inventory(folder.path()).unwrap_err().because.len(), 1);
        std::fs::write(folder.path().join("ha.yml"), "nodes: []").unwrap();
        assert_eq!(find_inventory(folder.path()).unwrap(), folder.path().join("ha.yml"));
    }

    #[test]
    fn several_are_listed() {
        let failure = find_inventory(folder(&[("b.yml", "nodes: []"), ("a.yml", "'rancher': {}")]).path()).unwrap_err();
        assert_eq!((failure.exit, failure.because), (Exit::Usage, vec!["a.yml\nb.yml".to_owned()]));
    }
}
