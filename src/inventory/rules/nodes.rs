//! The machines, each by itself and all together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::inventory::defaults;
use crate::inventory::judge::Judge;
use crate::inventory::model::{Engine, Node, Roles, Ssh, Taint, TaintEffect};
use crate::inventory::path::KeyPath;
use crate::inventory::raw::{Items, RawNode, RawNodeMap, RawTaint, Role};
use crate::inventory::syntax;
use crate::inventory::wrong::quoted;

use super::{items, ranges, ssh};

/// For engine rke at least three with all planes.
pub(super) fn nodes(raw: Items<RawNode>, common: &Ssh, engine: Option<&Engine>, judge: &mut Judge) -> Vec<Node> {
    let list = KeyPath::from("nodes");
    let whole = !judge.is_broken(&list);
    let mut nodes = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        if let Some(RawNode(raw)) = raw {
            let path = list.index(index);
            if let Some(Engine::Existing(_)) = engine {
                only_for_rke(&raw, &path, judge);
            }
            nodes.push((path.clone(), node(raw, index, &path, common, judge)));
        }
    }
    unique(&nodes, judge);
    if let Some(Engine::Rke(rke)) = engine {
        ranges::judge(rke, &nodes, judge);
    }
    let nodes: Vec<Node> = nodes.into_iter().map(|(_, node)| node).collect();
    match engine {
        Some(Engine::Rke(rke)) if whole && rke.adopted => some_of_each(&nodes, &list, judge),
        Some(Engine::Rke(_)) if whole => planes(&nodes, &list, judge),
        Some(Engine::Rke(_) | Engine::Existing(_)) | None => {}
    }
    nodes
}

/// An adopted cluster has the nodes that it has; checks warn of what it does not survive.
fn some_of_each(nodes: &[Node], path: &KeyPath, judge: &mut Judge) {
    let roles = nodes.iter().map(|node| node.roles);
    if !roles.clone().any(|roles| roles.controlplane) || !roles.clone().any(|roles| roles.etcd) {
        judge.mistake(path, "no cluster of rke runs without a node with controlplane and one with etcd");
    }
}

fn only_for_rke(raw: &RawNodeMap, path: &KeyPath, judge: &mut Judge) {
    let given = [
        ("roles", raw.roles.is_some()),
        ("labels", !raw.labels.is_empty()),
        ("taints", !raw.taints.is_empty()),
        ("docker_socket", raw.docker_socket.is_some()),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        judge.mistake(
            &path.key(key),
            "has an effect with engine rke only; remove it, an existing cluster is left as it is",
        );
    }
}

fn node(raw: RawNodeMap, index: usize, path: &KeyPath, common: &Ssh, judge: &mut Judge) -> Node {
    let address = address(raw.address.as_deref(), path, judge);
    let name = name(raw.name, &address, index, path, judge);
    let internal_address = raw.internal_address.and_then(|text| match syntax::ip(&text) {
        Ok(address) => Some(address),
        Err(reason) => {
            judge.mistake(&path.key("internal_address"), format!("{} {reason}", quoted(&text)));
            None
        }
    });
    let docker_socket = raw.docker_socket.unwrap_or_else(|| defaults::DOCKER_SOCKET.to_owned());
    if !docker_socket.starts_with('/') {
        let message = format!(
            "{} is not an absolute path on the node, such as {}",
            quoted(&docker_socket),
            defaults::DOCKER_SOCKET
        );
        judge.mistake(&path.key("docker_socket"), message);
    }
    Node {
        name,
        address,
        internal_address,
        roles: roles(raw.roles, &path.key("roles"), judge),
        ssh: ssh::of_node(raw.ssh, &path.key("ssh"), common, judge),
        labels: labels(raw.labels, &path.key("labels"), judge),
        taints: taints(raw.taints, &path.key("taints"), judge),
        docker_socket,
    }
}

/// Empty when there is none, or none that could be understood.
fn address(text: Option<&str>, path: &KeyPath, judge: &mut Judge) -> String {
    let Some(text) = text else { return String::new() };
    syntax::host(text).unwrap_or_else(|reason| {
        // A node may be a bare address: then the mistake is in the node itself.
        let key = path.key("address");
        let path = if judge.has(&key) { key } else { path.clone() };
        judge.mistake(&path, format!("{} {reason}", quoted(text)));
        String::new()
    })
}

