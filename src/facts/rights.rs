//! What `up` and `down` do to a cluster that is there, as rights that can be asked for.
//!
//! Read off what cowhand calls (`cluster`, `facts`, `execute`) and off the objects of the charts: rancher/rancher
//! chart/templates, cert-manager/cert-manager deploy/charts/cert-manager/templates, traefik/traefik-helm-chart. Helm keeps
//! its releases in Secrets and watches the Jobs of its hooks (helm: pkg/storage/driver, pkg/kube).

use futures::StreamExt;

use crate::cluster::{Cluster, ClusterError, Right};

/// Questions asked at the same time.
const SIDE_BY_SIDE: usize = 8;

/// What a right is needed for: not every set-up needs all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Looking, the lock, Rancher itself.
    Rancher,
    /// Issuers and Certificates of the TLS set-up, and cert-manager's readiness.
    Certificates,
    /// Looking for what a former set-up left to a cert-manager that is there.
    FormerCertificates,
    /// Looking for what a former set-up left to a Traefik that is there.
    FormerRoutes,
    /// Traefik's objects with which it speaks TLS to Rancher.
    Reencrypt,
    /// Traefik's objects with which it passes TLS through.
    Passthrough,
    /// Installing a chart that brings definitions and roles: cert-manager, Traefik.
    Charts,
    /// Installing cert-manager.
    CertManager,
    /// Installing Traefik.
    Traefik,
}

/// Where something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Cluster,
    Namespace(&'static str),
    /// Wherever cert-manager runs, or will.
    OfCertManager,
}

/// Verbs on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    pub purpose: Purpose,
    pub verbs: &'static [&'static str],
    pub group: &'static str,
    pub resource: &'static str,
    pub subresource: Option<&'static str>,
    pub place: Place,
    pub name: Option<&'static str>,
}

impl Needed {
    const fn sub(self, subresource: &'static str) -> Needed {
        Needed { subresource: Some(subresource), ..self }
    }

    const fn named(self, name: &'static str) -> Needed {
        Needed { name: Some(name), ..self }
    }
}

const GET: &[&str] = &["get"];
const LIST: &[&str] = &["list"];
const READ: &[&str] = &["get", "list"];
const ALL: &[&str] = &["get", "list", "create", "patch", "update", "delete"];
/// Of a chart's hooks.
const JOBS: &[&str] = &["get", "list", "watch", "create", "patch", "update", "delete"];
const TRIAL: &[&str] = &["create", "patch"];

const OWN: Place = Place::Namespace("cattle-system");
const SYSTEM: Place = Place::Namespace("kube-system");
const ISSUING: Place = Place::Namespace("cert-manager");
const WAYS_IN: Place = Place::Namespace("traefik");

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const DEFINITIONS: &str = "apiextensions.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const ISSUERS: &str = "cert-manager.io";
const ROUTES: &str = "traefik.io";

const fn of(
    purpose: Purpose,
    place: Place,
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
) -> Needed {
    Needed { purpose, verbs, group, resource, subresource: None, place, name: None }
}

