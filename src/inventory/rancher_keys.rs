//! The values of Rancher's chart that follow from other keys of the inventory.

use serde_json::Value;

use super::rke_keys::kinds::{open, refused};

/// Values of Rancher's chart (2.9 to 2.15) that follow from other keys of the inventory; all others are free.
pub(super) fn rancher_values() -> Value {
    let tls = "it follows from `rancher.tls`";
    open([
        ("hostname", refused("set `rancher.hostname` instead")),
        ("replicas", refused("set `rancher.replicas` instead")),
        ("bootstrapPassword", refused("it is a secret; give the path of a file in `rancher.bootstrap_password`")),
        ("tls", refused(tls)),
        ("privateCA", refused(tls)),
        ("agentTLSMode", refused("set `rancher.tls.agent_tls_mode` instead")),
        ("letsEncrypt", refused("set `rancher.tls.acme` instead")),
        (
            "ingress",
            open([
                ("tls", refused(tls)),
                ("servicePort", refused(tls)),
                ("ingressClassName", refused("set `ingress.class` instead (at the top of the inventory)")),
            ]),
        ),
        ("service", open([("disableHTTP", refused(tls))])),
    ])
}
