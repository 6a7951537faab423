//! The address ranges of pods and services, and who else is in them. rke looks at none of this.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::inventory::judge::Judge;
use crate::inventory::model::{Node, Rke};
use crate::inventory::path::KeyPath;
use crate::inventory::wrong::quoted;

use super::rke_cluster::{Asked, place};

/// A key of `engine.rke.cluster`, what its range is for, and what rke takes without it (cluster/defaults.go).
const PODS: (&str, &str, &str) = ("services.kube-controller.cluster_cidr", "pods", "10.42.0.0/16");
const SERVICES: (&str, &str, &str) = ("services.kube-api.service_cluster_ip_range", "services", "10.43.0.0/16");
const CONTROLLER: &str = "services.kube-controller.service_cluster_ip_range";
const DNS: (&str, &str) = ("services.kubelet.cluster_dns_server", "10.43.0.10");

pub(super) fn judge(rke: &Rke, nodes: &[(KeyPath, Node)], judge: &mut Judge) {
    let asked = Asked(&rke.cluster);
    let pods = range(&asked, PODS.0, PODS.2, judge);
    let services = range(&asked, SERVICES.0, SERVICES.2, judge);
    range(&asked, CONTROLLER, SERVICES.2, judge);
    if let Some((pod, service)) = overlap(&pods, &services) {
        let key = if asked.text(PODS.0).is_some() { PODS.0 } else { SERVICES.0 };
        judge.mistake(
            &place(key),
            format!(
                "the range of pods ({pod}) and that of services ({service}) overlap; give them apart from each other"
            ),
        );
    }
    dns(&asked, &services, judge);
    for (what, nets) in [(PODS.1, &pods), (SERVICES.1, &services)] {
        nodes.iter().for_each(|(path, node)| occupied(path, node, what, nets, judge));
    }
}

/// The ranges of one key, one for each address family; none after a mistake.
fn range(asked: &Asked, key: &str, default: &str, judge: &mut Judge) -> Vec<IpNet> {
    let text = asked.text(key).unwrap_or(default);
    // As rke parts it: a blank behind the comma is a mistake for it, too.
    let nets: Result<Vec<IpNet>, _> = text.split(',').map(str::parse).collect();
    nets.unwrap_or_else(|_| {
        judge.mistake(
            &place(key),
            format!(
                "{} is not an address range, such as {default}; two are parted by a comma without a blank",
                quoted(text)
            ),
        );
        Vec::new()
    })
}

fn overlap(pods: &[IpNet], services: &[IpNet]) -> Option<(IpNet, IpNet)> {
    let pairs = pods.iter().flat_map(|pod| services.iter().map(move |service| (*pod, *service)));
    pairs.into_iter().find(|(pod, service)| pod.contains(service) || service.contains(pod))
}

/// The Service of the cluster's DNS gets exactly this address, and the API refuses one outside of its range.
fn dns(asked: &Asked, services: &[IpNet], judge: &mut Judge) {
    let text = asked.text(DNS.0).unwrap_or(DNS.1);
    let address = text.parse::<IpAddr>();
    if services.is_empty() || address.as_ref().is_ok_and(|address| services.iter().any(|net| net.contains(address))) {
        return;
    }
    let nets: Vec<String> = services.iter().map(ToString::to_string).collect();
    let (key, seen) = match asked.text(DNS.0) {
        Some(text) => (DNS.0, quoted(text)),
        None => (SERVICES.0, format!("services.kubelet.cluster_dns_server, by default {},", DNS.1)),
    };
    judge.mistake(
        &place(key),
        format!("{seen} is not an address in the range of services ({}); give one of them to the DNS", nets.join(",")),
    );
}

/// A node whose address is taken for a pod's or a service's is not reached from inside the cluster.
fn occupied(path: &KeyPath, node: &Node, what: &str, nets: &[IpNet], judge: &mut Judge) {
    let given = [("address", node.address.parse().ok()), ("internal_address", node.internal_address)];
    for (key, address) in given.into_iter().filter_map(|(key, address)| Some((key, address?))) {
        let address: IpAddr = address;
        let Some(net) = nets.iter().find(|net| net.contains(&address)) else { continue };
        // A node may be a bare address.
        let key = path.key(key);
        let at = if judge.has(&key) { key } else { path.clone() };
        let setting = if what == PODS.1 { PODS.0 } else { SERVICES.0 };
        judge.mistake(
            &at,
            format!(
                "\"{address}\" lies in the range of {what} ({net}), and nothing in the cluster would reach it; give the {what} \
                 another range (engine.rke.cluster.{setting}), or the node another address"
            ),
        );
    }
}
