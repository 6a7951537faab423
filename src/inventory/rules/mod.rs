//! What makes sense as a whole. Every rule says its mistakes and goes on with a stand-in; since a single mistake refuses
//! the file, no stand-in ever gets out.

mod addons;
mod engine;
mod nodes;
mod rancher;
mod ssh;
mod tls;

use std::net::{IpAddr, SocketAddr};

use super::judge::Judge;
use super::model::{Inventory, Node, Tool};
use super::path::KeyPath;
use super::raw::{Items, RawDns, RawInventory};
use super::reader::quoted;
use super::syntax;

/// Judges everything; `None` only after a mistake.
pub(super) fn inventory(raw: RawInventory, judge: &mut Judge) -> Option<Inventory> {
    let name = name(raw.name, judge);
    let engine = engine::engine(raw.engine, judge);
    let ssh = ssh::common(raw.ssh, judge);
    let nodes = nodes::nodes(raw.nodes, &ssh, engine.as_ref(), judge);
    let load_balancers = load_balancers(raw.load_balancers, &nodes, judge);
    let rancher = rancher::rancher(raw.rancher, engine.as_ref(), !load_balancers.is_empty(), judge);
    let ingress = addons::ingress(raw.ingress, engine.as_ref(), judge);
    let cert_manager = addons::cert_manager(raw.cert_manager, &rancher.version, judge);
    let dns_server = dns_server(raw.dns, judge);
    let helm = tool(raw.helm.as_deref(), &KeyPath::from("helm"), judge);
    let skip_checks = skip_checks(raw.skip_checks, judge);
    Some(Inventory {
        name,
        nodes,
        engine: engine?,
        ingress,
        cert_manager,
        rancher,
        load_balancers,
        dns_server,
        helm,
        skip_checks,
    })
}

fn name(name: Option<String>, judge: &mut Judge) -> String {
    let name = name.unwrap_or_default();
    let path = KeyPath::from("name");
    if !judge.is_broken(&path)
        && let Err(reason) = syntax::dns_label(&name)
    {
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

fn skip_checks(raw: Items<String>, judge: &mut Judge) -> Vec<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    for (index, id) in items(&raw) {
        if !id.contains('.') || !id.chars().all(fits) {
            let message = format!(
                "{} is not the id of a check, such as node.memory; `cowhand check --list` shows them",
                quoted(id)
            );
            judge.mistake(&KeyPath::from("skip_checks").index(index), message);
        }
    }
    raw.into_iter().flatten().collect()
}

/// `search`, `download` or a path.
fn tool(text: Option<&str>, path: &KeyPath, judge: &mut Judge) -> Tool {
    let Some(text) = text else { return Tool::Search };
    syntax::tool_word(text).unwrap_or_else(|| Tool::Path(judge.file(path, Some(text)).unwrap_or_default()))
}

/// The items of a list that were understood, each with its position.
fn items<T>(list: &Items<T>) -> impl Iterator<Item = (usize, &T)> {
    list.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_ref()?)))
}
