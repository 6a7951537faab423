//! The machines of a cluster.yml, and how rke reached them.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::model::{Fate, Named, NotAdoptable, SecretFile};
use super::{cluster, secrets};
use crate::inventory::Values;

/// As the inventory says them.
#[derive(Debug, Clone, Default)]
pub(super) struct Machines {
    /// What holds for all.
    pub ssh: Values,
    pub nodes: Vec<Values>,
}

pub(super) fn has_role(node: &Values, role: &str) -> bool {
    let roles = node.get("roles").and_then(Value::as_array);
    roles.is_none_or(|roles| roles.iter().any(|one| one == role))
}

/// Takes nodes, keys and bastion out of the file.
pub(super) fn machines(
    config: &mut Values,
    folder: &str,
    files: &mut Vec<SecretFile>,
    named: &mut Vec<Named>,
) -> Result<Machines, NotAdoptable> {
    let Some(Value::Array(raw)) = config.shift_remove("nodes") else { return Err(NotAdoptable::NoNodes) };
    let agent = config.shift_remove("ssh_agent_auth") == Some(json!(true));
    let common = Common { agent, key: cluster::text(config, "ssh_key_path"), folder };
    if agent {
        said(named, "ssh_agent_auth", Fate::Moved, "without a key file in the inventory, ssh's agent is asked");
    }
    if common.key.is_some() {
        said(
            named,
            "ssh_key_path",
            if agent { Fate::Left } else { Fate::Moved },
            match agent {
                true => "rke does not read it beside ssh_agent_auth",
                false => "it is ssh.identity_file",
            },
        );
    }
    if cluster::text(config, "ssh_cert_path").is_some() {
        said(named, "ssh_cert_path", Fate::Left, CERTIFICATE);
    }
    let mut machines = Machines::default();
    for (index, node) in raw.into_iter().enumerate() {
        let Value::Object(node) = node else { return Err(NotAdoptable::Node { index, key: "address" }) };
        machines.nodes.push(one(node, index, &common, files, named)?);
    }
    if let Some(Value::Object(bastion)) = config.shift_remove("bastion_host") {
        machines.ssh.extend(jump(bastion, &machines, named));
    }
    for key in ["user", "port", "identity_file"] {
        in_common(&mut machines, key);
    }
    Ok(machines)
}

const CERTIFICATE: &str =
    "ssh takes KEY-cert.pub beside the key by itself; for another file, write CertificateFile into ~/.ssh/config";

struct Common<'a> {
    agent: bool,
    key: Option<String>,
    folder: &'a str,
}

fn said(named: &mut Vec<Named>, key: impl Into<String>, fate: Fate, why: &str) {
    named.push(Named { key: key.into(), fate, why: why.into() });
}

