//! Which ingress controller serves the class, and so whose objects and words are written.

use super::Refusal;
use crate::inventory::{Ingress, IngressProvider, Inventory};

/// Which ingress controller objects are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    Nginx,
    Traefik,
    Unknown,
    /// The cluster that is there has not said it yet.
    Unseen,
}

impl Controller {
    pub(super) fn of(inventory: &Inventory) -> Controller {
        match inventory.ingress.provider {
            IngressProvider::Nginx => Controller::Nginx,
            IngressProvider::Traefik => Controller::Traefik,
            IngressProvider::Existing => match (&inventory.ingress.controller, inventory.engine.is_shared()) {
                (Some(seen), _) => by_its_name(seen),
                (None, true) => Controller::Unseen,
                // RKE's cluster may not be there yet; the name of the class is all that is known
                (None, false) => match inventory.ingress.class.as_str() {
                    "nginx" => Controller::Nginx,
                    "traefik" => Controller::Traefik,
                    _ => Controller::Unknown,
                },
            },
        }
    }
}

/// By `spec.controller` of the class; the class itself may be called anything (F5's controller comes with a class `nginx` too).
/// A second ingress-nginx is e.g. `k8s.io/internal-ingress-nginx` (its documents: user-guide/multiple-ingress).
fn by_its_name(controller: &str) -> Controller {
    match controller {
        "traefik.io/ingress-controller" => Controller::Traefik,
        nginx if nginx.starts_with("k8s.io/") && nginx.ends_with("ingress-nginx") => Controller::Nginx,
        _ => Controller::Unknown,
    }
}

/// The class and what serves it, as a sentence names them.
pub(super) fn class_told(ingress: &Ingress) -> String {
    match &ingress.controller {
        Some(controller) => format!("`{}`, which `{controller}` serves,", ingress.class),
        None => format!("`{}`", ingress.class),
    }
}

/// Each controller passes TLS through in its own way.
pub(super) fn no_passage(ingress: &Ingress, until_seen: bool) -> Refusal {
    let reason = match (until_seen, ingress.class.as_str()) {
        (false, _) => format!("how the ingress class {} passes TLS through is not known", class_told(ingress)),
        (true, "") => "which controller serves the cluster's default ingress class was not seen".to_owned(),
        (true, class) => format!("which controller serves the ingress class `{class}` was not seen"),
    };
    let instead = "leave `passthrough` out, or name a class that ingress-nginx or Traefik serves";
    Refusal { until_seen, ..Refusal::new(reason, instead) }
}
