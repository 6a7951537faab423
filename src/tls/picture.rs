//! The picture of one TLS set-up: everything that plan, execute, verify and inventory/README.md read off the table.

mod advice;
mod controller;
mod refusal;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::checksum::ca_checksum;
use super::material::{Material, SecretSource};
use super::objects::{self, INGRESS_SECRET, NAMESPACE, OwnObject, SolverClass};
use super::table::{self, Cacerts, Cell, Origin, Passage, Recipe, Sense, Variant};
use crate::inventory::{Acme, AgentTlsMode, Inventory, PASSTHROUGH_ELSEWHERE, TlsMode, Values};
use controller::Controller;
pub use refusal::Refusal;

/// What one TLS set-up means for everybody else.
#[derive(Debug, Clone)]
pub struct Picture {
    pub cell: &'static Cell,
    /// For Rancher's chart; `agentTLSMode` is always among them.
    pub chart_values: Values,
    pub agent_tls_mode: AgentTlsMode,
    /// One sentence that says why.
    pub agent_reason: String,
    /// To be there before Rancher starts.
    pub secrets: Vec<SecretWanted>,
    pub objects: Vec<OwnObject>,
    pub needs_cert_manager: bool,
    pub ingress: IngressSettings,
    pub predicted: Predicted,
    pub trust: Trust,
    /// What the user should know, each one sentence or two.
    pub notes: Vec<String>,
}

/// A Secret by what it holds, without holding it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretWanted {
    pub namespace: &'static str,
    pub name: &'static str,
    pub kind: SecretKind,
    pub entries: Vec<(&'static str, SecretSource)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SecretKind {
    #[serde(rename = "kubernetes.io/tls")]
    Tls,
    Opaque,
}

impl SecretKind {
    /// The Secret's `type`.
    pub fn word(self) -> &'static str {
        match self {
            SecretKind::Tls => "kubernetes.io/tls",
            SecretKind::Opaque => "Opaque",
        }
    }
}

/// What the ingress controller has to be told, for each that cowhand can tell something.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IngressSettings {
    /// `ingress.options` of cluster.yml: ingress-nginx' ConfigMap.
    pub rke_options: BTreeMap<String, String>,
    /// `ingress.extra_args` of cluster.yml.
    pub rke_extra_args: BTreeMap<String, String>,
    /// Values of Traefik's chart.
    pub traefik_values: Values,
}

/// The CA checksum that agents will be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicted {
    Checksum(String),
    /// `cacerts` will be empty.
    Empty,
    KnownAfterInstall {
        why: &'static str,
    },
}

/// What a client must trust to reach Rancher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    Pem(String),
    /// What the client's system trusts.
    System,
    /// The last certificate under this key of this Secret in `cattle-system`: a CA that was made there.
    ReadFromCluster {
        secret: &'static str,
        key: &'static str,
    },
    /// The same, but of what the issuer sent along with the certificate that is served: no proof of where it comes from.
    AsIssued {
        secret: &'static str,
        key: &'static str,
    },
}

