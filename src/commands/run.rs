//! A run that changes things: steps carried out with everything that is at hand.

use std::future::Future;
use std::path::Path;

use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::machines::Machines;
use super::site::Site;
use super::world::{Reached, World};
use crate::check::Skips;
use crate::execute::rke::{self, News, Rke, Verb};
use crate::execute::rke_ways::{begun_anew, redirected};
use crate::execute::tool::ToolKind;
use crate::execute::{Event, Hands, Journal, Lock, Secrecy, Stage, Tell, WorkspaceError};
use crate::plan::rancher::RANCHER;
use crate::plan::rke::Additions;
use crate::plan::{ReleaseWanted, Step, documents};
use crate::remote::Front;
use crate::report::{Exit, Failure};

/// What a run needs to act.
pub struct Run<'a> {
    pub world: &'a World<'a>,
    pub stop: &'a CancellationToken,
    pub tell: &'a Tell,
    /// Of inventory and command line together.
    pub skips: &'a Skips,
}

/// A future that ends with `interrupted` as soon as the run is asked to stop.
pub async fn guarded<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(interrupted()),
        done = work => done,
    }
}

fn interrupted() -> Failure {
    Failure::interrupted("what was done stays; the same command again goes on from here")
}

/// The same before anything was changed.
pub fn untouched(failure: Failure) -> Failure {
    if failure.exit == Exit::Interrupted { Failure::interrupted("nothing was changed") } else { failure }
}

/// Who holds a lock, for others to read.
pub fn holder(command: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".into());
    let since = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{user} on {host}, cowhand {command} (process {}), since {since}", std::process::id())
}

/// Keeps every event of a run in the workspace's journal. What is told before the journal is open (and the workspace
/// locked for this run) waits until it is.
pub struct Keeping {
    waiting: Option<UnboundedReceiver<Event>>,
    task: Option<JoinHandle<()>>,
}

/// For the last lines, when a task that still holds the listener was just told to end.
const LAST_LINES: std::time::Duration = std::time::Duration::from_secs(1);

impl Keeping {
    /// The listener, and what keeps what it hears.
    pub fn new() -> (Tell, Keeping) {
        let (kept, waiting) = tokio::sync::mpsc::unbounded_channel();
        (Tell::new(kept), Keeping { waiting: Some(waiting), task: None })
    }

    /// Opens the journal and writes what was told so far, and from now on everything.
    pub fn open(&mut self, site: &Site) -> Result<(), Failure> {
        let opened = Journal::open(&site.workspace.journal());
        let mut journal = opened.map_err(|error| Failure::of(Exit::ChecksFailed, &error))?;
        let Some(mut events) = self.waiting.take() else { return Ok(()) };
        self.task = Some(tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                // A full disk must not stop the run; the screen has said the same.
                if journal.note(&event).is_err() {
                    return;
                }
            }
        }));
        Ok(())
    }

    /// Waits until the last event is written; whoever tells has to be gone.
    pub async fn finish(self) {
        if let Some(task) = self.task {
            // What is not written by then is lost to the journal only.
            let _ = tokio::time::timeout(LAST_LINES, task).await;
        }
    }
}

