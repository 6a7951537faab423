//! Every certificate in the picture, gathered: served, in the cluster, of RKE itself.

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::cluster::{Access, Identity};
use crate::engine::ApiRoute;
use crate::facts::certificates::{Certificates, Renewer, Renewers, rke_renewer};
use crate::facts::cluster::NAMESPACE;
use crate::inventory::Existing;
use crate::plan::cert_manager::CERT_MANAGER;
use crate::report::certificates::CertificatesSeen;
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs;
use crate::session::inputs::nothing_there;
use crate::session::machines::Machines;
use crate::session::outside::served;
use crate::session::ownership;
use crate::session::project::Project;
use crate::tls::{INGRESS_SECRET, table_cell};

/// All that can be seen; what cannot is said.
pub async fn see(project: &Project, machines: &Machines) -> CertificatesSeen {
    let now = Timestamp::now();
    let mut seen = Certificates::default();
    outside(project, machines, &mut seen, now).await;
    let mut mark = None;
    match inputs::reach(project, machines).await {
        Ok(Some(reached)) => {
            inside(project, &reached, &mut seen, now).await;
            mark = foreign(project, &reached, &mut seen).await;
        }
        Ok(None) => {
            let failure = machines.unreached().unwrap_or_else(|| nothing_there(project));
            seen.not_seen("the cluster's secrets and webhooks", failure.error);
        }
        Err(failure) => seen.not_seen("the cluster's secrets and webhooks", failure.error),
    }
    workspace(project, &mut seen, now);
    CertificatesSeen { seen, mark }
}

async fn foreign(project: &Project, reached: &ClusterApi, seen: &mut Certificates) -> Option<String> {
    match ownership::foreign(project, reached).await {
        Ok(mark) => mark,
        Err(failure) => {
            seen.not_seen("the mark of the cluster", failure.error);
            None
        }
    }
}

/// Who renews what clients are served, as the inventory has it.
pub fn renewers(project: &Project) -> Renewers {
    Renewers::of(table_cell(&project.inventory.rancher.tls))
}

async fn outside(project: &Project, machines: &Machines, seen: &mut Certificates, now: Timestamp) {
    for one in served(project, machines).await {
        let place = format!("served by {}", one.way);
        match one.chain {
            Ok(chain) => seen.chain(&place, &chain, renewers(project), now),
            Err(why) => seen.not_seen(&place, why),
        }
    }
}

/// Secrets with certificates that Rancher, cert-manager and RKE's nginx keep, and who renews them: namespace, name, key.
/// (rancher/webhook: pkg/server; rancher/dynamiclistener; ingress-nginx: kube-webhook-certgen.)
const KEPT: [(&str, &str, &str, Renewer); 11] = [
    (NAMESPACE, "tls-ca", "cacerts.pem", Renewer::Ca),
    (NAMESPACE, "cattle-issuer-ca", "tls.crt", Renewer::Ca),
    (NAMESPACE, "cattle-server-keys", "cert.pem", Renewer::Files),
    (NAMESPACE, "tls-rancher-internal-ca", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "tls-rancher-internal", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "serving-cert", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "cattle-webhook-ca", "tls.crt", Renewer::Rancher),
    (NAMESPACE, "cattle-webhook-tls", "tls.crt", Renewer::Rancher),
    (CERT_MANAGER, "cert-manager-webhook-ca", "tls.crt", Renewer::CertManager),
    ("ingress-nginx", "ingress-nginx-admission", "ca", Renewer::Owner),
    ("ingress-nginx", "ingress-nginx-admission", "cert", Renewer::Owner),
];

