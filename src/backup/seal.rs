//! Who can open a backup: recipients of age, or whoever knows a passphrase.

use std::io::{Read, Seek, Write};
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use age::stream::{StreamReader, StreamWriter};
use age::x25519;

use super::flaw::{Flaw, Level};

/// For whom a backup is sealed.
pub enum Recipients {
    Keys(Vec<x25519::Recipient>),
    Passphrase(SecretString),
}

/// What opens one.
pub enum Keys {
    Identities(Vec<x25519::Identity>),
    Passphrase(SecretString),
}

impl Recipients {
    /// From the words `age1…`, each once.
    ///
    /// # Errors
    /// Names the first word that is no public key of age.
    pub fn keys<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Recipients, String> {
        let mut keys: Vec<x25519::Recipient> = Vec::new();
        for word in words {
            let key = x25519::Recipient::from_str(word);
            let key = key.map_err(|_| format!("`{word}` is no public key of age; one begins with age1"))?;
            if !keys.iter().any(|known| known.to_string() == key.to_string()) {
                keys.push(key);
            }
        }
        match keys.is_empty() {
            true => Err("there is no recipient".into()),
            false => Ok(Recipients::Keys(keys)),
        }
    }

    /// How many different keys open it.
    pub fn count(&self) -> usize {
        match self {
            Recipients::Keys(keys) => keys.len(),
            Recipients::Passphrase(_) => 1,
        }
    }

    /// Seals what is written; to be ended with `finish`.
    pub fn seal<W: Write>(&self, out: W) -> std::io::Result<StreamWriter<W>> {
        let encryptor = match self {
            Recipients::Keys(keys) => {
                let keys = keys.iter().map(|key| key as &dyn age::Recipient);
                age::Encryptor::with_recipients(keys).map_err(std::io::Error::other)?
            }
            Recipients::Passphrase(secret) => age::Encryptor::with_user_passphrase(secret.clone()),
        };
        encryptor.wrap_output(out)
    }
}

impl Keys {
    /// From the text of a key file: lines `AGE-SECRET-KEY-1…`, comments, empty lines.
    ///
    /// # Errors
    /// When there is no key in it, or a line that is none; the line itself is not told.
    pub fn read(text: &str) -> Result<Keys, String> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = x25519::Identity::from_str(line);
            keys.push(key.map_err(|_| format!("line {} is no key of age; one begins with AGE-SECRET-KEY-1", at + 1))?);
        }
        match keys.is_empty() {
            true => Err("there is no key of age in it".into()),
            false => Ok(Keys::Identities(keys)),
        }
    }

    /// A new key, and who seals for it.
    pub fn generate() -> (Keys, Recipients) {
        let key = x25519::Identity::generate();
        let recipient = key.to_public();
        (Keys::Identities(vec![key]), Recipients::Keys(vec![recipient]))
    }

    /// The public halves; none of a passphrase.
    pub fn public(&self) -> Vec<String> {
        match self {
            Keys::Identities(keys) => keys.iter().map(|key| key.to_public().to_string()).collect(),
            Keys::Passphrase(_) => Vec::new(),
        }
    }

    /// The key as its file has it; for tests and drills.
    pub fn text(&self) -> Option<SecretString> {
        match self {
            Keys::Identities(keys) => Some(keys.first()?.to_string()),
            Keys::Passphrase(secret) => Some(SecretString::from(secret.expose_secret().to_owned())),
        }
    }

    /// Opens an age file that begins where `file` stands.
    ///
    /// # Errors
    /// Of level 1: it is no age file, or these keys do not open it.
    pub fn open<R: Read + Seek>(&self, file: R) -> Result<StreamReader<R>, Flaw> {
        let flaw = |error: age::DecryptError| match error {
            age::DecryptError::NoMatchingKeys => Flaw::new(Level::Whole, "this key does not open it")
                .remedy("its recipients are in the inventory that made it: `backup.recipients`"),
            age::DecryptError::DecryptionFailed => Flaw::new(Level::Whole, "this key or passphrase does not open it"),
            other => Flaw::new(Level::Whole, format!("it cannot be opened: {other}")),
        };
        let sealed = age::Decryptor::new(file).map_err(flaw)?;
        match self {
            Keys::Passphrase(_) if !sealed.is_scrypt() => {
                Err(Flaw::new(Level::Whole, "it is sealed for keys, not with a passphrase").remedy("give --identity"))
            }
            Keys::Identities(_) if sealed.is_scrypt() => {
                Err(Flaw::new(Level::Whole, "it is sealed with a passphrase, not for keys")
                    .remedy("give --passphrase-file"))
            }
            Keys::Identities(keys) => sealed.decrypt(keys.iter().map(|key| key as &dyn age::Identity)).map_err(flaw),
            Keys::Passphrase(secret) => {
                let identity = age::scrypt::Identity::new(secret.clone());
                sealed.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(flaw)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sealed(recipients: &Recipients, text: &[u8]) -> Cursor<Vec<u8>> {
        let mut writer = recipients.seal(Vec::new()).unwrap();
        writer.write_all(text).unwrap();
        Cursor::new(writer.finish().unwrap())
    }

    fn opened(keys: &Keys, file: Cursor<Vec<u8>>) -> Result<Vec<u8>, Flaw> {
        let mut text = Vec::new();
        keys.open(file)?.read_to_end(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let ((first, _), (second, _), (stranger, _)) = (Keys::generate(), Keys::generate(), Keys::generate());
        let words = [first.public(), second.public(), first.public()].concat();
        let both = Recipients::keys(words.iter().map(String::as_str)).unwrap();
        assert_eq!(both.count(), 2);
        for key in [&first, &second] {
            assert_eq!(opened(key, sealed(&both, b"text")), Ok(b"text".to_vec()));
        }
        assert_eq!(opened(&stranger, sealed(&both, b"text")).unwrap_err().why, "this key does not open it");
        let text = first.text().unwrap();
        let again = Keys::read(&format!("# mine\n\n{}\n", text.expose_secret())).unwrap();
        assert_eq!(again.public(), first.public());
    }

    #[test]
    fn a_passphrase_and_keys_are_told_apart() {
        let passphrase = |text: &str| SecretString::from(text.to_owned());
        let file = sealed(&Recipients::Passphrase(passphrase("right")), b"text");
        assert_eq!(opened(&Keys::Passphrase(passphrase("right")), file.clone()), Ok(b"text".to_vec()));
        assert!(opened(&Keys::Passphrase(passphrase("wrong")), file.clone()).is_err());
        let (key, recipients) = Keys::generate();
        assert!(opened(&key, file).unwrap_err().why.contains("with a passphrase"));
        let file = sealed(&recipients, b"text");
        assert!(opened(&Keys::Passphrase(passphrase("right")), file).unwrap_err().why.contains("for keys"));
    }

    #[test]
    fn what_is_no_key_is_named_and_a_secret_is_not() {
        assert!(Recipients::keys(["age1nonsense"]).err().unwrap().contains("`age1nonsense`"));
        assert!(Recipients::keys([]).is_err());
        let why = Keys::read("# comment\nAGE-SECRET-KEY-1NONSENSE").err().unwrap();
        assert!(why.starts_with("line 2 ") && !why.contains("NONSENSE"), "{why}");
        assert!(Keys::read("").is_err());
    }
}
