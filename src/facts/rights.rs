//! What `up` and `down` do to a cluster that is there, as rights that can be asked for.

use futures::StreamExt;

use crate::cluster::{Cluster, ClusterError, Right};

/// Questions asked at the same time.
const SIDE_BY_SIDE: usize = 8;

/// What a right is needed for: not every set-up needs all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Looking, the lock, Rancher itself.
    Rancher,
    /// Issuers and Certificates of the TLS set-up.
    Certificates,
    /// Installing a chart that brings definitions, roles and webhooks: cert-manager, Traefik.
    Charts,
}

/// Verbs on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    pub purpose: Purpose,
    pub verbs: &'static [&'static str],
    pub group: &'static str,
    pub resource: &'static str,
    pub namespace: Option<&'static str>,
    pub name: Option<&'static str>,
}

const READ: &[&str] = &["get", "list"];
const ALL: &[&str] = &["get", "list", "create", "patch", "update", "delete"];
const LOCK: &[&str] = &["get", "create", "update", "delete"];

const fn own(purpose: Purpose, verbs: &'static [&'static str], group: &'static str, resource: &'static str) -> Needed {
    Needed { purpose, verbs, group, resource, namespace: Some("cattle-system"), name: None }
}

const fn whole(
    purpose: Purpose,
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
) -> Needed {
    Needed { purpose, verbs, group, resource, namespace: None, name: None }
}

/// Everything, in the order in which a run needs it.
pub const NEEDED: &[Needed] = &[
    whole(Purpose::Rancher, READ, "", "nodes"),
    whole(Purpose::Rancher, READ, "networking.k8s.io", "ingressclasses"),
    whole(Purpose::Rancher, READ, "apiextensions.k8s.io", "customresourcedefinitions"),
    whole(Purpose::Rancher, READ, "apiregistration.k8s.io", "apiservices"),
    whole(Purpose::Rancher, READ, "", "pods"),
    Needed {
        purpose: Purpose::Rancher,
        verbs: LOCK,
        group: "coordination.k8s.io",
        resource: "leases",
        namespace: Some("kube-system"),
        name: None,
    },
    whole(Purpose::Rancher, &["get", "list", "create", "patch", "delete"], "", "namespaces"),
    own(Purpose::Rancher, ALL, "", "secrets"),
    own(Purpose::Rancher, ALL, "", "configmaps"),
    own(Purpose::Rancher, ALL, "", "services"),
    own(Purpose::Rancher, ALL, "", "serviceaccounts"),
    own(Purpose::Rancher, ALL, "apps", "deployments"),
    own(Purpose::Rancher, ALL, "batch", "jobs"),
    own(Purpose::Rancher, ALL, "networking.k8s.io", "ingresses"),
    whole(Purpose::Rancher, ALL, "rbac.authorization.k8s.io", "clusterrolebindings"),
    // Rancher's chart binds its account to cluster-admin; the API lets nobody give away more than one has.
    Needed {
        purpose: Purpose::Rancher,
        verbs: &["bind"],
        group: "rbac.authorization.k8s.io",
        resource: "clusterroles",
        namespace: None,
        name: Some("cluster-admin"),
    },
    whole(Purpose::Rancher, ALL, "scheduling.k8s.io", "priorityclasses"),
    own(Purpose::Certificates, ALL, "cert-manager.io", "issuers"),
    own(Purpose::Certificates, ALL, "cert-manager.io", "certificates"),
    whole(Purpose::Charts, ALL, "", "secrets"),
    whole(Purpose::Charts, ALL, "apps", "deployments"),
    whole(Purpose::Charts, ALL, "apiextensions.k8s.io", "customresourcedefinitions"),
    whole(Purpose::Charts, ALL, "rbac.authorization.k8s.io", "clusterroles"),
    whole(Purpose::Charts, ALL, "rbac.authorization.k8s.io", "roles"),
    whole(Purpose::Charts, ALL, "rbac.authorization.k8s.io", "rolebindings"),
    whole(Purpose::Charts, ALL, "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    whole(Purpose::Charts, ALL, "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    whole(Purpose::Charts, ALL, "networking.k8s.io", "ingressclasses"),
];

/// One line of [`NEEDED`] and those of its verbs that are denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub needed: Needed,
    pub denied: Vec<&'static str>,
}

/// Asks for all of them; in one question when everything is allowed anyway.
pub async fn rights(cluster: &Cluster) -> Result<Vec<Answered>, ClusterError> {
    let everything = Right { verb: "*", group: "*", resource: "*", namespace: None, name: None };
    if cluster.allows(&everything).await? {
        return Ok(NEEDED.iter().map(|needed| Answered { needed: *needed, denied: Vec::new() }).collect());
    }
    let asked = NEEDED.iter().map(|needed| one(cluster, needed));
    let answers: Vec<_> = futures::stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await;
    answers.into_iter().collect()
}

async fn one(cluster: &Cluster, needed: &Needed) -> Result<Answered, ClusterError> {
    let mut denied = Vec::new();
    for verb in needed.verbs {
        let Needed { group, resource, namespace, name, .. } = *needed;
        if !cluster.allows(&Right { verb, group, resource, namespace, name }).await? {
            denied.push(*verb);
        }
    }
    Ok(Answered { needed: *needed, denied })
}
