//! Nodes out of the names of an ssh configuration, once OpenSSH has said how it reaches each of them.

use std::net::IpAddr;

use super::init::{BESIDE, InitNode};
use super::ssh_config::PassedOver;
use super::syntax;
use crate::remote::{IdentityFile, KnownFiles, Route, Strictness};

/// A name and how OpenSSH reaches it.
#[derive(Debug, Clone)]
pub struct NamedMachine {
    pub name: String,
    /// Where the name stands: `line 6`, `line 6 of config.d/lab`.
    pub place: String,
    /// The line itself.
    pub text: String,
    /// Somebody chose exactly this name.
    pub chosen: bool,
    pub route: Route,
}

impl NamedMachine {
    fn passed(&self, why: String) -> PassedOver {
        PassedOver { place: self.place.clone(), text: self.text.clone(), why }
    }
}

/// The machines that can be nodes, in order: each once, under its first name, and without those that others are only
/// reached through. The second list says what is not among them.
pub fn machines(named: Vec<NamedMachine>) -> (Vec<NamedMachine>, Vec<PassedOver>) {
    let through: Vec<(String, String)> = named
        .iter()
        .flat_map(|one| one.route.passes_through().into_iter().map(|host| (one.name.clone(), host)))
        .collect();
    let is_bastion = |one: &NamedMachine| {
        through.iter().any(|(from, host)| *from != one.name && (*host == one.name || *host == one.route.host))
    };
    let bastions: Vec<bool> = named.iter().map(|one| is_bastion(one) && !one.chosen).collect();
    let (mut kept, mut passed): (Vec<NamedMachine>, Vec<PassedOver>) = (Vec::new(), Vec::new());
    for (one, bastion) in named.into_iter().zip(bastions) {
        if bastion {
            let name = &one.name;
            passed.push(one.passed(format!(
                "others are reached through {name}: a jump host, not a node; `--host {name}` makes it one"
            )));
        } else if let Some(known) = kept.iter().find(|known| same_machine(&known.route, &one.route)) {
            passed.push(one.passed(format!("{} is the machine {}, which is taken already", one.name, known.name)));
        } else {
            kept.push(one);
        }
    }
    (kept, passed)
}

fn same_machine(one: &Route, other: &Route) -> bool {
    // The same private address behind another jump host is another machine.
    one.host.eq_ignore_ascii_case(&other.host)
        && (one.port, &one.jumps, &one.proxy_command) == (other.port, &other.jumps, &other.proxy_command)
}

/// The node with everything spelt out, as far as an inventory can. `plain` is how its address alone is reached: what
/// comes by itself need not be said.
pub fn spelt_out(machine: &NamedMachine, plain: &Route) -> InitNode {
    let route = &machine.route;
    let chosen = chosen(route);
    let identity = (chosen != self::chosen(plain)).then(|| chosen.first().map(|file| crate::remote::shown(&file.path)));
    InitNode {
        user: (route.user != plain.user).then(|| route.user.clone()),
        port: (route.port != plain.port).then_some(route.port),
        identity_file: identity.flatten(),
        known_hosts: known_hosts(&route.known, &plain.known),
        ..node(machine, (syntax::host(&route.host).is_err()).then(|| route.host.clone()))
    }
}

/// The node with its name in the configuration as the way to it: everything else stands there.
pub fn by_name(machine: &NamedMachine) -> InitNode {
    let known_hosts = remembers_nothing(&machine.route.known).then(|| BESIDE.to_owned());
    InitNode { known_hosts, ..node(machine, Some(machine.name.clone())) }
}

fn node(machine: &NamedMachine, ssh_host: Option<String>) -> InitNode {
    let usable = syntax::host(&machine.route.host).is_ok();
    let address = if usable { machine.route.host.clone() } else { String::new() };
    InitNode { name: node_name(&machine.name), address, ssh_host, ..InitNode::default() }
}

/// A node's name has to be one in DNS; an alias of ssh often has an underscore.
fn node_name(alias: &str) -> Option<String> {
    let name = alias.to_ascii_lowercase().replace('_', "-");
    match alias.parse::<IpAddr>() {
        Ok(_) => None,
        Err(_) if syntax::dns_name(&name).is_ok() => Some(name),
        Err(_) => Some(alias.to_owned()),
    }
}

/// Without any file each run would ask again, or take whatever key it meets.
fn remembers_nothing(known: &KnownFiles) -> bool {
    known.user.iter().all(|file| file.as_os_str() == "/dev/null")
}

fn known_hosts(known: &KnownFiles, plain: &KnownFiles) -> Option<String> {
    if remembers_nothing(known) {
        return Some(BESIDE.to_owned());
    }
    known.user.first().filter(|_| known.user != plain.user).map(|file| crate::remote::shown(file))
}

/// Key files that somebody named, in order.
fn chosen(route: &Route) -> Vec<&IdentityFile> {
    route.identities.iter().filter(|file| file.chosen).collect()
}

/// Whether the spelt-out way (`plain`, asked again with what the inventory says) is the one that the name has. A jump
/// host or a proxy command has a block of its own, which only the name's configuration knows.
pub fn says_the_same(route: &Route, plain: &Route) -> bool {
    let Route { place: _, host, port, user, certificates, agent, jumps, proxy_command, algorithms, limit, .. } = route;
    let same = (host, port, user, certificates, agent, algorithms, limit)
        == (&plain.host, &plain.port, &plain.user, &plain.certificates, &plain.agent, &plain.algorithms, &plain.limit);
    let direct = |route: &Route| route.jumps.is_empty() && route.proxy_command.is_none();
    let chosen = chosen(route);
    // The chosen file is offered first either way; with several the order of the agent's keys would matter.
    let only = route.identities_only == plain.identities_only || (route.identities_only && chosen.len() == 1);
    same && jumps.is_empty()
        && proxy_command.is_none()
        && direct(plain)
        && only
        && chosen == self::chosen(plain)
        && same_trust(&route.known, &plain.known)
}

fn same_trust(known: &KnownFiles, plain: &KnownFiles) -> bool {
    let KnownFiles { user, global, hash: _, alias, strictness, revoked, command, check_address } = known;
    let files = *user == plain.user || remembers_nothing(known);
    // What the configuration would take unseen is asked for instead.
    let strict = *strictness == plain.strictness || *strictness == Strictness::AcceptNew;
    let rest = (global, alias, revoked, command.is_none(), check_address)
        == (&plain.global, &plain.alias, &plain.revoked, plain.command.is_none(), &plain.check_address);
    files && strict && rest
}
