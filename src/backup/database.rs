//! What is in etcd's snapshot: its revision, its members, its live keys, and the few objects that level 3 asks for.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek};

use super::bolt::Bolt;
use super::flaw::{Flaw, Level};
use super::{proto, stored};

/// Bytes of SHA-256 that etcd puts behind its database.
pub const HASH: u64 = 32;
/// Tokens, and encrypted Secrets, that are kept to be tried.
const TRIED: usize = 8;

/// What a walk over a snapshot found.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    pub revision: u64,
    /// Keys that are there at that revision.
    pub keys: u64,
    /// How many of each kind, by path: `secrets`, `management.cattle.io/clusters`.
    pub objects: BTreeMap<String, u64>,
    /// Names of etcd's members.
    pub members: Vec<String>,
    /// The newest value of the keys that are asked for, as they are stored.
    pub kept: BTreeMap<String, Vec<u8>>,
}

impl Contents {
    /// A stored value, by its key below `/registry/`.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.kept.get(key).map(Vec::as_slice)
    }

    /// Names of objects kept below this path.
    pub fn names(&self, path: &str) -> Vec<&str> {
        self.kept.keys().filter_map(|key| key.strip_prefix(path)).collect()
    }

    /// Reads a whole snapshot, `length` bytes with etcd's hash; each page and each value is looked at.
    ///
    /// # Errors
    /// Of level 2.
    pub fn read(file: impl Read + Seek, length: u64) -> Result<Contents, Flaw> {
        let flaw = |why: String| Flaw::new(Level::Readable, why);
        let length = length.checked_sub(HASH).ok_or_else(|| flaw("it is too short for a snapshot".into()))?;
        let mut bolt = Bolt::open(file, length).map_err(|broken| flaw(broken.to_string()))?;
        let mut reading = Reading::default();
        let walked = bolt.walk(&mut |bucket, key, value| reading.visit(bucket, key, value));
        walked.map_err(|broken| flaw(broken.to_string()))?;
        if !reading.has_meta || reading.contents.revision == 0 {
            return Err(flaw("it is a database, and not one of etcd".into()));
        }
        Ok(reading.end())
    }
}

/// From which step on an empty value is a raised revision, and none that was lost: the page on Kubernetes raises by 10^9
/// (etcd.io: op-guide/recovery).
const RAISED: u64 = 1_000_000;

#[derive(Default)]
struct Reading {
    contents: Contents,
    has_meta: bool,
    /// The kind of each live key, by the key's hash: keys themselves would take much room.
    live: HashMap<u64, u32>,
    kinds: Vec<String>,
}

impl Reading {
    fn visit(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<(), String> {
        match bucket {
            b"key" => self.revision(key, value),
            b"members" => {
                let member: serde_json::Value =
                    serde_json::from_slice(value).map_err(|_| "has a member that is no JSON".to_owned())?;
                self.contents.members.extend(member["name"].as_str().map(str::to_owned));
                Ok(())
            }
            b"meta" => {
                self.has_meta = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// etcd's mvcc: 8 bytes of revision, `_`, 8 bytes of its part, `t` for a deletion; the value is mvccpb.KeyValue.
    fn revision(&mut self, at: &[u8], value: &[u8]) -> Result<(), String> {
        let deleted = at.len() == 18 && at[17] == b't';
        let main = at.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        let Some(main) = main.filter(|_| (at.len() == 17 || deleted) && at[8] == b'_') else {
            return Err("has a key that is no revision".into());
        };
        // So etcd's own restore marks a revision that it raised (etcd 3.5.16: etcdutl/snapshot/v3_snapshot.go).
        if value.is_empty() && main >= self.contents.revision + RAISED {
            self.contents.revision = self.contents.revision.max(main);
            return Ok(());
        }
        let broken = || format!("has a broken value at revision {main}");
        let key = proto::bytes(value, 1).ok_or_else(broken)?;
        let modified = proto::number(value, 3).ok_or_else(broken)?;
        if !deleted && modified != main {
            return Err(format!("has a value of revision {modified} at revision {main}"));
        }
        self.contents.revision = self.contents.revision.max(main);
        let stored = proto::bytes(value, 5).unwrap_or_default();
        if !stored::is_whole(stored) {
            return Err(format!("has a broken object at revision {main}: {}", String::from_utf8_lossy(key)));
        }
        self.keep(key, (!deleted).then_some(stored));
        Ok(())
    }

    fn keep(&mut self, key: &[u8], value: Option<&[u8]>) {
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        let hash = hash.finish();
        let text = String::from_utf8_lossy(key);
        let short = text.strip_prefix("/registry/");
        let Some(value) = value else {
            self.live.remove(&hash);
            self.contents.kept.remove(short.unwrap_or_default());
            return;
        };
        if !self.live.contains_key(&hash) {
            let kind = self.kind(short.map(kind).unwrap_or_default());
            self.live.insert(hash, kind);
        }
        let Some(short) = short else { return };
        if self.is_wanted(short, value) {
            let value = if short.starts_with("minions/") { Vec::new() } else { value.to_vec() };
            self.contents.kept.insert(short.to_owned(), value);
        }
    }

    fn kind(&mut self, name: String) -> u32 {
        let known = self.kinds.iter().position(|kind| *kind == name);
        known.unwrap_or_else(|| {
            self.kinds.push(name);
            self.kinds.len() - 1
        }) as u32
    }

    fn is_wanted(&self, key: &str, value: &[u8]) -> bool {
        let asked_for = stored::ASKED.contains(&key) || key.starts_with("minions/");
        let tried = || self.contents.kept.keys().filter(|key| key.starts_with("secrets/")).count() < TRIED;
        let to_try = || key.starts_with("secrets/") && (stored::is_encrypted(value) || stored::is_token(value));
        asked_for || self.contents.kept.contains_key(key) || (to_try() && tried())
    }

    fn end(mut self) -> Contents {
        self.contents.keys = self.live.len() as u64;
        for kind in self.live.values() {
            let name = &self.kinds[*kind as usize];
            *self.contents.objects.entry(name.clone()).or_default() += 1;
        }
        self.contents.objects.remove("");
        self.contents
    }
}

/// `secrets` of `secrets/default/x`, `management.cattle.io/clusters` of `management.cattle.io/clusters/c-1`.
fn kind(key: &str) -> String {
    let mut parts = key.split('/');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if first.contains('.') => format!("{first}/{second}"),
        Some(_) | None => first.to_owned(),
    }
}
