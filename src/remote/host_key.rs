//! May this host be talked to: the files of known hosts, and what is done about a key that is not there.

use std::collections::HashSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::Preferred;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::known_hosts::{self, HostName, KnownHosts, KnownKey, Place, Verdict};
use super::target::{KnownFiles, Route};

/// Keys that somebody has accepted during this run, as known_hosts lines without a salt.
#[derive(Debug, Clone, Default)]
pub(super) struct Accepted(Arc<Mutex<HashSet<String>>>);

impl Accepted {
    fn has(&self, host: &HostName, key: &PublicKey) -> bool {
        let line = known_hosts::new_line(host, key, None);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&line)
    }

    fn add(&self, host: &HostName, key: &PublicKey) {
        let line = known_hosts::new_line(host, key, None);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
    }
}

/// What is known about one host at the moment of connecting.
pub(super) struct Trust {
    host: HostName,
    place: String,
    known: KnownHosts,
    accepted: Accepted,
}

impl Trust {
    /// Reads the files of known hosts; one that is not there is an empty one.
    pub fn read(route: &Route, accepted: Accepted) -> io::Result<Self> {
        let mut known = KnownHosts::default();
        for file in route.known.user.iter().chain(&route.known.global) {
            match std::fs::read(file) {
                Ok(bytes) => known.add(&String::from_utf8_lossy(&bytes), file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", shown(file)))),
            }
        }
        let host = HostName::new(&route.host, route.port, route.known.alias.as_deref());
        Ok(Trust { host, place: route.place.clone(), known, accepted })
    }

    /// Which kinds of host keys to ask for: known kinds first, SHA-1 never, certificates only where an authority is known.
    pub fn preferred(&self) -> Preferred {
        let known = self.known.kinds(&self.host);
        let position = |kind: &Algorithm| known.iter().position(|known| same_kind(known, kind)).unwrap_or(known.len());
        let mut kinds = usual_kinds();
        kinds.sort_by_key(position);
        let certificates = if self.known.authorities(&self.host).is_empty() { Vec::new() } else { usual_kinds() };
        Preferred {
            key: kinds.into(),
            host_key_certificates: certificates.into(),
            cipher: CIPHERS.into(),
            ..Preferred::DEFAULT
        }
    }

    pub fn judge(&self, offered: &PublicKeyOrCertificate) -> Result<(), HostKeyProblem> {
        match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge_key(key),
            PublicKeyOrCertificate::Certificate(certificate) => self.judge_certificate(certificate),
        }
    }

    fn judge_key(&self, key: &PublicKey) -> Result<(), HostKeyProblem> {
        let place = self.place.clone();
        let offered = Offered { kind: key.algorithm().to_string(), fingerprint: known_hosts::fingerprint(key) };
        match self.known.judge(&self.host, key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown if self.accepted.has(&self.host, key) => Ok(()),
            Verdict::Unknown => {
                let unknown = Unknown { host: self.host.clone(), key: key.clone() };
                Err(HostKeyProblem::Unknown { place, offered, unknown: Box::new(unknown) })
            }
            Verdict::Changed(known) => {
                Err(HostKeyProblem::Changed { place, name: self.host.name.clone(), offered, known })
            }
            Verdict::Revoked(line) => Err(HostKeyProblem::Revoked { place, offered, line }),
            Verdict::AuthorityOnly(line) => Err(HostKeyProblem::NoCertificate { place, offered, line }),
        }
    }

    /// A host certificate: of the right kind, made out to this host, valid today, signed by a trusted authority.
    fn judge_certificate(&self, certificate: &Certificate) -> Result<(), HostKeyProblem> {
        let wrong = |reason: String| HostKeyProblem::BadCertificate { place: self.place.clone(), reason };
        if certificate.cert_type() != CertType::Host {
            return Err(wrong("it is made out to a user, not to a host".into()));
        }
        let principals = certificate.valid_principals();
        if !principals.iter().any(|name| known_hosts::glob(&name.to_ascii_lowercase(), &self.host.principal)) {
            return Err(wrong(format!("it is made out to {}, not to {}", principals.join(", "), self.host.principal)));
        }
        let key = PublicKey::new(certificate.public_key().clone(), "");
        if let Verdict::Revoked(place) = self.known.judge(&self.host, &key) {
            return Err(wrong(format!("its key is revoked in {place}")));
        }
        let trusted: Vec<_> =
            self.known.authorities(&self.host).iter().map(|key| key.fingerprint(HashAlg::Sha256)).collect();
        certificate.validate(&trusted).map_err(|_| {
            let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
            wrong(format!("it is out of its time, or its signer {signer} is no authority for this host in known_hosts"))
        })
    }
}

/// AES-GCM first: twice as fast as ChaCha20 where the processor knows AES.
const CIPHERS: &[russh::cipher::Name] = &[
    russh::cipher::AES_256_GCM,
    russh::cipher::CHACHA20_POLY1305,
    russh::cipher::AES_256_CTR,
    russh::cipher::AES_192_CTR,
    russh::cipher::AES_128_CTR,
];

fn usual_kinds() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
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
    host: HostName,
    key: PublicKey,
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
    let mut known = KnownHosts::default();
    known.add(&text, path);
    if known.judge(&unknown.host, &unknown.key) == Verdict::Known {
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
    #[error("the host certificate of {place} is not good: {reason}")]
    BadCertificate { place: String, reason: String },
}

impl HostKeyProblem {
    pub fn hint(&self) -> Option<String> {
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
    let usual = super::target::home("~/.ssh/known_hosts");
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
pub(super) fn shown(path: &Path) -> String {
    match std::env::home_dir().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
