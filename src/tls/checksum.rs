//! The CA checksum as Rancher and its agents compute it.
//!
//! Rancher keeps the trimmed text of `/etc/rancher/ssl/cacerts.pem` in its setting `cacerts` (rancher/rancher:pkg/tls/tls.go) and
//! hashes that text with one line end after it (pkg/systemtemplate/import.go); agents hash what `/cacerts` gives them (package/run.sh).
//! It is the **text** that is hashed: Windows line ends, comments, blank lines inside and the order of certificates all
//! change the checksum, though the certificates stay the same. Only white space around the whole does not.

use sha2::{Digest, Sha256};

use data_encoding::HEXLOWER;

/// What Rancher's setting `cacerts` will hold for this content of `cacerts.pem`.
pub fn cacerts_setting(pem: &str) -> &str {
    // Go's strings.TrimSpace and Rust's trim both go by Unicode's White_Space
    pem.trim()
}

/// The checksum that agents compare (`CATTLE_CA_CHECKSUM`), in small hex; empty when there is no CA, as in Rancher itself.
pub fn ca_checksum(pem: &str) -> String {
    let setting = cacerts_setting(pem);
    if setting.is_empty() {
        return String::new();
    }
    let mut hash = Sha256::new();
    hash.update(setting.as_bytes());
    hash.update(b"\n");
    HEXLOWER.encode(&hash.finalize())
}

/// Why a CA text would not come out of the cluster as it went in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    #[error("it is empty")]
    Empty,
    /// A Secret keeps any bytes, but Rancher's setting is a JSON string: what is not UTF-8 is replaced there.
    #[error("byte {at} is not UTF-8: Rancher's setting `cacerts` would hold something else")]
    NotText { at: usize },
    /// The API server's limit for the data of a Secret (kubernetes/kubernetes: MaxSecretSize).
    #[error("it has {bytes} bytes, a Kubernetes Secret holds at most 1048576")]
    TooLarge { bytes: usize },
}

/// Whether this content of `cacerts.pem` passes unchanged through a Secret and Rancher's setting.
pub fn survives_secret(pem: &[u8]) -> Result<(), NotKept> {
    let text = std::str::from_utf8(pem).map_err(|error| NotKept::NotText { at: error.valid_up_to() })?;
    if text.trim().is_empty() {
        return Err(NotKept::Empty);
    }
    if pem.len() > 1024 * 1024 {
        return Err(NotKept::TooLarge { bytes: pem.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What an agent does: text, one line end, sha256.
    fn by_openssl(text: &str) -> String {
        let mut child = Command::new("openssl")
            .args(["dgst", "-sha256", "-r"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    }

    #[test]
    fn is_what_openssl_says_of_the_trimmed_text_and_one_line_end() {
        assert_eq!(ca_checksum("  one\r\ntwo\n\n\n"), by_openssl("one\r\ntwo\n"));
    }

    #[test]
    fn no_ca_has_no_checksum() {
        assert_eq!(ca_checksum(" \n"), "");
    }

    #[test]
    fn what_a_secret_or_the_setting_would_change_is_told() {
        assert_eq!(survives_secret(b"x"), Ok(()));
        assert_eq!(survives_secret(b" \n"), Err(NotKept::Empty));
        assert_eq!(survives_secret(b"ab\xff"), Err(NotKept::NotText { at: 2 }));
        assert_eq!(survives_secret(&vec![b'x'; 1_048_577]), Err(NotKept::TooLarge { bytes: 1_048_577 }));
    }

    proptest! {
        #[test]
        fn space_around_does_not_count_and_line_ends_inside_do(
            lines in proptest::collection::vec("[A-Za-z0-9+/=-]{1,64}", 2..12),
            before in "[ \t\r\n]{0,5}",
            after in "[ \t\r\n]{0,5}",
        ) {
            let plain = lines.join("\n");
            let windows = lines.join("\r\n");
            prop_assert_eq!(ca_checksum(&plain), ca_checksum(&format!("{before}{plain}{after}")));
            prop_assert_eq!(ca_checksum(&windows), ca_checksum(&format!("{before}{windows}{after}")));
            prop_assert_ne!(ca_checksum(&plain), ca_checksum(&windows));
            prop_assert_ne!(ca_checksum(&plain), ca_checksum(&lines.join("\n\n")));
        }
    }
}
