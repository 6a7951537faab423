//! Proof from outside: every way to Rancher, walked and judged.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use super::machines::{Machines, Reach};
use super::site::Site;
use super::world::Reached;
use crate::check::outside::{Cacerts, Expected, judge};
use crate::check::{Finding, Verdict};
use crate::facts::cluster::{NAMESPACE, rancher};
use crate::facts::outside::{Path, PathSeen, probe};
use crate::inventory::{IngressProvider, TlsMode};
use crate::report::{Exit, Failure};
use crate::tls::{Picture, Predicted, Trust};

const RESOLVE: Duration = Duration::from_secs(10);

/// Walks every path side by side and judges what came back; three replicas on three nodes are looked for as well.
pub async fn verify(
    site: &Site,
    machines: &Machines,
    picture: &Picture,
    reached: &Reached,
) -> Result<Vec<Finding>, Failure> {
    let (roots, trust) = roots(site, picture, reached).await?;
    let mut findings = Vec::new();
    let mut paths: Vec<Path> = site.inventory.nodes.iter().map(node_path).collect();
    paths.extend(site.inventory.load_balancers.iter().map(balancer_path));
    match resolve(site).await {
        Ok(addresses) => {
            findings.push(name_finding(site, Verdict::Pass, list(&addresses)));
            paths.extend(addresses.iter().map(|address| dns_path(site, address)));
        }
        Err(error) => findings.push(name_finding(site, Verdict::Fail, error)),
    }
    if site.inventory.rancher.tls.mode == TlsMode::External {
        // The nodes speak plain http in this mode; TLS is the balancer's.
        paths.retain(|path| !site.inventory.nodes.iter().any(|node| node.address == path.address));
    }
    let expected = Expected {
        hostname: site.inventory.rancher.hostname.clone(),
        trust,
        cacerts: cacerts(&picture.predicted),
        redirects: site.inventory.ingress.provider != IngressProvider::Existing,
    };
    let reach = Reach { machines };
    let walks = paths.iter().map(|path| probe(&reach, path, &expected.hostname, &roots));
    let seen = futures::future::join_all(walks).await;
    findings.extend(judge(&expected, &seen));
    findings.push(replicas(site, reached).await?);
    Ok(findings)
}

fn node_path(node: &crate::inventory::Node) -> Path {
    Path { name: format!("{} ({})", node.name, node.address), address: node.address.clone() }
}

fn balancer_path(address: &IpAddr) -> Path {
    Path { name: format!("load balancer {address}"), address: address.to_string() }
}

fn dns_path(site: &Site, address: &IpAddr) -> Path {
    Path { name: format!("dns {} ({address})", site.inventory.rancher.hostname), address: address.to_string() }
}

fn list(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!("resolves to {}", addresses.join(", "))
}

fn name_finding(site: &Site, verdict: Verdict, seen: String) -> Finding {
    let text = crate::check::outside::NAME;
    let fix = if verdict == Verdict::Pass { String::new() } else { text.fix.to_string() };
    let subject = Some(format!("dns {}", site.inventory.rancher.hostname));
    Finding { check: text.id, subject, verdict, seen, fix, skipped: false }
}

fn cacerts(predicted: &Predicted) -> Cacerts {
    match predicted {
        Predicted::Checksum(sum) => Cacerts::Checksum(sum.clone()),
        Predicted::Empty => Cacerts::Empty,
        Predicted::KnownAfterInstall { .. } => Cacerts::Any,
    }
}

/// What is served on every way that a client could go, whatever it is worth; and why the name has no address.
pub(super) async fn served(site: &Site, machines: &Machines) -> (Vec<PathSeen>, Option<String>) {
    let mut paths: Vec<Path> = site.inventory.load_balancers.iter().map(balancer_path).collect();
    if site.inventory.rancher.tls.mode != TlsMode::External {
        paths.extend(site.inventory.nodes.iter().map(node_path));
    }
    let unresolved = match resolve(site).await {
        Ok(addresses) => {
            paths.extend(addresses.iter().map(|address| dns_path(site, address)));
            None
        }
        Err(error) => Some(error),
    };
    let (reach, nobody) = (Reach { machines }, RootCertStore::empty());
    let walks = paths.iter().map(|path| probe(&reach, path, &site.inventory.rancher.hostname, &nobody));
    (futures::future::join_all(walks).await, unresolved)
}

