//! The ingress controller: RKE's own nginx, Traefik by chart, or one that is there already.

use serde_json::{Map, json};

use super::release::{self, ReleaseFound};
use super::stage::Stage;
use super::step::{ReleaseWanted, StagePlan, Step, Wait};
pub use crate::facts::controllers::TRAEFIK;
use crate::failure::Hint;
use crate::inventory::{IngressProvider, Inventory, Values, merge};

/// What is there where Traefik is to be installed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IngressFound {
    /// The release that cowhand made.
    pub release: Option<ReleaseFound>,
    /// Its namespace is there, by whomever.
    pub namespace: bool,
    /// A release of that name is there, by somebody else.
    pub foreign: bool,
    /// Whatever else lets people into a cluster that is there, as words.
    pub others: Vec<String>,
}

/// An ingress of somebody else's, over or beside which none is installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    #[error("release {TRAEFIK}/{TRAEFIK} is in the cluster, and cowhand did not install it")]
    Release,
    #[error("an ingress is in the cluster already: {}", .0.join(", "))]
    Others(Vec<String>),
}

impl Hint for Foreign {
    fn hint(&self) -> Option<String> {
        Some("use it: `ingress: {provider: existing, class: …}`; or take it away first; cowhand installs no ingress over or beside another".into())
    }
}

/// What the stage does. `tls_values` are the chart values that the TLS picture asks of Traefik.
///
/// # Errors
/// When somebody else's ingress is in the way.
pub fn plan(inventory: &Inventory, tls_values: &Values, found: &IngressFound) -> Result<StagePlan, Foreign> {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    match inventory.ingress.provider {
        IngressProvider::Nginx => {}
        IngressProvider::Traefik if found.foreign => return Err(Foreign::Release),
        IngressProvider::Traefik if !found.others.is_empty() => return Err(Foreign::Others(found.others.clone())),
        IngressProvider::Traefik => {
            let wanted = traefik(inventory, tls_values);
            steps.extend(release::steps(wanted, found.release.as_ref(), found.namespace));
        }
        IngressProvider::Existing => {
            notes.push(format!("the ingress class `{}` that is there serves Rancher", inventory.ingress.class));
        }
    }
    steps.extend(controller(inventory.ingress.provider).map(Step::Wait));
    Ok(StagePlan { stage: Stage::Ingress, steps, notes })
}

/// The controller's pods, where RKE or cowhand brings them.
pub fn controller(provider: IngressProvider) -> Option<Wait> {
    let (namespace, name) = match provider {
        IngressProvider::Nginx => ("ingress-nginx", "nginx-ingress-controller"),
        IngressProvider::Traefik => (TRAEFIK, TRAEFIK),
        IngressProvider::Existing => return None,
    };
    Some(Wait::DaemonSet { namespace: namespace.into(), name: name.into(), without: Vec::new() })
}

/// Traefik as a DaemonSet on the nodes' own ports 80 and 443, as RKE's nginx is.
pub fn traefik(inventory: &Inventory, tls_values: &Values) -> ReleaseWanted {
    let mut values: Values = Map::new();
    for layer in [&own_values(&inventory.ingress.class), tls_values, &inventory.ingress.values] {
        merge(&mut values, layer);
    }
    ReleaseWanted {
        release: TRAEFIK.into(),
        namespace: TRAEFIK.into(),
        chart: inventory.ingress.chart.clone(),
        values,
        because: Vec::new(),
        guards: Vec::new(),
    }
}

fn own_values(class: &str) -> Values {
    // A node that dies takes a pod of Rancher with it, which stays among the Service's endpoints for about 40 s.
    // Traefik would wait 30 s for it to answer a connect, and for ever on a connection that it kept
    // (doc.traefik.io: serversTransport, forwardingTimeouts.dialTimeout, maxIdleConnsPerHost).
    let arguments =
        ["--serversTransport.forwardingTimeouts.dialTimeout=2s", "--serversTransport.maxIdleConnsPerHost=-1"];
    // A host port is taken by one pod: the old one has to go before the new one comes.
    let update = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
    Map::from_iter([
        ("deployment".to_owned(), json!({"kind": "DaemonSet"})),
        ("ingressClass".to_owned(), json!({"enabled": true, "isDefaultClass": true, "name": class})),
        ("ports".to_owned(), json!({"web": {"hostPort": 80}, "websecure": {"hostPort": 443}})),
        ("service".to_owned(), json!({"enabled": false})),
        ("additionalArguments".to_owned(), json!(arguments)),
        ("updateStrategy".to_owned(), update),
    ])
}
