//! Who is who: names, ids and addresses that must differ.

use std::net::IpAddr;

use crate::facts::Reached;
use crate::inventory::Node;

use super::context::and_list;
use super::{Answer, Check, Context};

/// The other reached nodes for which `same` holds.
fn others(context: &Context, node: &Node, same: impl Fn(&Node, &Reached) -> bool) -> Vec<String> {
    let others = context.reached().filter(|(other, reached)| other.name != node.name && same(other, reached));
    others.map(|(other, _)| other.name.clone()).collect()
}

pub const HOSTNAME_VALID: Check = Check {
    id: "hostname.valid",
    what: "the machine's name is a lower-case DNS name and not localhost",
    why: "Kubernetes names its nodes by it and refuses anything else",
    fix: "sudo hostnamectl set-hostname NAME",
    run: hostname_valid,
    offline: false,
};

fn hostname_valid(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!("on {0}, `sudo hostnamectl set-hostname {0}`", node.name);
        match reached.facts.hostname.as_deref() {
            Ok(name) if name.split('.').next() == Some("localhost") => Answer::fail(format!("`{name}`"), fix),
            Ok(name) if is_dns_name(name) => Answer::pass(format!("`{name}`")),
            Ok(name) => Answer::fail(format!("`{name}` is no lower-case DNS name"), fix),
            Err(unseen) => Answer::unknown("the hostname", unseen, fix),
        }
    })
}

/// RFC 1123: labels of letters, digits and inner dashes, 63 each, 253 in all.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

pub const HOSTNAME_UNIQUE: Check = Check {
    id: "hostname.unique",
    what: "no two machines have the same name",
    why: "etcd members and nodes are told apart by it; the second one pushes out the first",
    fix: "sudo hostnamectl set-hostname NAME",
    run: hostname_unique,
    offline: false,
};

fn hostname_unique(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!("on {0}, `sudo hostnamectl set-hostname {0}`", node.name);
        let name = match &reached.facts.hostname {
            Ok(name) => name,
            Err(unseen) => return Answer::unknown("the hostname", unseen, fix),
        };
        match others(context, node, |_, other| other.facts.hostname.as_ref() == Ok(name)) {
            same if same.is_empty() => Answer::pass(format!("`{name}`")),
            same => Answer::fail(format!("`{name}` is also the name of {}", and_list(same)), fix),
        }
    })
}

pub const MACHINE_ID_UNIQUE: Check = Check {
    id: "machine-id.unique",
    what: "no two machines have the same /etc/machine-id",
    why: "cloned machines get the same addresses from DHCP and look like one node to whatever goes by that id",
    fix: "sudo rm /etc/machine-id && sudo systemd-machine-id-setup, then reboot",
    run: machine_id_unique,
    offline: false,
};

fn machine_id_unique(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let anew =
            format!("on {}, `sudo rm -f /etc/machine-id && sudo systemd-machine-id-setup`, then reboot it", node.name);
        let id = match &reached.facts.machine_id {
            Ok(id) => id,
            Err(unseen) => return Answer::unseen_advice("the machine-id", unseen, anew),
        };
        match others(context, node, |_, other| other.facts.machine_id.as_ref() == Ok(id)) {
            same if same.is_empty() => Answer::pass(id.clone()),
            same => Answer::fail(format!("{id} is also that of {}: a clone", and_list(same)), anew),
        }
    })
}

pub const ADDRESS_UNIQUE: Check = Check {
    id: "address.unique",
    what: "the address that the other nodes use is really on the machine, and on no other",
    why: "etcd members meet at it; two nodes with one address (often 172.17.0.1) make one broken member",
    fix: "give `internal_address` for each node: the address by which the others reach it",
    run: address_unique,
    offline: false,
};

/// Where the other nodes reach this one, as far as the inventory names an address.
fn internal(node: &Node) -> Option<IpAddr> {
    node.internal_address.or_else(|| node.address.parse().ok())
}

fn address_unique(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!("set `internal_address` of {} to its own address among the nodes{}", node.name, own(reached));
        let Some(address) = internal(node) else { return by_name(context, node, reached, fix) };
        let same = others(context, node, |other, _| internal(other) == Some(address));
        if !same.is_empty() {
            return Answer::fail(format!("{address} is also the address of {}", and_list(same)), fix);
        }
        let claimed = others(context, node, |_, other| other.facts.has_address(address) == Ok(true));
        if !claimed.is_empty() {
            return Answer::fail(format!("{address} is an address of {} too", and_list(claimed)), fix);
        }
        match (reached.facts.has_address(address), node.internal_address) {
            (Ok(true), _) => Answer::pass(address.to_string()),
            (Ok(false), Some(_)) => Answer::fail(format!("{address} is on none of its interfaces"), fix),
            (Ok(false), None) => {
                Answer::warn(format!("{address} is on none of its interfaces: it is translated on the way"), fix)
            }
            (Err(unseen), _) => Answer::unknown("its addresses", &unseen, fix),
        }
    })
}

/// The inventory has a name: what counts is where SSH arrived.
fn by_name(context: &Context, node: &Node, reached: &Reached, fix: String) -> Answer {
    let address = match &reached.facts.ssh_address {
        Ok(address) => *address,
        Err(unseen) => return Answer::unseen_advice("the address behind the name", unseen, fix),
    };
    match others(context, node, |_, other| other.facts.ssh_address == Ok(address)) {
        same if same.is_empty() => Answer::pass(format!("{} is {address}", node.address)),
        same => Answer::fail(format!("{} is {address}, and so is {}", node.address, and_list(same)), fix),
    }
}

/// `: 10.0.0.11 or 192.168.1.4`, when there is something to choose from.
fn own(reached: &Reached) -> String {
    let Ok(addresses) = &reached.facts.addresses else { return String::new() };
    // those of containers never leave the machine
    let inner =
        |name: &str| ["docker", "cni", "flannel", "veth", "cali", "br-"].iter().any(|start| name.starts_with(start));
    let outer = addresses.iter().filter(|address| address.ip.is_ipv4() && !address.ip.is_loopback());
    let found: Vec<String> =
        outer.filter(|address| !inner(&address.interface)).map(|address| address.ip.to_string()).collect();
    if found.is_empty() { String::new() } else { format!(": {}", found.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names() {
        for good in ["n1", "n1.example.com", "0a-b"] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in ["", "N1", "n_1", "-n", "n-", "n..1", &"a".repeat(64)] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }
}
