//! Looks at a backup that lies somewhere: without a key as far as level 0, with one as far as it goes; and opens one for who
//! needs what is in it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use secrecy::zeroize::Zeroizing;
use serde::Serialize;

use super::archive::{self, Archive, SNAPSHOT, STATE};
use super::database::Contents;
use super::flaw::{Flaw, Level};
use super::label::{LENGTH, Label};
use super::manifest::{Entry, Manifest};
use super::prove::{Questions, prove};
use super::seal::Keys;
use super::spool::{Spool, Spooled};
use super::together::Proof;

/// What a look found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verified {
    /// The level that is proved now; `None` when not even level 0 is.
    pub level: Option<Level>,
    pub label: Option<Label>,
    /// With a key only.
    pub manifest: Option<Manifest>,
    pub proofs: Vec<Proof>,
    /// What keeps it from the next level; `None` when it is as far as can be, or as far as was asked.
    pub flaw: Option<Flaw>,
}

/// Proves a file from level 0 up.
pub fn verify(path: &Path, keys: Option<&Keys>) -> Verified {
    let mut found = Verified::default();
    found.flaw = look(path, keys, &mut found).err();
    found
}

/// Small entries, whole in memory.
type Parts = Vec<(Entry, Zeroizing<Vec<u8>>)>;

/// What is in a backup that reaches level 3. The snapshot lies sealed for a key that only this process has.
pub struct OpenBackup {
    pub label: Label,
    pub manifest: Manifest,
    pub contents: Contents,
    /// Everything but the snapshot.
    pub parts: Parts,
    pub snapshot: Spooled,
}

impl OpenBackup {
    /// Proves a file up to level 3, and gives what is in it.
    ///
    /// # Errors
    /// With the level that it does not reach.
    pub fn open(path: &Path, keys: &Keys) -> Result<OpenBackup, Flaw> {
        let inside = look(path, Some(keys), &mut Verified::default())?;
        inside.ok_or_else(|| Flaw::new(Level::Whole, "it was not opened"))
    }

    /// A part by its name in the backup.
    pub fn part(&self, name: &str) -> Option<&[u8]> {
        self.parts.iter().find(|(entry, _)| entry.name == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// RKE's state.
    pub fn state(&self) -> &str {
        self.part(STATE).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

fn look(path: &Path, keys: Option<&Keys>, found: &mut Verified) -> Result<Option<OpenBackup>, Flaw> {
    let there = || Flaw::reading(Level::There, "it");
    crate::remote::refuse_irregular(path).map_err(there())?;
    let mut file = File::open(path).map_err(there())?;
    let label = found.label.insert(Label::read(&file)?).clone();
    let (length, sha256) = archive::outer_hash(&mut file).map_err(there())?;
    if length != label.length {
        let word = if length < label.length { "it is cut off" } else { "something was added to it" };
        return Err(Flaw::new(Level::There, format!("{word}: {length} bytes of {}", label.length)));
    }
    if sha256 != label.sha256 {
        return Err(Flaw::new(Level::There, "it was changed: its hash is not the one in its label"));
    }
    found.level = Some(Level::There);
    let Some(keys) = keys else { return Ok(None) };
    file.seek(SeekFrom::Start(LENGTH as u64)).map_err(there())?;
    let mut archive = Archive::open(keys.open(file)?)?;
    let manifest = found.manifest.insert(archive.manifest.clone()).clone();
    agree(&label, &manifest)?;
    archive.hashes()?;
    let parts = parts(&mut archive)?;
    let state = parts.iter().find(|(entry, _)| entry.name == STATE).map(|(_, bytes)| bytes.as_slice());
    let whole = || Flaw::new(Level::Whole, "there is no snapshot of etcd in it");
    let (mut sealed, length) = archive.region(SNAPSHOT).ok_or_else(whole)?;
    let mut spooled = spool(path, &mut sealed).map_err(Flaw::reading(Level::Whole, SNAPSHOT))?;
    let snapshot = spooled.open().map_err(Flaw::reading(Level::Whole, SNAPSHOT))?;
    let questions =
        Questions { state, uid: &manifest.uid, kubernetes: &manifest.versions.kubernetes, last_revision: None };
    let proved = prove(snapshot, length, &questions);
    (found.level, found.proofs) = (Some(proved.level), proved.proofs);
    let contents = proved.contents.unwrap_or_default();
    if found.level >= Some(Level::Readable) && contents.revision != manifest.source.revision {
        found.level = Some(Level::Whole);
        let why = format!("its revision is {}, the manifest says {}", contents.revision, manifest.source.revision);
        return Err(Flaw::new(Level::Readable, why));
    }
    let inside = OpenBackup { label, manifest, contents, parts, snapshot: spooled };
    proved.flaw.map_or(Ok(Some(inside)), Err)
}

fn parts(archive: &mut Archive<impl Read + Seek>) -> Result<Parts, Flaw> {
    let small = archive.manifest.entries.clone().into_iter().filter(|entry| entry.name != SNAPSHOT);
    let mut parts = Vec::new();
    for entry in small {
        if let Some(bytes) = archive.part(&entry.name)? {
            parts.push((entry, bytes));
        }
    }
    Ok(parts)
}

/// age decrypts 64 KiB for each page that is read out of order: it is decrypted once, and lies under another key meanwhile.
fn spool(path: &Path, sealed: &mut impl Read) -> std::io::Result<Spooled> {
    let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut spool = Spool::in_folder(beside).or_else(|_| Spool::in_folder(&std::env::temp_dir()))?;
    let mut piece = vec![0; 256 * 1024];
    loop {
        match sealed.read(&mut piece)? {
            0 => return spool.finish(),
            read => spool.write(&piece[..read])?,
        }
    }
}

/// The label is not sealed, so it may say nothing that the manifest does not say.
fn agree(label: &Label, manifest: &Manifest) -> Result<(), Flaw> {
    let said = Label { length: label.length, sha256: label.sha256.clone(), ..manifest.label() };
    match *label == said {
        true => Ok(()),
        false => Err(Flaw::new(Level::Whole, "its label is not the one that it was sealed with")),
    }
}
