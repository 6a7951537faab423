//! RKE's containers on the nodes beside what the state says of them, and beside each other: RKE's own plan of a container is
//! kept nowhere, but on nodes of one role it is the same but for names and addresses.

use std::collections::BTreeMap;

use super::authors::{Author, By};
use super::{Drifted, Field};
use crate::engine::change::Shown;
use crate::engine::rke::planned::Planned;
use crate::facts::Running;
use crate::inventory::is_secret;

/// A node's containers, and what its name and addresses are.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeContainers {
    pub node: String,
    /// Name, address and internal address: what differs from node to node.
    pub own: Vec<String>,
    pub containers: Vec<Running>,
}

/// RKE restarts whatever ends, always.
const RESTART: &str = "always";
/// What is another one on each member by its nature, or a file's name.
const OWN_ON_EACH: [&str; 2] = ["initial-cluster", "initial-cluster-state"];

/// `planned` gives what the state says of a container; `hidden` are arguments that are never shown.
pub fn containers(nodes: &[NodeContainers], planned: impl Fn(&str) -> Option<Planned>) -> Vec<Drifted> {
    let mut found = Vec::new();
    for node in nodes {
        for container in &node.containers {
            let Some(plan) = planned(&container.name) else { continue };
            let mut fields = of_plan(container, &plan);
            for field in beside(nodes, node, container, &plan) {
                if !fields.iter().any(|known| known.path == field.path) {
                    fields.push(field);
                }
            }
            if !fields.is_empty() {
                let object = format!("container {}/{}", node.node, container.name);
                let remedy = remedy(&container.name, &fields);
                found.push(Drifted { object, fields, remedy });
            }
        }
    }
    found
}

const POLICY: &str = "restart policy";

/// A container is made anew by rke only where it is gone. etcd's data and everybody's certificates lie in folders of the node.
fn remedy(name: &str, fields: &[Field]) -> String {
    if fields.iter().all(|field| field.path == POLICY) {
        return format!("on that node `docker update --restart={RESTART} {name}`; nothing restarts");
    }
    let anew = format!("on that node `docker rm -f {name}`, then `rke up` in the inventory's folder makes it anew");
    match name {
        "etcd" | "kube-apiserver" => format!(
            "only while `cowhand status` shows every other member of etcd and every other API server well, and on one node alone: {anew}"
        ),
        _ => format!("{anew}; one node at a time"),
    }
}

fn of_plan(container: &Running, plan: &Planned) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut differs = |path: String, applied: Shown, seen: Shown| {
        fields.push(Field { path, applied, seen, by: by(container) });
    };
    if let Some(image) = plan.image.as_ref().filter(|image| **image != container.image) {
        differs("image".into(), Shown::Text(image.clone()), Shown::Text(container.image.clone()));
    }
    if container.restart != RESTART {
        differs(POLICY.into(), Shown::Text(RESTART.into()), Shown::Text(container.restart.clone()));
    }
    for (name, value) in &plan.arguments {
        let seen = container.arguments.get(name);
        if seen != Some(value) {
            differs(format!("--{name}"), argument(plan, name, Some(value)), argument(plan, name, seen));
        }
    }
    fields
}

/// What most of the other nodes say otherwise; where there is no majority, nothing is known.
fn beside(nodes: &[NodeContainers], node: &NodeContainers, container: &Running, plan: &Planned) -> Vec<Field> {
    let twins: Vec<(&NodeContainers, &Running)> = nodes
        .iter()
        .flat_map(|one| {
            one.containers.iter().filter(|other| other.name == container.name).map(move |other| (one, other))
        })
        .collect();
    let names: Vec<&String> = twins.iter().flat_map(|(_, twin)| twin.arguments.keys()).collect();
    let mut names: Vec<&String> = names.into_iter().filter(|name| !OWN_ON_EACH.contains(&name.as_str())).collect();
    names.sort();
    names.dedup();
    let mut fields = Vec::new();
    for name in names {
        let own = plain(container.arguments.get(name), node);
        let mut counts: BTreeMap<Option<String>, Vec<&str>> = BTreeMap::new();
        for (one, twin) in &twins {
            counts.entry(plain(twin.arguments.get(name), one)).or_default().push(&one.node);
        }
        let most = counts.iter().find(|(_, nodes)| nodes.len() * 2 > twins.len() && nodes.len() > 1);
        if let Some((value, others)) = most.filter(|(value, _)| **value != own) {
            let applied = match argument(plan, name, value.as_ref()) {
                Shown::Text(text) => Shown::Text(format!("{text} (as on {})", others.join(", "))),
                Shown::Absent => Shown::Absent,
                Shown::Hidden => Shown::Hidden,
            };
            let seen = argument(plan, name, container.arguments.get(name));
            fields.push(Field { path: format!("--{name}"), applied, seen, by: by(container) });
        }
    }
    fields
}

/// With what is the node's own taken out of it; a list of servers begins with the node's own.
fn plain(value: Option<&String>, node: &NodeContainers) -> Option<String> {
    let mut text = value?.clone();
    if text.contains("://") && text.contains(',') {
        let mut servers: Vec<&str> = text.split(',').collect();
        servers.sort_unstable();
        return Some(servers.join(","));
    }
    for own in node.own.iter().filter(|own| !own.is_empty()) {
        // In the names of etcd's certificates the address is written with dashes.
        text = text.replace(own.as_str(), "NODE").replace(&own.replace(['.', ':'], "-"), "NODE");
    }
    Some(text)
}

