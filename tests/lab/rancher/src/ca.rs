//! The CA `tls-rancher`: reused when its Secret is there, made otherwise, and the same one for every replica.

use crate::kube::Store;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

pub const SECRET: &str = "tls-rancher";

pub struct Ca {
    /// The first certificate of the Secret, written anew: Rancher takes `chain[0]` alone and encodes it
    /// (rancher/rancher: pkg/tls/tls.go; rancher/dynamiclistener: storage/kubernetes/ca.go).
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Rancher's `LoadOrGenCA`: whoever creates the Secret first decides, the others read it again.
pub async fn load_or_generate(store: &Store) -> Result<Ca> {
    let (cert, key) = generate()?;
    let fresh = BTreeMap::from([("tls.crt".to_string(), cert), ("tls.key".to_string(), key)]);
    let kept = store.get_or_create(SECRET, "kubernetes.io/tls", fresh).await?;
    let part = |name: &str| kept.get(name).cloned().with_context(|| format!("secret {SECRET} has no {name}"));
    Ca::new(part("tls.crt")?, &part("tls.key")?)
}

impl Ca {
    fn new(pem: String, key: &str) -> Result<Self> {
        let key = KeyPair::from_pem(key).with_context(|| format!("the key in secret {SECRET} cannot be used"))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key)
            .with_context(|| format!("the certificate in secret {SECRET} cannot be used"))?;
        let first = CertificateDer::from_pem_slice(pem.as_bytes())?;
        Ok(Self { pem: encoded(&first), issuer })
    }

    /// A serving certificate for these names.
    pub fn issue(&self, key: &KeyPair, names: &[String]) -> Result<rcgen::Certificate> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = name("dynamic");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(365);
        Ok(params.signed_by(key, &self.issuer)?)
    }
}

/// As Go's `pem.EncodeToMemory` writes it.
fn encoded(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn generate() -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&format!("dynamiclistener-ca@{}", OffsetDateTime::now_utc().unix_timestamp()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = validity(3650);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "dynamiclistener-org");
    name.push(DnType::CommonName, common_name);
    name
}

/// From an hour ago, for clocks that are a little behind.
fn validity(days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::hours(1), now + Duration::days(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_certificates_the_first_is_handed_out_written_anew() {
        let ((first, key), (second, _)) = (generate().unwrap(), generate().unwrap());
        let file = format!("# ours\r\n{}{second}", first.replace('\n', "\r\n"));
        let ca = Ca::new(file, &key).unwrap();
        assert_eq!(ca.pem.lines().collect::<Vec<_>>(), first.lines().collect::<Vec<_>>());
        assert!(!ca.pem.contains('\r') && ca.pem.ends_with("-----\n"));
    }
}
