//! What everybody may read of a backup: the first 1024 bytes of the file, one line of JSON.

use std::io::Read;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::flaw::{Flaw, Level};

/// The format of label and manifest.
pub const FORMAT: u64 = 1;
/// How long the label is, its end of line included; the age file begins behind it.
pub const LENGTH: usize = 1024;
/// How every label begins, of whatever format.
const BEGINS: &[u8] = br#"{"cowhand-backup":"#;
/// How names of backups end.
pub const ENDING: &str = ".cowhand";

/// Whose backup it is, from when, and how far it was proved before it was sealed. It holds no secret, and nothing seals it:
/// `verify` holds it against the sealed manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Version of the format: 1.
    #[serde(rename = "cowhand-backup")]
    pub format: u64,
    /// The cluster's name.
    pub name: String,
    /// UID of namespace kube-system.
    pub uid: String,
    pub taken: Timestamp,
    /// etcd's revision.
    pub revision: u64,
    pub level: Level,
    /// Bytes of the age file behind the label.
    pub length: u64,
    /// Their SHA-256 in hex.
    pub sha256: String,
}

/// `prod-20261130T031500Z.cowhand`.
pub fn file_name(name: &str, taken: Timestamp) -> String {
    format!("{name}-{}{ENDING}", taken.strftime("%Y%m%dT%H%M%SZ"))
}

impl Label {
    /// As it stands at the beginning of the file.
    ///
    /// # Errors
    /// When it is too long, which a cluster's name alone cannot make it.
    pub fn bytes(&self) -> Result<Vec<u8>, Flaw> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| Flaw::new(Level::There, error))?;
        if bytes.len() >= LENGTH {
            return Err(Flaw::new(Level::There, format!("a label of {} bytes is too long", bytes.len())));
        }
        bytes.resize(LENGTH - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the label; what follows is the age file.
    ///
    /// # Errors
    /// When it is no backup, or one of a format that is not known here.
    pub fn read(mut file: impl Read) -> Result<Label, Flaw> {
        let mut bytes = Vec::with_capacity(LENGTH);
        file.by_ref().take(LENGTH as u64).read_to_end(&mut bytes).map_err(Flaw::reading(Level::There, "it"))?;
        let no_backup = || Flaw::new(Level::There, "it is no backup of cowhand");
        if bytes.is_empty() {
            return Err(Flaw::new(Level::There, "it is empty"));
        }
        if bytes.len() < LENGTH && bytes.starts_with(BEGINS) {
            return Err(Flaw::new(Level::There, "it is cut off in its label"));
        }
        let line: serde_json::Value = match serde_json::from_slice(&bytes) {
            Ok(line) => line,
            Err(_) => return Err(no_backup()),
        };
        match line.get("cowhand-backup").and_then(serde_json::Value::as_u64) {
            None => return Err(no_backup()),
            Some(FORMAT) => {}
            Some(newer) => {
                let why = format!("its format is {newer}, and this cowhand knows {FORMAT}");
                return Err(Flaw::new(Level::There, why).remedy("take the cowhand that wrote it, or a newer one"));
            }
        }
        serde_json::from_value(line).map_err(|error| Flaw::new(Level::There, format!("its label is broken: {error}")))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn label() -> Label {
        Label {
            format: FORMAT,
            name: "prod".into(),
            uid: "6f0c2c7e-0000-4000-8000-000000000001".into(),
            taken: "2026-11-30T03:15:00Z".parse().unwrap(),
            revision: 4711,
            level: Level::Together,
            length: 12,
            sha256: "00".repeat(32),
        }
    }

    #[test]
    fn a_label_is_one_line_of_a_fixed_length_and_is_read_again() {
        let bytes = label().bytes().unwrap();
        assert_eq!((bytes.len(), bytes.iter().filter(|byte| **byte == b'\n').count()), (LENGTH, 1));
        assert_eq!(Label::read(&bytes[..]), Ok(label()));
        assert_eq!(file_name("prod", label().taken), "prod-20261130T031500Z.cowhand");
    }

    #[test]
    fn what_is_no_label_says_so() {
        let why = |bytes: &[u8]| Label::read(bytes).unwrap_err().why;
        assert_eq!(why(b""), "it is empty");
        assert_eq!(why(&label().bytes().unwrap()[..100]), "it is cut off in its label");
        assert_eq!(why(&[b'x'; 4096]), "it is no backup of cowhand");
        assert_eq!(why(b"{}"), "it is no backup of cowhand");
        let newer = Label { format: 2, ..label() }.bytes().unwrap();
        assert_eq!(why(&newer), "its format is 2, and this cowhand knows 1");
        let bare = format!("{:<1023}\n", r#"{"cowhand-backup":1}"#);
        assert!(why(bare.as_bytes()).starts_with("its label is broken"));
        let level = String::from_utf8(label().bytes().unwrap()).unwrap().replace(r#""level":3"#, r#""level":9"#);
        assert!(why(level.as_bytes()).contains("there is no level 9"));
    }
}
