//! Alone on the nodes for the time of a run: every node's lock, and a true word about the end when a node is lost.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::machines::Machines;
use crate::execute::Tell;
use crate::remote::NodeLock;
use crate::report::{Exit, Failure};

/// How long a node may take to show that it still answers, once a step has failed.
const ANSWER: Duration = Duration::from_secs(10);
const GOES_ON: &str = "it goes on from here";

/// Held for as long as the run may change something.
pub struct Alone {
    user: CancellationToken,
    stop: CancellationToken,
    watch: JoinHandle<()>,
}

impl Alone {
    /// Takes the lock on every node. A lock that is lost stops the run: nobody keeps others away any more.
    pub async fn on(
        machines: &Machines,
        cluster: &str,
        holder: &str,
        user: &CancellationToken,
        tell: &Tell,
    ) -> Result<Alone, Failure> {
        let locks = machines.lock(cluster, holder).await?;
        let stop = user.child_token();
        let watch = tokio::spawn(watch(locks, stop.clone(), tell.clone()));
        Ok(Alone { user: user.clone(), stop, watch })
    }

    /// Cancelled by the user, and by the loss of a node.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Lets the locks go, and says what really ended the run when that was a node that does not answer any more:
    /// rke and helm know only that something is closed.
    pub async fn end<T>(self, machines: &Machines, answer: Result<T, Failure>) -> Result<T, Failure> {
        let Err(failure) = answer else {
            self.watch.abort();
            return answer;
        };
        if self.user.is_cancelled() {
            self.watch.abort();
            return Err(failure);
        }
        let lost = machines.lost(ANSWER).await;
        let stopped = self.stop.is_cancelled();
        self.watch.abort();
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
            [] if stopped => Failure::new(Exit::StepFailed, "the lock on a node was lost, so the run stopped")
                .because("whoever holds it now could change the cluster at the same time")
                .hint(format!(
                    "see that nobody else is at work on these nodes, then run the same command again: {GOES_ON}"
                )),
            [] => failure,
        })
    }
}

/// The step's own words, below what explains them.
fn below(mut told: Failure, failure: Failure) -> Failure {
    for words in std::iter::once(failure.error).chain(failure.because) {
        told = told.because(words);
    }
    told
}

async fn watch(locks: Vec<NodeLock>, stop: CancellationToken, tell: Tell) {
    let lost = locks.iter().map(|lock| Box::pin(lock.lost()));
    let (_, index, _) = futures::future::select_all(lost).await;
    if let Some(lock) = locks.get(index) {
        tell.warning(format!("{} does not answer any more, or its lock was taken away; stopping", lock.node()));
    }
    stop.cancel();
}
