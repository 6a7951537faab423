//! What a run that changes things has at hand, each thing opened once: screen, journal, connections, locks.

use std::time::Instant;

use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use crate::check::Skips;
use crate::failure::{Exit, Failure};
use crate::inventory::Node;
use crate::local::Lock;
use crate::plan::{Needs, Stage};
use crate::play::{Event, Outcome, Tell, usual};
use crate::remote::{ConnectError, Connection};
use crate::report::{Pauser, Shower};
use crate::session::connected::Connected;
use crate::session::machines::{Machine, Machines};
use crate::session::preflight::heading;
use crate::session::project::Project;
use crate::session::run::{Keeping, enter, guarded, untouched};
use crate::session::run_lock::RunLock;
use crate::session::{Answer, Connect, Context};

/// What a run is opened with.
pub struct Opening<'a> {
    /// The verb, e.g. `up`.
    pub command: &'static str,
    pub project: &'a Project,
    pub connect: &'a Connect,
    pub skips: Skips,
    /// What will be told of, in order.
    pub stages: Vec<Stage>,
}

/// One run, from its first line on the screen to its last one.
pub struct Session<'a> {
    pub context: &'a Context,
    pub command: &'static str,
    pub project: &'a Project,
    /// Of inventory and command line together.
    pub skips: Skips,
    pub tell: Tell,
    pub screen: Pauser,
    connect: &'a Connect,
    journal: Mutex<Keeping>,
    machines: OnceCell<Connected>,
    workspace: OnceCell<Lock>,
    alone: OnceCell<RunLock>,
}

