//! A new inventory, written with comments.

use std::fmt::Write;

use super::defaults;
use super::syntax;

/// The name of a known_hosts file beside the inventory, for machines that come and go.
pub(super) const BESIDE: &str = "known_hosts";

/// What is known when an inventory is begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitRequest {
    /// Name of the cluster.
    pub name: String,
    /// The machines; three example addresses are written when there are none.
    pub nodes: Vec<InitNode>,
    /// User on all nodes that name none themselves.
    pub user: Option<String>,
    /// The name Rancher is to be reached by; an example is written when there is none.
    pub hostname: Option<String>,
    /// The ssh configuration in which the nodes' `ssh_host` are names, as paths in an inventory are written.
    pub config: Option<String>,
}

/// One machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitNode {
    pub name: Option<String>,
    /// Where clients and other nodes reach it; empty or a loopback address when that is not known (Vagrant's forwarded
    /// ports): then the line is left open for the user to fill in, and [`super::parse`] asks for it.
    pub address: String,
    /// Where SSH connects, if not to the address.
    pub ssh_host: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_file: Option<String>,
    pub known_hosts: Option<String>,
    pub jump: Vec<String>,
}

impl InitRequest {
    /// The known_hosts file that all nodes have in common.
    fn known_hosts(&self) -> Option<&str> {
        let first = self.nodes.first()?.known_hosts.as_deref()?;
        self.nodes.iter().all(|node| node.known_hosts.as_deref() == Some(first)).then_some(first)
    }
}

impl InitNode {
    fn has_address(&self) -> bool {
        syntax::host(&self.address).is_ok()
    }

    /// Where SSH connects when the address is not where.
    fn ssh_host(&self) -> Option<&str> {
        let forwarded = (!self.has_address() && !self.address.is_empty()).then_some(self.address.as_str());
        self.ssh_host.as_deref().or(forwarded)
    }
}

/// An inventory with comments that [`super::parse`] accepts, as far as the request lets it: at least three nodes with
/// addresses, and right names. A line that the user has to fill in says so.
pub fn init(request: &InitRequest) -> String {
    let mut text = String::new();
    text += "# An inventory for cowhand. Next: `cowhand check` looks at the machines, `cowhand up` installs.\n";
    text +=
        "# `cowhand schema` knows every key; paths are relative to this file, ~ and ${NAME} are replaced in them.\n\n";
    line(&mut text, &format!("name: {}", scalar(&request.name)), "of the cluster: small letters, digits, dashes");
    text += "\n# How the nodes are reached; what is not said here comes from ~/.ssh/config, the ssh agent and \
        known_hosts.\n";
    text += &ssh(request);
    text +=
        "\n# At least three machines. Each takes part in control plane, etcd and work unless `roles` says otherwise.\n";
    text += &nodes(request);
    text += &rest(request);
    text
}

fn ssh(request: &InitRequest) -> String {
    let mut text = String::new();
    if let Some(user) = &request.user {
        text += &format!("  user: {}\n", scalar(user));
    }
    if let Some(file) = &request.config {
        line(
            &mut text,
            &format!("  config: {}", scalar(file)),
            "says how each `ssh.host` below is reached; it has to stay",
        );
    }
    match request.known_hosts() {
        Some(BESIDE) => {
            let comment = "host keys are remembered here; delete it when the machines are made anew";
            line(&mut text, &format!("  known_hosts: {BESIDE}"), comment);
        }
        Some(file) => text += &format!("  known_hosts: {}\n", scalar(file)),
        None => {}
    }
    if text.is_empty() {
        return "# ssh: {user: rancher, identity_file: ~/.ssh/id_ed25519, jump: me@bastion.example.com}\n".to_owned();
    }
    format!("ssh:\n{text}")
}

fn nodes(request: &InitRequest) -> String {
    let mut text = "nodes:\n".to_owned();
    for node in &request.nodes {
        text += &one_node(node, request.known_hosts());
    }
    if request.nodes.is_empty() {
        for address in ["10.0.0.11", "10.0.0.12", "10.0.0.13"] {
            line(&mut text, &format!("  - {address}"), "an example: put your machine's address here");
        }
    }
    text
}