/// The workspace for this run alone: it has room, it is locked, and the journal is open. Whatever is in the way of that
/// is met before anything was changed.
pub fn enter(site: &Site, command: &str, journal: &mut Keeping) -> Result<Lock, Failure> {
    let refused = |error: &(dyn std::error::Error + 'static)| Failure::of(Exit::ChecksFailed, error);
    site.workspace.prepare().map_err(|error| refused(&error).maybe_hint(error.hint()))?;
    let lock = Lock::take(&site.workspace.lock(), command);
    let lock = lock.map_err(|error| refused(&error).maybe_hint(error.hint()))?;
    journal.open(site)?;
    Ok(lock)
}

impl Run<'_> {
    /// Carries out a stage's steps in order. A new cluster is reached as soon as rke has made it.
    pub async fn carry_out(&self, stage: Stage, steps: &[Step], reached: &mut Option<Reached>) -> Result<(), Failure> {
        for step in steps {
            match step {
                Step::RkeUp { cluster_yml, config, .. } => {
                    self.rke_up(stage, step, (cluster_yml, config), reached.as_ref()).await?;
                    *reached = guarded(self.stop, self.world.reach()).await?;
                }
                Step::MakeCa { .. }
                | Step::MakePassword { .. }
                | Step::Apply { .. }
                | Step::Secret(_)
                | Step::Helm(_)
                | Step::Restart { .. }
                | Step::Remove { .. }
                | Step::Reissue { .. }
                | Step::Touch { .. }
                | Step::Unmark { .. }
                | Step::Wait(_) => guarded(self.stop, self.on_cluster(stage, step, reached.as_ref())).await?,
            }
        }
        Ok(())
    }

    async fn on_cluster(&self, stage: Stage, step: &Step, reached: Option<&Reached>) -> Result<(), Failure> {
        let Some(reached) = reached else {
            return Err(Failure::new(Exit::StepFailed, "the Kubernetes API does not answer").because(step));
        };
        if let Step::Helm(wanted) = step {
            self.keep_values(wanted)?;
        }
        let password = self.world.site.password()?;
        let hands = Hands {
            cluster: &reached.cluster,
            helm: &self.world.helm,
            kubeconfig: reached.kubeconfig.path(),
            material: &self.world.material,
            bootstrap_password: password.as_ref(),
            tell: self.tell,
            stage,
        };
        let done = hands.carry_out(std::slice::from_ref(step)).await;
        done.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))
    }

    /// The values of a release, for people who go on with helm by hand.
    fn keep_values(&self, wanted: &ReleaseWanted) -> Result<(), Failure> {
        if wanted.release == RANCHER {
            self.keep_rancher_values()?;
        }
        let path = self.world.site.workspace.values().join(format!("{}.yml", wanted.release));
        self.write(&path, &documents(&[Value::Object(wanted.values.clone())]))
    }

    fn keep_rancher_values(&self) -> Result<(), Failure> {
        let path = self.world.site.workspace.folder().join("rancher-values.yml");
        self.write(&path, &documents(&[Value::Object(self.world.values.clone())]))
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let written: Result<(), WorkspaceError> =
            self.world.site.workspace.write(path, text.as_bytes(), Secrecy::Private);
        written.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))
    }

    async fn rke_up(
        &self,
        stage: Stage,
        step: &Step,
        (text, config): (&str, &Map<String, Value>),
        reached: Option<&Reached>,
    ) -> Result<(), Failure> {
        let began = std::time::Instant::now();
        let name = step.to_string();
        self.tell.event(Event::StepStarted { stage, step: name.clone(), text: step.text() });
        let workspace = &self.world.site.workspace;
        self.keep_former(&workspace.cluster_yml(), text)?;
        self.write(&workspace.cluster_yml(), text)?;
        self.keep_rancher_values()?;
        self.begin_anew(config, reached).await?;
        self.rke(stage, Verb::Up, config).await?;
        self.tell.event(Event::StepFinished { stage, step: name, seconds: began.elapsed().as_secs_f64() });
        Ok(())
    }

    /// A cluster.yml with something else in it may be somebody's work.
    fn keep_former(&self, file: &Path, text: &str) -> Result<(), Failure> {
        if std::fs::read(file).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        let kept = self.world.site.workspace.keep_aside(file);
        let kept = kept.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))?;
        if let Some(kept) = kept {
            self.tell.note(format!("the former cluster.yml is kept as {}", kept.display()));
        }
        Ok(())
    }

    /// Lets rke build again what an earlier run was cut off from before any node was Ready; see [`begun_anew`].
    async fn begin_anew(&self, config: &Map<String, Value>, reached: Option<&Reached>) -> Result<(), Failure> {
        let plugin = config.get("network").and_then(|network| network.get("plugin")?.as_str());
        let Some(reached) = reached.filter(|_| plugin != Some("none")) else { return Ok(()) };
        let never = guarded(self.stop, async {
            crate::facts::cluster::never_networked(&reached.cluster).await.map_err(|error| {
                Failure::with_cause(Exit::Unreachable, "the cluster cannot be looked at", &error)
                    .maybe_hint(error.hint())
            })
        });
        let workspace = &self.world.site.workspace;
        let step = |error: WorkspaceError| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint());
        let Some(bytes) = workspace.state_bytes().map_err(step)? else { return Ok(()) };
        let anew = std::str::from_utf8(&bytes).ok().and_then(begun_anew).map(Zeroizing::new);
        if let Some(anew) = anew
            && never.await?
        {
            self.tell.note("an earlier run was cut off before the network came up: rke builds on, under the same CA");
            workspace.keep_state_aside().map_err(step)?;
            self.write(&workspace.cluster_state(), &anew)?;
        }
        Ok(())
    }

    async fn rke(&self, stage: Stage, verb: Verb, config: &Map<String, Value>) -> Result<(), Failure> {
        let Some(found) = &self.world.rke else {
            return Err(Failure::new(Exit::Bug, "rke is asked for without an engine rke"));
        };
        let way = Way {
            site: self.world.site,
            machines: self.world.machines,
            stop: self.stop,
            tell: self.tell,
            ignore_docker_version: self.skips.contains("docker.version"),
        };
        way.rke(stage, &found.path, verb, config).await
    }
}

