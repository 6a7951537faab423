//! What every balancer's text is made from, and when there can be none.

use std::net::IpAddr;

use super::{Refused, TlsFiles};
use crate::inventory::{Inventory, Node, TlsMode};
use crate::tls::Refusal;

/// Where the balancer looks into what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// TCP goes through as it is; TLS ends in the cluster.
    Four,
    /// TLS ends at the balancer; plain HTTP goes on to port 80 of the nodes.
    Seven,
}

/// An inventory as a balancer sees it.
#[derive(Debug, Clone)]
pub struct Front<'a> {
    pub inventory: &'a Inventory,
    /// What people call the inventory's file; one line.
    file: String,
    pub layer: Layer,
    /// Where the ingress answers: the nodes that are workers. Never empty.
    pub targets: Vec<Target<'a>>,
}

/// One node behind the balancer.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    node: &'a Node,
}

impl<'a> Target<'a> {
    pub fn name(&self) -> &'a str {
        &self.node.name
    }

    /// `address:port`, an IPv6 address in brackets.
    pub fn socket(&self, port: u16) -> String {
        match self.node.address.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            Ok(IpAddr::V4(_)) | Err(_) => format!("{}:{port}", self.node.address),
        }
    }

    /// Its IP address: the one that clients use, else the one in the nodes' own network.
    pub fn ip(&self) -> Result<IpAddr, Refusal> {
        self.node.address.parse().ok().or(self.node.internal_address).ok_or_else(|| {
            Refusal::new(
                format!(
                    "nodes: {} has the name {} and no IP address, which is needed here",
                    self.name(),
                    self.node.address
                ),
                "give the node an `internal_address`, or an IP address as its `address`",
            )
        })
    }
}

impl<'a> Front<'a> {
    /// `file` is what the texts call the inventory. Refused where nothing stands behind or at the balancer.
    pub fn new(inventory: &'a Inventory, file: &str) -> Result<Front<'a>, Refused> {
        let layer = match inventory.rancher.tls.mode {
            TlsMode::Ingress | TlsMode::Rancher => Layer::Four,
            TlsMode::External => Layer::Seven,
        };
        // The inventory's own rules refuse that too; the ingress would believe nobody's forwarded headers.
        if layer == Layer::Seven && inventory.load_balancers.is_empty() {
            return Err(Refusal::new(
                "load_balancers: mode external ends TLS at a load balancer, and none is named",
                "name the balancers' addresses at the top of the inventory: `load_balancers: [10.0.0.5]`",
            )
            .into());
        }
        let targets: Vec<Target<'a>> =
            inventory.nodes.iter().filter(|node| node.roles.worker).map(|node| Target { node }).collect();
        if targets.is_empty() {
            return Err(Refusal::new(
                "nodes: none is named that the ingress runs on, so there is nothing to balance to",
                "name the cluster's workers under `nodes`, by the addresses that the balancer reaches",
            )
            .into());
        }
        let file = file.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
        Ok(Front { inventory, file, layer, targets })
    }

    pub fn hostname(&self) -> &'a str {
        &self.inventory.rancher.hostname
    }

    /// Whether a balancer has an IPv6 address to listen on.
    pub fn listens_on_ipv6(&self) -> bool {
        self.inventory.load_balancers.iter().any(IpAddr::is_ipv6)
    }

    /// Files for TLS where no TLS ends would be a misunderstanding.
    pub(super) fn refuse_tls_files(&self, files: &TlsFiles) -> Result<(), Refused> {
        if self.layer == Layer::Seven || *files == TlsFiles::default() {
            return Ok(());
        }
        Err(Refused::Options(Refusal::new(
            format!(
                "--certificate, --key: mode {} passes TLS through to the cluster, so no certificate belongs on the balancer",
                self.mode()
            ),
            "leave the options out, or choose `tls: {mode: external, …}` to end TLS at the balancer",
        )))
    }

    fn mode(&self) -> &'static str {
        self.inventory.rancher.tls.mode.word()
    }

    /// The comment that a text begins with: from what, for which mode, then the program's own lines.
    pub(super) fn heading(&self, program: &str, lines: &[String]) -> String {
        let carries = match self.inventory.rancher.tls.mode {
            TlsMode::Ingress => "TLS passes through to the ingress (layer 4); no certificate belongs here",
            TlsMode::Rancher => "TLS passes through to the cluster (layer 4); no certificate belongs here",
            TlsMode::External => "TLS ends here (layer 7), and plain HTTP goes on to port 80 of the nodes",
        };
        let mut text = format!(
            "# {program} in front of Rancher at {}, made by `cowhand lb {program}` from {} (cluster {}).\n\
             # Mode {}: {carries}.\n#\n",
            self.hostname(),
            self.file,
            self.inventory.name,
            self.mode(),
        );
        for line in lines {
            text += format!("# {line}").trim_end();
            text.push('\n');
        }
        text
    }

    /// For headings: what belongs to the balancer besides this text.
    pub(super) fn advice(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.inventory.load_balancers.is_empty() {
            lines.push(
                "The inventory names no `load_balancers` yet: name this machine there, and `cowhand verify` tests it."
                    .to_owned(),
            );
        }
        match self.layer {
            Layer::Four => lines.push(
                "To Rancher every client has the balancer's address: the ingress believes nobody's forwarded headers."
                    .into(),
            ),
            Layer::Seven => {
                let believed: Vec<String> = self.inventory.load_balancers.iter().map(IpAddr::to_string).collect();
                lines.push(format!(
                    "The ingress believes forwarded headers from {} only (`load_balancers`).",
                    believed.join(", ")
                ));
                lines.push("Port 80 of the nodes is for the balancers only: close it to everybody else.".into());
            }
        }
        lines
    }
}
