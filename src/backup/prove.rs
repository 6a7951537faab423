//! Levels 1 to 3 of a snapshot and the state beside it: the same before sealing and behind the seal.

use std::io::{Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::database::{Contents, HASH};
use super::flaw::{Flaw, Level};
use super::together::{self, Claims, Proof, Verdict};
use crate::engine::rke::state::State;

/// How far a backup is proved, and by what.
#[derive(Debug, Clone)]
pub struct Proved {
    pub level: Level,
    pub proofs: Vec<Proof>,
    /// What keeps it from the next level; `None` at level 3.
    pub flaw: Option<Flaw>,
    /// What is in the snapshot, when it is readable.
    pub contents: Option<Contents>,
}

/// What is proved, and against what.
pub struct Questions<'a> {
    /// Text of RKE's state.
    pub state: Option<&'a [u8]>,
    pub uid: &'a str,
    pub kubernetes: &'a str,
    /// The revision in the newest backup of this cluster that is known.
    pub last_revision: Option<u64>,
}

/// Goes from level to level and stops at the first that is not reached. `length` counts etcd's hash, too.
pub fn prove(mut snapshot: impl Read + Seek, length: u64, asked: &Questions<'_>) -> Proved {
    let mut proved = Proved { level: Level::There, proofs: Vec::new(), flaw: None, contents: None };
    if let Err(flaw) = own_hash(&mut snapshot, length) {
        return Proved { flaw: Some(flaw), ..proved };
    }
    proved.level = Level::Whole;
    let contents = match Contents::read(snapshot, length) {
        Ok(contents) => contents,
        Err(flaw) => return Proved { flaw: Some(flaw), ..proved },
    };
    if let Some(last) = asked.last_revision.filter(|last| contents.revision < *last) {
        let why = format!("its revision is {}, and an earlier backup has {last}", contents.revision);
        return Proved { flaw: Some(Flaw::new(Level::Readable, why)), contents: Some(contents), ..proved };
    }
    proved.level = Level::Readable;
    match belongs_together(&contents, asked) {
        Ok(proofs) if together::is_reached(&proofs) => {
            Proved { level: Level::Together, proofs, contents: Some(contents), ..proved }
        }
        Ok(proofs) => Proved { flaw: Some(not_together(&proofs)), proofs, contents: Some(contents), ..proved },
        Err(flaw) => Proved { flaw: Some(flaw), contents: Some(contents), ..proved },
    }
}

fn belongs_together(contents: &Contents, asked: &Questions<'_>) -> Result<Vec<Proof>, Flaw> {
    let flaw = |why: String| Flaw::new(Level::Together, why);
    let state = asked.state.ok_or_else(|| flaw("there is no cluster.rkestate in it".into()))?;
    let text = std::str::from_utf8(state).map_err(|_| flaw("cluster.rkestate is no text".into()))?;
    let state = State::parse(text).map_err(|error| flaw(format!("cluster.rkestate cannot be used: {error}")))?;
    Ok(together::judge(contents, &state, &Claims { uid: asked.uid, kubernetes: asked.kubernetes }))
}

/// A contradiction before what could not be proved.
fn not_together(proofs: &[Proof]) -> Flaw {
    let of = |verdict: Verdict| proofs.iter().find(|proof| proof.verdict == verdict);
    let told = of(Verdict::Contradicted).or(of(Verdict::Open));
    let why = told.map_or_else(String::new, |proof| format!("{}: {}", proof.what, proof.seen));
    Flaw::new(Level::Together, why)
}

/// etcd puts SHA-256 of its database behind it.
fn own_hash(snapshot: &mut (impl Read + Seek), length: u64) -> Result<(), Flaw> {
    let flaw = |why: &str| Flaw::new(Level::Whole, why);
    let body = length.checked_sub(HASH).filter(|body| body % 512 == 0);
    let body = body.ok_or_else(|| flaw("the snapshot does not end with etcd's hash"))?;
    let unread = Flaw::reading(Level::Whole, "the snapshot");
    snapshot.seek(SeekFrom::Start(0)).map_err(&unread)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut left = body;
    while left > 0 {
        let wanted = left.min(buffer.len() as u64) as usize;
        snapshot.read_exact(&mut buffer[..wanted]).map_err(&unread)?;
        hash.update(&buffer[..wanted]);
        left -= wanted as u64;
    }
    let mut said = [0; HASH as usize];
    snapshot.read_exact(&mut said).map_err(&unread)?;
    match hash.finalize()[..] == said {
        true => Ok(()),
        false => Err(flaw("the snapshot does not have the hash that etcd gave with it")),
    }
}
