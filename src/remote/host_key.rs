//! What can be wrong with a host's key, and what is done about one that is not known yet.

use std::collections::HashSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::PublicKey;

use super::known_hosts::{self, HostName, KnownFile, KnownHosts, KnownKey, Place, Verdict};
use super::route::KnownFiles;
use crate::failure::Hint;

/// Keys that somebody has accepted during this run, as known_hosts lines without a salt.
#[derive(Debug, Clone, Default)]
pub(super) struct Accepted(Arc<Mutex<HashSet<String>>>);

impl Accepted {
    pub fn has(&self, host: &HostName, key: &PublicKey) -> bool {
        let line = known_hosts::new_line(host, key, None);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&line)
    }

    fn add(&self, host: &HostName, key: &PublicKey) {
        let line = known_hosts::new_line(host, key, None);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
    }
}

/// What a server has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// E.g. `ssh-ed25519`.
    pub kind: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// A key to be accepted, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    pub(super) host: HostName,
    pub(super) key: PublicKey,
}

impl Unknown {
    /// From now on this key is known: for this run, and in the user's first file of known hosts.
    pub(super) fn accept(&self, accepted: &Accepted, files: &KnownFiles) -> io::Result<()> {
        accepted.add(&self.host, &self.key);
        match files.user.first() {
            Some(file) if file != Path::new("/dev/null") => append(file, self, files.hash),
            Some(_) | None => Ok(()),
        }
    }
}

/// Adds a line under a lock, unless somebody else has added it in between.
fn append(path: &Path, unknown: &Unknown, hash: bool) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file: File = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    file.lock()?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut known = KnownHosts::of(unknown.host.clone());
    known.add(&KnownFile::parse(&text, path));
    if known.judge(&unknown.key) == Verdict::Known {
        return Ok(());
    }
    let salt = hash.then(rand::random::<[u8; 20]>);
    let break_first = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let line = format!("{break_first}{}", known_hosts::new_line(&unknown.host, &unknown.key, salt));
    file.write_all(line.as_bytes())
}

/// Why a host's key was not taken. A connection is never made in spite of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyProblem {
    #[error("the host key of {place} is not known: {} {}", offered.kind, offered.fingerprint)]
    Unknown { place: String, offered: Offered, unknown: Box<Unknown> },
    #[error("the host key of {place} is not the one in {}; known {}, offered {}", places(known), fingerprints(known, offered), offered.fingerprint)]
    Changed { place: String, name: String, offered: Offered, known: Vec<KnownKey> },
    #[error("the host key of {place}, {}, is marked as revoked in {line}", offered.fingerprint)]
    Revoked { place: String, offered: Offered, line: Place },
    #[error("{place} shows a bare key ({}), but {line} asks for a certificate of an authority", offered.fingerprint)]
    NoCertificate { place: String, offered: Offered, line: Place },
    #[error("the host certificate of {place} is not valid: {reason}")]
    BadCertificate { place: String, reason: String },
    /// CheckHostIP: the host's key is known, and another one is for its address.
    #[error(
        "the host key of {place} is known for its name, but for its address {address} another one stands in {}; offered {offered}",
        places(known)
    )]
    OtherAddress { place: String, address: String, offered: String, known: Vec<KnownKey> },
    #[error("the host key of {place} is too short: {reason}")]
    Weak { place: String, reason: String },
    /// What has to be asked about the key gives no answer.
    #[error("whether the host key of {place} is known cannot be told: {reason}")]
    NoAnswer { place: String, reason: String },
}

impl Hint for HostKeyProblem {
    fn hint(&self) -> Option<String> {
        match self {
            HostKeyProblem::Unknown { place, .. } => Some(format!(
                "compare the fingerprint with what `ssh-keygen -lf` says of the keys in /etc/ssh on {place}; then run again on a terminal to be asked, or with --accept-new-host-keys"
            )),
            HostKeyProblem::Changed { place, name, known, .. } => Some(format!(
                "if {place} was installed anew, {}, then try again; if not, somebody may be listening in",
                removal(name, known)
            )),
            HostKeyProblem::Revoked { line, .. } => {
                Some(format!("do not use this machine before its owner has explained the line in {line}"))
            }
            HostKeyProblem::NoCertificate { line, .. } => {
                Some(format!("have the host's certificate renewed, or add its key beside {line}"))
            }
            HostKeyProblem::BadCertificate { .. } => Some("have the host's certificate issued again".into()),
            HostKeyProblem::OtherAddress { address, known, .. } => Some(format!(
                "if the machine at {address} was replaced, {}, then try again; `CheckHostIP no` in the ssh configuration ends this question",
                removal(address, known)
            )),
            HostKeyProblem::Weak { .. } => {
                Some("give the machine a longer key, or one of another kind: ssh-keygen -A on it".into())
            }
            HostKeyProblem::NoAnswer { .. } => Some("mend it, or take it out of the ssh configuration".into()),
        }
    }
}

fn places(known: &[KnownKey]) -> String {
    known.iter().map(|key| key.place.to_string()).collect::<Vec<_>>().join(" and ")
}

fn fingerprints(known: &[KnownKey], offered: &Offered) -> String {
    let word = |key: &KnownKey| match key.kind == offered.kind {
        true => key.fingerprint.clone(),
        false => format!("{} ({})", key.fingerprint, key.kind),
    };
    known.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn removal(name: &str, known: &[KnownKey]) -> String {
    let usual = super::tokens::home("~/.ssh/known_hosts");
    let mut files: Vec<&PathBuf> = known.iter().map(|key| &key.place.file).collect();
    files.dedup();
    let one = |file: &PathBuf| {
        let mut words = super::Words::new("ssh-keygen").arg("-R").arg(name);
        if *file != usual {
            words = words.arg("-f").arg(file.to_string_lossy());
        }
        format!("`{words}`")
    };
    files.into_iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", shown(&self.file), self.line)
    }
}

/// The home folder is shown as `~`.
pub fn shown(path: &Path) -> String {
    match std::env::home_dir().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
