//! One sealed file with everything that a cluster is made again from: its parts, how it is sealed, and how far it is proved.
//!
//! A backup is a [`Label`] that everybody may read and, behind it, a plain age file with a tar stream in it: [`Manifest`],
//! etcd's snapshot, RKE's state, the inventory and the files that it names. `tail -c +1025 FILE | age -d -i KEY | tar t` reads
//! it without cowhand.

mod archive;
mod bolt;
mod database;
mod encryption;
mod extract;
mod flaw;
mod folder;
mod keep;
mod label;
mod manifest;
mod prove;
mod proto;
mod seal;
mod spool;
mod stored;
mod stream;
#[cfg(test)]
mod sabotage_tests;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod test_database;
mod together;
mod verify;

pub use archive::{Part, SNAPSHOT, STATE, hash_of, write};
pub use database::Contents;
pub use extract::{Extracted, extract};
pub use flaw::{Flaw, Level};
pub use folder::{Found, age_of, list, newest};
pub use keep::{Aged, Keep, judge as may_go};
pub use label::{ENDING, FORMAT, Label, file_name};
pub use manifest::{Entry, Manifest, Source, Versions};
pub use prove::{Proved, Questions, prove};
pub use seal::{Keys, Recipients};
pub use spool::{Spool, Spooled};
pub use stream::{MemberStatus, Snapshot, Tls, status};
pub use together::{Proof, Verdict};
pub use verify::{OpenBackup, Verified, verify};
