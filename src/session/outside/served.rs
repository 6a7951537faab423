//! What is served on every way that a client could go, whatever it is worth.

use futures::future::join_all;
use rustls::RootCertStore;

use crate::facts::dns::resolve;
use crate::facts::outside::{AgentTrust, Entrance, Origin, Questions, Seen, probe};
use crate::session::machines::{Machines, Reach};
use crate::session::outside::paths::{Named, paths};
use crate::session::project::Project;

/// One way, by its name, and the chain in DER that came back on it.
pub struct Served {
    pub way: String,
    pub chain: Result<Vec<Vec<u8>>, String>,
}

/// Every way by which TLS is spoken; a name without an address is a way that nothing came back on.
pub async fn served(project: &Project, machines: &Machines) -> Vec<Served> {
    let hostname = &project.inventory.rancher.hostname;
    let found = resolve(project.inventory.dns_server, hostname).await;
    let mut all = Vec::new();
    if let Err(error) = &found {
        all.push(Served { way: format!("dns {hostname}"), chain: Err(error.to_string()) });
    }
    let named = Named { origin: Origin::Laptop, found };
    let mut paths = paths(&project.inventory, &[named]);
    paths.retain(|path| path.entrance == Entrance::Tls);
    let (reach, nobody) = (Reach { machines }, RootCertStore::empty());
    let questions = Questions { hostname, roots: &nobody, agent: AgentTrust::Strict, other: None, silence: None };
    let seen = join_all(paths.iter().map(|path| probe(&reach, path, &questions))).await;
    all.extend(seen.into_iter().map(|one| {
        let chain = one.outcome.and_then(|reached| match reached.seen {
            Seen::Tls(secure) => secure.tls.map(|inside| inside.handshake.chain),
            Seen::Plain(_) => Err("it does not speak TLS".into()),
        });
        Served { way: one.path.name, chain }
    }));
    all
}