impl Session<'_> {
    /// Opens the log and the screen, lets `play` do what the run is for, and leaves everything in order however that
    /// ends: locks given back, connections closed, the journal written to its last line.
    pub async fn during(
        context: &Context,
        opening: Opening<'_>,
        play: impl AsyncFnOnce(&Session<'_>) -> Answer,
    ) -> Answer {
        let Opening { command, project, connect, skips, stages } = opening;
        context.log_into(&project.workspace, command);
        Shower::during(&context.console, &context.stop, async |tell, screen| {
            let began = Instant::now();
            let (kept, journal) = Keeping::new();
            let tell = tell.and(kept);
            let session = Session {
                context,
                command,
                project,
                skips,
                tell: tell.clone(),
                screen,
                connect,
                journal: Mutex::new(journal),
                machines: OnceCell::new(),
                workspace: OnceCell::new(),
                alone: OnceCell::new(),
            };
            session.announce(stages);
            let answer = play(&session).await;
            let (answer, journal) = session.close(answer).await;
            tell.event(finished(&answer, began));
            drop(tell);
            journal.finish().await;
            answer
        })
        .await
    }

    fn announce(&self, stages: Vec<Stage>) {
        let usual = usual(&self.project.workspace.journal(), &stages);
        let (cluster, summary) = (self.project.inventory.name.clone(), heading(self.project));
        self.tell.event(Event::RunStarted { command: self.command, cluster, summary, stages, usual });
    }

    /// The locks are free afterwards, and what ended the run is said truly: see [`RunLock::end`].
    async fn close(self, answer: Answer) -> (Answer, Keeping) {
        let Session { journal, machines, workspace, alone, .. } = self;
        let Some(machines) = machines.into_inner() else { return (answer, journal.into_inner()) };
        let machines = machines.newest();
        let answer = match alone.into_inner() {
            Some(alone) => alone.end(machines, answer).await,
            None => answer,
        };
        machines.disconnect().await;
        drop(workspace);
        (answer, journal.into_inner())
    }

    /// The inventory's machines, connected the first time they are asked for; unreached ones are among them.
    pub async fn machines(&self) -> Result<&Machines, Failure> {
        let Session { context, project, connect, .. } = self;
        let connect = async || {
            let connected = Machines::connect(&project.inventory, connect, context, Some(self.screen.clone()));
            guarded(&context.stop, async { Ok(Connected::new(connected.await)) }).await.map_err(untouched)
        };
        self.machines.get_or_try_init(connect).await.map(Connected::newest)
    }

    /// One of them, which has to be reached.
    pub async fn machine(&self, node: &str) -> Result<&Machine, Failure> {
        let machines = self.machines().await?;
        let found = machines.reached.iter().find(|machine| machine.node.name == node);
        let unreached = || Failure::new(Exit::Unreachable, format!("{node} is not reached"));
        found.ok_or_else(|| machines.unreached().unwrap_or_else(unreached))
    }

    /// Machines beside those of the inventory, by the same ways.
    pub async fn reach(&self, nodes: &[Node]) -> Machines {
        Machines::among(nodes, self.connect, self.context, Some(self.screen.clone())).await
    }

    /// A new connection to a node whose former one has ended.
    pub async fn connect_again(&self, node: &Node) -> Result<Connection, ConnectError> {
        Machines::connect_again(node, self.connect, self.context, Some(self.screen.clone())).await
    }

    /// From here on the machine is reached by this connection.
    pub fn replace(&self, machine: &Machine) {
        if let Some(connected) = self.machines.get() {
            connected.replace(machine);
        }
    }

    /// The machines, where as many of them answer as a stage needs.
    pub async fn machines_for(&self, needs: Needs) -> Result<&Machines, Failure> {
        let machines = self.machines().await?;
        let nodes = self.project.inventory.nodes.iter().zip(&machines.answers);
        let nodes = nodes.map(|(node, (_, answer))| (node.roles, answer.is_ok()));
        match needs.nodes.are_met(nodes) {
            true => Ok(machines),
            false => machines.unreached().map_or(Ok(machines), Err),
        }
    }

    /// The workspace for this run alone, with its journal open.
    pub async fn enter(&self) -> Result<(), Failure> {
        let take = async || enter(self.project, self.command, &mut *self.journal.lock().await);
        self.workspace.get_or_try_init(take).await.map(drop)
    }

    /// The cluster for this run alone, held until the run ends.
    pub async fn alone(&self) -> Result<&RunLock, Failure> {
        self.enter().await?;
        let machines = self.machines().await?;
        let take = async || RunLock::take(self.project, machines, self.command, &self.context.stop, &self.tell).await;
        self.alone.get_or_try_init(take).await
    }

    /// Whether it has come that far: only then anything was changed.
    pub fn is_alone(&self) -> bool {
        self.alone.initialized()
    }

    /// Cancelled by the user and, once this run is alone, by the loss of that.
    pub fn stop(&self) -> &CancellationToken {
        self.alone.get().map_or(&self.context.stop, RunLock::stop)
    }

    /// Tells the beginning and the end of a stage around its work.
    pub async fn stage(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<(Outcome, String), Failure>>,
    ) -> Result<Outcome, Failure> {
        let began = Instant::now();
        self.tell.event(Event::StageStarted { stage });
        let ended = tracing::Instrument::instrument(work, tracing::info_span!("stage", name = stage.name())).await;
        let (outcome, text) = match &ended {
            Ok((outcome, text)) => (*outcome, text.as_str()),
            Err(failure) => (Outcome::Failed, self.word(failure)),
        };
        let (text, seconds) = (text.to_owned(), began.elapsed().as_secs_f64());
        self.tell.event(Event::StageFinished { stage, outcome, text, seconds });
        ended.map(|(outcome, _)| outcome)
    }

    /// A failure in one line; see [`RunLock::word`].
    fn word<'f>(&self, failure: &'f Failure) -> &'f str {
        self.alone.get().map_or(failure.error.as_str(), |alone| alone.word(failure))
    }
}

fn finished(answer: &Answer, began: Instant) -> Event {
    let exit = answer.as_ref().map_or_else(|failure| failure.exit, |exit| *exit);
    Event::RunFinished { ok: exit == Exit::Done, seconds: began.elapsed().as_secs_f64(), exit: exit.code() }
}
