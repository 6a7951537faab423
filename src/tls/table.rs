//! The table of TLS set-ups: mode × issuer × variant, each cell with its recipe or with the reason why there is none.
//!
//! This is the one place that knows which set-ups exist; the picture, the checks and `verify` read it.

use serde::Serialize;

use crate::inventory::{
    AcmeEnvironment, EXTERNAL_ACME, EXTERNAL_CA, PASSTHROUGH_ACME, Senseless, Tls, TlsIssuer, TlsMode,
};

/// What kind of certificate it is, within one issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Blank: files from a CA that every client knows.
    PublicCa,
    /// Blank: files, and the CA that clients must be told.
    PrivateCa,
    /// Blank without files: Rancher makes its own CA.
    ChartCa,
    /// Issuer ca with the user's CA and its key.
    OwnCa,
    /// Issuer ca with a CA that cowhand makes.
    MadeCa,
    /// Let's Encrypt's test server.
    Staging,
    Production,
    /// Another ACME server, by its directory URL.
    OwnAcme,
}

/// How requests go on from the ingress to Rancher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// As plain http (modes ingress and external).
    Plain,
    /// The ingress ends TLS and speaks TLS again to Rancher.
    Reencrypt,
    /// The ingress passes TLS through; Rancher ends it.
    Passthrough,
}

/// The chart's value `ingress.tls.source`. It has these three words and no other; the chart itself does not check that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Source {
    #[serde(rename = "rancher")]
    Rancher,
    #[serde(rename = "letsEncrypt")]
    LetsEncrypt,
    #[serde(rename = "secret")]
    Secret,
}

impl Source {
    /// The chart's own spelling.
    pub fn word(self) -> &'static str {
        match self {
            Source::Rancher => "rancher",
            Source::LetsEncrypt => "letsEncrypt",
            Source::Secret => "secret",
        }
    }
}

/// Where the certificate that clients see comes from, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The given files, in Secret `tls-rancher-ingress`.
    Files,
    /// The chart's own Issuer and the annotation on its Ingress.
    ChartIssuer,
    /// An Issuer of ours with the CA's key, and a Certificate for `tls-rancher-ingress`.
    CaIssuer,
    /// An Issuer of ours for an ACME server that the chart does not know, and a Certificate for `tls-rancher-ingress`.
    AcmeIssuer,
    /// The outer load balancer has it; the cluster does not.
    Balancer,
    /// The given files, mounted into Rancher's pods.
    PodFiles,
    /// Rancher signs it with the CA that we put into Secret `tls-rancher`.
    PodCa,
    /// Rancher signs it with a CA that it makes itself.
    PodOwn,
}

/// Which CA Rancher hands to its agents (its setting `cacerts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cacerts {
    /// None: clients know the CA.
    Empty,
    /// The CA file or the made CA, through Secret `tls-ca`.
    Given,
    /// `tls.ca` when it is given, none otherwise.
    GivenOrEmpty,
    /// The CA in Secret `tls-rancher`, which Rancher makes at its first start.
    RancherMakes,
    /// The CA that we put into Secret `tls-rancher`.
    TlsRancher,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recipe {
    pub source: Source,
    pub origin: Origin,
    pub cacerts: Cacerts,
}