fn one(
    mut node: Values,
    index: usize,
    common: &Common,
    files: &mut Vec<SecretFile>,
    named: &mut Vec<Named>,
) -> Result<Values, NotAdoptable> {
    let missing = |key| NotAdoptable::Node { index, key };
    let address = cluster::text(&mut node, "address").ok_or(missing("address"))?;
    let roles = node.shift_remove("role").ok_or(missing("role"))?;
    let user = cluster::text(&mut node, "user").ok_or(missing("user"))?;
    // rke names a node by its address, where it has no other name, in small letters (cluster/defaults.go, hosts/hosts.go).
    let name = cluster::text(&mut node, "hostname_override").unwrap_or_else(|| address.clone()).to_lowercase();
    let mut ssh = Values::new();
    ssh.insert("user".into(), json!(user));
    if let Some(port) = cluster::text(&mut node, "port").filter(|port| port != "22") {
        ssh.insert("port".into(), port.parse::<u64>().map_or(json!(port), |port| json!(port)));
    }
    let key = key_file(&mut node, index, &name, common, files, named);
    ssh.extend(key.map(|key| ("identity_file".to_owned(), json!(key))));
    let mut written = Values::from_iter([("name".to_owned(), json!(name)), ("address".to_owned(), json!(address))]);
    if let Some(internal) = cluster::text(&mut node, "internal_address").filter(|internal| *internal != address) {
        written.insert("internal_address".into(), json!(internal));
    }
    let all = ["controlplane", "etcd", "worker"];
    let has = |role: &&str| roles.as_array().is_some_and(|roles| roles.iter().any(|one| one == *role));
    if !all.iter().all(has) || roles.as_array().is_some_and(|roles| roles.len() != all.len()) {
        written.insert("roles".into(), roles);
    }
    written.insert("ssh".into(), Value::Object(ssh));
    for key in ["labels", "docker_socket"] {
        written.extend(node.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    if let Some(taints) = node.shift_remove("taints") {
        written.insert("taints".into(), without_times(taints, index, named));
    }
    if node.shift_remove("nodeName").is_some() {
        said(named, format!("nodes[{index}].nodeName"), Fate::Left, "rke itself does not read it");
    }
    Ok(written)
}

/// rke's own order: the text in the file, then the node's path, then that for all (hosts/dialer.go).
fn key_file(
    node: &mut Values,
    index: usize,
    name: &str,
    common: &Common,
    files: &mut Vec<SecretFile>,
    named: &mut Vec<Named>,
) -> Option<String> {
    let at = |key: &str| format!("nodes[{index}].{key}");
    if node.shift_remove("ssh_agent_auth").is_some() {
        said(named, at("ssh_agent_auth"), Fate::Left, "rke goes by the one at the top of the file");
    }
    let (text, path) = (cluster::text(node, "ssh_key"), cluster::text(node, "ssh_key_path"));
    let certificate = cluster::text(node, "ssh_cert");
    if cluster::text(node, "ssh_cert_path").is_some() {
        said(named, at("ssh_cert_path"), Fate::Left, CERTIFICATE);
    }
    if common.agent {
        for (key, given) in
            [("ssh_key", text.is_some()), ("ssh_key_path", path.is_some()), ("ssh_cert", certificate.is_some())]
        {
            if given {
                said(named, at(key), Fate::Left, "rke does not read it beside ssh_agent_auth");
            }
        }
        return None;
    }
    let Some(text) = text else {
        if path.is_some() {
            said(named, at("ssh_key_path"), Fate::Moved, "it is ssh.identity_file of the node");
        }
        if certificate.is_some() {
            said(named, at("ssh_cert"), Fate::Left, CERTIFICATE);
        }
        return path.or_else(|| common.key.clone()).map(|path| beside(&path, common.folder));
    };
    let file = format!("secrets/ssh-{}", secrets::plain(name));
    said(named, at("ssh_key"), Fate::InFile, &format!("it lies in {file}, which ssh.identity_file names"));
    if path.is_some() {
        said(named, at("ssh_key_path"), Fate::Left, "rke reads ssh_key before it");
    }
    if let Some(certificate) = certificate {
        said(named, at("ssh_cert"), Fate::InFile, &format!("it lies in {file}-cert.pub, where ssh looks for it"));
        files.push(SecretFile {
            path: PathBuf::from(format!("{file}-cert.pub")),
            text: SecretString::from(certificate),
        });
    }
    files.push(SecretFile { path: PathBuf::from(&file), text: SecretString::from(text) });
    Some(format!("./{file}"))
}

/// A relative path starts from where rke was run, taken to be cluster.yml's folder.
fn beside(path: &str, folder: &str) -> String {
    match path.starts_with(['/', '~', '$']) {
        true => path.to_owned(),
        false => format!("{folder}{path}"),
    }
}

fn without_times(taints: Value, index: usize, named: &mut Vec<Named>) -> Value {
    let Value::Array(mut items) = taints else { return taints };
    for (position, taint) in items.iter_mut().enumerate() {
        if taint.as_object_mut().is_some_and(|taint| taint.shift_remove("timeAdded").is_some()) {
            let key = format!("nodes[{index}].taints[{position}].timeAdded");
            said(named, key, Fate::Left, "Kubernetes itself writes it");
        }
    }
    Value::Array(items)
}

/// What a bastion is to ssh: `[user@]host[:port]`, with what ssh's own configuration has to say of it.
fn jump(mut bastion: Values, machines: &Machines, named: &mut Vec<Named>) -> Values {
    let Some(address) = cluster::text(&mut bastion, "address") else { return Values::new() };
    let user = cluster::text(&mut bastion, "user").map(|user| format!("{user}@")).unwrap_or_default();
    let port = cluster::text(&mut bastion, "port").filter(|port| port != "22");
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    said(named, "bastion_host", Fate::Moved, "it is ssh.jump");
    let own =
        machines.nodes.first().and_then(|node| node.get("ssh")?.get("identity_file")?.as_str().map(str::to_owned));
    for key in bastion.keys() {
        let at = format!("bastion_host.{key}");
        let same = bastion.get(key).and_then(Value::as_str) == own.as_deref();
        match key.as_str() {
            "ssh_key_path" if same => {
                said(named, at, Fate::Moved, "it is the key of the nodes, which ssh offers there, too")
            }
            "ssh_agent_auth" => said(named, at, Fate::Moved, "the agent is asked on the whole way"),
            "ignore_proxy_env_vars" => said(named, at, Fate::Left, "cowhand goes through no proxy"),
            _ => {
                let why = format!("write it for {address} into ~/.ssh/config (IdentityFile, CertificateFile)");
                said(named, at, Fate::Left, &why);
            }
        }
    }
    Values::from_iter([("jump".to_owned(), json!(format!("{user}{address}{port}")))])
}

/// Says once what all nodes have.
fn in_common(machines: &mut Machines, key: &str) {
    let of = |node: &Values| node.get("ssh").and_then(|ssh| ssh.get(key)).cloned();
    let Some(Some(first)) = machines.nodes.first().map(of) else { return };
    if !machines.nodes.iter().all(|node| of(node).as_ref() == Some(&first)) {
        return;
    }
    machines.ssh.insert(key.into(), first);
    for node in &mut machines.nodes {
        let Some(Value::Object(ssh)) = node.get_mut("ssh") else { continue };
        ssh.shift_remove(key);
        if ssh.is_empty() {
            node.shift_remove("ssh");
        }
    }
}
