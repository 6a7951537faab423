//! Key files of one run: each is read once, and its passphrase is asked for once, however many nodes want it.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey, decode_secret_key};
use secrecy::{ExposeSecret, SecretString};

use super::Ask;
use super::file::read_regular;

/// How often a passphrase is asked for.
const TRIES: usize = 3;

/// What a key file is good for.
#[derive(Clone)]
pub(super) enum KeyFile {
    Absent,
    /// Cannot be used, and why.
    Useless(String),
    /// Encrypted. Its public half may be known without the passphrase.
    Locked(Option<PublicKey>),
    Ready(Arc<PrivateKey>),
    /// Only the public half is here; an agent may have the other one.
    PublicOnly(PublicKey),
}

impl KeyFile {
    pub fn public(&self) -> Option<&PublicKey> {
        match self {
            KeyFile::Locked(public) => public.as_ref(),
            KeyFile::Ready(key) => Some(key.public_key()),
            KeyFile::PublicOnly(key) => Some(key),
            KeyFile::Absent | KeyFile::Useless(_) => None,
        }
    }
}

pub(super) struct Keyring {
    files: Mutex<HashMap<PathBuf, KeyFile>>,
    ask: Arc<dyn Ask>,
    /// Held while a question stands on the terminal.
    turn: tokio::sync::Mutex<()>,
}

impl Keyring {
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Keyring { files: Mutex::default(), ask, turn: tokio::sync::Mutex::default() }
    }

    /// One question to the person at the terminal, never two at a time.
    pub async fn question<T: Send + 'static>(&self, put: impl FnOnce(&dyn Ask) -> T + Send + 'static) -> Option<T> {
        let _turn = self.turn.lock().await;
        let ask = self.ask.clone();
        tokio::task::spawn_blocking(move || put(&*ask)).await.ok()
    }

    pub fn file(&self, path: &Path) -> KeyFile {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(path.to_path_buf()).or_insert_with(|| read(path)).clone()
    }

    fn set(&self, path: &Path, file: KeyFile) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf(), file);
    }

    /// Asks for the passphrase of a locked file. Afterwards the file is ready or useless.
    pub async fn unlock(&self, path: &Path) {
        let _turn = self.turn.lock().await;
        if !matches!(self.file(path), KeyFile::Locked(_)) {
            return; // another node's question has just been answered
        }
        let (ask, file) = (self.ask.clone(), path.to_path_buf());
        let answer = tokio::task::spawn_blocking(move || ask_and_open(&*ask, &file)).await;
        self.set(path, answer.unwrap_or_else(|_| KeyFile::Useless("asking for its passphrase failed".into())));
    }
}

/// No key comes near this.
const LARGEST: u64 = 1024 * 1024;

fn text_of(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read_regular(path, LARGEST)?).map_err(|_| std::io::Error::other("it is not text"))
}

fn ask_and_open(ask: &dyn Ask, path: &Path) -> KeyFile {
    let text = match text_of(path) {
        Ok(text) => SecretString::from(text),
        Err(error) => return KeyFile::Useless(format!("it cannot be read: {error}")),
    };
    for attempt in 0..TRIES {
        let Some(passphrase) = ask.passphrase(path, attempt > 0) else {
            return KeyFile::Useless("it is encrypted, and no passphrase was given".into());
        };
        if let Ok(key) = decode_secret_key(text.expose_secret(), Some(passphrase.expose_secret())) {
            return KeyFile::Ready(Arc::new(key));
        }
    }
    KeyFile::Useless(format!("its passphrase was wrong {TRIES} times"))
}

fn read(path: &Path) -> KeyFile {
    let text = match text_of(path) {
        Ok(text) => SecretString::from(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return KeyFile::Absent,
        Err(error) => return KeyFile::Useless(format!("it cannot be read: {error}")),
    };
    let text = text.expose_secret();
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        return KeyFile::PublicOnly(public);
    }
    // An OpenSSH file shows its public half even when it is encrypted; of older formats only a .pub file beside it does.
    let sealed = PrivateKey::from_openssh(text).ok().filter(PrivateKey::is_encrypted);
    if let Some(sealed) = sealed {
        let public = sealed.public_key().clone();
        return if is_hardware(&public) { KeyFile::PublicOnly(public) } else { KeyFile::Locked(Some(public)) };
    }
    if text.lines().take(3).any(|line| line.contains("ENCRYPTED")) {
        return KeyFile::Locked(public_beside(path));
    }
    match decode_secret_key(text, None) {
        Ok(key) if is_hardware(key.public_key()) => KeyFile::PublicOnly(key.public_key().clone()),
        Ok(key) => KeyFile::Ready(Arc::new(key)),
        Err(error) => KeyFile::Useless(format!("it is not a private key that can be read: {error}")),
    }
}

/// The file of a hardware key is only a pointer to it: an agent does the signing.
pub(super) fn is_hardware(key: &PublicKey) -> bool {
    matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

fn public_beside(path: &Path) -> Option<PublicKey> {
    let text = text_of(&with_ending(path, ".pub")).ok()?;
    PublicKey::from_openssh(text.trim()).ok()
}

/// Certificates for a key: `KEY-cert.pub` beside it, and those named by CertificateFile.
pub(super) fn certificates(path: &Path, named: &[PathBuf], key: &PublicKey) -> Vec<Certificate> {
    let beside = with_ending(path, "-cert.pub");
    let files = std::iter::once(&beside).chain(named);
    let read = |file: &PathBuf| Certificate::from_openssh(text_of(file).ok()?.trim()).ok();
    files.filter_map(read).filter(|certificate| certificate.public_key() == key.key_data()).collect()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    PathBuf::from(name)
}
