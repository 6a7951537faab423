//! Who lets people into a cluster already: ingress controllers by their pods, whether or not a class names them.

use serde_json::Value;

use super::cluster::{IngressClass, is_ready};
use crate::cluster::{Cluster, ClusterError};

/// Namespace and release name of a Traefik that cowhand installs.
pub const TRAEFIK: &str = "traefik";

/// Controllers of ingress classes and the labels of their pods, as their own charts and manifests have them.
const CONTROLLERS: &[(&str, &[(&str, &str)])] = &[
    ("k8s.io/ingress-nginx", &[(NAME, "ingress-nginx"), (APP, "ingress-nginx"), (NAME, "rke2-ingress-nginx")]),
    ("traefik.io/ingress-controller", &[(NAME, "traefik")]),
    ("nginx.org/ingress-controller", &[(NAME, "nginx-ingress"), (APP, "nginx-ingress")]),
    ("haproxy-ingress.github.io/controller", &[(NAME, "haproxy-ingress")]),
    ("haproxy.org/ingress-controller", &[(NAME, "kubernetes-ingress")]),
    ("projectcontour.io/", &[(NAME, "contour"), (APP, "contour")]),
    ("ingress-controllers.konghq.com/kong", &[(NAME, "ingress"), (NAME, "kong")]),
];
const NAME: &str = "app.kubernetes.io/name";
const APP: &str = "app";

/// A controller's pods in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerSeen {
    /// As a class names it, e.g. `traefik.io/ingress-controller`.
    pub controller: &'static str,
    pub namespace: String,
    /// How many of its pods are ready.
    pub ready: usize,
}

/// All controllers of the table that have pods, by their place in it.
pub async fn controllers(cluster: &Cluster) -> Result<Vec<ControllerSeen>, ClusterError> {
    let mut pods = Vec::new();
    for key in [NAME, APP] {
        let labels = CONTROLLERS.iter().flat_map(|(_, labels)| *labels).filter(|(label, _)| *label == key);
        let values: Vec<&str> = labels.map(|(_, value)| *value).collect();
        pods.extend(cluster.list("v1", "Pod", None, Some(&format!("{key} in ({})", values.join(",")))).await?);
    }
    Ok(read(&pods))
}

/// A pod may bear both labels and so have been listed twice.
fn read(pods: &[Value]) -> Vec<ControllerSeen> {
    let mut found: Vec<ControllerSeen> = Vec::new();
    for (controller, labels) in CONTROLLERS {
        let bears = |pod: &&Value| labels.iter().any(|(key, value)| pod["metadata"]["labels"][*key] == *value);
        let mut counted: Vec<&Value> = Vec::new();
        for pod in pods.iter().filter(bears) {
            if counted.contains(&&pod["metadata"]["uid"]) {
                continue;
            }
            counted.push(&pod["metadata"]["uid"]);
            let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
            let ready = usize::from(is_ready(pod));
            match found.iter_mut().find(|one| one.controller == *controller && one.namespace == namespace) {
                Some(one) => one.ready += ready,
                None => found.push(ControllerSeen { controller, namespace: namespace.to_owned(), ready }),
            }
        }
    }
    found
}

/// How many pods of the class's controller are ready; `None` when how its pods look is not known.
pub fn ready_pods(all: &[ControllerSeen], class: &IngressClass) -> Option<usize> {
    let (known, _) = CONTROLLERS.iter().find(|(controller, _)| class.controller.starts_with(controller))?;
    Some(all.iter().filter(|one| one.controller == *known).map(|one| one.ready).sum())
}

/// Something that lets people in already, and beside which no second ingress is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occupant {
    /// An ingress class, by its name.
    Class(String),
    /// A controller that no class names.
    Unnamed { controller: &'static str, namespace: String },
}

impl std::fmt::Display for Occupant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Occupant::Class(name) => write!(f, "class {name}"),
            Occupant::Unnamed { controller, namespace } => {
                write!(f, "a controller like `{controller}` in {namespace}, which no class names")
            }
        }
    }
}

/// All of them but `own`: namespace and class of a Traefik that cowhand installed.
pub fn occupants(classes: &[IngressClass], controllers: &[ControllerSeen], own: Option<(&str, &str)>) -> Vec<Occupant> {
    let own_class = |class: &&IngressClass| own.is_some_and(|(_, name)| class.name == name);
    let others: Vec<&IngressClass> = classes.iter().filter(|class| !own_class(class)).collect();
    let named = |one: &&ControllerSeen| others.iter().any(|class| class.controller.starts_with(one.controller));
    let own_pods = |one: &&ControllerSeen| own.is_some_and(|(namespace, _)| one.namespace == namespace);
    let unnamed = controllers
        .iter()
        .filter(|one| !named(one) && !own_pods(one))
        .map(|one| Occupant::Unnamed { controller: one.controller, namespace: one.namespace.clone() });
    others.iter().map(|class| Occupant::Class(class.name.clone())).chain(unnamed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(uid: &str, namespace: &str, labels: Value, ready: &str) -> Value {
        json!({"metadata": {"uid": uid, "namespace": namespace, "labels": labels},
               "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn class(name: &str, controller: &str) -> IngressClass {
        IngressClass { name: name.into(), controller: controller.into(), default: false }
    }

    #[test]
    fn pods_are_counted_once_by_controller_and_namespace() {
        let both = json!({"app.kubernetes.io/name": "ingress-nginx", "app": "ingress-nginx"});
        let traefik = json!({"app.kubernetes.io/name": "traefik"});
        let pods = [
            pod("1", "web", both.clone(), "True"),
            pod("2", "web", both.clone(), "False"),
            pod("1", "web", both, "True"),
            pod("3", "kube-system", traefik, "True"),
        ];
        let seen =
            |controller, namespace: &str, ready| ControllerSeen { controller, namespace: namespace.into(), ready };
        let all = read(&pods);
        assert_eq!(
            all,
            [seen("k8s.io/ingress-nginx", "web", 1), seen("traefik.io/ingress-controller", "kube-system", 1)]
        );
        assert_eq!(ready_pods(&all, &class("nginx", "k8s.io/ingress-nginx")), Some(1));
        assert_eq!(ready_pods(&all, &class("nginx", "nginx.org/ingress-controller")), Some(0));
        assert_eq!(ready_pods(&all, &class("alb", "ingress.k8s.aws/alb")), None);
    }

    #[test]
    fn a_controller_without_a_class_is_there_too() {
        let traefik = |namespace: &str| ControllerSeen {
            controller: "traefik.io/ingress-controller",
            namespace: namespace.into(),
            ready: 1,
        };
        let unnamed = |namespace: &str| Occupant::Unnamed {
            controller: "traefik.io/ingress-controller",
            namespace: namespace.into(),
        };
        assert_eq!(occupants(&[], &[traefik("theirs")], None), [unnamed("theirs")]);
        let own = class("traefik", "traefik.io/ingress-controller");
        let ours = Some(("traefik", "traefik"));
        assert_eq!(occupants(std::slice::from_ref(&own), &[traefik("traefik")], ours), []);
        assert_eq!(
            occupants(std::slice::from_ref(&own), &[traefik("traefik"), traefik("theirs")], ours),
            [unnamed("theirs")]
        );
        // One that a class names is told by the class alone.
        assert_eq!(occupants(&[own], &[traefik("theirs")], None), [Occupant::Class("traefik".into())]);
    }
}
