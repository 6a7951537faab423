//! The ports that the cluster will listen on: free, or held by this very cluster.

use crate::facts::{ContainerState, Listener, Protocol, Reached};
use crate::inventory::{IngressProvider, Node};

use super::context::and_list;
use super::{Answer, Check, Context};

pub const FREE: Check = Check {
    id: "ports.free",
    what: "nothing but the cluster itself listens on the cluster's ports",
    why: "a component cannot start on a port that is taken; rke's own port check lets `address already in use` pass",
    fix: "stop what listens there, or move it to another port",
    run: free,
    offline: false,
};

/// A port that will be needed, and who may hold it already.
struct Wanted {
    protocol: Protocol,
    port: u16,
    /// Names of processes as the kernel has them: 15 letters at most.
    holders: &'static [&'static str],
    /// RKE's container that listens there, where there is one: it speaks for a process that the login user may not see.
    container: Option<&'static str>,
}

const fn tcp(port: u16, holders: &'static [&'static str], container: Option<&'static str>) -> Wanted {
    Wanted { protocol: Protocol::Tcp, port, holders, container }
}

const ETCD: &[Wanted] = &[tcp(2379, &["etcd"], Some("etcd")), tcp(2380, &["etcd"], Some("etcd"))];
const CONTROL: &[Wanted] = &[
    tcp(6443, &["kube-apiserver"], Some("kube-apiserver")),
    tcp(10257, &["kube-controller"], Some("kube-controller-manager")),
    tcp(10259, &["kube-scheduler"], Some("kube-scheduler")),
];
/// Nodes without a control plane reach it through a proxy of their own.
const PROXY: &[Wanted] = &[tcp(6443, &["nginx"], Some("nginx-proxy"))];
const EVERY: &[Wanted] = &[
    tcp(10248, &["kubelet"], Some("kubelet")),
    tcp(10250, &["kubelet"], Some("kubelet")),
    tcp(10249, &["kube-proxy"], Some("kube-proxy")),
    tcp(10256, &["kube-proxy"], Some("kube-proxy")),
    tcp(10010, &["cri-dockerd"], Some("kubelet")),
    // the kernel's own socket, which belongs to no process
    Wanted { protocol: Protocol::Udp, port: 8472, holders: &[], container: Some("kubelet") },
];
const CANAL: &[Wanted] = &[tcp(9099, &["calico-node"], Some("kubelet"))];
const INGRESS: &[Wanted] = &[
    tcp(80, &["nginx", "nginx-ingress-c", "traefik"], Some("kubelet")),
    tcp(443, &["nginx", "nginx-ingress-c", "traefik"], Some("kubelet")),
];
const NGINX: &[Wanted] =
    &[tcp(8443, &["nginx-ingress-c"], Some("kubelet")), tcp(10254, &["nginx-ingress-c"], Some("kubelet"))];

/// Processes of Kubernetes, as the kernel has their names; etcd alone may be a service of the system.
const COMPONENTS: &[&str] = &[
    "kube-apiserver",
    "kube-controller",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "cri-dockerd",
    "calico-node",
    "nginx-ingress-c",
];

/// What this node's roles and the inventory's choices will need.
fn wanted(context: &Context, node: &Node) -> Vec<&'static Wanted> {
    let roles = node.roles;
    let plugin =
        context.rke_settings().and_then(|rke| rke.cluster.get("network")?.get("plugin")?.as_str()).unwrap_or("canal");
    let provider = context.inventory.ingress.provider;
    let groups: [(&'static [Wanted], bool); 7] = [
        (ETCD, roles.etcd),
        (CONTROL, roles.controlplane),
        (PROXY, !roles.controlplane),
        (EVERY, true),
        (CANAL, plugin == "canal"),
        (INGRESS, roles.worker && provider != IngressProvider::Existing),
        (NGINX, roles.worker && provider == IngressProvider::Nginx),
    ];
    groups.into_iter().filter(|(_, needed)| *needed).flat_map(|(ports, _)| ports).collect()
}

