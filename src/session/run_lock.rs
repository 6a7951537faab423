//! The only run: nobody else changes the cluster meanwhile, from whichever laptop; and a true word about the end when a
//! node is lost.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cluster::LeaseLock;
use crate::engine::LockPlace;
use crate::failure::{Exit, Failure};
use crate::local::holder;
use crate::play::Tell;
use crate::remote::{Loss, NodeLock};
use crate::session::inputs;
use crate::session::inputs::nothing_there;
use crate::session::machines::{Machine, Machines};
use crate::session::project::Project;

/// How long a node may take to show that it still answers, once a step has failed.
const ANSWER: Duration = Duration::from_secs(10);
/// A node whose lock ended may be on its way down and answer for another moment.
const A_MOMENT: Duration = Duration::from_secs(3);
const GOES_ON: &str = "it goes on from here";

/// How long giving the lock back may take; it frees itself later in any case.
const GIVEN_BACK: Duration = Duration::from_secs(10);

/// The lock of a run: on the nodes that cowhand builds on, or in the cluster that is there.
enum Held {
    Nodes(Vec<NodeLock>),
    Cluster(Box<LeaseLock>),
}

impl Held {
    async fn take(project: &Project, machines: &Machines, holder: &str) -> Result<Held, Failure> {
        match project.inventory.engine.lock_place() {
            LockPlace::Nodes => return machines.lock(&on_nodes(project, holder)).await.map(Held::Nodes),
            LockPlace::Cluster => {}
        }
        let reached = inputs::reach(project, machines).await?.ok_or_else(|| nothing_there(project))?;
        let lock = LeaseLock::take(&reached.cluster, holder).await;
        lock.map(|lock| Held::Cluster(Box::new(lock))).map_err(|error| Failure::of(Exit::ChecksFailed, &error))
    }

    /// Comes back when the lock is lost, with what to say of it.
    async fn lost(&self) -> String {
        match self {
            Held::Nodes(locks) if locks.is_empty() => std::future::pending().await,
            Held::Nodes(locks) => {
                let lost = locks.iter().map(|lock| Box::pin(lock.lost()));
                let (loss, index, _) = futures::future::select_all(lost).await;
                let node = locks.get(index).map(NodeLock::node).unwrap_or_default();
                match loss {
                    Loss::Replaced => format!("the lock on {node} was removed or replaced by somebody; stopping"),
                    Loss::Ended => format!("{node} does not answer any more, or its lock was taken away; stopping"),
                    Loss::Asleep => {
                        format!("this run stood still for too long, and the lock on {node} may be another's; stopping")
                    }
                }
            }
            Held::Cluster(lock) => {
                lock.lost().await;
                "the lock in the cluster was lost; stopping".into()
            }
        }
    }

    /// Whether it is still held at this moment: a Lease is renewed, the lock of a node holds by its beats.
    async fn confirmed(&self) -> bool {
        match self {
            Held::Nodes(locks) => locks.iter().all(NodeLock::is_held),
            Held::Cluster(lock) => lock.renewed().await,
        }
    }

    /// Frees the lock on one node, if it is held there.
    async fn let_go(&mut self, node: &str) {
        if let Held::Nodes(locks) = self
            && let Some(at) = locks.iter().position(|lock| lock.node() == node)
        {
            locks.swap_remove(at).release().await;
        }
    }

    fn hold(&mut self, lock: NodeLock) {
        match self {
            Held::Nodes(locks) => locks.push(lock),
            Held::Cluster(_) => drop(lock),
        }
    }

    async fn release(self) {
        match self {
            Held::Nodes(locks) => drop(locks),
            Held::Cluster(lock) => lock.release().await,
        }
    }
}

/// What others read on a node.
fn on_nodes(project: &Project, holder: &str) -> String {
    format!("{holder}, for cluster {}", project.inventory.name)
}

/// What whoever watches over the lock is asked.
enum Asked {
    /// Whether it is surely held at this moment.
    Confirmed(oneshot::Sender<bool>),
    /// The lock on this node goes, since the node does; the answer is that it is gone.
    LetGo(String, oneshot::Sender<()>),
    /// It was taken there anew.
    Again(Box<NodeLock>),
}

