//! Every certificate in the picture: where it is seen, what it says, who renews it. Only public parts are kept.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::tls::{self, Cacerts, Cell, CertificateFacts, Origin, Recipe, Sense};
use data_encoding::BASE64;

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
            Renewer::RkeRotate => "you: `cowhand rotate`",
            Renewer::RkeRotateCa => "you: `rke cert rotate --rotate-ca`",
            Renewer::Files => "you: new files, `cowhand up`",
            Renewer::Ca => "you: a new CA; `cowhand up` names the steps",
            Renewer::Balancer => "you: on the load balancer",
            Renewer::Owner => "whoever installed it",
        }
    }
}

/// Who renews the certificates of one place: the server's own, and the CAs beside or above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewers {
    pub leaf: Renewer,
    pub ca: Renewer,
}

impl From<Renewer> for Renewers {
    fn from(both: Renewer) -> Renewers {
        Renewers { leaf: both, ca: both }
    }
}

impl Renewers {
    /// Of what clients are served in this set-up.
    pub fn of(cell: Option<&Cell>) -> Renewers {
        match cell.map(|cell| cell.sense) {
            Some(Sense::Makes(recipe)) => Renewers { leaf: Renewer::of_leaf(recipe), ca: Renewer::of_ca(recipe) },
            Some(Sense::Refused { .. }) | None => Renewer::Owner.into(),
        }
    }
}

impl Renewer {
    fn of_leaf(recipe: Recipe) -> Renewer {
        match recipe.origin {
            Origin::ChartIssuer | Origin::CaIssuer | Origin::AcmeIssuer => Renewer::CertManager,
            Origin::Files | Origin::PodFiles => Renewer::Files,
            Origin::Balancer => Renewer::Balancer,
            Origin::PodCa | Origin::PodOwn => Renewer::Rancher,
        }
    }

    /// An intermediate that comes with each new leaf is renewed with it; a CA that signs here is somebody's own.
    fn of_ca(recipe: Recipe) -> Renewer {
        match recipe.origin {
            Origin::CaIssuer | Origin::PodCa => Renewer::Ca,
            Origin::ChartIssuer if recipe.cacerts == Cacerts::RancherMakes => Renewer::Rancher,
            Origin::PodOwn => Renewer::Rancher,
            Origin::ChartIssuer | Origin::AcmeIssuer => Renewer::CertManager,
            Origin::Files | Origin::PodFiles => Renewer::Files,
            Origin::Balancer => Renewer::Balancer,
        }
    }

