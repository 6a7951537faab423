//! What is refused, decided for the agents, and told the user about one TLS set-up.

use super::super::material::{Material, SecretSource};
use super::super::table::{Cacerts, Cell, Origin, Passage, Recipe, Source, Variant};
use super::Refusal;
use super::controller::{Controller, class_told};
use crate::inventory::{AcmeEnvironment, AgentTlsMode, IngressProvider, Inventory, TlsMode};

pub(super) fn refuse_incomplete(
    inventory: &Inventory,
    material: &Material,
    cell: &Cell,
    recipe: Recipe,
) -> Result<(), Refusal> {
    let tls = &inventory.rancher.tls;
    let missing = |what: &str| {
        Err(Refusal::new(format!("this TLS set-up needs `tls.{what}`"), format!("give `tls.{what}` in the inventory")))
    };
    match recipe.origin {
        Origin::Files | Origin::PodFiles => {
            if material.certificate().is_none() {
                return missing("certificate");
            }
            if material.text(SecretSource::Key).is_none() {
                return missing("key");
            }
        }
        Origin::ChartIssuer if tls.key.is_some() => return missing("certificate"),
        Origin::CaIssuer | Origin::PodCa if cell.variant == Variant::OwnCa => {
            if material.text(SecretSource::CaKey).is_none() {
                return missing("ca_key");
            }
        }
        Origin::ChartIssuer if tls.acme.is_none() && recipe.source == Source::LetsEncrypt => {
            return missing("acme");
        }
        Origin::ChartIssuer if tls.acme.as_ref().is_some_and(|acme| acme.server_ca.is_some()) => {
            return Err(Refusal::new(
                "`tls.acme.server_ca` is given without `tls.acme.server`: Let's Encrypt's own CA is known everywhere",
                "leave it out, or give the directory URL of the ACME server that it belongs to",
            ));
        }
        Origin::ChartIssuer
        | Origin::CaIssuer
        | Origin::PodCa
        | Origin::AcmeIssuer
        | Origin::Balancer
        | Origin::PodOwn => {}
    }
    if tls.ca.is_some() && material.ca().is_none() {
        return missing("ca");
    }
    Ok(())
}

/// Agents refuse to work when they are strict and are given no CA (harvester/harvester#7105); new installations since 2.9 are
/// strict unless the chart says otherwise. So it is never left open.
pub(super) fn agent_mode(
    inventory: &Inventory,
    recipe: Recipe,
    hands_out_ca: bool,
) -> Result<(AgentTlsMode, String), Refusal> {
    let has_ca = hands_out_ca || matches!(recipe.cacerts, Cacerts::RancherMakes | Cacerts::TlsRancher);
    match (inventory.rancher.tls.agent_tls_mode, has_ca) {
        (Some(AgentTlsMode::Strict), false) => Err(Refusal::new(
            "agents in mode strict trust only the CA that Rancher hands them, and here it hands them none: they could not connect",
            "give the public CA as `tls.ca`, or leave `agent_tls_mode` out (agents then go by their system's CA store)",
        )),
        (Some(AgentTlsMode::Strict), true) => Ok((AgentTlsMode::Strict, "the inventory says so".into())),
        (Some(AgentTlsMode::SystemStore), _) => Ok((AgentTlsMode::SystemStore, "the inventory says so".into())),
        (None, true) => {
            Ok((AgentTlsMode::Strict, "Rancher hands its agents the CA, so they need trust no other".into()))
        }
        (None, false) => Ok((
            AgentTlsMode::SystemStore,
            "no CA is handed to the agents, so they must go by their system's CA store; strict ones could not connect"
                .into(),
        )),
    }
}

pub(super) fn notes(inventory: &Inventory, cell: &Cell, recipe: Recipe, controller: Controller) -> Vec<String> {
    let mut notes = Vec::new();
    let existing = inventory.ingress.provider == IngressProvider::Existing;
    if cell.variant == Variant::Staging {
        notes.push("no browser and no agent trusts Let's Encrypt's staging certificates: choose production when the test is done".into());
        if inventory.rancher.tls.ca.is_none() {
            notes.push("the chain cannot be proved against a root that is not given: give Let's Encrypt's staging root as `ca` to have it proved".into());
        }
    }
    if let Some(acme) = &inventory.rancher.tls.acme
        && acme.server.is_none()
        && acme.environment == AcmeEnvironment::Production
    {
        notes.push("Let's Encrypt must reach port 80 of the name from the internet; try staging first, production has rate limits".into());
    }
    if cell.mode == TlsMode::External {
        if existing {
            notes.push("the ingress is not cowhand's: tell it yourself to trust X-Forwarded-* from the balancers, or every request is redirected for ever".into());
        }
        if controller == Controller::Nginx {
            notes.push("ingress-nginx believes X-Forwarded-Proto from anybody once told to: let only the balancers reach port 80 of the nodes".into());
        }
    }
    match cell.passage {
        Passage::Plain => {}
        Passage::Reencrypt => {
            notes.push("between ingress and Rancher the traffic is encrypted, but the ingress does not verify Rancher's own certificate".into());
            match controller {
                Controller::Nginx | Controller::Traefik => {}
                Controller::Unknown | Controller::Unseen => notes.push(format!(
                    "whether the ingress class {} can speak TLS to Rancher is not known",
                    class_told(&inventory.ingress)
                )),
            }
        }
        Passage::Passthrough => {
            notes.push("passthrough is for experts: Rancher's chart has no value for it, and the ingress sees no request any more".into());
            if existing && controller == Controller::Nginx {
                notes
                    .push("the ingress is not cowhand's: its controller must run with --enable-ssl-passthrough".into());
            }
            if recipe.origin == Origin::PodFiles {
                notes.push(
                    "Rancher's pods read the certificate when they start: they are restarted when it changes".into(),
                );
            }
            if recipe.origin == Origin::PodCa {
                notes.push(
                    "that Rancher takes the CA it finds in Secret tls-rancher is how its code works, not documented"
                        .into(),
                );
            }
        }
    }
    notes
}