/// Rancher's name, asked of the inventory's DNS server or of this machine's own resolver.
async fn resolve(site: &Site) -> Result<Vec<IpAddr>, String> {
    let hostname = site.inventory.rancher.hostname.clone();
    let asking = async {
        match site.inventory.dns_server {
            Some(server) => ask(server, &hostname).await,
            None => {
                let found = tokio::net::lookup_host((hostname.as_str(), 443)).await;
                found.map(|found| found.map(|address| address.ip()).collect()).map_err(|error| error.to_string())
            }
        }
    };
    let answer: Result<Vec<IpAddr>, String> = tokio::time::timeout(RESOLVE, asking)
        .await
        .unwrap_or_else(|_| Err("no DNS server answered within 10 s".into()));
    let mut addresses = answer?;
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() { Err("the name has no address".into()) } else { Ok(addresses) }
}

async fn ask(server: SocketAddr, hostname: &str) -> Result<Vec<IpAddr>, String> {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    let resolver = resolver.map_err(|error| error.to_string())?;
    let found = resolver.lookup_ip(format!("{hostname}.")).await.map_err(|error| error.to_string())?;
    Ok(found.iter().collect())
}

/// The only roots a client is supposed to know, and how to call them.
async fn roots(site: &Site, picture: &Picture, reached: &Reached) -> Result<(RootCertStore, String), Failure> {
    let mut roots = RootCertStore::empty();
    let (pem, name) = match &picture.trust {
        Trust::System => {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
            return Ok((roots, "the system's roots".into()));
        }
        Trust::Pem(pem) => (pem.clone(), trust_name(site)),
        Trust::ReadFromCluster { secret, key } => {
            let data = reached.cluster.read_secret(NAMESPACE, secret).await.map_err(|error| {
                Failure::with_cause(Exit::NotVerified, format!("secret {NAMESPACE}/{secret} cannot be read"), &error)
            })?;
            let bytes = data.as_ref().and_then(|data| data.get(*key)).map(|bytes| bytes.expose_secret().to_vec());
            let pem = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            (last_certificate(&pem), format!("the CA in secret {secret}"))
        }
    };
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates.collect::<Vec<_>>());
    Ok((roots, name))
}

fn trust_name(site: &Site) -> String {
    let made = site.made_ca().map(|(certificate, _)| certificate);
    let file = site.inventory.rancher.tls.ca.clone().or(made).unwrap_or_default();
    format!("the CA in {}", file.file_name().unwrap_or_default().to_string_lossy())
}

fn last_certificate(pem: &str) -> String {
    pem.rfind("-----BEGIN CERTIFICATE-----").map(|start| pem[start..].to_string()).unwrap_or_default()
}

/// Three replicas on three nodes: as many nodes as replicas, while there are enough nodes.
async fn replicas(site: &Site, reached: &Reached) -> Result<Finding, Failure> {
    let text = crate::check::outside::REPLICAS;
    let seen = rancher(&reached.cluster).await.map_err(|error| {
        Failure::with_cause(Exit::NotVerified, "Rancher's pods cannot be looked at", &error).maybe_hint(error.hint())
    })?;
    let (verdict, said) = match seen {
        None => (Verdict::Fail, "there is no deployment rancher".to_string()),
        Some(seen) => {
            let mut nodes = seen.nodes.clone();
            nodes.dedup();
            let all = usize::from(site.inventory.rancher.replicas);
            let spread = all.min(site.inventory.nodes.len().max(1));
            let said = format!("{} of {all} replicas ready, on {}", seen.nodes.len(), nodes.join(", "));
            match seen.nodes.len() >= all && (nodes.len() >= spread || site.inventory.nodes.is_empty()) {
                true => (Verdict::Pass, said),
                false if seen.nodes.len() >= all => (Verdict::Warn, said),
                false => (Verdict::Fail, said),
            }
        }
    };
    let fix = if verdict == Verdict::Pass { String::new() } else { text.fix.to_string() };
    Ok(Finding { check: text.id, subject: Some("rancher".into()), verdict, seen: said, fix, skipped: false })
}
