//! Every way from outside to Rancher: the nodes, the load balancers, and wherever its name leads, from here and from each node.

use std::net::IpAddr;

use crate::check::dns::serving;
use crate::facts::dns::Resolved;
use crate::facts::outside::{Entrance, Origin, Path};
use crate::inventory::{Inventory, TlsMode};

/// Rancher's name, asked from one place.
pub(crate) struct Named {
    pub origin: Origin,
    pub found: Resolved,
}

/// Nodes by their names, then balancers, then what DNS says, each once.
pub(crate) fn paths(inventory: &Inventory, names: &[Named]) -> Vec<Path> {
    let entrance = match inventory.rancher.tls.mode {
        // The nodes speak plain http in this mode; TLS is the balancer's.
        TlsMode::External => Entrance::Plain,
        TlsMode::Ingress | TlsMode::Rancher => Entrance::Tls,
    };
    let nodes = serving(inventory).map(|node| Path {
        name: node.name.clone(),
        origin: Origin::Laptop,
        address: node.address.clone(),
        entrance,
        by_name: false,
    });
    let balancers = inventory.load_balancers.iter().map(|address| Path {
        name: format!("balancer {address}"),
        origin: Origin::Laptop,
        address: address.to_string(),
        entrance: Entrance::Tls,
        by_name: false,
    });
    let named = names.iter().flat_map(|named| {
        let found = named.found.as_deref().unwrap_or_default();
        found.iter().map(|address| by_name(&named.origin, *address))
    });
    nodes.chain(balancers).chain(named).collect()
}

fn by_name(origin: &Origin, address: IpAddr) -> Path {
    let name = match origin {
        Origin::Laptop => format!("dns {address}"),
        Origin::Node(node) => format!("{node}→dns {address}"),
    };
    Path { name, origin: origin.clone(), address: address.to_string(), entrance: Entrance::Tls, by_name: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Environment, parse};

    fn names(more: &str, tls: &str, found: &[(Origin, Resolved)]) -> Vec<(String, Entrance)> {
        let text = format!(
            "name: prod\nssh: {{user: me}}\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n\
             engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n{more}\
             rancher:\n  hostname: rancher.example.com\n  version: 2.11.5\n  tls: {{{tls}}}\n"
        );
        let environment = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
        let inventory = parse(&text, std::path::Path::new("x.yml"), &environment).unwrap();
        let named: Vec<Named> =
            found.iter().map(|(origin, found)| Named { origin: origin.clone(), found: found.clone() }).collect();
        paths(&inventory, &named).into_iter().map(|path| (path.name, path.entrance)).collect()
    }

    #[test]
    fn every_way_that_exists_is_a_path() {
        let ip = |text: &str| text.parse().unwrap();
        let found = [
            (Origin::Laptop, Ok(vec![ip("10.0.0.11"), ip("10.0.0.12")])),
            (Origin::Node("n1".into()), Ok(vec![ip("10.0.0.11")])),
            (Origin::Node("n2".into()), Err("the name has no address".into())),
        ];
        let all = ["n1", "n2", "n3", "dns 10.0.0.11", "dns 10.0.0.12", "n1→dns 10.0.0.11"];
        assert_eq!(names("", "mode: ingress, issuer: ca", &found), all.map(|name| (name.to_string(), Entrance::Tls)));
    }

    #[test]
    fn in_mode_external_nodes_are_asked_in_plain_http_and_everybody_else_over_tls() {
        let found = [(Origin::Laptop, Ok(vec!["192.0.2.7".parse().unwrap()]))];
        let said = names("load_balancers: [192.0.2.7]\n", "mode: external, issuer: blank", &found);
        let kinds: Vec<_> = said.iter().map(|(name, entrance)| (name.as_str(), *entrance)).collect();
        let (plain, tls) = (Entrance::Plain, Entrance::Tls);
        let expected =
            [("n1", plain), ("n2", plain), ("n3", plain), ("balancer 192.0.2.7", tls), ("dns 192.0.2.7", tls)];
        assert_eq!(kinds, expected);
    }
}
