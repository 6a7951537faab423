//! Who uses a Traefik or a cert-manager that cowhand installed: asked before it is taken away. What cannot be seen counts
//! as used.

use serde_json::Value;

use super::belongings::{Around, Whose, whose};
use super::controllers::TRAEFIK;
use crate::cluster::{Cluster, ClusterError, Inhabitant, ObjectRef};

/// The controllers of the classes that Traefik serves (doc.traefik.io: providers kubernetes-ingress, kubernetes-gateway).
const INGRESS_CONTROLLER: &str = "traefik.io/ingress-controller";
const GATEWAY_CONTROLLER: &str = "traefik.io/gateway-controller";
/// Groups whose objects mean nothing without the program, and go with its definitions.
const TRAEFIKS: [&str; 3] = ["traefik.io", "traefik.containo.us", "hub.traefik.io"];
const CERT_MANAGERS: [&str; 2] = ["cert-manager.io", "acme.cert-manager.io"];
const GATEWAY_API: &str = "gateway.networking.k8s.io";
/// Where an Ingress named its class before it had a field for it.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Objects of others, and what could not be looked at, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    pub found: Vec<String>,
    pub unseen: Vec<String>,
}

impl Users {
    /// Why the program has to stay, if so.
    pub fn reason(&self) -> Option<String> {
        match (self.found.as_slice(), self.unseen.as_slice()) {
            ([], []) => None,
            ([], unseen) => Some(format!("whether others use it could not be seen: {}", some(unseen))),
            (found, _) => Some(format!("others use it: {}", some(found))),
        }
    }
}

/// The first few of a list.
pub fn some(all: &[String]) -> String {
    let first: Vec<&str> = all.iter().take(5).map(String::as_str).collect();
    let more = if all.len() > 5 { format!(" and {} more", all.len() - 5) } else { String::new() };
    first.join(", ") + &more
}

/// Namespace and name of a release that is this inventory's.
pub type Release = (&'static str, &'static str);

/// An object, and the kind that it was listed as: a list does not always say it of its items.
#[derive(Debug, Clone)]
struct Found {
    object: ObjectRef,
    value: Value,
}

impl Found {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.value["metadata"]["annotations"][key].as_str()
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Made by cowhand, by what it brought, or by a chart that it installed. Nothing outside the namespaces of these is,
    /// except what the charts bring for the whole cluster.
    fn is_own(&self, own: &[Release]) -> bool {
        let chart = (self.annotation("meta.helm.sh/release-namespace"), self.annotation("meta.helm.sh/release-name"));
        if own.iter().any(|(namespace, name)| chart == (Some(*namespace), Some(*name))) {
            return true;
        }
        let within = self.object.namespace.as_deref();
        if !own.iter().any(|(namespace, _)| within == Some(*namespace)) {
            return false;
        }
        let one = Inhabitant { object: self.object.clone(), metadata: self.value["metadata"].clone() };
        whose(&one, &Around::default()) != Whose::Other
    }
}

/// What lists gave.
struct Lists<'a> {
    cluster: &'a Cluster,
    unseen: Vec<String>,
}

impl Lists<'_> {
    /// All objects of a kind; none where it is not served. What went wrong is kept.
    async fn of(&mut self, api_version: &str, kind: &str) -> Vec<Found> {
        match listed(self.cluster, api_version, kind).await {
            Ok(found) => found,
            Err(error) => {
                self.unseen.push(format!("{kind} of {api_version}: {error}"));
                Vec::new()
            }
        }
    }

    /// All objects of the groups that the cluster has definitions for.
    async fn of_groups(&mut self, definitions: &[Found], groups: &[&str]) -> Vec<Found> {
        let mut found = Vec::new();
        for (api_version, kind) in definitions.iter().filter_map(|one| served(&one.value, groups)) {
            found.extend(self.of(&api_version, &kind).await);
        }
        found
    }

    async fn definitions(&mut self) -> Vec<Found> {
        self.of("apiextensions.k8s.io/v1", "CustomResourceDefinition").await
    }

    fn users(self, found: impl Iterator<Item = Found>) -> Users {
        let mut found: Vec<String> = found.map(|one| one.object.to_string()).collect();
        found.sort();
        found.dedup();
        Users { found, unseen: self.unseen }
    }
}

async fn listed(cluster: &Cluster, api_version: &str, kind: &str) -> Result<Vec<Found>, ClusterError> {
    let all = match cluster.list(api_version, kind, None, None).await {
        // Its definition went a moment ago.
        Err(ClusterError::Refused { code: 404, .. }) => Vec::new(),
        other => other?,
    };
    let object = |value: &Value| {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        ObjectRef::new(api_version, kind, text("/metadata/namespace"), text("/metadata/name").unwrap_or_default())
    };
    Ok(all.into_iter().map(|value| Found { object: object(&value), value }).collect())
}

/// A version in which the definition's objects can be listed, and their kind, if it is of one of the groups.
fn served(definition: &Value, groups: &[&str]) -> Option<(String, String)> {
    let group = definition.pointer("/spec/group")?.as_str().filter(|group| groups.contains(group))?;
    let kind = definition.pointer("/spec/names/kind")?.as_str()?;
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions.iter().find(|version| version["served"] == true)?["name"].as_str()?;
    Some((format!("{group}/{version}"), kind.to_owned()))
}

