//! The tar stream inside of a backup, and the sealed file around it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

use super::flaw::{Flaw, Level};
use super::label::{LENGTH, Label};
use super::manifest::{Entry, MANIFEST, Manifest};
use super::seal::Recipients;
use super::spool::{Region, Spooled};

/// etcd's snapshot with its hash behind it, as `etcdctl snapshot save` writes it.
pub const SNAPSHOT: &str = "etcd-snapshot.db";
pub const STATE: &str = "cluster.rkestate";
/// No manifest comes near this (bytes).
const LARGEST_MANIFEST: u64 = 16 << 20;

/// A small entry, whole in memory.
pub struct Part {
    /// Its name in the tar stream.
    pub name: String,
    /// What it is: a key of the inventory, or a file of the workspace.
    pub what: String,
    /// Where it lay.
    pub path: Option<String>,
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Part {
    pub fn entry(&self) -> Entry {
        Entry {
            name: self.name.clone(),
            what: self.what.clone(),
            path: self.path.clone(),
            length: self.bytes.len() as u64,
            sha256: HEXLOWER.encode(&Sha256::digest(&*self.bytes)),
        }
    }
}

/// Writes a whole backup: label, age, tar; the manifest first, then the snapshot, then the parts in the manifest's order.
/// `told` hears how many bytes of the snapshot are sealed.
pub fn write(
    mut file: &mut File,
    manifest: &Manifest,
    snapshot: &mut Spooled,
    parts: &[Part],
    recipients: &Recipients,
    told: impl FnMut(u64),
) -> Result<Label, Flaw> {
    let unwritten = |error: std::io::Error| Flaw::new(Level::There, format!("it cannot be written: {error}"));
    let mut label = manifest.label();
    // Its length and hash are known at the end only.
    file.write_all(&label.bytes()?).map_err(unwritten)?;
    let sealed = recipients.seal(Hashing { inner: &mut file, hash: Sha256::new(), length: 0 }).map_err(unwritten)?;
    let mut tar = tar::Builder::new(sealed);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| Flaw::new(Level::There, error))?;
    let when = manifest.taken;
    append(&mut tar, MANIFEST, text.len() as u64, when, &text[..]).map_err(unwritten)?;
    let length = snapshot.length;
    let reader = Telling { inner: snapshot.open().map_err(unwritten)?, read: 0, told };
    append(&mut tar, SNAPSHOT, length, when, reader).map_err(unwritten)?;
    for part in parts {
        append(&mut tar, &part.name, part.bytes.len() as u64, when, &part.bytes[..]).map_err(unwritten)?;
    }
    let hashing = tar.into_inner().and_then(|sealed| sealed.finish()).map_err(unwritten)?;
    (label.length, label.sha256) = (hashing.length, HEXLOWER.encode(&hashing.hash.finalize()));
    let written = file.seek(SeekFrom::Start(0)).map_err(unwritten)?;
    debug_assert_eq!(written, 0);
    file.write_all(&label.bytes()?).and_then(|()| file.sync_all()).map_err(unwritten)?;
    Ok(label)
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    length: u64,
    when: Timestamp,
    from: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime(when.as_second().max(0).cast_unsigned());
    tar.append_data(&mut header, name, from)
}

/// Where an entry lies inside of the seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub offset: u64,
    pub length: u64,
}

