//! The ingress controller: RKE's own nginx, Traefik by chart, or one that is there already.

use serde_json::{Map, json};

use super::playbook::Stage;
use super::release::{self, ReleaseFound};
use super::step::{ReleaseWanted, StagePlan, Step, Wait};
use crate::inventory::{IngressProvider, Inventory, Values};

/// Namespace and release name of a Traefik that cowhand installs.
pub const TRAEFIK: &str = "traefik";

/// What the stage does. `tls_values` are the chart values that the TLS picture asks of Traefik.
pub fn plan(inventory: &Inventory, tls_values: &Values, found: Option<&ReleaseFound>) -> StagePlan {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    match inventory.ingress.provider {
        IngressProvider::Nginx => {}
        IngressProvider::Traefik => {
            let wanted = traefik(inventory, tls_values);
            steps.extend(release::step(wanted, found));
        }
        IngressProvider::Existing => {
            notes.push(format!("the ingress class `{}` that is there serves Rancher", inventory.ingress.class));
        }
    }
    steps.extend(controller(inventory.ingress.provider).map(Step::Wait));
    StagePlan { stage: Stage::Ingress, steps, notes }
}

/// The controller's pods, where RKE or cowhand brings them.
pub fn controller(provider: IngressProvider) -> Option<Wait> {
    let (namespace, name) = match provider {
        IngressProvider::Nginx => ("ingress-nginx", "nginx-ingress-controller"),
        IngressProvider::Traefik => (TRAEFIK, TRAEFIK),
        IngressProvider::Existing => return None,
    };
    Some(Wait::DaemonSet { namespace: namespace.into(), name: name.into() })
}

/// Traefik as a DaemonSet on the nodes' own ports 80 and 443, as RKE's nginx is.
pub fn traefik(inventory: &Inventory, tls_values: &Values) -> ReleaseWanted {
    let mut values: Values = Map::new();
    for layer in [&own_values(&inventory.ingress.class), tls_values, &inventory.ingress.values] {
        release::merge(&mut values, layer);
    }
    ReleaseWanted {
        release: TRAEFIK.into(),
        namespace: TRAEFIK.into(),
        chart: inventory.ingress.chart.clone(),
        values,
        because: Vec::new(),
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
