//! Where backups go, and who can open them.

use crate::inventory::judge::Judge;
use crate::inventory::model::Backup;
use crate::inventory::path::KeyPath;
use crate::inventory::raw::RawBackup;
use crate::inventory::ssh_folder::BackupPlace;
use crate::inventory::wrong::quoted;

use super::parts::items;

pub(super) fn backup(raw: RawBackup, judge: &mut Judge) -> Backup {
    let path = KeyPath::from("backup");
    let recipients = path.key("recipients");
    for (index, text) in items(&raw.recipients) {
        if text.starts_with("AGE-SECRET-KEY-") {
            let message = "is a secret key, which opens backups; its public half (age1…) belongs here, and this key away from here";
            judge.mistake(&recipients.index(index), message);
        } else if text.parse::<age::x25519::Recipient>().is_err() {
            let message =
                format!("{} is no public key of age; allowed: age1…, as `age-keygen -y` prints it", quoted(text));
            judge.mistake(&recipients.index(index), message);
        } else if raw.recipients.iter().take(index).flatten().any(|other| other == text) {
            judge.mistake(&recipients.index(index), format!("{} stands here twice", quoted(text)));
        }
    }
    if raw.passphrase.is_some() && !raw.recipients.is_empty() {
        judge.mistake(
            &path.key("passphrase"),
            "age seals with a passphrase or for recipients, never both; take one of them out",
        );
    }
    let passphrase = judge.file(&path.key("passphrase"), raw.passphrase.as_deref());
    let mut to = Vec::new();
    for (index, text) in items(&raw.to) {
        let at = path.key("to").index(index);
        match text.parse::<BackupPlace>() {
            Ok(BackupPlace::Folder(_)) => to.extend(judge.file(&at, Some(text)).map(BackupPlace::Folder)),
            Ok(far @ BackupPlace::Ssh(_)) => to.push(far),
            Err(why) => judge.mistake(&at, why),
        }
    }
    Backup { recipients: raw.recipients.into_iter().flatten().collect(), passphrase, to }
}