/// An opened backup.
pub struct Archive<R> {
    inner: R,
    pub places: Vec<Place>,
    pub manifest: Manifest,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads where everything lies, and the manifest.
    ///
    /// # Errors
    /// Of level 1.
    pub fn open(mut inner: R) -> Result<Archive<R>, Flaw> {
        let places = places(&mut inner)?;
        let flaw = |why: &str| Flaw::new(Level::Whole, why);
        let first = places.first().filter(|place| place.name == MANIFEST && place.length <= LARGEST_MANIFEST);
        let first = first.ok_or_else(|| flaw("it does not begin with a manifest"))?;
        let text = bytes(&mut inner, first)?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| Flaw::new(Level::Whole, format!("its manifest is broken: {error}")))?;
        let listed = manifest.entries.iter().map(|entry| (entry.name.as_str(), entry.length));
        let there = places[1..].iter().map(|place| (place.name.as_str(), place.length));
        if !listed.eq(there) {
            return Err(flaw("it does not have the entries that its manifest lists"));
        }
        Ok(Archive { inner, places, manifest })
    }

    /// Sees that every entry has the hash that the manifest says.
    pub fn hashes(&mut self) -> Result<(), Flaw> {
        for (place, entry) in self.places[1..].iter().zip(&self.manifest.entries) {
            let mut region = Region::new(&mut self.inner, place.offset, place.length);
            let mut hashing = Hashing { inner: std::io::sink(), hash: Sha256::new(), length: 0 };
            std::io::copy(&mut region, &mut hashing).map_err(Flaw::reading(Level::Whole, &place.name))?;
            if HEXLOWER.encode(&hashing.hash.finalize()) != entry.sha256 {
                let why = format!("{} does not have the hash that the manifest says", place.name);
                return Err(Flaw::new(Level::Whole, why));
            }
        }
        Ok(())
    }

    /// A small entry, whole.
    pub fn part(&mut self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Flaw> {
        let place = self.places.iter().find(|place| place.name == name).cloned();
        place.map(|place| bytes(&mut self.inner, &place)).transpose()
    }

    /// A large entry, to be read at any place, with its length.
    pub fn region(&mut self, name: &str) -> Option<(Region<&mut R>, u64)> {
        let place = self.places.iter().find(|place| place.name == name)?;
        Some((Region::new(&mut self.inner, place.offset, place.length), place.length))
    }
}

fn places(inner: &mut (impl Read + Seek)) -> Result<Vec<Place>, Flaw> {
    let broken = |error: std::io::Error| Flaw::new(Level::Whole, format!("its tar stream is broken: {error}"));
    let mut archive = tar::Archive::new(inner);
    let mut places: Vec<Place> = Vec::new();
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() || places.iter().any(|place| place.name == name) {
            return Err(Flaw::new(Level::Whole, format!("its entry {name} is no file, or there twice")));
        }
        places.push(Place { name, offset: entry.raw_file_position(), length: entry.size() });
    }
    Ok(places)
}

fn bytes(inner: &mut (impl Read + Seek), place: &Place) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = Region::new(inner, place.offset, place.length).read_to_end(&mut bytes);
    read.map_err(Flaw::reading(Level::Whole, &place.name))?;
    match bytes.len() as u64 == place.length {
        true => Ok(bytes),
        false => Err(Flaw::new(Level::Whole, format!("{} is cut off", place.name))),
    }
}

/// Counts and hashes what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// Tells how far it was read.
struct Telling<R, F> {
    inner: R,
    read: u64,
    told: F,
}

impl<R: Read, F: FnMut(u64)> Read for Telling<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        (self.told)(self.read);
        Ok(read)
    }
}

/// SHA-256 in hex of a whole file.
pub fn hash_of(path: &std::path::Path) -> std::io::Result<String> {
    let mut hashing = Hashing { inner: std::io::sink(), hash: Sha256::new(), length: 0 };
    std::io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(HEXLOWER.encode(&hashing.hash.finalize()))
}

/// SHA-256 in hex and length of what lies behind the label.
pub fn outer_hash(file: &mut File) -> std::io::Result<(u64, String)> {
    file.seek(SeekFrom::Start(LENGTH as u64))?;
    let mut hashing = Hashing { inner: std::io::sink(), hash: Sha256::new(), length: 0 };
    std::io::copy(file, &mut hashing)?;
    Ok((hashing.length, HEXLOWER.encode(&hashing.hash.finalize())))
}
