//! Values of cluster.yml that lie in files of their own: secrets, and somebody's addons.

use std::path::Path;

use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use crate::inventory::{FileKey, Inventory, Rke, Values, put};

/// No value of a cluster.yml comes near this.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Key and reason of each that cannot be used.
pub fn unfit(inventory: &Inventory) -> Vec<(String, String)> {
    let one = |given: &FileKey| {
        let why = value(given).err()?;
        Some((format!("engine.rke.files.{}", given.key), why))
    };
    given(inventory).iter().filter_map(one).collect()
}

/// All of them, with their values.
///
/// # Errors
/// The first key that has none, and why.
pub fn read(inventory: &Inventory) -> Result<Vec<(String, Value)>, String> {
    let one = |given: &FileKey| match value(given) {
        Ok(value) => Ok((given.key.clone(), value)),
        Err(why) => Err(format!("engine.rke.files.{}: {why}", given.key)),
    };
    given(inventory).iter().map(one).collect()
}

fn given(inventory: &Inventory) -> &[FileKey] {
    inventory.engine.rke_settings().map_or(&[], |rke| &rke.files)
}

/// The keys alone.
pub fn keys(rke: &Rke) -> Vec<String> {
    rke.files.iter().map(|one| one.key.clone()).collect()
}

/// A cluster.yml to show, with the file in the place of each value.
pub fn named(config: &Values, files: &[FileKey]) -> Values {
    let mut shown = config.clone();
    for one in files {
        // The inventory's rules have tried whether the key leads somewhere.
        let _ = put(&mut shown, &one.key, Value::from(format!("(in {})", one.file.display())));
    }
    shown
}

/// The text without its last line end; a file whose name ends in .json holds a map or a list.
fn value(given: &FileKey) -> Result<Value, String> {
    let file = given.file.display();
    let bytes = bytes(&given.file).map_err(|error| format!("{file} cannot be read: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{file} is not UTF-8"))?;
    if given.file.extension().is_some_and(|extension| extension == "json") {
        // Its message may repeat what stands there.
        return serde_json::from_str(text).map_err(|_| format!("{file} is not JSON"));
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() { Err(format!("{file} is empty")) } else { Ok(Value::from(text)) }
}

fn bytes(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(std::io::Error::other("it is not a regular file of at most 4 MiB"));
    }
    std::fs::read(path).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Engine;
    use crate::session::project::Project;

    #[test]
    fn texts_and_maps_come_out_and_what_cannot_be_read_is_named_without_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::of_test(folder.path());
        let mut with = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let Engine::Rke(rke) = &mut project.inventory.engine else { panic!("{:?}", project.inventory.engine) };
            rke.files = vec![FileKey { key: "a.b".into(), file }];
            let unfit = unfit(&project.inventory);
            let read = read(&project.inventory);
            assert_eq!(unfit.is_empty(), read.is_ok());
            read.map(|mut all| all.remove(0).1)
        };
        assert_eq!(with("text", "CANARY\n\n").unwrap(), "CANARY\n");
        assert_eq!(with("map.json", "{\"a\": 1}\n").unwrap(), serde_json::json!({"a": 1}));
        for (name, text, part) in [("no.json", "{CANARY", "is not JSON"), ("empty", "\n", "is empty")] {
            let why = with(name, text).unwrap_err();
            assert!(
                why.starts_with("engine.rke.files.a.b: ") && why.ends_with(part) && !why.contains("CANARY"),
                "{why}"
            );
        }
    }
}
