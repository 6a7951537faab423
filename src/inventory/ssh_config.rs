//! Machines out of an ssh configuration, such as `vagrant ssh-config` prints.

use std::fmt;
use std::net::IpAddr;

use super::init::{BESIDE, InitNode};

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

/// What was taken from an ssh configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromSshConfig {
    pub nodes: Vec<InitNode>,
    /// What was not, in the order of the file.
    pub passed: Vec<PassedOver>,
}

/// A line that says something about machines and was not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PassedOver {
    pub line: usize,
    pub text: String,
    pub why: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, `{}`: {}", self.line, self.text, self.why)
    }
}

/// One Host line and what stands below it.
struct Block {
    line: usize,
    text: String,
    names: Vec<String>,
    settings: InitNode,
}

/// The machines of an ssh configuration, in its order. `Host *` holds for all of them; a machine that others are
/// reached through is their jump host and no node. Other patterns, Match blocks and proxy commands are passed over.
///
/// Vagrant's VirtualBox and libvirt providers forward a port of 127.0.0.1 (`HostName 127.0.0.1`, `Port 2222`), which no other
/// node can reach: such a machine has no address here, only an `ssh_host`. With the docker provider HostName is the
/// container's own address.
pub fn nodes_from_ssh_config(text: &str) -> Result<FromSshConfig, SshConfigError> {
    let mut taken = FromSshConfig::default();
    let blocks = blocks(text, &mut taken.passed)?;
    let mut machines: Vec<(usize, String, InitNode)> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let plain: Vec<&String> = block.names.iter().filter(|name| !is_pattern(name)).collect();
        if plain.len() < block.names.len() && block.names != ["*"] {
            taken.passed.push(block.passed("patterns are not matched, only `Host *` is"));
        }
        // With one HostName all the names are one machine.
        let machine = !block.settings.address.is_empty();
        let count = if machine { plain.len().min(1) } else { plain.len() };
        if let [first, _, ..] = plain.as_slice()
            && machine
        {
            taken.passed.push(block.passed(&format!("all its names are one machine; it is called {first}")));
        }
        for name in plain.into_iter().take(count) {
            // For each setting the first value counts (ssh_config(5)), also over blocks.
            let mut node = InitNode { name: Some(name.clone()), ..block.settings.clone() };
            let others = blocks.iter().enumerate().filter(|(other, block)| {
                *other != index && (block.names == ["*"] || block.names.iter().any(|known| known == name))
            });
            others.for_each(|(_, other)| fill(&mut node, &other.settings));
            if !machines.iter().any(|(_, known, _)| known == name) {
                machines.push((index, name.clone(), node));
            }
        }
    }
    if machines.is_empty() {
        return Err(SshConfigError::NoHost);
    }
    let jumps: Vec<String> = machines.iter().flat_map(|(_, _, node)| node.jump.clone()).collect();
    for (index, name, node) in &machines {
        if jumps.contains(name) {
            taken.passed.push(blocks[*index].passed("others are reached through it: a jump host, not a node"));
            continue;
        }
        let mut node = node.clone();
        node.jump = node.jump.iter().map(|jump| spelt_out(jump, &machines)).collect();
        taken.nodes.push(placed(node));
    }
    taken.passed.sort();
    if taken.nodes.is_empty() { Err(SshConfigError::NoHost) } else { Ok(taken) }
}

impl Block {
    fn passed(&self, why: &str) -> PassedOver {
        PassedOver { line: self.line, text: self.text.clone(), why: why.to_owned() }
    }
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '!'])
}

