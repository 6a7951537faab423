//! Machines out of the ssh configuration that `vagrant ssh-config` prints.

use std::net::IpAddr;

use super::init::InitNode;

/// Why a text gave no machines.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SshConfigError {
    #[error("the ssh configuration names no machine: there is no Host line with a plain name")]
    NoHost,
    #[error("line {line} of the ssh configuration: {text:?} stands before the first Host line")]
    NoHostYet { line: usize, text: String },
    #[error("line {line} of the ssh configuration: {text:?} is not a port")]
    Port { line: usize, text: String },
    #[error("line {line} of the ssh configuration: a quote is not closed")]
    Quote { line: usize },
}

impl SshConfigError {
    pub fn hint(&self) -> Option<String> {
        Some("give what `vagrant ssh-config` prints: `vagrant ssh-config | cowhand init --from-ssh-config -`".into())
    }
}

/// The machines of an ssh configuration, in its order. Keys that say nothing about where a machine is are passed over, as are
/// Host lines with patterns and Match blocks.
///
/// Vagrant's VirtualBox and libvirt providers forward a port of 127.0.0.1 (`HostName 127.0.0.1`, `Port 2222`), which no other
/// node can reach: such a machine has no address here, only an `ssh_host`. With the docker provider HostName is the
/// container's own address.
pub fn nodes_from_ssh_config(text: &str) -> Result<Vec<InitNode>, SshConfigError> {
    let mut nodes: Vec<InitNode> = Vec::new();
    let mut within = Within::Nothing;
    for (index, content) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        let Some((key, values)) = words(content, line)? else { continue };
        let first = values.first().map(String::as_str).unwrap_or_default();
        match (key.as_str(), &within) {
            ("host", _) => {
                within = Within::Passed;
                if let [name] = values.as_slice()
                    && !name.contains(['*', '?', '!'])
                {
                    within = Within::Host;
                    nodes.push(InitNode { name: Some(name.clone()), ..InitNode::default() });
                }
            }
            ("match", _) => within = Within::Passed,
            (_, Within::Passed) => {}
            (_, Within::Nothing) => return Err(SshConfigError::NoHostYet { line, text: content.trim().to_owned() }),
            (key, Within::Host) => {
                if let Some(node) = nodes.last_mut() {
                    setting(node, key, first, line)?;
                }
            }
        }
    }
    if nodes.is_empty() { Err(SshConfigError::NoHost) } else { Ok(nodes.into_iter().map(placed).collect()) }
}

enum Within {
    Nothing,
    Host,
    Passed,
}

/// The first value of a key counts (ssh_config(5)).
fn setting(node: &mut InitNode, key: &str, value: &str, line: usize) -> Result<(), SshConfigError> {
    let value = value.to_owned();
    match key {
        "hostname" if node.address.is_empty() => node.address = value,
        "user" if node.user.is_none() => node.user = Some(value),
        "port" if node.port.is_none() => {
            node.port = Some(value.parse().map_err(|_| SshConfigError::Port { line, text: value })?);
        }
        "identityfile" if node.identity_file.is_none() => node.identity_file = Some(value),
        "proxyjump" if node.jump.is_empty() && value != "none" => {
            node.jump = value.split(',').map(|host| host.trim().to_owned()).collect();
        }
        _ => {}
    }
    Ok(())
}

/// Keeps apart where SSH connects and where the machine is.
fn placed(mut node: InitNode) -> InitNode {
    if node.address.is_empty() {
        // Without HostName ssh connects to the name itself.
        node.address = node.name.clone().unwrap_or_default();
    }
    let loopback =
        node.address == "localhost" || node.address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if loopback {
        node.ssh_host = Some(std::mem::take(&mut node.address));
    }
    node.port = node.port.filter(|port| *port != 22);
    node
}

/// The key in small letters and its values; `None` for an empty line or a comment.
fn words(content: &str, line: usize) -> Result<Option<(String, Vec<String>)>, SshConfigError> {
    let content = content.trim();
    if content.is_empty() || content.starts_with('#') {
        return Ok(None);
    }
    let (key, rest) = content.split_once(|c: char| c.is_whitespace() || c == '=').unwrap_or((content, ""));
    let mut rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (value, behind) = match rest.strip_prefix('"') {
            Some(inner) => inner.split_once('"').ok_or(SshConfigError::Quote { line })?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        values.push(value.to_owned());
        rest = behind.trim_start();
    }
    Ok(Some((key.to_ascii_lowercase(), values)))
}
