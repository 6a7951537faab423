//! What may be mounted in `/etc/rancher/ssl`, and the `cacerts` setting that follows from it.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The files of `/etc/rancher/ssl`.
#[derive(Debug, Default)]
pub struct Files {
    pub cacerts: Option<String>,
    /// Certificate and key.
    pub pair: Option<(String, String)>,
}

pub fn read(dir: &Path) -> Result<Files> {
    let pair = match (optional(&dir.join("cert.pem"))?, optional(&dir.join("key.pem"))?) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => bail!("invalid SSL configuration found, please set both cert.pem and key.pem in {}", dir.display()),
    };
    Ok(Files { cacerts: optional(&dir.join("cacerts.pem"))?, pair })
}

/// The `cacerts` setting as Rancher sets it when it starts; `own` is the PEM of the CA `tls-rancher`. A mounted
/// certificate has to come with word on its CA: a file, or that there is none to hand out.
pub fn cacerts(files: &Files, no_cacerts: bool, own: &str) -> Result<String> {
    match (&files.cacerts, no_cacerts) {
        (Some(_), true) => {
            bail!("invalid SSL configuration found, cacerts.pem and --no-cacerts cannot be used at the same time")
        }
        (None, false) if files.pair.is_some() => bail!(
            "invalid SSL configuration found, a certificate of one's own needs cacerts.pem, or --no-cacerts when it \
             comes from a recognized authority"
        ),
        (Some(pem), false) => Ok(pem.trim().to_string()),
        (None, true) => Ok(String::new()),
        (None, false) => Ok(own.trim().to_string()),
    }
}

fn optional(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_follows_from_file_and_flag() {
        let with = |pem: &str| Files { cacerts: Some(pem.into()), pair: None };
        assert_eq!(cacerts(&with("\n MINE\n\n"), false, "OWN").unwrap(), "MINE");
        assert_eq!(cacerts(&Files::default(), false, "OWN\n").unwrap(), "OWN");
        assert_eq!(cacerts(&Files::default(), true, "OWN").unwrap(), "");
        assert!(cacerts(&with("MINE"), true, "OWN").unwrap_err().to_string().starts_with("invalid SSL configuration"));
        let served = Files { cacerts: None, pair: Some(("CERT".into(), "KEY".into())) };
        assert!(cacerts(&served, false, "OWN").is_err());
        assert_eq!(cacerts(&served, true, "OWN").unwrap(), "");
    }

    #[test]
    fn half_a_pair_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().pair.is_none());
        fs::write(dir.path().join("cert.pem"), "x").unwrap();
        assert!(read(dir.path()).is_err());
    }
}
