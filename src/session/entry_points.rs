//! The addresses by which a cluster that is there lets people in, as its API tells them.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;

use crate::cluster::{ClusterError, ObjectRef};
use crate::facts::cluster::{NAMESPACE, RANCHER};
use crate::facts::outside::{Entrance, Origin, Path};
use crate::inventory::TlsMode;
use crate::session::cluster_api::ClusterApi;
use crate::session::project::Project;

/// Addresses inside a cloud or a cluster's own network answer nobody here; they are no way in from outside.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was tried.
#[derive(Default)]
pub struct Ways {
    pub open: Vec<Path>,
    /// Names and addresses of those whose port 443 does not open from this machine, each with the reason.
    pub shut: Vec<(String, String)>,
}

/// What the Ingress says of its load balancer, else the nodes; walked only when port 443 opens from this machine.
/// None with engine rke or with nodes in the inventory, which are the ways themselves, nor in mode external, where the
/// balancers are.
pub async fn ways_in(project: &Project, reached: &ClusterApi) -> Result<Ways, ClusterError> {
    if project.inventory.engine.builds_nodes()
        || !project.inventory.nodes.is_empty()
        || project.inventory.rancher.tls.mode == TlsMode::External
    {
        return Ok(Ways::default());
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
    Ok(tried(paths, 443).await)
}

async fn tried(paths: Vec<Path>, port: u16) -> Ways {
    let opened = futures::future::join_all(paths.iter().map(|path| opens(&path.address, port))).await;
    let mut ways = Ways::default();
    for (path, opened) in paths.into_iter().zip(opened) {
        match opened {
            Ok(()) => ways.open.push(path),
            Err(why) => ways.shut.push((path.name, format!("{}:{port}: {why}", path.address))),
        }
    }
    ways
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

async fn opens(address: &str, port: u16) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, TcpStream::connect((address, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
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

    #[tokio::test]
    async fn a_way_that_does_not_open_is_named_with_its_reason() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let paths = vec![way("node n1".into(), "127.0.0.1".into()), way("node n2".into(), "127.0.0.2".into())];
        let ways = tried(paths, port).await;
        assert_eq!(ways.open.iter().map(|path| path.name.as_str()).collect::<Vec<_>>(), ["node n1"]);
        let [(name, why)] = &ways.shut[..] else { panic!("{:?}", ways.shut) };
        assert!(name == "node n2" && why.starts_with(&format!("127.0.0.2:{port}: ")), "{why}");
    }
}
