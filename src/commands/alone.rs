//! The only run: nobody else changes the cluster meanwhile, from whichever laptop; and a true word about the end when a
//! node is lost.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::machines::Machines;
use super::run::holder;
use super::site::Site;
use super::verify::nothing_there;
use super::world;
use crate::cluster::LeaseLock;
use crate::execute::Tell;
use crate::remote::NodeLock;
use crate::report::{Exit, Failure};

/// How long a node may take to show that it still answers, once a step has failed.
const ANSWER: Duration = Duration::from_secs(10);
const GOES_ON: &str = "it goes on from here";

/// How long giving the lock back may take; it frees itself later in any case.
const GIVEN_BACK: Duration = Duration::from_secs(10);

/// The lock of a run: on the nodes that cowhand builds on, or in the cluster that is there.
enum Held {
    Nodes(Vec<NodeLock>),
    Cluster(Box<LeaseLock>),
}

impl Held {
    async fn take(site: &Site, machines: &Machines, holder: &str) -> Result<Held, Failure> {
        if site.rke().is_some() {
            let holder = format!("{holder}, for cluster {}", site.inventory.name);
            return machines.lock(&holder).await.map(Held::Nodes);
        }
        let reached = world::reach(site, machines).await?.ok_or_else(|| nothing_there(site))?;
        let lock = LeaseLock::take(&reached.cluster, holder).await;
        lock.map(|lock| Held::Cluster(Box::new(lock)))
            .map_err(|error| Failure::of(Exit::ChecksFailed, &error).maybe_hint(error.hint()))
    }

    /// Comes back when the lock is lost, with what to say of it.
    async fn lost(&self) -> String {
        match self {
            Held::Nodes(locks) if locks.is_empty() => std::future::pending().await,
            Held::Nodes(locks) => {
                let lost = locks.iter().map(|lock| Box::pin(lock.lost()));
                let (_, index, _) = futures::future::select_all(lost).await;
                let node = locks.get(index).map(NodeLock::node).unwrap_or_default();
                format!("{node} does not answer any more, or its lock was taken away; stopping")
            }
            Held::Cluster(lock) => {
                lock.lost().await;
                "the lock in the cluster was lost; stopping".into()
            }
        }
    }

    async fn release(self) {
        match self {
            Held::Nodes(locks) => drop(locks),
            Held::Cluster(lock) => lock.release().await,
        }
    }
}

/// Held for as long as the run may change something.
pub struct Alone {
    user: CancellationToken,
    stop: CancellationToken,
    done: CancellationToken,
    watch: JoinHandle<()>,
}

impl Alone {
    /// Takes the lock, or says who holds it; `command` is the verb, e.g. `up`. A lock that is lost stops the run: nobody
    /// keeps others away any more.
    pub async fn take(
        site: &Site,
        machines: &Machines,
        command: &str,
        user: &CancellationToken,
        tell: &Tell,
    ) -> Result<Alone, Failure> {
        let held = Held::take(site, machines, &holder(command)).await?;
        let (stop, done) = (user.child_token(), CancellationToken::new());
        let watch = tokio::spawn(watch(held, stop.clone(), done.clone(), tell.clone()));
        Ok(Alone { user: user.clone(), stop, done, watch })
    }

    /// Cancelled by the user, and by the loss of a node.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The failure of a stage, in the line that ends it: a run that its lost lock stopped was not interrupted by its user.
    pub fn word<'a>(&self, failure: &'a Failure) -> &'a str {
        let by_itself = failure.exit == Exit::Interrupted && !self.user.is_cancelled();
        if by_itself { "stopped: this run is not alone any more" } else { &failure.error }
    }

    /// Lets the lock go, and says what really ended the run when that was a node that does not answer any more:
    /// rke and helm know only that something is closed.
    pub async fn end<T>(self, machines: &Machines, answer: Result<T, Failure>) -> Result<T, Failure> {
        let interrupted = self.user.is_cancelled();
        let lost = match &answer {
            Err(_) if !interrupted => machines.lost(ANSWER).await,
            Ok(_) | Err(_) => Vec::new(),
        };
        let stopped = self.stop.is_cancelled() && !interrupted;
        self.give_back().await;
        let failure = match answer {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        Err(match lost.as_slice() {
            [_, others @ ..] => {
                let names = lost.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                let reasons = lost.iter().map(|(name, reason)| format!("{name}: {reason}")).collect::<Vec<_>>();
                let word = if others.is_empty() { "the connection" } else { "the connections" };
                let told = Failure::new(Exit::Unreachable, format!("{word} to {names} went away during the run"))
                    .because(reasons.join("\n"))
                    .hint(format!("see that {names} can be reached, then run the same command again: {GOES_ON}"));
                if stopped { told } else { below(told, failure) }
            }
            [] if stopped => Failure::new(Exit::StepFailed, "the lock was lost, so the run stopped")
                .because("whoever holds it now could change the cluster at the same time")
                .hint(format!(
                    "see that nobody else is at work on this cluster, then run the same command again: {GOES_ON}"
                )),
            [] => failure,
        })
    }

    /// The lock is free afterwards, or soon, when whoever keeps it does not answer.
    async fn give_back(mut self) {
        self.done.cancel();
        if tokio::time::timeout(GIVEN_BACK, &mut self.watch).await.is_err() {
            self.watch.abort();
        }
    }
}

/// The step's own words, below what explains them.
fn below(mut told: Failure, failure: Failure) -> Failure {
    for words in std::iter::once(failure.error).chain(failure.because) {
        told = told.because(words);
    }
    told
}

async fn watch(held: Held, stop: CancellationToken, done: CancellationToken, tell: Tell) {
    tokio::select! {
        () = done.cancelled() => {}
        text = held.lost() => {
            tell.warning(text);
            stop.cancel();
            done.cancelled().await;
        }
    }
    held.release().await;
}