/// Who uses the objects of one definition, which would go with it.
pub async fn of_definition(cluster: &Cluster, own: &[Release], definition: &Value) -> Users {
    let group = definition.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default();
    let mut lists = Lists { cluster, unseen: Vec::new() };
    let found = match served(definition, &[group]) {
        Some((api_version, kind)) => lists.of(&api_version, &kind).await,
        None => Vec::new(),
    };
    lists.users(found.into_iter().filter(|one| !one.is_own(own)))
}

/// Who uses cowhand's Traefik besides `own`; `class` is the ingress class that it was installed with.
pub async fn of_traefik(cluster: &Cluster, own: &[Release], class: &str) -> Users {
    let mut lists = Lists { cluster, unseen: Vec::new() };
    let classes = classes(&lists.of("networking.k8s.io/v1", "IngressClass").await, class);
    let ingresses = lists.of("networking.k8s.io/v1", "Ingress").await;
    let services = lists.of("v1", "Service").await;
    let definitions = lists.definitions().await;
    let routes = lists.of_groups(&definitions, &TRAEFIKS).await;
    let gateway_api = lists.of_groups(&definitions, &[GATEWAY_API]).await;
    let by_class = ingresses.into_iter().filter(|one| names_class(one, &classes));
    let services = services.into_iter().filter(|one| leads_to_traefik(one, &classes));
    let found = by_class.chain(services).chain(routes).chain(through_gateways(gateway_api));
    lists.users(found.filter(|one| !one.is_own(own)))
}

/// Who uses cowhand's cert-manager besides `own`.
pub async fn of_cert_manager(cluster: &Cluster, own: &[Release]) -> Users {
    let mut lists = Lists { cluster, unseen: Vec::new() };
    let definitions = lists.definitions().await;
    let objects = lists.of_groups(&definitions, &CERT_MANAGERS).await;
    let ingresses = lists.of("networking.k8s.io/v1", "Ingress").await;
    let gateways = lists.of_groups(&definitions, &[GATEWAY_API]).await;
    let asking = ingresses.into_iter().chain(gateways).filter(asks_for_certificate);
    lists.users(objects.into_iter().chain(asking).filter(|one| !one.is_own(own)))
}

/// Names of the classes that a Traefik serves.
fn classes(all: &[Found], own: &str) -> Vec<String> {
    let served = all.iter().filter(|class| class.text("/spec/controller") == Some(INGRESS_CONTROLLER));
    served.map(|class| class.object.name.clone()).chain([own.to_owned(), TRAEFIK.to_owned()]).collect()
}

/// An Ingress that names no class at all is Traefik's, too, whether or not its class is the default one (traefik:
/// pkg/provider/kubernetes/ingress/kubernetes.go, shouldProcessIngress).
fn names_class(ingress: &Found, classes: &[String]) -> bool {
    match ingress.text("/spec/ingressClassName").or_else(|| ingress.annotation(CLASS)) {
        Some(class) => classes.iter().any(|served| served == class),
        None => true,
    }
}

/// A Service that names a class of Traefik's, or one beside Traefik that leads to its pods.
fn leads_to_traefik(service: &Found, classes: &[String]) -> bool {
    let class = service.text("/spec/loadBalancerClass").or_else(|| service.annotation(CLASS));
    let named = service.text("/spec/type") == Some("LoadBalancer")
        && class.is_some_and(|class| classes.iter().any(|served| served == class));
    let selects = service.value.pointer("/spec/selector").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    named || (service.object.namespace.as_deref() == Some(TRAEFIK) && selects)
}

/// Gateways of Traefik's classes, and the routes of whatever kind that hang on one.
fn through_gateways(all: Vec<Found>) -> impl Iterator<Item = Found> {
    let of_traefik = |one: &&Found| {
        one.object.kind == "GatewayClass" && one.text("/spec/controllerName") == Some(GATEWAY_CONTROLLER)
    };
    let classes: Vec<String> = all.iter().filter(of_traefik).map(|one| one.object.name.clone()).collect();
    let is_gateway = move |one: &Found| {
        let class = one.text("/spec/gatewayClassName");
        one.object.kind == "Gateway" && class.is_some_and(|class| classes.iter().any(|served| served == class))
    };
    let place = |one: &Found| (one.object.namespace.clone().unwrap_or_default(), one.object.name.clone());
    let gateways: Vec<(String, String)> = all.iter().filter(|one| is_gateway(one)).map(place).collect();
    all.into_iter().filter(move |one| is_gateway(one) || hangs_on(one, &gateways))
}

fn hangs_on(route: &Found, gateways: &[(String, String)]) -> bool {
    let parents = route.value.pointer("/spec/parentRefs").and_then(Value::as_array);
    let own = route.object.namespace.as_deref().unwrap_or_default();
    parents.into_iter().flatten().any(|parent| {
        let namespace = parent["namespace"].as_str().unwrap_or(own);
        gateways.iter().any(|(there, name)| namespace == there && parent["name"] == name.as_str())
    })
}

/// What cert-manager makes Certificates for by itself (cert-manager.io: usage/ingress, usage/gateway).
fn asks_for_certificate(one: &Found) -> bool {
    let annotations = one.value["metadata"]["annotations"].as_object();
    annotations.is_some_and(|all| {
        let prefix = |key: &String| key.starts_with("cert-manager.io/") || key.starts_with("acme.cert-manager.io/");
        all.keys().any(prefix) || all.get("kubernetes.io/tls-acme").is_some_and(|value| value == "true")
    })
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
