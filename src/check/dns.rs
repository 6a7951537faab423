//! Rancher's own name: where it should lead, where it does, and what a round robin is not.

use std::net::IpAddr;

use crate::facts::dns::Resolved;
use crate::inventory::{Inventory, Node, TlsIssuer};

use super::context::and_list;
use super::{Answer, Check, Context};

/// Where Rancher's name should lead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant {
    /// `the load balancers` or `the nodes`.
    pub what: &'static str,
    /// What the inventory says; empty when it names no address, and then any is as good.
    pub addresses: Vec<IpAddr>,
    /// Other addresses of the same machines: among themselves, or of an interface.
    pub also: Vec<IpAddr>,
}

impl Meant {
    /// The load balancers where there are any, else the nodes that serve the ingress.
    pub fn of(inventory: &Inventory) -> Meant {
        if !inventory.load_balancers.is_empty() {
            let addresses = inventory.load_balancers.clone();
            return Meant { what: "the load balancers", addresses, also: vec![] };
        }
        let nodes = || serving(inventory);
        Meant {
            what: "the nodes",
            addresses: nodes().filter_map(|node| node.address.parse().ok()).collect(),
            also: nodes().filter_map(|node| node.internal_address).collect(),
        }
    }

    fn covers(&self, ip: IpAddr) -> bool {
        self.addresses.contains(&ip) || self.also.contains(&ip)
    }

    /// `the nodes 10.0.0.11, 10.0.0.12 and 10.0.0.13`.
    pub fn text(&self) -> String {
        match self.addresses.is_empty() {
            true => self.what.to_string(),
            false => format!("{} {}", self.what, and_list(&self.addresses)),
        }
    }

    /// Which of these addresses are somebody else's.
    pub fn strangers(&self, found: &[IpAddr]) -> Vec<IpAddr> {
        let unknown = self.addresses.is_empty() && self.also.is_empty();
        found.iter().copied().filter(|ip| !unknown && !self.covers(*ip)).collect()
    }
}

/// The nodes on which an ingress controller listens.
pub fn serving(inventory: &Inventory) -> impl Iterator<Item = &Node> {
    inventory.nodes.iter().filter(|node| node.roles.worker)
}

/// Found and expected, for a name that leads elsewhere.
pub fn elsewhere(found: &[IpAddr], meant: &Meant) -> String {
    format!("it leads to {}, expected {}", and_list(found), meant.text())
}

pub const LAPTOP: Check = Check {
    id: "dns.laptop",
    what: "this machine resolves Rancher's host name, to the nodes or to the load balancers",
    why: "users come by this name, and so does `verify`; `dns: {server: …}` of the inventory names another server to ask",
    fix: "make an A record for the name with the nodes' or the balancer's addresses",
    run: laptop,
    offline: false,
};

fn laptop(context: &Context) -> Vec<Answer> {
    let Some(found) = context.name else { return Vec::new() };
    vec![answer(context, found, "from this machine")]
}

pub const NODES: Check = Check {
    id: "dns.nodes",
    what: "every node resolves Rancher's host name, to the nodes or to the load balancers",
    why: "agents and ACME come by this name; an entry in the laptop's /etc/hosts helps nobody else",
    fix: "make an A record for the name with the nodes' or the balancer's addresses",
    run: nodes,
    offline: false,
};

fn nodes(context: &Context) -> Vec<Answer> {
    let hostname = &context.inventory.rancher.hostname;
    context.every_node(|node, reached| match &reached.facts.rancher_addresses {
        Ok(found) if found.is_empty() => answer(context, &Err("the name has no address".into()), "here"),
        Ok(found) => answer(context, &Ok(found.clone()), "here"),
        Err(unseen) => {
            let what = format!("what {hostname} means on {}", node.name);
            Answer::unseen_advice(&what, unseen, record(context, &meant(context)))
        }
    })
}

/// Before anything is installed a name may still be on its way; only ACME cannot do without it.
fn answer(context: &Context, found: &Resolved, whence: &str) -> Answer {
    let hostname = &context.inventory.rancher.hostname;
    let meant = meant(context);
    let fix = record(context, &meant);
    match found {
        Err(why) => {
            let seen = format!("{hostname} does not resolve {whence}: {why}");
            match context.inventory.rancher.tls.issuer {
                TlsIssuer::Acme => Answer::fail(format!("{seen}; ACME needs it"), fix),
                TlsIssuer::Blank | TlsIssuer::Ca => Answer::warn(seen, fix),
            }
        }
        Ok(found) if meant.strangers(found).is_empty() => Answer::pass(format!("{hostname} is {}", and_list(found))),
        Ok(found) => Answer::warn(elsewhere(found, &meant), fix),
    }
}

fn record(context: &Context, meant: &Meant) -> String {
    format!("make an A record {} with {}", context.inventory.rancher.hostname, meant.text())
}