/// Makes the picture. The material may lack only what is not made yet: the CA that cowhand itself makes.
pub fn picture(inventory: &Inventory, material: &Material) -> Result<Picture, Refusal> {
    let tls = &inventory.rancher.tls;
    let cell = table::find(tls).ok_or_else(|| {
        Refusal::new(format!("passthrough {}", PASSTHROUGH_ELSEWHERE.reason), PASSTHROUGH_ELSEWHERE.instead)
    })?;
    let recipe = match cell.sense {
        Sense::Makes(recipe) => recipe,
        Sense::Refused { reason, instead } => return Err(Refusal::new(reason, instead)),
    };
    advice::refuse_incomplete(inventory, material, cell, recipe)?;
    let controller = Controller::of(inventory);
    let hands_out_ca = match recipe.cacerts {
        Cacerts::Given => true,
        Cacerts::GivenOrEmpty => tls.ca.is_some(),
        Cacerts::Empty | Cacerts::RancherMakes | Cacerts::TlsRancher => false,
    };
    let (agent_tls_mode, agent_reason) = advice::agent_mode(inventory, recipe, hands_out_ca)?;
    let mut notes = advice::notes(inventory, cell, recipe, controller);
    if agent_tls_mode == AgentTlsMode::SystemStore && tls.agent_tls_mode.is_some() && recipe.cacerts != Cacerts::Empty {
        notes.push(
            "agents go by their machine's own CA store: the private CA must be in it on every machine that joins"
                .into(),
        );
    }
    let setup = Setup { inventory, cell, recipe, controller };
    Ok(Picture {
        cell,
        chart_values: chart_values(&setup, hands_out_ca, agent_tls_mode),
        agent_tls_mode,
        agent_reason,
        secrets: secrets(recipe, hands_out_ca, tls.also_trust.is_some()),
        objects: own_objects(&setup, material)?,
        needs_cert_manager: recipe.needs_cert_manager(),
        ingress: ingress_settings(inventory, cell),
        predicted: predicted(recipe, hands_out_ca, material),
        trust: trust(cell, recipe, hands_out_ca, material),
        notes,
    })
}

/// What the chart's values follow from.
struct Setup<'a> {
    inventory: &'a Inventory,
    cell: &'a Cell,
    recipe: Recipe,
    controller: Controller,
}

fn chart_values(setup: &Setup<'_>, private_ca: bool, agents: AgentTlsMode) -> Values {
    let mut values = Values::new();
    let tls = if setup.cell.mode == TlsMode::External { "external" } else { "ingress" };
    values.insert("tls".into(), json!(tls));
    values.insert("privateCA".into(), json!(private_ca));
    values.insert("agentTLSMode".into(), json!(agents));
    if setup.recipe.source == table::Source::LetsEncrypt
        && let Some(acme) = &setup.inventory.rancher.tls.acme
    {
        let class = json!({"class": setup.inventory.ingress.class});
        let account = json!({"email": acme.email, "environment": acme.environment, "ingress": class});
        values.insert("letsEncrypt".into(), account);
    }
    if let Some(service) = service_values(setup) {
        values.insert("service".into(), service);
    }
    values.insert("ingress".into(), ingress_values(setup));
    values
}

fn ingress_values(setup: &Setup<'_>) -> Value {
    let mut ingress = json!({"tls": {"source": setup.recipe.source.word(), "secretName": INGRESS_SECRET}});
    match setup.cell.passage {
        Passage::Plain => {}
        Passage::Reencrypt => ingress["servicePort"] = json!(443),
        Passage::Passthrough => ingress["enabled"] = json!(false),
    }
    // The chart gives nginx timeouts that let a WebSocket be silent for half an hour; since 2.14 only when asked, and nginx' own
    // 60 seconds cut the agents off (rancher/rancher: chart/values.yaml, commit a3bb993f1d).
    let version = &setup.inventory.rancher.version;
    let asks = (version.major, version.minor) >= (2, 14);
    if asks && setup.controller == Controller::Nginx && setup.cell.passage != Passage::Passthrough {
        ingress["includeDefaultExtraAnnotations"] = json!(true);
    }
    let annotations = annotations(setup);
    if !annotations.is_empty() {
        ingress["extraAnnotations"] = Value::Object(annotations);
    }
    ingress
}

fn annotations(setup: &Setup<'_>) -> Values {
    let mut annotations = Values::new();
    if setup.recipe.origin == Origin::ChartIssuer {
        // Before 1.18 cert-manager keeps a key for ever, and waits for a person where the former set-up's key does not suit
        // (cert-manager docs: usage/certificate, rotationPolicy).
        annotations.insert("cert-manager.io/private-key-rotation-policy".into(), json!("Always"));
    }
    if setup.cell.passage == Passage::Reencrypt && setup.controller == Controller::Traefik {
        let middleware = json!(format!("{NAMESPACE}-rancher-https@kubernetescrd"));
        annotations.insert("traefik.ingress.kubernetes.io/router.middlewares".into(), middleware);
    }
    annotations
}