fn argument(plan: &Planned, name: &str, value: Option<&String>) -> Shown {
    match value {
        None => Shown::Absent,
        Some(_) if is_secret(name) && !names_a_file(value) || plan.hidden.iter().any(|key| key == name) => {
            Shown::Hidden
        }
        Some(value) => Shown::Text(value.clone()),
    }
}

/// `--tls-private-key-file=/etc/kubernetes/…`
fn names_a_file(value: Option<&String>) -> bool {
    value.is_some_and(|value| value.starts_with('/'))
}

fn by(container: &Running) -> Option<By> {
    let operation = format!("created; started {}", container.started);
    Some(By::Owner(Author { manager: "docker".into(), operation, time: Some(container.created.clone()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(node: &str, arguments: &[(&str, &str)]) -> NodeContainers {
        let mut all: BTreeMap<String, String> =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let last = node.trim_start_matches('n');
        let address = format!("10.0.0.1{last}");
        all.insert("advertise-address".into(), address.clone());
        all.insert("cert-file".into(), format!("/ssl/kube-etcd-{}.pem", address.replace('.', "-")));
        let mut servers: Vec<String> = (1..=3).map(|one| format!("https://10.0.0.1{one}:2379")).collect();
        servers.sort_by_key(|one| !one.contains(&address));
        all.insert("etcd-servers".into(), servers.join(","));
        all.insert("initial-cluster".into(), node.into());
        let container = Running {
            name: "kube-apiserver".into(),
            image: "hyperkube:1".into(),
            restart: "always".into(),
            created: "2026-01-01T00:00:00Z".into(),
            started: "2026-01-02T00:00:00Z".into(),
            arguments: all,
        };
        NodeContainers { node: node.into(), own: vec![node.into(), address], containers: vec![container] }
    }

    fn plan(arguments: &[(&str, &str)]) -> Planned {
        Planned {
            image: Some("hyperkube:1".into()),
            arguments: arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            hidden: vec!["quiet".into()],
        }
    }

    #[test]
    fn what_holds_the_cluster_is_made_anew_only_beside_others_that_are_well() {
        let field = |path: &str| Field {
            path: path.into(),
            applied: Shown::Text("a".into()),
            seen: Shown::Text("b".into()),
            by: by(&running("n1", &[]).containers[0]),
        };
        assert!(remedy("etcd", &[field("--v")]).starts_with("only while `cowhand status` shows every other member"));
        assert!(remedy("kubelet", &[field("--v")]).starts_with("on that node `docker rm -f kubelet`"));
        assert!(remedy("etcd", &[field(POLICY)]).contains("docker update --restart=always etcd"));
    }

    fn told(nodes: &[NodeContainers], plan: &Planned) -> Vec<String> {
        let found = containers(nodes, |name| (name == "kube-apiserver").then(|| plan.clone()));
        let line = |one: &Drifted, field: &Field| {
            format!("{} {} {:?} {:?}", one.object, field.path, field.applied, field.seen)
        };
        found.iter().flat_map(|one| one.fields.iter().map(move |field| line(one, field))).collect()
    }

    #[test]
    fn names_and_addresses_are_each_nodes_own() {
        let nodes = ["n1", "n2", "n3"].map(|node| running(node, &[("v", "2")]));
        assert_eq!(told(&nodes, &plan(&[("v", "2")])), [] as [String; 0]);
    }

    #[test]
    fn what_the_state_says_holds_for_each() {
        let mut nodes = [running("n1", &[("v", "4"), ("quiet", "CANARY")])];
        nodes[0].containers[0].image = "hyperkube:2".into();
        nodes[0].containers[0].restart = "no".into();
        assert_eq!(
            told(&nodes, &plan(&[("v", "2"), ("x", "1"), ("quiet", "a")])),
            [
                r#"container n1/kube-apiserver image Text("hyperkube:1") Text("hyperkube:2")"#,
                r#"container n1/kube-apiserver restart policy Text("always") Text("no")"#,
                "container n1/kube-apiserver --quiet Hidden Hidden",
                r#"container n1/kube-apiserver --v Text("2") Text("4")"#,
                r#"container n1/kube-apiserver --x Text("1") Absent"#,
            ]
        );
    }

    #[test]
    fn one_of_three_that_says_otherwise_is_named_and_one_of_two_is_not() {
        let three = [running("n1", &[("v", "2")]), running("n2", &[("v", "9")]), running("n3", &[("v", "2")])];
        let expected = r#"container n2/kube-apiserver --v Text("2 (as on n1, n3)") Text("9")"#;
        assert_eq!(told(&three, &plan(&[])), [expected]);
        assert_eq!(told(&three[..2], &plan(&[])), [] as [String; 0]);
        let more = [running("n1", &[]), running("n2", &[("audit", "x")]), running("n3", &[])];
        assert_eq!(told(&more, &plan(&[])), [r#"container n2/kube-apiserver --audit Absent Text("x")"#]);
    }
}
