//! The CA `tls-rancher`: reused when its Secret is there, made otherwise, and the same one for every replica.

use crate::kube::Store;
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

pub const SECRET: &str = "tls-rancher";

pub struct Ca {
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
        Ok(Self { pem, issuer })
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