fn service_values(setup: &Setup<'_>) -> Option<Value> {
    if setup.cell.passage != Passage::Reencrypt {
        return None;
    }
    let mut service = json!({"disableHTTP": true});
    if setup.controller == Controller::Traefik {
        service["annotations"] = json!({
            "traefik.ingress.kubernetes.io/service.serversscheme": "https",
            "traefik.ingress.kubernetes.io/service.serverstransport": format!("{NAMESPACE}-rancher@kubernetescrd"),
        });
    }
    Some(service)
}

fn secrets(recipe: Recipe, hands_out_ca: bool, several: bool) -> Vec<SecretWanted> {
    let secret = |name, kind, entries| SecretWanted { namespace: NAMESPACE, name, kind, entries };
    let pair = |certificate, key| vec![("tls.crt", certificate), ("tls.key", key)];
    let mut secrets = Vec::new();
    match recipe.origin {
        Origin::Files => {
            secrets.push(secret(INGRESS_SECRET, SecretKind::Tls, pair(SecretSource::Certificate, SecretSource::Key)))
        }
        Origin::CaIssuer => {
            secrets.push(secret(objects::CA_ISSUER, SecretKind::Tls, pair(SecretSource::Ca, SecretSource::CaKey)));
        }
        Origin::PodFiles => secrets.push(secret(
            objects::POD_SECRET,
            SecretKind::Opaque,
            vec![("cert.pem", SecretSource::Certificate), ("key.pem", SecretSource::Key)],
        )),
        // Rancher takes the CA that it finds there instead of making one (rancher/dynamiclistener:storage/kubernetes/ca.go)
        Origin::PodCa => {
            secrets.push(secret("tls-rancher", SecretKind::Tls, pair(SecretSource::Ca, SecretSource::CaKey)));
        }
        Origin::ChartIssuer | Origin::AcmeIssuer | Origin::Balancer | Origin::PodOwn => {}
    }
    if hands_out_ca {
        let source = if several { SecretSource::Cacerts } else { SecretSource::Ca };
        secrets.push(secret("tls-ca", SecretKind::Opaque, vec![("cacerts.pem", source)]));
    }
    secrets
}

fn own_objects(setup: &Setup<'_>, material: &Material) -> Result<Vec<OwnObject>, Refusal> {
    let Setup { inventory, cell, recipe, controller } = *setup;
    let hostname = inventory.rancher.hostname.as_str();
    let mut all = Vec::new();
    match recipe.origin {
        Origin::CaIssuer => {
            all.push(objects::ca_issuer());
            all.push(objects::certificate(hostname, objects::CA_ISSUER, true));
        }
        Origin::AcmeIssuer => {
            if let Some(acme @ Acme { server: Some(server), .. }) = &inventory.rancher.tls.acme {
                all.push(objects::acme_issuer(
                    acme,
                    server,
                    material.acme_server_ca(),
                    &solver_class(inventory, controller),
                ));
            }
            all.push(objects::certificate(hostname, objects::ACME_ISSUER, false));
        }
        Origin::PodFiles => all.push(objects::pod_certificate()),
        Origin::Files | Origin::ChartIssuer | Origin::Balancer | Origin::PodCa | Origin::PodOwn => {}
    }
    match (cell.passage, controller) {
        (Passage::Plain, _) | (Passage::Reencrypt, Controller::Nginx | Controller::Unknown | Controller::Unseen) => {}
        (Passage::Reencrypt, Controller::Traefik) => {
            all.push(objects::traefik_servers_transport());
            all.push(objects::traefik_redirect());
        }
        (Passage::Passthrough, Controller::Traefik) => all.extend(objects::traefik_passthrough(hostname)),
        (Passage::Passthrough, Controller::Nginx) => {
            all.push(objects::nginx_passthrough(hostname, &inventory.ingress.class));
        }
        (Passage::Passthrough, Controller::Unknown | Controller::Unseen) => {
            return Err(controller::no_passage(&inventory.ingress, controller == Controller::Unseen));
        }
    }
    Ok(all)
}

