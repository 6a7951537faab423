//! cert-manager's readiness, as its own documents ask for it
//! (cert-manager/website: content/docs/installation/kubectl.md, content/docs/usage/cmctl.md "check api").

use serde_json::json;

use super::Condition;

/// Its definitions; all of them serve before anything is issued.
const DEFINITIONS: [&str; 6] = [
    "certificaterequests.cert-manager.io",
    "certificates.cert-manager.io",
    "challenges.acme.cert-manager.io",
    "clusterissuers.cert-manager.io",
    "issuers.cert-manager.io",
    "orders.acme.cert-manager.io",
];

/// What has to hold, in order, before an Issuer can be made: definitions established, the three deployments ready, the
/// webhook reachable and trusted, and an Issuer accepted by it in a dry run. `release` is the Helm release's name, which the
/// chart puts before its objects' names when it is not `cert-manager`.
pub fn cert_manager_ready(namespace: &str, release: &str) -> Vec<Condition> {
    let full = if release.contains("cert-manager") { release.to_owned() } else { format!("{release}-cert-manager") };
    let mut all: Vec<Condition> =
        DEFINITIONS.iter().map(|name| Condition::CrdEstablished { name: (*name).to_owned() }).collect();
    let deployments = [full.clone(), format!("{full}-cainjector"), format!("{full}-webhook")];
    all.extend(deployments.map(|name| Condition::DeploymentReady { namespace: namespace.to_owned(), name }));
    let webhook = format!("{full}-webhook");
    all.push(Condition::EndpointsNonEmpty { namespace: namespace.to_owned(), service: webhook.clone() });
    all.push(Condition::WebhookCaInjected { name: webhook });
    all.push(Condition::DryRunAccepted {
        manifest: json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": "cowhand-dry-run", "namespace": namespace},
            "spec": {"selfSigned": {}},
        }),
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dry_run_comes_last_and_names_follow_the_release() {
        let all = cert_manager_ready("cert-manager", "cert-manager");
        assert!(matches!(all.last(), Some(Condition::DryRunAccepted { .. })));
        let names = |all: &[Condition]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(names(&all).contains(&"deployment cert-manager/cert-manager-webhook".to_owned()));
        assert!(names(&cert_manager_ready("a", "b")).contains(&"deployment a/b-cert-manager-cainjector".to_owned()));
    }
}