fn name(name: Option<String>, address: &str, index: usize, path: &KeyPath, judge: &mut Judge) -> String {
    match name {
        Some(name) => {
            if let Err(reason) = syntax::dns_name(&name) {
                judge.mistake(&path.key("name"), format!("{} {reason}", quoted(&name)));
            }
            name
        }
        None if address.is_empty() || address.parse::<IpAddr>().is_ok() => format!("n{}", index + 1),
        None => address.split('.').next().unwrap_or(address).to_owned(),
    }
}

fn roles(raw: Option<Items<Role>>, path: &KeyPath, judge: &mut Judge) -> Roles {
    let Some(raw) = raw else { return Roles::ALL };
    let mut seen: Vec<Role> = Vec::new();
    for (index, role) in items(&raw) {
        if seen.contains(role) {
            judge.mistake(&path.index(index), "stands here twice");
        }
        seen.push(*role);
    }
    if raw.is_empty() {
        judge.mistake(path, "is empty; give some of controlplane, etcd, worker, or remove the key for all three");
    }
    Roles {
        controlplane: seen.contains(&Role::Controlplane),
        etcd: seen.contains(&Role::Etcd),
        worker: seen.contains(&Role::Worker),
    }
}

fn labels(raw: BTreeMap<String, String>, path: &KeyPath, judge: &mut Judge) -> BTreeMap<String, String> {
    for (key, value) in &raw {
        let path = path.key(key);
        if let Err(reason) = syntax::label_key(key) {
            judge.mistake(&path, format!("the label's key {} {reason}", quoted(key)));
        }
        if let Err(reason) = syntax::label_value(value) {
            judge.mistake(&path, format!("the label's value {} {reason}", quoted(value)));
        }
    }
    raw
}

fn taints(raw: Items<RawTaint>, path: &KeyPath, judge: &mut Judge) -> Vec<Taint> {
    let mut taints = Vec::new();
    for (index, taint) in items(&raw) {
        let path = path.index(index);
        let (key, value) = (taint.key.clone().unwrap_or_default(), taint.value.clone().unwrap_or_default());
        if taint.key.is_some()
            && let Err(reason) = syntax::label_key(&key)
        {
            judge.mistake(&path.key("key"), format!("{} {reason}", quoted(&key)));
        }
        if let Err(reason) = syntax::label_value(&value) {
            judge.mistake(&path.key("value"), format!("{} {reason}", quoted(&value)));
        }
        taints.push(Taint { key, value, effect: taint.effect.unwrap_or(TaintEffect::NoSchedule) });
    }
    taints
}

/// No name, address or internal address belongs to two nodes.
fn unique(nodes: &[(KeyPath, Node)], judge: &mut Judge) {
    for (position, (path, node)) in nodes.iter().enumerate() {
        let earlier = &nodes[..position];
        if let Some((other, _)) = earlier.iter().find(|(_, other)| other.name == node.name) {
            let key = path.key("name");
            let remedy = if judge.has(&key) { "give each node its own" } else { "give it another with `name`" };
            let path = if judge.has(&key) { key } else { path.clone() };
            judge.mistake(&path, format!("its name {:?} is that of {other} already; {remedy}", node.name));
        }
        if !node.address.is_empty()
            && let Some((other, _)) = earlier.iter().find(|(_, other)| other.address == node.address)
        {
            judge.mistake(path, format!("its address {:?} is that of {other} already", node.address));
        }
        let Some(internal) = node.internal_address else { continue };
        let others = nodes.iter().enumerate().filter(|(index, _)| *index != position);
        for (index, (other, that)) in others {
            if (index < position && that.internal_address == Some(internal)) || that.address == internal.to_string() {
                // Equal internal addresses break etcd: rancher/rke#1121.
                judge.mistake(
                    &path.key("internal_address"),
                    format!("\"{internal}\" is the address of {other} already"),
                );
                break;
            }
        }
    }
}

/// High availability: three nodes with all planes.
fn planes(nodes: &[Node], path: &KeyPath, judge: &mut Judge) {
    let overlapped = nodes.iter().filter(|node| node.roles == Roles::ALL).count();
    if overlapped < 3 {
        let seen = match nodes.len() {
            0 => "there are none".to_owned(),
            all if all == overlapped => format!("there are {all}"),
            all => format!("{overlapped} of {all} have them"),
        };
        judge.mistake(
            path,
            format!("a highly available Rancher needs at least three nodes with controlplane, etcd and worker; {seen}"),
        );
    }
}