/// A controller's own word in the annotation is understood by every version of cert-manager, also by one that was there before
/// and whose version nobody tells; Rancher's chart goes by it too. Another class needs the field, which has to be known.
fn solver_class(inventory: &Inventory, controller: Controller) -> SolverClass<'_> {
    let class = inventory.ingress.class.as_str();
    match (controller, class) {
        (Controller::Nginx, "nginx") | (Controller::Traefik, "traefik") => return SolverClass::Annotation(class),
        (Controller::Nginx | Controller::Traefik | Controller::Unknown | Controller::Unseen, _) => {}
    }
    let version = &inventory.cert_manager.chart.version;
    match semver::Version::parse(version.trim_start_matches('v')) {
        Ok(version) if version >= semver::Version::new(1, 12, 0) => SolverClass::Field(class),
        _ => SolverClass::Annotation(class),
    }
}

fn ingress_settings(inventory: &Inventory, cell: &Cell) -> IngressSettings {
    let mut settings = IngressSettings::default();
    if cell.mode == TlsMode::External {
        let balancers: Vec<String> = inventory.load_balancers.iter().map(|address| network(*address)).collect();
        settings.rke_options.insert("use-forwarded-headers".into(), "true".into());
        settings.rke_options.insert("proxy-real-ip-cidr".into(), balancers.join(","));
        settings.traefik_values.insert("ports".into(), json!({"web": {"forwardedHeaders": {"trustedIPs": balancers}}}));
    }
    if cell.passage == Passage::Passthrough {
        settings.rke_extra_args.insert("enable-ssl-passthrough".into(), String::new());
    }
    settings
}

fn network(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

const MADE_LATER: &str = "cowhand makes the CA at the first `up`";

fn predicted(recipe: Recipe, hands_out_ca: bool, material: &Material) -> Predicted {
    let of = |pem: Option<String>| {
        pem.map_or(Predicted::KnownAfterInstall { why: MADE_LATER }, |pem| Predicted::Checksum(ca_checksum(&pem)))
    };
    match recipe.cacerts {
        Cacerts::RancherMakes => Predicted::KnownAfterInstall { why: "Rancher makes the CA at its first start" },
        Cacerts::TlsRancher => of(material.first_ca_rewritten()),
        Cacerts::Given | Cacerts::GivenOrEmpty if hands_out_ca => of(material.cacerts()),
        Cacerts::Given | Cacerts::GivenOrEmpty | Cacerts::Empty => Predicted::Empty,
    }
}

fn trust(cell: &Cell, recipe: Recipe, hands_out_ca: bool, material: &Material) -> Trust {
    let ca = |secret, key| match material.ca() {
        Some(pem) => Trust::Pem(pem.to_owned()),
        None => Trust::ReadFromCluster { secret, key },
    };
    match recipe.cacerts {
        Cacerts::RancherMakes => Trust::ReadFromCluster { secret: "tls-rancher", key: "tls.crt" },
        Cacerts::TlsRancher => ca("tls-rancher", "tls.crt"),
        Cacerts::Given | Cacerts::GivenOrEmpty if hands_out_ca => ca("tls-ca", "cacerts.pem"),
        // no system trusts the staging root: go by the intermediate that came with the certificate
        Cacerts::GivenOrEmpty if cell.variant == Variant::Staging => {
            Trust::AsIssued { secret: INGRESS_SECRET, key: "tls.crt" }
        }
        Cacerts::Given | Cacerts::GivenOrEmpty | Cacerts::Empty => Trust::System,
    }
}
