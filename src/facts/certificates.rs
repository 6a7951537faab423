//! Every certificate in the picture: where it is seen, what it says, who renews it. Only public parts are kept.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::from_base64;
use crate::tls::{self, CertificateFacts};

/// Who puts a new certificate in the place of this one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renewer {
    CertManager,
    Rancher,
    RkeRotate,
    RkeRotateCa,
    Files,
    Ca,
    Balancer,
    /// Whoever installed it.
    Owner,
}

impl Renewer {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Renewer::CertManager => "cert-manager, by itself",
            Renewer::Rancher => "Rancher, by itself",
            Renewer::RkeRotate => "you: `rke cert rotate`",
            Renewer::RkeRotateCa => "you: `rke cert rotate --rotate-ca`",
            Renewer::Files => "you: new files, `cowhand up`",
            Renewer::Ca => "you: a new CA, in three runs",
            Renewer::Balancer => "you: on the load balancer",
            Renewer::Owner => "whoever installed it",
        }
    }
}

/// One certificate at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// e.g. `served by n1 (10.0.0.11)`, `secret cattle-system/tls-ca`, `rke kube-apiserver`.
    pub place: String,
    #[serde(flatten)]
    pub certificate: CertificateFacts,
    pub renewer: Renewer,
}

/// A place that could not be looked at, or whose certificate could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unseen {
    pub place: String,
    pub why: String,
}

/// What was seen, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Certificates {
    pub certificates: Vec<Placed>,
    pub unseen: Vec<Unseen>,
}

impl Certificates {
    /// Every certificate of a PEM text, numbered when there are several.
    pub fn pem(&mut self, place: &str, pem: &[u8], renewer: Renewer, now: Timestamp) {
        match tls::describe(pem, now) {
            Ok(all) => self.all(place, all, renewer),
            Err(error) => self.not_seen(place, error),
        }
    }

    /// A chain of DER as a handshake shows it.
    pub fn chain(&mut self, place: &str, chain: &[Vec<u8>], renewer: Renewer, now: Timestamp) {
        let described: Result<Vec<_>, String> = chain.iter().map(|der| tls::describe_der(der, now)).collect();
        match described {
            Ok(all) if all.is_empty() => self.not_seen(place, "no certificate was shown"),
            Ok(all) => self.all(place, all, renewer),
            Err(error) => self.not_seen(place, error),
        }
    }

    pub fn not_seen(&mut self, place: &str, why: impl ToString) {
        self.unseen.push(Unseen { place: place.into(), why: why.to_string() });
    }

    fn all(&mut self, place: &str, all: Vec<CertificateFacts>, renewer: Renewer) {
        let several = all.len() > 1;
        for (index, certificate) in all.into_iter().enumerate() {
            let place = if several { format!("{place} [{}]", index + 1) } else { place.to_string() };
            self.certificates.push(Placed { place, certificate, renewer });
        }
    }

    /// The CAs by which the API trusts the webhooks of one configuration, each once.
    pub fn webhooks(&mut self, configuration: &Value, now: Timestamp) {
        let name = configuration.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let place = format!("webhook {name}");
        let mut bundles: Vec<&str> = configuration["webhooks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|hook| hook.pointer("/clientConfig/caBundle")?.as_str())
            .filter(|bundle| !bundle.is_empty())
            .collect();
        bundles.sort_unstable();
        bundles.dedup();
        let renewer = if name.starts_with("cert-manager") { Renewer::CertManager } else { Renewer::Owner };
        for bundle in bundles {
            match from_base64(bundle) {
                Some(pem) => self.pem(&place, &pem, renewer, now),
                None => self.not_seen(&place, "its caBundle is not base64"),
            }
        }
    }
}

/// Who renews a certificate of RKE's bundle, by its name there (rancher/rke v1.8.0: pki/constants.go).
pub fn rke_renewer(name: &str) -> Renewer {
    match name {
        "kube-ca" | "kube-apiserver-requestheader-ca" => Renewer::RkeRotateCa,
        _ => Renewer::RkeRotate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use serde_json::json;

    const CHAIN: &[u8] = include_bytes!("../../tests/data/tls/chain.pem");

    fn now() -> Timestamp {
        "2027-05-20T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn every_certificate_of_a_place_is_listed() {
        let mut seen = Certificates::default();
        seen.pem("secret a", CHAIN, Renewer::Files, now());
        seen.pem("rke kube-ca", include_bytes!("../../tests/data/facts/kube-ca.pem"), rke_renewer("kube-ca"), now());
        let places: Vec<&str> = seen.certificates.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["secret a [1]", "secret a [2]", "rke kube-ca"]);
        assert_eq!(seen.certificates[2].renewer, Renewer::RkeRotateCa);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let mut seen = Certificates::default();
        seen.pem("secret a", b"nothing", Renewer::Files, now());
        seen.chain("served by n1", &[], Renewer::Files, now());
        assert_eq!(seen.unseen.len(), 2);
        assert!(seen.certificates.is_empty());
    }

    #[test]
    fn webhooks_of_one_ca_are_one_certificate() {
        let pem = serde_json::to_value(ByteString(CHAIN.to_vec())).unwrap();
        let hook = json!({"clientConfig": {"caBundle": pem}});
        let mut seen = Certificates::default();
        seen.webhooks(
            &json!({"metadata": {"name": "cert-manager-webhook"}, "webhooks": [hook, hook, {"clientConfig": {}}]}),
            now(),
        );
        assert_eq!(seen.certificates.len(), 2, "{seen:?}");
        assert_eq!(seen.certificates[0].place, "webhook cert-manager-webhook [1]");
        assert_eq!(seen.certificates[0].renewer, Renewer::CertManager);
        seen.webhooks(&json!({"metadata": {"name": "x"}, "webhooks": [{"clientConfig": {"caBundle": "?"}}]}), now());
        assert_eq!(seen.unseen[0].why, "its caBundle is not base64");
    }
}
