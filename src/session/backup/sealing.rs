//! Who can open a backup, read from what was said and from files.

use std::path::Path;

use secrecy::ExposeSecret;

use super::words::Wanted;
use crate::backup::{Keys, Recipients};
use crate::failure::{Exit, Failure};
use crate::session::project::Project;
use crate::session::run_file::{one_line, secret};

/// For whom it is sealed.
pub fn recipients(project: &Project, wanted: &Wanted) -> Result<Recipients, Failure> {
    match (&wanted.passphrase, wanted.recipients.is_empty()) {
        (Some(_), false) => Err(Failure::new(Exit::Usage, "recipients and a passphrase exclude each other")
            .hint("age seals for keys or with a passphrase, never both")),
        (Some(file), true) => {
            let passphrase = one_line(file).map_err(|why| unread("the passphrase", &why))?;
            if passphrase.expose_secret().trim().is_empty() {
                return Err(unread("the passphrase", &format!("{} is empty", file.display())));
            }
            Ok(Recipients::Passphrase(passphrase))
        }
        (None, true) => Err(Failure::new(Exit::Usage, "nobody is named who could open the backup").hint(format!(
            "`cowhand backup new-key FILE` makes a key and prints its public half; write that into {} as \
             `backup: {{recipients: [age1…]}}`, or give it with --recipient. Keep FILE away from here",
            project.file.display()
        ))),
        (None, false) => Recipients::keys(wanted.recipients.iter().map(String::as_str))
            .map_err(|why| Failure::new(Exit::Usage, "the backup cannot be sealed").because(why)),
    }
}

/// What to think of before the key is needed.
pub fn warning(recipients: &Recipients) -> Option<String> {
    match (recipients, recipients.count()) {
        (Recipients::Keys(_), 1) => Some(
            "one recipient: who loses that one key loses every backup; name a second one, kept elsewhere".to_owned(),
        ),
        (Recipients::Keys(_) | Recipients::Passphrase(_), _) => None,
    }
}

/// What opens it: a key file or a file with a passphrase, as they were named.
pub fn keys(identity: Option<&Path>, passphrase: Option<&Path>) -> Result<Option<Keys>, Failure> {
    match (identity, passphrase) {
        (Some(file), _) => {
            let text = secret(file).map_err(|why| unread("the key", &why))?;
            let keys = Keys::read(text.expose_secret());
            keys.map(Some).map_err(|why| unread("the key", &format!("{}: {why}", file.display())))
        }
        (None, Some(file)) => {
            one_line(file).map(Keys::Passphrase).map(Some).map_err(|why| unread("the passphrase", &why))
        }
        (None, None) => Ok(None),
    }
}

fn unread(what: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{what} cannot be used"))
        .because(why)
        .hint("a secret's file is a regular file that nobody else may read: chmod 600")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_both_and_a_file_that_others_may_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let error = |wanted: &Wanted| recipients(&project, wanted).err().unwrap();
        let nobody = error(&Wanted::default());
        assert!(nobody.exit == Exit::Usage && nobody.hint.unwrap().contains("new-key"));
        let file = folder.path().join("passphrase");
        std::fs::write(&file, "CANARY\n").unwrap();
        let with_passphrase = Wanted { passphrase: Some(file.clone()), ..Wanted::default() };
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = error(&with_passphrase);
        assert!(open.because[0].contains("others") && !format!("{open:?}").contains("CANARY"), "{open:?}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(recipients(&project, &with_passphrase).is_ok());
        assert!(error(&Wanted { recipients: vec!["age1x".into()], ..with_passphrase }).error.contains("exclude"));
        std::fs::write(&file, "\n").unwrap();
        assert!(keys(Some(&file), None).err().unwrap().because[0].contains("no key"));
    }
}
