//! RevokedHostKeys: keys that no host may have any more (ssh_config(5)).

use std::path::Path;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::file::read_regular;
use super::host_key::shown;

/// What a binary list of OpenSSH (a KRL) begins with.
const BINARY: &[u8] = b"SSHKRL\n\0";

const LARGEST: u64 = 64 * 1024 * 1024;

/// The line of the first of `keys` that the file names. Fails when the file cannot be read as a whole: then, as in
/// OpenSSH, no host is let through.
pub(super) fn line_of(file: &Path, keys: &[&KeyData]) -> Result<Option<usize>, String> {
    let wrong = |why: String| format!("RevokedHostKeys {}: {why}", shown(file));
    let bytes = read_regular(file, LARGEST).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if bytes.starts_with(BINARY) {
        return Err(wrong(
            "it is a binary list (KRL), which cowhand does not read; give it as a list of public keys".into(),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not a list of public keys".into()))?;
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = PublicKey::from_openssh(line).map_err(|_| wrong(format!("line {} is no public key", index + 1)))?;
        if found.is_none() && keys.contains(&key.key_data()) {
            found = Some(index + 1);
        }
    }
    Ok(found)
}