fn free(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let listening = match &reached.facts.listening {
            Ok(listening) => listening,
            Err(unseen) => {
                return Answer::unknown(
                    "the listening ports",
                    unseen,
                    format!("see what `ss -lntu` says on {}", node.name),
                );
            }
        };
        let mut taken: Vec<&Listener> = Vec::new();
        let mut own = 0;
        for wanted in wanted(context, node) {
            let holders = listening.iter().filter(|one| one.protocol == wanted.protocol && one.port == wanted.port);
            for listener in holders {
                if ours(context, wanted, listener, reached) {
                    own += 1;
                } else if !taken.iter().any(|other| other.port == listener.port && other.process == listener.process) {
                    taken.push(listener);
                }
            }
        }
        match (taken.is_empty(), own) {
            (true, 0) => Answer::pass("all free"),
            (true, _) => Answer::pass("free, or held by the cluster itself"),
            (false, _) => Answer::fail(and_list(taken.iter().map(|one| told(one))), fix(node, &taken)),
        }
    })
}

fn ours(context: &Context, wanted: &Wanted, listener: &Listener, reached: &Reached) -> bool {
    let facts = &reached.facts;
    let cluster_runs = wanted.container.is_some_and(|name| facts.container_runs(name));
    match listener.process.as_deref() {
        Some(process) if wanted.holders.contains(&process) => cluster_runs || facts.runs_cluster(),
        // an interrupted rke leaves the containers of its port check behind, and takes them up again
        Some("docker-proxy") => port_check_runs(context, reached),
        Some(_) => false,
        None => cluster_runs || port_check_runs(context, reached) || is_flannel(listener, reached),
    }
}

/// The interface of a former pod network, which stays until the next boot; flannel takes it up again.
fn is_flannel(listener: &Listener, reached: &Reached) -> bool {
    let named = |name: &str| name.starts_with("flannel.");
    listener.protocol == Protocol::Udp
        && reached.facts.addresses.as_ref().is_ok_and(|all| all.iter().any(|address| named(&address.interface)))
}

fn port_check_runs(context: &Context, reached: &Reached) -> bool {
    let listeners = ["rke-etcd-port-listener", "rke-cp-port-listener", "rke-worker-port-listener"];
    let images = context.system_images();
    let all = reached.facts.containers.as_deref().unwrap_or_default();
    let mut own = all.iter().filter(|one| listeners.contains(&one.name.as_str()) && one.is_of_rke(&images));
    own.any(|one| one.state == ContainerState::Running)
}

fn told(listener: &Listener) -> String {
    let who = listener.process.as_deref().unwrap_or("a process that only root sees");
    format!("{} {} is taken by {who}", listener.protocol, listener.port)
}

fn fix(node: &Node, taken: &[&Listener]) -> String {
    let of = |name: &str| taken.iter().any(|listener| listener.process.as_deref() == Some(name));
    // a failed restore leaves it running (rancher/rke v1.8.0, services/etcd.go)
    if of("rke-etcd-backup") {
        return format!("on {}, `docker rm -f etcd-Serve-backup`", node.name);
    }
    if let Some(component) = COMPONENTS.iter().find(|name| of(name)) {
        return format!(
            "on {}, {component} is of a Kubernetes cluster that still runs there, and no service to stop by itself: if nobody needs \
             that cluster, remove it the way it was made (`cowhand down` with its inventory, or its distribution's own removal); \
             else take another machine",
            node.name
        );
    }
    match taken.iter().find_map(|listener| Some((listener.process.as_deref()?, listener.port))) {
        // Docker's own, one for each published port, and no service
        Some(("docker-proxy", port)) => {
            format!("on {}, a container publishes it: `docker ps --filter publish={port}`, stop that one", node.name)
        }
        Some((service, _)) => {
            format!("on {}, stop it: `sudo systemctl disable --now {service}`, or move it to another port", node.name)
        }
        None => format!("on {}, `sudo ss -lntup` shows what it is; stop it or move it", node.name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::*;

    #[test]
    fn what_a_cluster_left_running_is_not_told_as_a_service_of_systemd() {
        let mut world = World::good();
        for (port, process) in [(2379, "etcd"), (6443, "kube-apiserver"), (10250, "kubelet")] {
            listen(world.n2(), port, Some(process));
        }
        let fix = world.say("ports.free")[0].fix.clone();
        assert!(
            fix.starts_with("on n2, kube-apiserver is of a Kubernetes cluster") && !fix.contains("systemctl"),
            "{fix}"
        );
        // A package's own etcd is one.
        let mut world = World::good();
        listen(world.n2(), 2379, Some("etcd"));
        assert!(world.say("ports.free")[0].fix.contains("systemctl disable --now etcd"));
    }
}