async fn inside(project: &Project, reached: &ClusterApi, seen: &mut Certificates, now: Timestamp) {
    let served = renewers(project);
    // A CA of the user's own lies there where Rancher's pods sign with it.
    let own = if served.ca == Renewer::Ca && served.leaf == Renewer::Rancher { Renewer::Ca } else { Renewer::Rancher };
    let first = [(NAMESPACE, INGRESS_SECRET, "tls.crt", served), (NAMESPACE, "tls-rancher", "tls.crt", own.into())];
    let kept = KEPT.map(|(namespace, name, key, renewer)| (namespace, name, key, Renewers::from(renewer)));
    let places = first.into_iter().chain(kept);
    for (namespace, name, key, renewer) in places {
        let place = format!("secret {namespace}/{name}");
        match reached.cluster.read_secret(namespace, name).await {
            Ok(None) => {}
            Ok(Some(data)) => match data.get(key) {
                Some(pem) => seen.pem(&place, pem.expose_secret(), renewer, now),
                None => seen.not_seen(&place, format!("it has no {key}")),
            },
            Err(error) => seen.not_seen(&place, error),
        }
    }
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        match reached.cluster.list("admissionregistration.k8s.io/v1", kind, None, None).await {
            Ok(listed) => listed.iter().for_each(|one| seen.webhooks(one, now)),
            Err(error) => seen.not_seen(&format!("{kind}s"), error),
        }
    }
    match reached.cluster.list("apiregistration.k8s.io/v1", "APIService", None, None).await {
        Ok(listed) => listed.iter().for_each(|one| seen.api_service(one, now)),
        Err(error) => seen.not_seen("APIServices", error),
    }
}

/// With what the kubeconfig of a cluster that was there proves who one is, where that is a certificate.
fn kubeconfig(existing: &Existing, seen: &mut Certificates, now: Timestamp) {
    let place = format!("kubeconfig {}", existing.kubeconfig.display());
    match Access::from_file(&existing.kubeconfig, existing.context.as_deref()).map(|access| access.identity()) {
        Ok(Identity::Certificate(Ok(pem))) => seen.pem(&place, &pem, Renewer::Owner, now),
        Ok(Identity::Certificate(Err(why))) => seen.not_seen(&place, why),
        Ok(
            Identity::Token
            | Identity::TokenFile { .. }
            | Identity::Program { .. }
            | Identity::Password
            | Identity::Provider(_)
            | Identity::Nothing,
        ) => {}
        Err(error) => seen.not_seen(&place, error),
    }
}

/// What needs no cluster: the files that the inventory names, and RKE's own certificates.
fn workspace(project: &Project, seen: &mut Certificates, now: Timestamp) {
    match project.tls_files().and_then(|files| project.material(&files)) {
        Ok(material) => {
            if let Some(pem) = material.certificate() {
                seen.pem("file tls.certificate", pem.as_bytes(), Renewer::Files, now);
            }
            if let Some(pem) = material.cacerts() {
                seen.pem("file tls.ca", pem.as_bytes(), Renewer::Ca, now);
            }
            // Whoever runs that server gives it another one.
            if let Some(pem) = material.acme_server_ca() {
                seen.pem("file tls.acme.server_ca", pem.as_bytes(), Renewer::Owner, now);
            }
        }
        Err(failure) => seen.not_seen("the inventory's TLS files", failure.error),
    }
    match project.inventory.engine.api_route() {
        ApiRoute::ThroughNodes => {}
        ApiRoute::Kubeconfig(existing) => return kubeconfig(existing, seen, now),
    }
    match project.state() {
        Some(state) => {
            for (name, pem) in state.certificates().into_iter().filter(|(_, pem)| !pem.is_empty()) {
                seen.pem(&format!("rke {name}"), pem.as_bytes(), rke_renewer(name), now);
            }
        }
        None => {
            seen.not_seen("RKE's own", format!("there is no whole {}", project.workspace.cluster_state().display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_in_a_kubeconfig_is_one_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, user: &str| {
            let path = folder.path().join(name);
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
                 clusters: [{{name: c, cluster: {{server: 'https://10.0.0.1:6443'}}}}]\nusers: [{{name: u, user: {user}}}]\n"
            );
            std::fs::write(&path, text).unwrap();
            Existing { kubeconfig: path, context: None }
        };
        let chain = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/leaf.pem");
        let now = "2027-05-20T00:00:00Z".parse().unwrap();
        let look = |existing: Existing| {
            let mut seen = Certificates::default();
            kubeconfig(&existing, &mut seen, now);
            seen
        };
        let seen = look(file("certificate", &format!("{{client-certificate: '{chain}', client-key: '{chain}'}}")));
        assert_eq!((seen.certificates.len(), seen.unseen.len()), (1, 0), "{:?}", seen.unseen);
        assert!(
            seen.certificates[0].place.starts_with("kubeconfig ") && seen.certificates[0].certificate.days_left == 12
        );
        assert_eq!(look(file("token", "{token: x}")), Certificates::default());
        assert_eq!(look(file("gone", "{client-certificate: /no/such.pem}")).unseen.len(), 1);
    }
}