fn blocks(text: &str, passed: &mut Vec<PassedOver>) -> Result<Vec<Block>, SshConfigError> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut within = Within::Nothing;
    for (index, content) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        let Some((key, names)) = words(content, line)? else { continue };
        let text = content.trim().to_owned();
        match (key.as_str(), &within) {
            ("host", _) => {
                within = Within::Host;
                blocks.push(Block { line, text, names, settings: InitNode::default() });
            }
            ("match", _) => {
                within = Within::Match;
                passed.push(PassedOver { line, text, why: "Match blocks are not looked into".into() });
            }
            (_, Within::Match) => {}
            ("include", _) => passed.push(PassedOver { line, text, why: "the other file is not read".into() }),
            (_, Within::Nothing) => return Err(SshConfigError::NoHostYet { line, text }),
            ("proxycommand", Within::Host) => {
                let why = "an inventory knows jump hosts only; ~/.ssh/config is asked for it all the same".into();
                passed.push(PassedOver { line, text, why });
            }
            (key, Within::Host) => {
                if let (Some(block), Some(first)) = (blocks.last_mut(), names.first())
                    && let Some(why) = setting(&mut block.settings, key, first, line)?
                    // Vagrant says the same of each machine.
                    && !passed.iter().any(|known| known.text == text)
                {
                    passed.push(PassedOver { line, text, why: why.into() });
                }
            }
        }
    }
    Ok(blocks)
}

enum Within {
    Nothing,
    Host,
    Match,
}

/// Takes one setting over, or says why not. The first value of a key counts (ssh_config(5)).
fn setting(node: &mut InitNode, key: &str, value: &str, line: usize) -> Result<Option<&'static str>, SshConfigError> {
    let value = value.to_owned();
    match key {
        "hostname" if node.address.is_empty() => node.address = value,
        "user" if node.user.is_none() => node.user = Some(value),
        "port" if node.port.is_none() => {
            node.port = Some(value.parse().map_err(|_| SshConfigError::Port { line, text: value })?);
        }
        "identityfile" if node.identity_file.is_none() => node.identity_file = Some(value),
        "proxyjump" if node.jump.is_empty() => {
            node.jump = value.split(',').map(|host| host.trim().to_owned()).collect();
        }
        "userknownhostsfile" if value.contains('%') => return Ok(Some("an inventory knows no % in a path")),
        "userknownhostsfile" if node.known_hosts.is_none() => {
            // Without any file each run would ask again, or take whatever key it meets.
            let none = value == "/dev/null" || value == "none";
            node.known_hosts = Some(if none { BESIDE.to_owned() } else { value });
        }
        "stricthostkeychecking" if matches!(value.as_str(), "no" | "off" | "accept-new") => {
            return Ok(Some("host keys are always checked; `--accept-new-host-keys` takes those that are new"));
        }
        "hostname"
        | "user"
        | "port"
        | "identityfile"
        | "proxyjump"
        | "userknownhostsfile"
        | "stricthostkeychecking" => {}
        // What one sees while logging in, and ways to log in that cowhand does not know.
        "loglevel" | "passwordauthentication" | "identitiesonly" => {}
        _ => return Ok(Some("an inventory has no key for it")),
    }
    Ok(None)
}

/// Takes over what the node does not say itself.
fn fill(node: &mut InitNode, from: &InitNode) {
    let InitNode { name: _, address, ssh_host: _, user, port, identity_file, known_hosts, jump } = from;
    if node.address.is_empty() {
        node.address.clone_from(address);
    }
    node.user = node.user.take().or_else(|| user.clone());
    node.port = node.port.or(*port);
    node.identity_file = node.identity_file.take().or_else(|| identity_file.clone());
    node.known_hosts = node.known_hosts.take().or_else(|| known_hosts.clone());
    if node.jump.is_empty() {
        node.jump.clone_from(jump);
    }
}

/// A jump host by what the configuration says of its name: `user@address:port`.
fn spelt_out(jump: &str, machines: &[(usize, String, InitNode)]) -> String {
    let Some((_, _, node)) = machines.iter().find(|(_, name, _)| name == jump) else { return jump.to_owned() };
    let user = node.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let host = if node.address.is_empty() { jump } else { &node.address };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = node.port.filter(|port| *port != 22).map(|port| format!(":{port}")).unwrap_or_default();
    format!("{user}{host}{port}")
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
    node.jump.retain(|jump| jump != "none");
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