/// Everything, in the order in which a run needs it.
pub const NEEDED: &[Needed] = &[
    of(Purpose::Rancher, Place::Cluster, LIST, "", "nodes"),
    of(Purpose::Rancher, Place::Cluster, LIST, NETWORKING, "ingressclasses"),
    of(Purpose::Rancher, Place::Cluster, READ, DEFINITIONS, "customresourcedefinitions"),
    of(Purpose::Rancher, Place::Cluster, LIST, "apiregistration.k8s.io", "apiservices"),
    of(Purpose::Rancher, Place::Cluster, LIST, ADMISSION, "validatingwebhookconfigurations"),
    of(Purpose::Rancher, Place::Cluster, LIST, ADMISSION, "mutatingwebhookconfigurations"),
    of(Purpose::Rancher, Place::Cluster, LIST, "", "pods"),
    of(Purpose::Rancher, Place::Cluster, LIST, "apps", "deployments"),
    // Helm's releases, by their labels; cowhand reads none of their contents.
    of(Purpose::Rancher, Place::Cluster, LIST, "", "secrets"),
    of(Purpose::Rancher, SYSTEM, LIST, "batch", "jobs"),
    of(Purpose::Rancher, SYSTEM, GET, "", "configmaps").named("extension-apiserver-authentication"),
    // The lock. A role cannot allow to create by name.
    of(Purpose::Rancher, SYSTEM, &["create"], "coordination.k8s.io", "leases"),
    of(Purpose::Rancher, SYSTEM, &["get", "update", "delete"], "coordination.k8s.io", "leases").named("cowhand"),
    // The mark of this inventory.
    of(Purpose::Rancher, SYSTEM, &["create"], "", "configmaps"),
    of(Purpose::Rancher, SYSTEM, &["get", "patch", "delete"], "", "configmaps").named("cowhand"),
    // Agents of other clusters, before what they trust is changed.
    of(Purpose::Rancher, Place::Cluster, LIST, "management.cattle.io", "clusters"),
    of(Purpose::Rancher, Place::Cluster, &["get", "list", "create", "patch", "delete"], "", "namespaces"),
    of(Purpose::Rancher, OWN, ALL, "", "secrets"),
    of(Purpose::Rancher, OWN, ALL, "", "configmaps"),
    of(Purpose::Rancher, OWN, ALL, "", "services"),
    of(Purpose::Rancher, OWN, ALL, "", "serviceaccounts"),
    of(Purpose::Rancher, OWN, ALL, "apps", "deployments"),
    of(Purpose::Rancher, OWN, JOBS, "batch", "jobs"),
    of(Purpose::Rancher, OWN, ALL, NETWORKING, "ingresses"),
    of(Purpose::Rancher, Place::Cluster, ALL, RBAC, "clusterrolebindings"),
    // Of the chart's hooks.
    of(Purpose::Rancher, Place::Cluster, ALL, RBAC, "clusterroles"),
    // Rancher's chart binds its account to cluster-admin; the API lets nobody give away more than one has.
    of(Purpose::Rancher, Place::Cluster, &["bind"], RBAC, "clusterroles").named("cluster-admin"),
    of(Purpose::Rancher, Place::Cluster, ALL, "scheduling.k8s.io", "priorityclasses"),
    of(Purpose::FormerCertificates, OWN, GET, ISSUERS, "issuers"),
    of(Purpose::FormerCertificates, OWN, GET, ISSUERS, "certificates"),
    of(Purpose::FormerRoutes, OWN, GET, ROUTES, "serverstransports"),
    of(Purpose::FormerRoutes, OWN, GET, ROUTES, "middlewares"),
    of(Purpose::FormerRoutes, OWN, GET, ROUTES, "ingressroutes"),
    of(Purpose::FormerRoutes, OWN, GET, ROUTES, "ingressroutetcps"),
    of(Purpose::Certificates, OWN, ALL, ISSUERS, "issuers"),
    of(Purpose::Certificates, OWN, ALL, ISSUERS, "certificates"),
    // Another certificate before its time.
    of(Purpose::Certificates, OWN, &["patch"], ISSUERS, "certificates").sub("status"),
    of(Purpose::Certificates, Place::OfCertManager, GET, "apps", "deployments"),
    of(Purpose::Certificates, Place::OfCertManager, GET, "", "endpoints"),
    of(Purpose::Certificates, Place::Cluster, GET, ADMISSION, "validatingwebhookconfigurations"),
    // An Issuer for trial; none is made.
    of(Purpose::Certificates, Place::OfCertManager, TRIAL, ISSUERS, "issuers"),
    of(Purpose::Reencrypt, OWN, ALL, ROUTES, "serverstransports"),
    of(Purpose::Reencrypt, OWN, ALL, ROUTES, "middlewares"),
    of(Purpose::Passthrough, OWN, ALL, ROUTES, "ingressroutes"),
    of(Purpose::Passthrough, OWN, ALL, ROUTES, "ingressroutetcps"),
    of(Purpose::Charts, Place::Cluster, ALL, DEFINITIONS, "customresourcedefinitions"),
    of(Purpose::Charts, Place::Cluster, ALL, RBAC, "roles"),
    of(Purpose::Charts, Place::Cluster, ALL, RBAC, "rolebindings"),
    of(Purpose::CertManager, ISSUING, ALL, "", "secrets"),
    of(Purpose::CertManager, ISSUING, ALL, "", "configmaps"),
    of(Purpose::CertManager, ISSUING, ALL, "", "services"),
    of(Purpose::CertManager, ISSUING, ALL, "", "serviceaccounts"),
    of(Purpose::CertManager, ISSUING, ALL, "apps", "deployments"),
    of(Purpose::CertManager, ISSUING, JOBS, "batch", "jobs"),
    of(Purpose::CertManager, Place::Cluster, ALL, ADMISSION, "validatingwebhookconfigurations"),
    of(Purpose::CertManager, Place::Cluster, ALL, ADMISSION, "mutatingwebhookconfigurations"),
    // Its leader election: a role gives away only what one has.
    of(Purpose::CertManager, SYSTEM, &["get", "create", "update", "patch"], "coordination.k8s.io", "leases"),
    // `down` asks whether others use it.
    of(Purpose::CertManager, Place::Cluster, LIST, ISSUERS, "issuers"),
    of(Purpose::CertManager, Place::Cluster, LIST, ISSUERS, "clusterissuers"),
    of(Purpose::CertManager, Place::Cluster, LIST, ISSUERS, "certificates"),
    of(Purpose::Traefik, WAYS_IN, ALL, "", "secrets"),
    of(Purpose::Traefik, WAYS_IN, ALL, "", "services"),
    of(Purpose::Traefik, WAYS_IN, ALL, "", "serviceaccounts"),
    of(Purpose::Traefik, WAYS_IN, ALL, "apps", "daemonsets"),
    of(Purpose::Traefik, Place::Cluster, ALL, NETWORKING, "ingressclasses"),
    of(Purpose::Traefik, Place::Cluster, LIST, NETWORKING, "ingresses"),
];

/// One line of [`NEEDED`] and those of its verbs that are denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub needed: Needed,
    pub denied: Vec<&'static str>,
}

/// Asks for all of them; in one question when everything is allowed anyway. `issuing` is the namespace of cert-manager.
pub async fn rights(cluster: &Cluster, issuing: &str) -> Result<Vec<Answered>, ClusterError> {
    let everything = Right { verb: "*", group: "*", resource: "*", subresource: None, namespace: None, name: None };
    if cluster.allows(&everything).await? {
        return Ok(NEEDED.iter().map(|needed| Answered { needed: *needed, denied: Vec::new() }).collect());
    }
    let asked = NEEDED.iter().map(|needed| one(cluster, needed, issuing));
    let answers: Vec<_> = futures::stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await;
    answers.into_iter().collect()
}

async fn one(cluster: &Cluster, needed: &Needed, issuing: &str) -> Result<Answered, ClusterError> {
    let mut denied = Vec::new();
    let Needed { group, resource, subresource, place, name, .. } = *needed;
    let namespace = match place {
        Place::Cluster => None,
        Place::Namespace(namespace) => Some(namespace),
        Place::OfCertManager => Some(issuing),
    };
    for verb in needed.verbs {
        if !cluster.allows(&Right { verb, group, resource, subresource, namespace, name }).await? {
            denied.push(*verb);
        }
    }
    Ok(Answered { needed: *needed, denied })
}
