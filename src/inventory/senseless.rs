//! TLS set-ups that make no sense: why, and what to choose instead. The inventory refuses them by its line; the table of
//! all set-ups (`tls::TABLE`) refuses its cells with the same words.

use semver::Version;

use super::model::{TlsIssuer, TlsMode};

/// One reason to refuse.
#[derive(Debug, PartialEq, Eq)]
pub struct Senseless {
    /// The key under `rancher.tls` that is to be changed.
    pub key: &'static str,
    pub reason: &'static str,
    pub instead: &'static str,
}

impl Senseless {
    pub fn message(&self) -> String {
        format!("{}; {}", self.reason, self.instead)
    }
}

pub const EXTERNAL_CA: Senseless = Senseless {
    key: "issuer",
    reason: "the load balancer has its own certificate in mode external: no issuer in the cluster can give it one",
    instead: "choose issuer blank, and give `ca` if the balancer's certificate comes from a private CA; or choose mode ingress",
};
pub const EXTERNAL_ACME: Senseless = Senseless {
    key: "issuer",
    reason: "the load balancer has its own certificate in mode external: nothing in the cluster can renew it there",
    instead: "choose issuer blank, and let the balancer itself speak ACME; or choose mode ingress",
};
pub const PASSTHROUGH_ACME: Senseless = Senseless {
    key: "passthrough",
    reason: "does not go with issuer acme: Rancher's pods read a certificate only when they start, so a renewed one would \
             not be served",
    instead: "remove it, and the ingress encrypts anew",
};
pub const PASSTHROUGH_ELSEWHERE: Senseless = Senseless {
    key: "passthrough",
    reason: "goes with mode rancher only, where TLS ends in Rancher's pods",
    instead: "remove it, or choose mode rancher",
};

/// Why the keys mode, issuer and passthrough do not go together.
pub fn senseless(mode: TlsMode, issuer: TlsIssuer, passthrough: bool) -> Vec<&'static Senseless> {
    let issuers = match (mode, issuer) {
        (TlsMode::External, TlsIssuer::Ca) => Some(&EXTERNAL_CA),
        (TlsMode::External, TlsIssuer::Acme) => Some(&EXTERNAL_ACME),
        (TlsMode::External, TlsIssuer::Blank) | (TlsMode::Ingress | TlsMode::Rancher, _) => None,
    };
    let passed = match (mode, issuer) {
        (TlsMode::Ingress | TlsMode::External, _) => Some(&PASSTHROUGH_ELSEWHERE),
        (TlsMode::Rancher, TlsIssuer::Acme) => Some(&PASSTHROUGH_ACME),
        (TlsMode::Rancher, TlsIssuer::Blank | TlsIssuer::Ca) => None,
    };
    issuers.into_iter().chain(passed.filter(|_| passthrough)).collect()
}

/// The first Rancher whose chart takes TLS from the ingress (value `service.disableHTTP`).
pub const FIRST_REENCRYPTED: Version = Version::new(2, 11, 5);

/// Why this Rancher cannot be spoken to with TLS by the ingress; with passthrough it need not.
pub fn too_old_to_reencrypt(mode: TlsMode, passthrough: bool, version: &Version) -> Option<String> {
    let reencrypts = mode == TlsMode::Rancher && !passthrough;
    (reencrypts && *version < FIRST_REENCRYPTED).then(|| {
        format!(
            "rancher needs Rancher {FIRST_REENCRYPTED} or later, whose chart lets the ingress encrypt anew \
             (`service.disableHTTP`), and this is {version}; set `rancher.version: {FIRST_REENCRYPTED}`, or choose mode ingress"
        )
    })
}