/// The way on which rke reaches the nodes: through our own connections, and no other.
struct Way<'a> {
    site: &'a Site,
    machines: &'a Machines,
    stop: &'a CancellationToken,
    tell: &'a Tell,
    ignore_docker_version: bool,
}

impl Way<'_> {
    async fn rke(&self, stage: Stage, binary: &Path, verb: Verb, config: &Map<String, Value>) -> Result<(), Failure> {
        let site = self.site;
        let step = |error: &(dyn std::error::Error + 'static)| Failure::of(Exit::StepFailed, error);
        let front = Front::start(self.machines.front_nodes(), &site.workspace.rke_folder()).await;
        let front = front.map_err(|error| {
            Failure::with_cause(Exit::StepFailed, "the way on which rke goes to the nodes could not be opened", &error)
        })?;
        let way = rke::Front { port: front.port(), user: "cowhand".into(), key: front.key_path() };
        let through = rke::through_front(config, &way);
        point_state(site, &through)?;
        let text = documents(&[Value::Object(through)]);
        let rke = Rke {
            binary,
            workspace: &site.workspace,
            names: site.inventory.nodes.iter().map(|node| (node.address.clone(), node.name.clone())).collect(),
            ignore_docker_version: self.ignore_docker_version,
            kept: config,
        };
        let tell = self.tell.clone();
        let outcome = rke
            .run(verb, &text, self.stop, |news| match news {
                News::Progress(progress) => {
                    tell.progress(stage, format!("rke {}/{}: {}", progress.done, progress.of, progress.text));
                }
                News::Trouble(trouble) => tell.warning(format!("rke: {trouble}")),
            })
            .await;
        // Back to the way of the kept cluster.yml, however rke ended.
        let redirected = point_state(site, config);
        let outcome = outcome.map_err(|error| step(&error).maybe_hint(error.hint()))?;
        if self.stop.is_cancelled() {
            return Err(interrupted());
        }
        outcome.success().map_err(|error| step(&error).maybe_hint(error.hint()))?;
        redirected
    }
}

/// Points a whole state file at another way to the nodes; a broken or absent one is not this function's business.
pub fn point_state(site: &Site, config: &Map<String, Value>) -> Result<(), Failure> {
    let path = site.workspace.cluster_state();
    let Ok(text) = std::fs::read_to_string(&path).map(Zeroizing::new) else { return Ok(()) };
    let Some(redirected) = redirected(&text, config).map(Zeroizing::new) else { return Ok(()) };
    let written = site.workspace.write(&path, redirected.as_bytes(), Secrecy::Private);
    written.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))
}

/// `rke remove`, which needs no picture of TLS and no chart.
pub struct Remover<'a> {
    pub site: &'a Site,
    pub machines: &'a Machines,
    pub stop: &'a CancellationToken,
    pub tell: &'a Tell,
}

impl Remover<'_> {
    pub async fn rke_remove(&self) -> Result<(), Failure> {
        let Some(wanted) = self.site.rke() else { return Ok(()) };
        let found = super::world::find(ToolKind::Rke, &wanted.binary, &wanted.version, self.tell).await?;
        let config = crate::plan::rke::cluster_yml(&self.site.inventory, wanted, &Additions::default());
        // No version of Docker is a reason to leave a cluster on it.
        let Remover { site, machines, stop, tell } = *self;
        let way = Way { site, machines, stop, tell, ignore_docker_version: true };
        way.rke(Stage::Remove, &found.path, Verb::Remove, &config).await
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