/// With what the nodes themselves showed: addresses behind names, and those of their interfaces.
fn meant(context: &Context) -> Meant {
    let mut meant = Meant::of(context.inventory);
    if context.inventory.load_balancers.is_empty() {
        for (node, reached) in context.reached() {
            let behind = reached.facts.ssh_address.as_ref().ok();
            if let (Err(_), Some(ip)) = (node.address.parse::<IpAddr>(), behind) {
                meant.addresses.push(*ip);
            }
            let own = reached.facts.addresses.as_ref().map_or(&[][..], Vec::as_slice);
            meant.also.extend(own.iter().map(|address| address.ip).filter(|ip| !ip.is_loopback()));
        }
    }
    meant
}

pub const ROUND_ROBIN: Check = Check {
    id: "dns.round-robin",
    what: "Rancher's name leads to a load balancer, or to one address",
    why: "DNS round robin does not provide true failover: a client may go on asking for a node that is gone, unless the DNS watches what it names, as Route 53 can",
    fix: "put a load balancer in front of the cluster and name it in `load_balancers`; `cowhand lb` prints its configuration",
    run: round_robin,
    offline: false,
};

/// Once for all: who asks does not matter.
fn round_robin(context: &Context) -> Vec<Answer> {
    let from_nodes = context.reached().filter_map(|(_, reached)| reached.facts.rancher_addresses.clone().ok());
    let from_here = context.name.and_then(|found| found.clone().ok());
    let answers: Vec<Vec<IpAddr>> = from_here.into_iter().chain(from_nodes).collect();
    let Some(most) = answers.iter().max_by_key(|found| found.len()) else { return Vec::new() };
    let hostname = &context.inventory.rancher.hostname;
    if most.len() < 2 || !context.inventory.load_balancers.is_empty() {
        return vec![Answer::pass(format!("{hostname} is {}", and_list(most)))];
    }
    let seen = format!(
        "{hostname} is a round robin over {} addresses; that does not provide true failover \
         (unless a backend-health aware DNS like Route 53 answers)",
        most.len()
    );
    vec![Answer::warn(seen, "put a load balancer in front of the cluster and name it in `load_balancers`")]
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::world::*;
    use super::*;

    fn ips(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_should_lead_to_the_balancers_where_there_are_any_else_to_the_serving_nodes() {
        let mut inventory = inventory();
        inventory.nodes[0].internal_address = Some("192.168.0.1".parse().unwrap());
        inventory.nodes[2].roles.worker = false;
        let meant = Meant::of(&inventory);
        assert_eq!(meant.text(), "the nodes 10.0.0.11 and 10.0.0.12");
        assert!(meant.strangers(&ips(&["10.0.0.11", "192.168.0.1"])).is_empty());
        assert_eq!(meant.strangers(&ips(&["10.0.0.11", "10.0.0.13"])), ips(&["10.0.0.13"]));
        inventory.load_balancers = ips(&["192.0.2.7"]);
        let meant = Meant::of(&inventory);
        assert_eq!(meant.text(), "the load balancers 192.0.2.7");
        assert_eq!(meant.strangers(&ips(&["10.0.0.11"])), ips(&["10.0.0.11"]));
    }

    #[test]
    fn with_nothing_to_compare_no_address_is_a_stranger() {
        let mut inventory = inventory();
        inventory.nodes.clear();
        assert!(Meant::of(&inventory).strangers(&ips(&["198.51.100.1"])).is_empty());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_told_with_both_sides() {
        let mut world = World::good();
        world.name = Ok(ips(&["10.9.9.9"]));
        let said = &world.say("dns.laptop")[0];
        assert_eq!(said.verdict, Verdict::Warn);
        assert_eq!(said.seen, "it leads to 10.9.9.9, expected the nodes 10.0.0.11, 10.0.0.12 and 10.0.0.13");
        assert!(
            world.say("dns.nodes").iter().all(|said| said.verdict == Verdict::Pass),
            "the nodes ask for themselves"
        );
    }

    #[test]
    fn a_name_may_come_later_unless_acme_needs_it() {
        let mut world = World::good();
        world.name = Err("no such name".into());
        assert_eq!(world.say("dns.laptop")[0].verdict, Verdict::Warn);
        world.inventory.rancher.tls.issuer = TlsIssuer::Acme;
        assert_eq!(world.say("dns.laptop")[0].verdict, Verdict::Fail);
    }

    #[test]
    fn a_round_robin_over_nodes_is_told_once_and_a_balancer_ends_it() {
        let mut world = World::good();
        let said = world.say("dns.round-robin");
        assert_eq!((said.len(), said[0].verdict, said[0].subject.clone()), (1, Verdict::Warn, None));
        assert!(said[0].seen.contains("does not provide true failover"), "{}", said[0].seen);
        world.inventory.load_balancers = ips(&["192.0.2.7", "192.0.2.8"]);
        assert_eq!(world.say("dns.round-robin")[0].verdict, Verdict::Pass);
    }

    #[test]
    fn nodes_given_by_name_are_meant_by_where_ssh_arrived() {
        let mut world = World::good();
        for node in &mut world.inventory.nodes {
            node.address = format!("{}.example.com", node.name);
        }
        world.name = Ok(ips(&["10.0.0.11", "10.9.9.9"]));
        assert!(world.say("dns.laptop")[0].seen.ends_with("expected the nodes 10.0.0.11, 10.0.0.12 and 10.0.0.13"));
    }
}
