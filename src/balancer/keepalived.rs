//! keepalived: one address that is always on a machine through which Rancher answers.

use std::net::IpAddr;

use super::{Front, Layer, Refused};
use crate::tls::Refusal;

/// What only the user knows of the floating address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floating {
    pub address: IpAddr,
    /// The network interface that gets it.
    pub interface: String,
    /// The machine that the text is for, by its address; the first one when none is said.
    pub on: Option<IpAddr>,
}

/// Machines that share the address, and what they are.
struct Group {
    machines: Vec<IpAddr>,
    what: &'static str,
}

/// The whole keepalived.conf of one machine, for keepalived 2.0 or newer.
pub fn keepalived(front: &Front, floating: &Floating) -> Result<String, Refused> {
    let group = group(front, floating.address)?;
    let own = floating.on.or(group.machines.first().copied());
    let place = group.machines.iter().position(|machine| Some(*machine) == own);
    let (Some(own), Some(place)) = (own, place) else {
        return Err(Refused::Options(Refusal::new(
            format!("--on: {} is none of the {} that share the address", listed(own.as_slice()), group.what),
            format!("one of {}", listed(&group.machines)),
        )));
    };
    let peers: Vec<IpAddr> = group.machines.iter().copied().filter(|machine| *machine != own).collect();
    Ok(heading(front, floating, &group, own) + &body(front, floating, own, place, &peers))
}

fn group(front: &Front, floating: IpAddr) -> Result<Group, Refused> {
    let balancers: Vec<IpAddr> =
        front.inventory.load_balancers.iter().copied().filter(|address| *address != floating).collect();
    let group = match (balancers.len(), front.layer) {
        (0, Layer::Four) => {
            let nodes: Result<Vec<IpAddr>, Refusal> = front.targets.iter().map(|node| node.ip()).collect();
            Group { machines: nodes?, what: "nodes" }
        }
        (0 | 1, Layer::Four | Layer::Seven) => {
            return Err(Refusal::new(
                format!(
                    "load_balancers: an address that floats needs two machines, and {} is named",
                    named(&balancers)
                ),
                "name both balancers, and the floating address beside them: `load_balancers: [10.0.0.5, 10.0.0.6, 10.0.0.100]`",
            )
            .into());
        }
        (_, Layer::Four | Layer::Seven) => Group { machines: balancers, what: "load balancers" },
    };
    if group.machines.len() < 2 {
        let refusal = Refusal::new("nodes: an address that floats needs two machines", "name more nodes");
        return Err(refusal.into());
    }
    if group.machines.contains(&floating) {
        return Err(Refused::Options(Refusal::new(
            format!("--virtual-ip: {floating} is a node's own address"),
            "choose an address of the same network that no machine has",
        )));
    }
    if group.machines.iter().any(|machine| machine.is_ipv4() != floating.is_ipv4()) {
        return Err(Refused::Options(Refusal::new(
            format!("--virtual-ip: {floating} is not of the same kind as {}", listed(&group.machines)),
            "VRRP speaks IPv4 or IPv6, not both: choose an address of the machines' own kind",
        )));
    }
    Ok(group)
}

fn named(balancers: &[IpAddr]) -> String {
    if balancers.is_empty() { "none".into() } else { format!("only {}", listed(balancers)) }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

fn heading(front: &Front, floating: &Floating, group: &Group, own: IpAddr) -> String {
    let Floating { address, interface, .. } = floating;
    let mut lines = vec![
        format!("This is the text for {own}; {} share {address}: {}.", group.what, listed(&group.machines)),
        format!(
            "That of another one: cowhand lb keepalived --virtual-ip {address} --interface {interface} --on ADDRESS"
        ),
        "Place it at /etc/keepalived/keepalived.conf (keepalived 2.0 or newer; curl is needed), then".into(),
        "  keepalived -t -f /etc/keepalived/keepalived.conf    # must say nothing".into(),
        "  systemctl reload-or-restart keepalived".into(),
        format!("  ip address show {interface}                        # who has it"),
        format!(
            "Rancher's name has to resolve to {address}. Firewalls have to let VRRP (IP protocol 112) through between them."
        ),
    ];
    if group.what == "load balancers" && !front.inventory.load_balancers.contains(address) {
        lines.push(format!("Name {address} under `load_balancers` too, and `cowhand verify` tests it."));
    }
    front.heading("keepalived", &lines)
}

fn body(front: &Front, floating: &Floating, own: IpAddr, place: usize, peers: &[IpAddr]) -> String {
    let Floating { address, interface, .. } = floating;
    let hostname = front.hostname();
    let name = &front.inventory.name;
    let (length, socket) = match own {
        IpAddr::V4(_) => (32, own.to_string()),
        IpAddr::V6(_) => (128, format!("[{own}]")),
    };
    let peers: String = peers.iter().map(|peer| format!("        {peer}\n")).collect();
    // Below the first one's by its place; what the check adds is more than all places together.
    let priority = 100_usize.saturating_sub(place).max(1);
    format!(
        "
global_defs {{
    router_id {name}
    enable_script_security
    # With any other user `keepalived -t` of 2.2 ends itself, whatever the file says. No shell is in between.
    script_user root
}}

# Does Rancher answer through this machine? Not only: does a program run here. Whether the certificate is trusted is not
# asked. Two answers in a row change the mind.
vrrp_script rancher {{
    script \"/usr/bin/curl --silent --fail --insecure --max-time 2 --output /dev/null --resolve {hostname}:443:{socket} https://{hostname}/ping\"
    interval 2
    timeout 3
    fall 2
    rise 2
    # Who gets an answer comes before all who get none; when nobody gets one, the address stays where it is.
    weight 100
}}

vrrp_instance {name} {{
    state BACKUP
    interface {interface}
    virtual_router_id {router}
    priority {priority}
    advert_int 1
    unicast_src_ip {own}
    unicast_peer {{
{peers}    }}
    virtual_ipaddress {{
        {address}/{length}
    }}
    track_script {{
        rancher
    }}
}}
",
        router = virtual_router(*address),
    )
}

/// 1 to 255, the same on all machines and mostly another one for another address: its last byte.
fn virtual_router(address: IpAddr) -> u8 {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    last.max(1)
}
