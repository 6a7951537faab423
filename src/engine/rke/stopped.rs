//! What of RKE's stands still on a node and is started by `rke up`.

use crate::engine::change::Sign;
use crate::facts::{Container, ContainerState, EtcdAsked};
use crate::inventory::Roles;

/// RKE's containers that a node with these roles has to run, and that are there and stopped. `rke up` starts them as they
/// are (rancher/rke v1.8.0: docker/docker.go, DoRunContainer).
pub fn stopped(roles: Roles, asked: &EtcdAsked) -> Vec<Sign> {
    let needed = |name: &str| match name {
        "etcd" => roles.etcd,
        "kube-apiserver" | "kube-controller-manager" | "kube-scheduler" => roles.controlplane,
        "kubelet" | "kube-proxy" => true,
        "nginx-proxy" => !roles.controlplane,
        // Snapshots may be switched off.
        _ => false,
    };
    let containers = asked.containers.as_deref().unwrap_or_default().iter();
    let still = containers.filter(|one| one.state != ContainerState::Running && needed(&one.name));
    let sign = |one: &Container| Sign::Stopped {
        container: one.name.clone(),
        node: asked.node.clone(),
        status: one.status.clone(),
    };
    still.map(sign).collect()
}

/// Whether no control plane has a container of an API server, running or not: what listens on the API's port is then
/// something else, such as the port check of an rke that was killed. A node that could not be asked proves nothing.
pub fn has_no_api_server<'a>(nodes: impl IntoIterator<Item = (Roles, &'a EtcdAsked)>) -> bool {
    let mut control_planes = nodes.into_iter().filter(|(roles, _)| roles.controlplane).peekable();
    control_planes.peek().is_some()
        && control_planes.all(|(_, asked)| asked.containers.is_ok() && asked.container("kube-apiserver").is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Unseen;

    #[test]
    fn what_a_nodes_roles_need_is_named_when_it_is_stopped() {
        let container = |name: &str, state, status: &str| Container {
            name: name.into(),
            state,
            status: status.into(),
            label: Some(name.into()),
            image: String::new(),
        };
        let stopped_one = |name: &str| container(name, ContainerState::Stopped, "Exited (137) 2 hours ago");
        let asked = EtcdAsked {
            node: "n1".into(),
            containers: Ok(vec![
                stopped_one("etcd"),
                stopped_one("nginx-proxy"),
                stopped_one("etcd-rolling-snapshots"),
                container("kubelet", ContainerState::Running, "Up 2 hours"),
                container("kube-proxy", ContainerState::Created, "Created"),
            ]),
            answer: Err(Unseen("stopped".into())),
        };
        let told = |roles| stopped(roles, &asked).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told(Roles::ALL),
            ["etcd on n1 does not run: Exited (137) 2 hours ago", "kube-proxy on n1 does not run: Created"]
        );
        let worker = Roles { controlplane: false, etcd: false, worker: true };
        assert_eq!(
            told(worker),
            ["nginx-proxy on n1 does not run: Exited (137) 2 hours ago", "kube-proxy on n1 does not run: Created"]
        );
        let unseen = EtcdAsked { containers: Err(Unseen("no docker".into())), ..asked.clone() };
        assert_eq!(stopped(Roles::ALL, &unseen), []);
    }

    #[test]
    fn only_who_was_asked_has_no_api_server() {
        let asked = |containers| EtcdAsked {
            node: "n1".into(),
            containers,
            answer: Err(Unseen("there is no container etcd".into())),
        };
        let server = Container {
            name: "kube-apiserver".into(),
            state: ContainerState::Stopped,
            status: "Exited (1)".into(),
            label: Some("kube-apiserver".into()),
            image: String::new(),
        };
        let (none, one, unseen) = (asked(Ok(vec![])), asked(Ok(vec![server])), asked(Err(Unseen("no docker".into()))));
        let worker = Roles { controlplane: false, etcd: true, worker: true };
        assert!(has_no_api_server([(Roles::ALL, &none), (worker, &unseen)]));
        assert!(!has_no_api_server([(Roles::ALL, &none), (Roles::ALL, &one)]));
        assert!(!has_no_api_server([(Roles::ALL, &none), (Roles::ALL, &unseen)]));
        assert!(!has_no_api_server([(worker, &none)]));
    }
}
