//! What makes sense as a whole. Every rule says its mistakes and goes on with a stand-in; since a single mistake refuses
//! the file, no stand-in ever gets out.

mod addons;
mod backup;
mod engine;
mod nodes;
mod parts;
mod rancher;
mod ranges;
mod rke_cluster;
mod ssh;
mod tls;

use std::net::{IpAddr, SocketAddr};

use super::judge::Judge;
use super::merge;
use super::model::{Engine, Inventory, Node};
use super::path::KeyPath;
use super::raw::{Items, RawDns, RawInventory};
use super::syntax;
use super::wrong::quoted;
use parts::{items, tool};

/// Judges everything; `None` only after a mistake.
pub(super) fn inventory(raw: RawInventory, judge: &mut Judge) -> Option<Inventory> {
    let (mut engine, kept) = engine::engine(raw.engine, judge);
    let adopted = matches!(&engine, Some(Engine::Rke(rke)) if rke.adopted);
    let name = name(raw.name, adopted, judge);
    let ssh = ssh::common(raw.ssh, judge);
    let nodes = nodes::nodes(raw.nodes, &ssh, engine.as_ref(), judge);
    let load_balancers = load_balancers(raw.load_balancers, &nodes, judge);
    let rancher = rancher::rancher(raw.rancher, engine.as_ref(), !load_balancers.is_empty(), judge);
    let ingress = addons::ingress(raw.ingress, engine.as_ref(), judge);
    if let Some(Engine::Rke(rke)) = &mut engine {
        rke_cluster::judge(rke, ingress.provider, judge);
        // It runs already: nobody asks whether a new cluster may have it.
        merge(&mut rke.cluster, &kept);
        engine::places_of_files(rke, rancher.delivery, judge);
    }
    let cert_manager = addons::cert_manager(raw.cert_manager, &rancher.version, judge);
    let dns_server = dns_server(raw.dns, judge);
    let backup = backup::backup(raw.backup, judge);
    let helm = tool(raw.helm.as_deref(), &KeyPath::from("helm"), judge);
    // Which ids there are, the checks know: see `judge_list`.
    let skip_checks = raw.skip_checks.into_iter().flatten().collect();
    Some(Inventory {
        name,
        nodes,
        engine: engine?,
        ingress,
        cert_manager,
        rancher,
        load_balancers,
        backup,
        dns_server,
        helm,
        skip_checks,
    })
}

fn name(name: Option<String>, adopted: bool, judge: &mut Judge) -> String {
    let name = name.unwrap_or_default();
    let path = KeyPath::from("name");
    if judge.is_broken(&path) {
        return name;
    }
    if adopted {
        if let Err(reason) = syntax::cluster_name(&name) {
            judge.mistake(&path, format!("{} {reason}", quoted(&name)));
        }
    } else if let Err(reason) = syntax::dns_label(&name) {
        judge.mistake(&path, format!("{} {reason}; allowed: a DNS label such as prod or lab-2", quoted(&name)));
    }
    name
}

fn load_balancers(raw: Items<String>, nodes: &[Node], judge: &mut Judge) -> Vec<IpAddr> {
    let list = KeyPath::from("load_balancers");
    let mut balancers = Vec::new();
    for (index, text) in items(&raw) {
        let path = list.index(index);
        let address = match syntax::ip(text) {
            Ok(address) => address,
            Err(reason) => {
                judge.mistake(&path, format!("{} {reason}", quoted(text)));
                continue;
            }
        };
        if let Some(node) = nodes.iter().find(|node| node.address == *text || node.internal_address == Some(address)) {
            // rancher-docs, infrastructure tutorials: the balancer wants the ports that the ingress has on a node.
            let name = &node.name;
            judge.mistake(
                &path,
                format!(
                    "{text:?} is node {name}; a load balancer needs a machine of its own, since \
                the ingress has its ports on the nodes"
                ),
            );
        } else if balancers.contains(&address) {
            judge.mistake(&path, format!("{text:?} stands here twice"));
        }
        balancers.push(address);
    }
    balancers
}

fn dns_server(raw: RawDns, judge: &mut Judge) -> Option<SocketAddr> {
    let text = raw.server?;
    let server = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
    if server.is_none() {
        let message = format!("{} is not a DNS server; allowed: ip or ip:port, such as 10.0.0.2:53", quoted(&text));
        judge.mistake(&KeyPath::from("dns.server"), message);
    }
    server
}
