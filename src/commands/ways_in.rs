//! The addresses by which a cluster that is there lets people in, as its API tells them.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;

use super::site::Site;
use super::world::Reached;
use crate::cluster::{ClusterError, ObjectRef};
use crate::facts::cluster::{NAMESPACE, RANCHER};
use crate::facts::outside::{Entrance, Origin, Path};
use crate::inventory::TlsMode;

/// Addresses inside a cloud or a cluster's own network answer nobody here; they are no way in from outside.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the Ingress says of its load balancer, else the nodes; each only when port 443 opens from this machine.
/// None with engine rke or with nodes in the inventory, which are the ways themselves, nor in mode external, where the
/// balancers are.
pub async fn ways_in(site: &Site, reached: &Reached) -> Result<Vec<Path>, ClusterError> {
    if site.rke().is_some() || !site.inventory.nodes.is_empty() || site.inventory.rancher.tls.mode == TlsMode::External
    {
        return Ok(Vec::new());
    }
    let ingress = ObjectRef::new("networking.k8s.io/v1", "Ingress", Some(NAMESPACE), RANCHER);
    let ingress = reached.cluster.get(&ingress).await?;
    let mut paths = ingress.as_ref().map(balancers).unwrap_or_default();
    if paths.is_empty() {
        for node in reached.cluster.nodes().await?.into_iter().filter(|node| node.ready) {
            let address = ["ExternalIP", "InternalIP"]
                .iter()
                .find_map(|kind| node.addresses.iter().find(|(found, _)| found == kind))
                .map(|(_, address)| address.clone());
            paths.extend(address.map(|address| way(format!("node {}", node.name), address)));
        }
    }
    let tried = paths.into_iter().map(|path| async { opens(&path.address).await.then_some(path) });
    Ok(futures::future::join_all(tried).await.into_iter().flatten().collect())
}

fn balancers(ingress: &Value) -> Vec<Path> {
    let entries = ingress.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let address = |entry: &Value| entry["ip"].as_str().or(entry["hostname"].as_str()).map(str::to_owned);
    let addresses = entries.into_iter().flatten().filter_map(address);
    addresses.map(|address| way(format!("ingress {address}"), address)).collect()
}

fn way(name: String, address: String) -> Path {
    Path { name, origin: Origin::Laptop, address, entrance: Entrance::Tls, by_name: false }
}

async fn opens(address: &str) -> bool {
    let opened = tokio::time::timeout(PATIENCE, TcpStream::connect((address, 443))).await;
    matches!(opened, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_ingress_tells_addresses_and_names() {
        let ingress =
            json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}}});
        let addresses: Vec<String> = balancers(&ingress).into_iter().map(|path| path.address).collect();
        assert_eq!(addresses, ["192.0.2.1", "lb.example.com"]);
        assert!(balancers(&json!({"status": {"loadBalancer": {}}})).is_empty());
    }
}