/// Held for as long as the run may change something.
pub struct RunLock {
    user: CancellationToken,
    stop: CancellationToken,
    done: CancellationToken,
    asked: mpsc::Sender<Asked>,
    watch: JoinHandle<()>,
}

impl RunLock {
    /// Takes the lock, or says who holds it; `command` is the verb, e.g. `up`. A lock that is lost stops the run: nobody
    /// keeps others away any more.
    pub async fn take(
        project: &Project,
        machines: &Machines,
        command: &str,
        user: &CancellationToken,
        tell: &Tell,
    ) -> Result<RunLock, Failure> {
        let held = Held::take(project, machines, &holder(command)).await?;
        let (stop, done) = (user.child_token(), CancellationToken::new());
        let (asked, questions) = mpsc::channel(1);
        let watch = tokio::spawn(watch(held, stop.clone(), done.clone(), tell.clone(), questions));
        Ok(RunLock { user: user.clone(), stop, done, asked, watch })
    }

    /// Whether this run is still alone: asked before each step, so that one that slept does not go on beside another.
    pub async fn confirmed(&self) -> bool {
        let (answer, confirmed) = oneshot::channel();
        let alone = self.asked.send(Asked::Confirmed(answer)).await.is_ok() && confirmed.await.unwrap_or(false);
        if !alone {
            self.stop.cancel();
        }
        alone
    }

    /// Lets go of one node that is about to go away: its loss does not stop the run. The other locks keep others off.
    pub async fn let_go(&self, node: &str) {
        let (answer, gone) = oneshot::channel();
        if self.asked.send(Asked::LetGo(node.to_owned(), answer)).await.is_ok() {
            // Without an answer the lock is lost, and the run stops by that.
            let _ = gone.await;
        }
    }

    /// Takes the lock on that node again, by its new connection.
    ///
    /// # Errors
    /// When somebody else has it by now.
    pub async fn hold_again(&self, project: &Project, machine: &Machine, command: &str) -> Result<(), Failure> {
        let lock = machine.lock(&on_nodes(project, &holder(command))).await?;
        if self.asked.send(Asked::Again(Box::new(lock))).await.is_err() {
            self.stop.cancel();
        }
        Ok(())
    }

    /// Cancelled by the user, and by the loss of a node.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The failure of a stage, in the line that ends it: a run that its lost lock stopped was not interrupted by its user.
    pub fn word<'a>(&self, failure: &'a Failure) -> &'a str {
        let by_itself = failure.exit == Exit::Interrupted && !self.user.is_cancelled();
        if by_itself { "stopped: the lock was lost" } else { &failure.error }
    }

    /// Lets the lock go, and says what really ended the run when that was a node that does not answer any more:
    /// rke and helm know only that something is closed.
    pub async fn end<T>(self, machines: &Machines, answer: Result<T, Failure>) -> Result<T, Failure> {
        let interrupted = self.user.is_cancelled();
        let stopped = self.stop.is_cancelled() && !interrupted;
        let mut lost = match &answer {
            Err(_) if !interrupted => machines.lost(ANSWER).await,
            Ok(_) | Err(_) => Vec::new(),
        };
        if lost.is_empty() && stopped && answer.is_err() {
            tokio::time::sleep(A_MOMENT).await;
            lost = machines.lost(ANSWER).await;
        }
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

async fn watch(
    mut held: Held,
    stop: CancellationToken,
    done: CancellationToken,
    tell: Tell,
    mut questions: mpsc::Receiver<Asked>,
) {
    loop {
        tokio::select! {
            () = done.cancelled() => break,
            text = held.lost() => {
                tell.warning(text);
                stop.cancel();
                drop(questions);
                done.cancelled().await;
                break;
            }
            Some(question) = questions.recv() => match question {
                // Who asked may be gone.
                Asked::Confirmed(answer) => drop(answer.send(held.confirmed().await)),
                Asked::LetGo(node, answer) => {
                    held.let_go(&node).await;
                    let _ = answer.send(());
                }
                Asked::Again(lock) => held.hold(*lock),
            },
        }
    }
    held.release().await;
}