fn one_node(node: &InitNode, common: Option<&str>) -> String {
    let mut keys = Vec::new();
    if let Some(name) = &node.name {
        keys.push(format!("name: {}", scalar(name)));
    }
    let mut ssh = Vec::new();
    ssh.extend(node.ssh_host().map(|host| format!("host: {}", scalar(host))));
    ssh.extend(node.user.as_deref().map(|user| format!("user: {}", scalar(user))));
    ssh.extend(node.port.map(|port| format!("port: {port}")));
    ssh.extend(node.identity_file.as_deref().map(|file| format!("identity_file: {}", scalar(file))));
    let known_hosts = node.known_hosts.as_deref().filter(|file| common != Some(*file));
    ssh.extend(known_hosts.map(|file| format!("known_hosts: {}", scalar(file))));
    if !node.jump.is_empty() {
        ssh.push(format!("jump: {}", list(&node.jump)));
    }
    if !node.has_address() {
        keys.push("address:    # FILL IN the address in the network that the nodes share (not 127.0.0.1)".to_owned());
    } else if keys.is_empty() && ssh.is_empty() {
        return format!("  - {}\n", scalar(&node.address));
    } else {
        keys.push(format!("address: {}", scalar(&node.address)));
    }
    if !ssh.is_empty() {
        keys.push(format!("ssh: {{{}}}", ssh.join(", ")));
    }
    format!("  - {}\n", keys.join("\n    "))
}

fn rest(request: &InitRequest) -> String {
    let mut text = "\nengine:\n  rke:                                 # rke builds the Kubernetes cluster\n".to_owned();
    line(&mut text, &format!("    version: {}", defaults::RKE_VERSION), "");
    line(&mut text, &format!("    kubernetes: {}", defaults::KUBERNETES_VERSION), "");
    text += "\nrancher:\n";
    let (hostname, comment) = match &request.hostname {
        Some(hostname) => (scalar(hostname), "has to lead to the nodes (DNS)"),
        None => ("rancher.example.com".to_owned(), "an example: put your name here; it has to lead to the nodes"),
    };
    line(&mut text, &format!("  hostname: {hostname}"), comment);
    line(&mut text, &format!("  version: {}", defaults::RANCHER_VERSION), "2.11 is the last line that runs on rke");
    text += "  tls:\n";
    line(&mut text, "    mode: ingress", "where TLS ends: ingress, external (a load balancer), rancher");
    line(&mut text, "    issuer: ca", "who makes certificates: ca (yours, or a made one), acme, blank");
    text += "    # ca: ./tls/ca.pem                  # with issuer ca: your own CA, with its key beside it\n";
    text += "    # ca_key: ./tls/ca-key.pem\n";
    text += "    # acme: {email: ops@example.com}    # with issuer acme: Let's Encrypt\n";
    text += "    # certificate: ./tls/chain.pem      # with issuer blank: your own certificate, with its key\n";
    text += "    # key: ./tls/key.pem\n";
    text += "\n# ingress: {provider: traefik}          # instead of RKE's own nginx\n";
    text += "# load_balancers: [10.0.0.5]            # in front of the nodes; mode external needs them\n";
    text
}

/// Writes a line with its comment in column 41, or after it when it is longer.
fn line(text: &mut String, content: &str, comment: &str) {
    let written =
        if comment.is_empty() { writeln!(text, "{content}") } else { writeln!(text, "{content:<39} # {comment}") };
    debug_assert!(written.is_ok(), "a String takes every text");
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", "))
}

/// A text as YAML: bare where that is read as the same text everywhere, else in double quotes (JSON's are YAML's).
fn scalar(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '@' | '~');
    let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.');
    let address = text.parse::<std::net::Ipv4Addr>().is_ok();
    let path = text.starts_with("~/");
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | ".nan" | ".inf"
    );
    if address || ((path || text.starts_with(first)) && text.chars().all(harmless) && !word) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_yaml_would_take_them_for_something_else() {
        for bare in ["prod", "10.0.0.11", "n1.example.com", "~/.ssh/id", "./a", "me@bastion"] {
            assert_eq!(scalar(bare), bare);
        }
        for quoted in ["", "no", "Null", "1", "0755", "a: b", "a #b", "~", "-x", "a\"b", "x:22", "2001:db8::1", "ä b"]
        {
            let text = scalar(quoted);
            let back: String = serde_yaml::from_str(&text).unwrap();
            assert!(text.starts_with('"') && back == quoted, "{quoted:?} became {text}");
        }
    }
}
