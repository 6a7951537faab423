//! Lays out what is in a backup as the workspace that it came from, with etcd's snapshot beside it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::archive::Archive;
use super::flaw::{Flaw, Level};
use super::label::{LENGTH, Label};
use super::manifest::{Entry, MANIFEST, Manifest};
use super::seal::Keys;

/// What was laid out, and where.
pub struct Extracted {
    pub manifest: Manifest,
    pub files: Vec<PathBuf>,
}

/// Into a folder that is not there yet, for its owner alone. Every hash is looked at before the first file is written.
///
/// # Errors
/// Of levels 0 and 1; or when something cannot be written.
pub fn extract(path: &Path, keys: &Keys, folder: &Path) -> Result<Extracted, Flaw> {
    let mut file = File::open(path).map_err(Flaw::reading(Level::There, "it"))?;
    Label::read(&file)?;
    file.seek(SeekFrom::Start(LENGTH as u64)).map_err(Flaw::reading(Level::There, "it"))?;
    let mut archive = Archive::open(keys.open(file)?)?;
    archive.hashes()?;
    let manifest = archive.manifest.clone();
    make(folder)?;
    let mut files = Vec::new();
    let names = archive.places.iter().map(|place| place.name.clone()).collect::<Vec<_>>();
    for name in names {
        let place = folder.join(place_of(&name, manifest.entry(&name)));
        if let Some(parent) = place.parent().filter(|parent| *parent != folder) {
            make(parent)?;
        }
        let Some((mut region, _)) = archive.region(&name) else { continue };
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place);
        let written = written.and_then(|mut to| std::io::copy(&mut region, &mut to).and_then(|_| to.sync_all()));
        written.map_err(|error| unwritten(&place, &error))?;
        files.push(place);
    }
    Ok(Extracted { manifest, files })
}

/// Where it lay, if that was inside of the workspace; else under its name in the backup, with the name that it had.
fn place_of(name: &str, entry: Option<&Entry>) -> PathBuf {
    let path = entry.and_then(|entry| entry.path.as_deref()).map(Path::new);
    let inside = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    match path {
        Some(path) if inside(&path) => path.to_owned(),
        Some(path) => {
            let last = path.file_name().map(|last| format!("-{}", last.to_string_lossy())).unwrap_or_default();
            PathBuf::from(format!("{name}{last}"))
        }
        None if name == MANIFEST => PathBuf::from(name),
        // Names in a tar stream are nobody's to trust.
        None if inside(&Path::new(name)) => PathBuf::from(name),
        None => PathBuf::from(name.replace(['/', '.'], "-")),
    }
}

fn make(folder: &Path) -> Result<(), Flaw> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unwritten(folder, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Flaw {
    Flaw::new(Level::There, format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::archive::{SNAPSHOT, STATE};
    use super::super::sample::{Harm, Sample, keys, made};
    use super::*;

    fn entry(path: &str) -> Entry {
        let name = "files/01".to_owned();
        Entry { name, what: String::new(), path: Some(path.into()), length: 0, sha256: String::new() }
    }

    #[test]
    fn files_lie_where_they_lay_and_never_outside() {
        let place = |path: &str| place_of("files/01", Some(&entry(path))).display().to_string();
        assert_eq!(place("secrets/ca-key.pem"), "secrets/ca-key.pem");
        assert_eq!(place("/etc/ssl/key.pem"), "files/01-key.pem");
        assert_eq!(place("../../root/.ssh/authorized_keys"), "files/01-authorized_keys");
        assert_eq!(place_of("../x", None).display().to_string(), "---x");
    }

    #[test]
    fn all_of_it_comes_out_for_its_owner_alone_and_nothing_of_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let (key, recipients) = keys();
        let path = made(folder.path(), Sample::default(), &Harm::None, &recipients);
        let out = folder.path().join("out");
        let extracted = extract(&path, &key, &out).unwrap();
        assert_eq!(extracted.files.len(), 3);
        for name in [MANIFEST, SNAPSHOT, STATE] {
            assert_eq!(std::fs::metadata(out.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(extract(&path, &key, &out).is_err(), "never over what is there");
        let harm = Harm::Entries(|entries| entries[2].1[9] ^= 1);
        let path = made(folder.path(), Sample::default(), &harm, &recipients);
        assert!(extract(&path, &key, &folder.path().join("none")).is_err());
        assert!(!folder.path().join("none").exists());
    }
}
