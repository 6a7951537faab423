//! A folder of this machine, or one on another: `ssh://[user@]host[:port]/path`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where backups go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    Folder(PathBuf),
    Ssh(SshFolder),
}

/// A folder on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshFolder {
    pub user: Option<String>,
    /// A name, an address, or a Host of the ssh configuration.
    pub host: String,
    pub port: Option<u16>,
    /// Absolute.
    pub path: String,
}

impl fmt::Display for SshFolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(out, "ssh://{user}{host}{port}{}", self.path)
    }
}

impl FromStr for BackupPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<BackupPlace, String> {
        match text.split_once("://") {
            Some(("ssh", rest)) => folder(rest).map(BackupPlace::Ssh),
            Some((scheme, _)) => {
                Err(format!("is a place of kind {scheme}; allowed: a folder, or ssh://[user@]host[:port]/path"))
            }
            None if text.is_empty() => Err("is no folder".into()),
            None => Ok(BackupPlace::Folder(text.into())),
        }
    }
}

fn folder(rest: &str) -> Result<SshFolder, String> {
    let wrong = || "is no place over SSH; allowed: ssh://[user@]host[:port]/path, with an absolute path".to_owned();
    let at = rest.find('/').ok_or_else(wrong)?;
    let (place, path) = (&rest[..at], rest[at..].trim_end_matches('/'));
    let (user, place) = place.rsplit_once('@').map_or((None, place), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(':')) {
        return Err("has a password in it; a key or an agent logs in".into());
    }
    let (host, port) = match place.strip_prefix('[') {
        Some(address) => {
            let (address, port) = address.split_once(']').ok_or_else(wrong)?;
            (address, port.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    // A host that begins with a dash would be an option of ssh.
    if host.is_empty() || host.starts_with('-') || path.is_empty() || user == Some("") || path.contains('\0') {
        return Err(wrong());
    }
    Ok(SshFolder { user: user.map(str::to_owned), host: host.into(), port, path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_written_the_same() {
        for text in ["ssh://nas/srv/b", "ssh://me@nas.example.com:2222/srv/my backups", "ssh://me@[fd00::1]:22/b"] {
            let Ok(BackupPlace::Ssh(folder)) = text.parse() else { panic!("{text}") };
            assert_eq!(folder.to_string(), text);
        }
        assert_eq!("/mnt/nas".parse(), Ok(BackupPlace::Folder("/mnt/nas".into())));
        for wrong in
            ["ssh://nas", "ssh:///srv", "ssh://nas/", "ssh://me:pw@nas/b", "ssh://nas:x/b", "ssh://-oX/b", "s3://b", ""]
        {
            assert!(wrong.parse::<BackupPlace>().is_err(), "{wrong}");
        }
    }
}
