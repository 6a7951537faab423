//! A CA of our own: made when the inventory asks for issuer `ca` and gives none, and checked whenever one is used.

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose};
use secrecy::SecretString;
use time::OffsetDateTime;

use super::certificate::{self, Unreadable, is_ca};
use super::key::{self, Fit, NotAKey};
use super::pem::{self, NotPem};
use crate::failure::Hint;

/// A CA that was just made.
#[derive(Debug)]
pub struct MadeCa {
    pub certificate_pem: String,
    /// PKCS#8.
    pub key_pem: SecretString,
}

/// A CA could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CannotMakeCa {
    #[error("the clock says {0}, for which no certificate can be made")]
    Clock(Timestamp),
    #[error("the CA's key or certificate cannot be made")]
    Making(#[from] rcgen::Error),
}

impl Hint for CannotMakeCa {}

/// Why a certificate and a key cannot serve as a CA.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACa {
    #[error("the CA's certificate cannot be read: {0}")]
    Certificate(#[from] Unreadable),
    #[error("the CA's key cannot be read: {0}")]
    KeyFile(#[from] NotPem),
    #[error("the file of the CA's key has no private key in it")]
    NoKey,
    #[error("the CA's key cannot be used: {0}")]
    Key(#[from] NotAKey),
    #[error("the CA's key belongs to another certificate")]
    OtherKey,
    #[error("the CA's key is of a kind that cannot be compared with its certificate here")]
    UnknownKey,
    #[error("the CA's certificate is not a CA's: basicConstraints does not say CA:TRUE")]
    NotCa,
    #[error("the CA's certificate may not sign certificates: its keyUsage lacks keyCertSign")]
    MayNotSign,
}

const YEAR: i64 = 31_557_600;

/// Makes a CA for the cluster `name`: EC P-256 (the backend here makes no RSA keys), 10 years, from an hour ago so that a node whose
/// clock is behind accepts it. It signs leaf certificates only (path length 0), which is all that cert-manager and Rancher do with it.
pub fn make_ca(name: &str, now: Timestamp) -> Result<MadeCa, CannotMakeCa> {
    let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CannotMakeCa::Clock(now));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // RFC 5280 ub-common-name: 64 characters
    let short: String = name.chars().take(61).collect();
    params.distinguished_name.push(DnType::CommonName, format!("{short} CA"));
    params.not_before = at(now.as_second() - 3600)?;
    params.not_after = at(now.as_second() + 10 * YEAR)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate_pem = pem::encode_certificate(params.self_signed(&key)?.der());
    Ok(MadeCa { certificate_pem, key_pem: SecretString::from(key.serialize_pem()) })
}

/// Whether the key fits the first certificate, and that certificate really is a CA. (rcgen's own reader would take a wrong key and a
/// leaf without a word.)
pub fn check_ca(certificate_pem: &[u8], key_pem: &[u8]) -> Result<(), NotACa> {
    let certificates = pem::read(certificate_pem).map_err(Unreadable::from)?;
    let block = certificates.blocks.iter().find(|block| block.is_certificate()).ok_or(Unreadable::NoCertificate)?;
    let der = block.content.as_ref().map_err(|why| Unreadable::Block { line: block.line, why: *why })?;
    let ca = certificate::parse(der).map_err(|why| Unreadable::Certificate { line: block.line, why })?;
    let keys = pem::read(key_pem)?;
    let key = keys.blocks.iter().find(|block| block.is_private_key()).ok_or(NotACa::NoKey)?;
    match key::fits(&key::read_private_key(key)?, &ca) {
        Fit::Fits => {}
        Fit::Differs => return Err(NotACa::OtherKey),
        Fit::CannotTell => return Err(NotACa::UnknownKey),
    }
    if !is_ca(&ca) {
        return Err(NotACa::NotCa);
    }
    match ca.key_usage() {
        Ok(Some(usage)) if !usage.value.key_cert_sign() => Err(NotACa::MayNotSign),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::io::Write;
    use std::process::Command;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_made_ca_is_what_its_docstring_says() {
        let ca = make_ca("prod", now()).unwrap();
        let facts = certificate::describe(ca.certificate_pem.as_bytes(), now()).unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!(facts[0].subject, "CN=prod CA");
        assert_eq!(facts[0].not_before, "2026-11-22T11:00:00Z".parse().unwrap());
        assert_eq!(facts[0].days_left, 3652);
        assert!(facts[0].is_ca);
        check_ca(ca.certificate_pem.as_bytes(), ca.key_pem.expose_secret().as_bytes()).unwrap();
        assert!(!format!("{ca:?}").contains("PRIVATE"));
    }

    #[test]
    fn two_made_cas_differ_and_their_keys_are_not_taken_for_each_other() {
        let (one, other) = (make_ca("prod", now()).unwrap(), make_ca("prod", now()).unwrap());
        assert_eq!(
            check_ca(one.certificate_pem.as_bytes(), other.key_pem.expose_secret().as_bytes()),
            Err(NotACa::OtherKey)
        );
    }

    #[test]
    fn openssl_accepts_it_and_a_leaf_signed_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let ca = make_ca("prod", Timestamp::now()).unwrap();
        for (name, text) in [("ca.pem", ca.certificate_pem.as_str()), ("ca.key", ca.key_pem.expose_secret())] {
            std::fs::File::create(folder.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
        }
        let script = "set -e
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj /CN=x -out leaf.csr
            openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -out leaf.pem
            openssl verify -x509_strict -CAfile ca.pem ca.pem
            openssl x509 -in ca.pem -noout -text | grep -A1 'Key Usage: critical' | grep -q 'Certificate Sign, CRL Sign'
            openssl verify -CAfile ca.pem leaf.pem";
        let output = Command::new("sh").arg("-c").arg(script).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
