//! Name servers, forwarding and packet filters.

use std::net::IpAddr;

use crate::facts::{InputPolicy, Reached};

use super::context::and_list;
use super::{Answer, Check, Context};

pub const RESOLVER: Check = Check {
    id: "resolver.loopback",
    what: "a name server that is not the machine's own loopback address",
    why: "CoreDNS takes the node's resolv.conf; 127.x there is CoreDNS itself, and it stops with `plugin/loop: Loop detected`",
    fix: "name a real DNS server in /etc/resolv.conf, or let systemd-resolved run, whose own file is used then",
    run: resolver,
    offline: false,
};

fn resolver(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!("on {}, put `nameserver ADDRESS` of a real DNS server into /etc/resolv.conf", node.name);
        let resolver = match &reached.facts.resolver {
            Ok(resolver) => resolver,
            Err(unseen) => return Answer::unknown("the resolver", unseen, fix),
        };
        // rke-tools' entrypoint gives the kubelet systemd-resolved's own file when that service runs
        let servers = resolver.behind_systemd.as_ref().unwrap_or(&resolver.nameservers);
        let (loopback, real): (Vec<IpAddr>, Vec<IpAddr>) = servers.iter().partition(|server| server.is_loopback());
        if !loopback.is_empty() {
            Answer::fail(format!("the name server is {}", and_list(loopback)), fix)
        } else if real.is_empty() {
            Answer::fail("there is no name server", fix)
        } else {
            Answer::pass(and_list(real))
        }
    })
}

pub const BRIDGE_NETFILTER: Check = Check {
    id: "net.bridge-netfilter",
    what: "net.bridge.bridge-nf-call-iptables is 1",
    why: "services that answer from the same node get lost otherwise; RKE tries to set it by itself",
    fix: "sudo modprobe br_netfilter && sudo sysctl -w net.bridge.bridge-nf-call-iptables=1",
    run: bridge_netfilter,
    offline: false,
};

fn bridge_netfilter(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!(
            "on {}, `sudo modprobe br_netfilter && sudo sysctl -w net.bridge.bridge-nf-call-iptables=1`, and `br_netfilter` in /etc/modules-load.d/",
            node.name
        );
        match &reached.facts.kernel_settings.bridge_iptables {
            Ok(true) => Answer::pass("1"),
            Ok(false) => Answer::warn("0", fix),
            Err(unseen) => Answer::warn(format!("br_netfilter is not loaded: {unseen}"), fix),
        }
    })
}

pub const IP_FORWARD: Check = Check {
    id: "net.ip-forward",
    what: "net.ipv4.ip_forward is 1",
    why: "without it no packet goes from a pod to another node; Docker switches it on, so somebody switched it off again",
    fix: "sudo sysctl -w net.ipv4.ip_forward=1, and see what in /etc/sysctl.d sets it to 0",
    run: ip_forward,
    offline: false,
};

fn ip_forward(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!("on {}, `sudo sysctl -w net.ipv4.ip_forward=1`, and the same in /etc/sysctl.d/", node.name);
        match &reached.facts.kernel_settings.ip_forward {
            Ok(true) => Answer::pass("1"),
            // Docker has not had the occasion yet
            Ok(false) if reached.facts.docker.is_err() => Answer::warn("0, and Docker does not run yet", fix),
            Ok(false) => Answer::fail("0", fix),
            Err(unseen) => Answer::unknown("net.ipv4.ip_forward", unseen, fix),
        }
    })
}

pub const FIREWALLD: Check = Check {
    id: "firewall.firewalld",
    what: "firewalld does not run",
    why: "it drops what Docker and the pod network let through, each time it is reloaded; RKE asks for it to be off",
    fix: "sudo systemctl disable --now firewalld, then sudo systemctl restart docker",
    run: firewalld,
    offline: false,
};

fn firewalld(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match &reached.facts.services.firewalld {
        Ok(false) => Answer::pass("it does not run"),
        Ok(true) => Answer::warn(
            "it runs",
            format!("on {}, `sudo systemctl disable --now firewalld && sudo systemctl restart docker`", node.name),
        ),
        // it is a systemd service, so where there is no systemd there is no firewalld
        Err(unseen) => Answer::pass(unseen.to_string()),
    })
}

pub const INPUT_POLICY: Check = Check {
    id: "firewall.input-policy",
    what: "no packet filter drops what it does not name",
    why: "nodes talk on tcp 2379, 2380, 6443, 10250 and udp 8472; a filter that drops the last one breaks pods, and rke never tests it",
    fix: "let the nodes' addresses in, e.g. sudo ufw allow from ADDRESS",
    run: input_policy,
    offline: false,
};

fn input_policy(context: &Context) -> Vec<Answer> {
    let nodes: Vec<IpAddr> =
        context.inventory.nodes.iter().filter_map(|node| node.internal_address.or(node.address.parse().ok())).collect();
    context.each_node(|node, reached| {
        let allow = if nodes.is_empty() { "the nodes' addresses".to_owned() } else { and_list(&nodes) };
        let fix =
            format!("on {}, let in everything from {allow}, and tcp 22, 80, 443 and 6443 from clients", node.name);
        match (filter(reached), &reached.facts.input_policy) {
            (Some(seen), _) => Answer::warn(seen, fix),
            (None, Ok(_)) => Answer::pass("packets come in unless a rule forbids it"),
            (None, Err(unseen)) => Answer::unseen_advice("the packet filter", unseen, fix),
        }
    })
}

fn filter(reached: &Reached) -> Option<String> {
    if reached.facts.services.ufw_enabled == Some(true) {
        return Some("ufw is enabled".into());
    }
    match &reached.facts.input_policy {
        Ok(InputPolicy::Drop(line)) => Some(format!("a filter drops by default: `{line}`")),
        Ok(InputPolicy::Accept) | Err(_) => None,
    }
}
