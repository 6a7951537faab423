//! Questions that only a person can answer.

use std::path::Path;

use secrecy::SecretString;

use super::host_key::Offered;

/// Somebody at a terminal. Called from a thread of its own, one question at a time for the whole run, so an
/// implementation may simply wait for the answer.
pub trait Ask: Send + Sync {
    /// The passphrase of a key file; `again` is true after a wrong one. `None`: nobody knows.
    fn passphrase(&self, file: &Path, again: bool) -> Option<SecretString>;

    /// Whether this is really the host key of `place`, e.g. `n2 (10.0.0.12:22)`.
    fn host_key(&self, place: &str, key: &Offered) -> bool;
}

/// Nobody is there: a pipeline, or `--output json`.
pub struct Nobody;

impl Ask for Nobody {
    fn passphrase(&self, _: &Path, _: bool) -> Option<SecretString> {
        None
    }

    fn host_key(&self, _: &str, _: &Offered) -> bool {
        false
    }
}