    /// Who is to be named of two who were seen with one certificate: a CA that agents know is the most to be careful with,
    /// and whoever is known at all says more than nobody.
    pub fn stronger(self, other: Renewer) -> Renewer {
        match (self, other) {
            (Renewer::Ca, _) | (_, Renewer::Ca) => Renewer::Ca,
            (Renewer::Owner, known) => known,
            (first, _) => first,
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
    pub fn pem(&mut self, place: &str, pem: &[u8], renewers: impl Into<Renewers>, now: Timestamp) {
        match tls::describe(pem, now) {
            Ok(all) => self.all(place, all, renewers.into()),
            Err(error) => self.not_seen(place, error),
        }
    }

    /// A chain of DER as a handshake shows it.
    pub fn chain(&mut self, place: &str, chain: &[Vec<u8>], renewers: impl Into<Renewers>, now: Timestamp) {
        let described: Result<Vec<_>, String> = chain.iter().map(|der| tls::describe_der(der, now)).collect();
        match described {
            Ok(all) if all.is_empty() => self.not_seen(place, "no certificate was shown"),
            Ok(all) => self.all(place, all, renewers.into()),
            Err(error) => self.not_seen(place, error),
        }
    }

    pub fn not_seen(&mut self, place: &str, why: impl ToString) {
        self.unseen.push(Unseen { place: place.into(), why: why.to_string() });
    }

    fn all(&mut self, place: &str, all: Vec<CertificateFacts>, renewers: Renewers) {
        let several = all.len() > 1;
        for (index, certificate) in all.into_iter().enumerate() {
            let place = if several { format!("{place} [{}]", index + 1) } else { place.to_string() };
            let renewer = if certificate.is_ca { renewers.ca } else { renewers.leaf };
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
        for bundle in bundles {
            self.bundle(&place, bundle, maker(name), now);
        }
    }

    /// The CA by which the API trusts who serves an aggregated API.
    pub fn api_service(&mut self, service: &Value, now: Timestamp) {
        let name = service.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let bundle = service.pointer("/spec/caBundle").and_then(Value::as_str).filter(|bundle| !bundle.is_empty());
        if let Some(bundle) = bundle {
            self.bundle(&format!("apiservice {name}"), bundle, maker(name), now);
        }
    }

    fn bundle(&mut self, place: &str, bundle: &str, renewer: Renewer, now: Timestamp) {
        match BASE64.decode(bundle.trim().as_bytes()).ok() {
            Some(pem) => self.pem(place, &pem, renewer, now),
            None => self.not_seen(place, "its caBundle is not base64"),
        }
    }
}

/// Who keeps a registration of this name: cert-manager's cainjector and Rancher do it by themselves.
fn maker(name: &str) -> Renewer {
    if name.starts_with("cert-manager") {
        Renewer::CertManager
    } else if name.ends_with("cattle.io") {
        Renewer::Rancher
    } else {
        Renewer::Owner
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

    #[test]
    fn a_ca_in_a_chain_is_not_renewed_by_who_renews_the_leaf() {
        let of = |origin: Origin, cacerts: Cacerts| {
            let is = |cell: &&Cell| matches!(cell.sense, Sense::Makes(one) if (one.origin, one.cacerts) == (origin, cacerts));
            let renewers = Renewers::of(tls::TABLE.iter().find(is));
            (renewers.leaf, renewers.ca)
        };
        assert_eq!(of(Origin::PodCa, Cacerts::TlsRancher), (Renewer::Rancher, Renewer::Ca));
        assert_eq!(of(Origin::CaIssuer, Cacerts::Given), (Renewer::CertManager, Renewer::Ca));
        assert_eq!(of(Origin::ChartIssuer, Cacerts::RancherMakes), (Renewer::CertManager, Renewer::Rancher));
        assert_eq!(of(Origin::AcmeIssuer, Cacerts::GivenOrEmpty), (Renewer::CertManager, Renewer::CertManager));
        assert_eq!(of(Origin::Balancer, Cacerts::Given), (Renewer::Balancer, Renewer::Balancer));
        let mut seen = Certificates::default();
        let served = Renewers { leaf: Renewer::CertManager, ca: Renewer::Ca };
        seen.pem("served by n1", CHAIN, served, now());
        assert_eq!(
            seen.certificates.iter().map(|one| one.renewer).collect::<Vec<_>>(),
            [Renewer::CertManager, Renewer::Ca]
        );
    }

    #[test]
    fn aggregated_apis_are_listed_by_the_ca_they_are_trusted_by() {
        let pem = serde_json::to_value(ByteString(CHAIN.to_vec())).unwrap();
        let mut seen = Certificates::default();
        seen.api_service(&json!({"metadata": {"name": "v1.ext.cattle.io"}, "spec": {"caBundle": pem}}), now());
        seen.api_service(&json!({"metadata": {"name": "v1."}, "spec": {}}), now());
        seen.api_service(&json!({"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": {"caBundle": "?"}}), now());
        assert_eq!(seen.certificates[0].place, "apiservice v1.ext.cattle.io [1]");
        assert_eq!((seen.certificates.len(), seen.certificates[0].renewer), (2, Renewer::Rancher));
        assert_eq!(seen.unseen.len(), 1);
    }
}
