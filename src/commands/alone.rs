//! The only run: nobody else changes the cluster meanwhile, from whichever laptop.

use super::machines::Machines;
use super::run::holder;
use super::site::Site;
use super::verify::nothing_there;
use super::world;
use crate::cluster::LeaseLock;
use crate::remote::NodeLock;
use crate::report::{Exit, Failure};

/// The lock of a run: on the nodes that cowhand builds on, or in the cluster that is there.
pub enum Alone {
    Nodes(Vec<NodeLock>),
    Cluster(Box<LeaseLock>),
}

impl Alone {
    /// Takes the lock, or says who holds it. `command` is the verb, e.g. `up`.
    pub async fn take(site: &Site, machines: &Machines, command: &str) -> Result<Alone, Failure> {
        if site.rke().is_some() {
            return machines.lock(&site.inventory.name, &holder(command)).await.map(Alone::Nodes);
        }
        let reached = world::reach(site, machines).await?.ok_or_else(|| nothing_there(site))?;
        let lock = LeaseLock::take(&reached.cluster, &holder(command)).await;
        lock.map(|lock| Alone::Cluster(Box::new(lock))).map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))
    }

    /// Comes back when the lock is lost, and says where it was.
    pub async fn lost(&self) -> &'static str {
        match self {
            Alone::Nodes(locks) if locks.is_empty() => std::future::pending().await,
            Alone::Nodes(locks) => {
                futures::future::select_all(locks.iter().map(|lock| Box::pin(lock.lost()))).await;
                "on a node"
            }
            Alone::Cluster(lock) => {
                lock.lost().await;
                "in the cluster"
            }
        }
    }

    /// Gives it back at once.
    pub async fn release(self) {
        match self {
            Alone::Nodes(locks) => drop(locks),
            Alone::Cluster(lock) => lock.release().await,
        }
    }
}