impl Recipe {
    /// Issuers are cert-manager's. Rancher's chart renders its own for the sources rancher and letsEncrypt even when its Ingress
    /// is switched off.
    pub fn needs_cert_manager(self) -> bool {
        match self.origin {
            Origin::ChartIssuer | Origin::CaIssuer | Origin::AcmeIssuer | Origin::PodCa | Origin::PodOwn => true,
            Origin::Files | Origin::Balancer | Origin::PodFiles => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sense {
    Makes(Recipe),
    Refused { reason: &'static str, instead: &'static str },
}

/// One set-up of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub mode: TlsMode,
    pub issuer: TlsIssuer,
    pub variant: Variant,
    pub passage: Passage,
    pub sense: Sense,
}

impl Cell {
    pub fn recipe(&self) -> Option<Recipe> {
        match self.sense {
            Sense::Makes(recipe) => Some(recipe),
            Sense::Refused { .. } => None,
        }
    }
}

const fn cell(mode: TlsMode, issuer: TlsIssuer, variant: Variant, passage: Passage, sense: Sense) -> Cell {
    Cell { mode, issuer, variant, passage, sense }
}

const fn makes(source: Source, origin: Origin, cacerts: Cacerts) -> Sense {
    Sense::Makes(Recipe { source, origin, cacerts })
}

/// In the inventory's words, which refuses it first.
const fn refused(why: &Senseless) -> Sense {
    Sense::Refused { reason: why.reason, instead: why.instead }
}

/// Every set-up that can be asked for.
pub const TABLE: &[Cell] = {
    use Passage::{Passthrough, Plain, Reencrypt};
    use TlsIssuer::{Acme, Blank, Ca};
    use TlsMode::{External, Ingress, Rancher};
    use Variant::*;
    const FILES_PUBLIC: Sense = makes(Source::Secret, Origin::Files, Cacerts::Empty);
    const FILES_PRIVATE: Sense = makes(Source::Secret, Origin::Files, Cacerts::Given);
    const CHART: Sense = makes(Source::Rancher, Origin::ChartIssuer, Cacerts::RancherMakes);
    const CA: Sense = makes(Source::Secret, Origin::CaIssuer, Cacerts::Given);
    const LETS_ENCRYPT: Sense = makes(Source::LetsEncrypt, Origin::ChartIssuer, Cacerts::GivenOrEmpty);
    const OWN_ACME: Sense = makes(Source::Secret, Origin::AcmeIssuer, Cacerts::GivenOrEmpty);
    const POD_CA: Sense = makes(Source::Rancher, Origin::PodCa, Cacerts::TlsRancher);
    &[
        cell(Ingress, Blank, PublicCa, Plain, FILES_PUBLIC),
        cell(Ingress, Blank, PrivateCa, Plain, FILES_PRIVATE),
        cell(Ingress, Blank, ChartCa, Plain, CHART),
        cell(Ingress, Ca, OwnCa, Plain, CA),
        cell(Ingress, Ca, MadeCa, Plain, CA),
        cell(Ingress, Acme, Staging, Plain, LETS_ENCRYPT),
        cell(Ingress, Acme, Production, Plain, LETS_ENCRYPT),
        cell(Ingress, Acme, OwnAcme, Plain, OWN_ACME),
        cell(External, Blank, PublicCa, Plain, makes(Source::Secret, Origin::Balancer, Cacerts::Empty)),
        cell(External, Blank, PrivateCa, Plain, makes(Source::Secret, Origin::Balancer, Cacerts::Given)),
        cell(External, Ca, OwnCa, Plain, refused(&EXTERNAL_CA)),
        cell(External, Ca, MadeCa, Plain, refused(&EXTERNAL_CA)),
        cell(External, Acme, Staging, Plain, refused(&EXTERNAL_ACME)),
        cell(External, Acme, Production, Plain, refused(&EXTERNAL_ACME)),
        cell(External, Acme, OwnAcme, Plain, refused(&EXTERNAL_ACME)),
        cell(Rancher, Blank, PublicCa, Reencrypt, FILES_PUBLIC),
        cell(Rancher, Blank, PrivateCa, Reencrypt, FILES_PRIVATE),
        cell(Rancher, Blank, ChartCa, Reencrypt, CHART),
        cell(Rancher, Ca, OwnCa, Reencrypt, CA),
        cell(Rancher, Ca, MadeCa, Reencrypt, CA),
        cell(Rancher, Acme, Staging, Reencrypt, LETS_ENCRYPT),
        cell(Rancher, Acme, Production, Reencrypt, LETS_ENCRYPT),
        cell(Rancher, Acme, OwnAcme, Reencrypt, OWN_ACME),
        cell(Rancher, Blank, PublicCa, Passthrough, makes(Source::Secret, Origin::PodFiles, Cacerts::Empty)),
        cell(Rancher, Blank, PrivateCa, Passthrough, makes(Source::Secret, Origin::PodFiles, Cacerts::Given)),
        cell(Rancher, Blank, ChartCa, Passthrough, makes(Source::Rancher, Origin::PodOwn, Cacerts::RancherMakes)),
        cell(Rancher, Ca, OwnCa, Passthrough, POD_CA),
        cell(Rancher, Ca, MadeCa, Passthrough, POD_CA),
        cell(Rancher, Acme, Staging, Passthrough, refused(&PASSTHROUGH_ACME)),
        cell(Rancher, Acme, Production, Passthrough, refused(&PASSTHROUGH_ACME)),
        cell(Rancher, Acme, OwnAcme, Passthrough, refused(&PASSTHROUGH_ACME)),
    ]
};

/// The cell that this part of the inventory asks for; `None` only for what the inventory itself refuses (passthrough outside of
/// mode rancher).
pub fn find(tls: &Tls) -> Option<&'static Cell> {
    let variant = variant(tls);
    let passage = match (tls.mode, tls.passthrough) {
        (TlsMode::Rancher, true) => Passage::Passthrough,
        (TlsMode::Rancher, false) => Passage::Reencrypt,
        (TlsMode::Ingress | TlsMode::External, true) => return None,
        (TlsMode::Ingress | TlsMode::External, false) => Passage::Plain,
    };
    TABLE.iter().find(|cell| {
        cell.mode == tls.mode && cell.issuer == tls.issuer && cell.variant == variant && cell.passage == passage
    })
}

fn variant(tls: &Tls) -> Variant {
    match tls.issuer {
        TlsIssuer::Blank if tls.ca.is_some() => Variant::PrivateCa,
        // the balancer's certificate need not be known here
        TlsIssuer::Blank if tls.certificate.is_some() || tls.mode == TlsMode::External => Variant::PublicCa,
        TlsIssuer::Blank => Variant::ChartCa,
        TlsIssuer::Ca if tls.ca.is_some() => Variant::OwnCa,
        TlsIssuer::Ca => Variant::MadeCa,
        TlsIssuer::Acme => match &tls.acme {
            Some(acme) if acme.server.is_some() => Variant::OwnAcme,
            Some(acme) => match acme.environment {
                AcmeEnvironment::Staging => Variant::Staging,
                AcmeEnvironment::Production => Variant::Production,
            },
            None => Variant::Staging,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_set_up_stands_in_the_table_twice() {
        let keys: HashSet<_> = TABLE.iter().map(|cell| (cell.mode, cell.issuer, cell.variant, cell.passage)).collect();
        assert_eq!(keys.len(), TABLE.len());
    }

    #[test]
    fn every_mode_meets_every_issuer() {
        for mode in [TlsMode::Ingress, TlsMode::External, TlsMode::Rancher] {
            for issuer in [TlsIssuer::Blank, TlsIssuer::Ca, TlsIssuer::Acme] {
                assert!(TABLE.iter().any(|cell| cell.mode == mode && cell.issuer == issuer), "{mode:?} {issuer:?}");
            }
        }
    }

    #[test]
    fn the_order_refuses_external_with_an_issuer_and_nothing_else_of_its_modes() {
        for cell in TABLE {
            let refused = matches!(cell.sense, Sense::Refused { .. });
            let external_issuer = cell.mode == TlsMode::External && cell.issuer != TlsIssuer::Blank;
            let passthrough_acme = cell.passage == Passage::Passthrough && cell.issuer == TlsIssuer::Acme;
            assert_eq!(refused, external_issuer || passthrough_acme, "{cell:?}");
        }
    }
}
