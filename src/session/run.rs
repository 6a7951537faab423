//! A run that changes things: steps carried out with everything that is at hand.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::check::Skips;
use crate::cluster::Access;
use crate::engine::rke::cluster_yml::Additions;
use crate::engine::rke::redirect::{begun_anew, redirected};
use crate::engine::rke::run as rke;
use crate::engine::rke::run::{News, Rke, Verb};
use crate::failure::{Exit, Failure, Hint};
use crate::local::tool::ToolKind;
use crate::local::{Lock, Secrecy, WorkspaceError};
use crate::plan::Stage;
use crate::plan::rancher::RANCHER;
use crate::plan::{ReleaseWanted, Step, documents};
use crate::play::{Event, Hands, Journal, Tell};
use crate::remote::{Front, Gate, Open};
use crate::session::cluster_api::ClusterApi;
use crate::session::guards;
use crate::session::inputs::Inputs;
use crate::session::machines::Machines;
use crate::session::project::Project;
use crate::session::rails;
use crate::session::run_lock::RunLock;

/// What a run needs to act.
pub struct Run<'a> {
    pub inputs: &'a Inputs<'a>,
    pub alone: &'a RunLock,
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

pub(crate) fn interrupted() -> Failure {
    Failure::interrupted("what was done stays; the same command again goes on from here")
}

/// The same before anything was changed.
pub fn untouched(failure: Failure) -> Failure {
    if failure.exit == Exit::Interrupted { Failure::interrupted("nothing was changed") } else { failure }
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
    pub fn open(&mut self, project: &Project) -> Result<(), Failure> {
        let opened = Journal::open(&project.workspace.journal());
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
pub fn enter(project: &Project, command: &str, journal: &mut Keeping) -> Result<Lock, Failure> {
    let refused = |error: &(dyn Hint + 'static)| Failure::of(Exit::ChecksFailed, error);
    project.workspace.prepare().map_err(|error| refused(&error))?;
    let lock = Lock::take(&project.workspace.lock(), command);
    let lock = lock.map_err(|error| refused(&error))?;
    project.workspace.clear_up().map_err(|error| refused(&error))?;
    journal.open(project)?;
    Ok(lock)
}

impl Run<'_> {
    /// Carries out a stage's steps in order. A new cluster is reached as soon as rke has made it.
    pub async fn carry_out(
        &self,
        stage: Stage,
        steps: &[Step],
        reached: &mut Option<ClusterApi>,
    ) -> Result<(), Failure> {
        for step in steps {
            if !guarded(self.stop, async { Ok(self.alone.confirmed().await) }).await? {
                return Err(interrupted());
            }
            guarded(self.stop, guards::hold(self.inputs.project, self.inputs.machines, reached.as_ref(), step)).await?;
            match step {
                Step::RkeUp { config, .. } => {
                    let gate = self.gate(stage, reached.is_some());
                    self.rke_up((stage, step), config, gate).await?;
                    *reached = guarded(self.stop, self.inputs.reach()).await?;
                }
                Step::ForgetApplied { .. } => self.forget_applied(stage, step)?,
                Step::MarkNodes(wanted) => {
                    guarded(self.stop, self.mark_nodes(stage, step, wanted, reached.as_ref())).await?;
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
                | Step::TakeAway(_)
                | Step::Wait(_) => guarded(self.stop, self.on_cluster(stage, step, reached.as_ref())).await?,
            }
        }
        Ok(())
    }

    async fn on_cluster(&self, stage: Stage, step: &Step, reached: Option<&ClusterApi>) -> Result<(), Failure> {
        let Some(reached) = reached else {
            return Err(Failure::new(Exit::StepFailed, "the Kubernetes API does not answer").because(step));
        };
        if let Step::Helm(wanted) = step {
            self.keep_values(wanted)?;
        }
        let password = self.inputs.project.password()?;
        let kubeconfig = reached.kubeconfig().await?;
        let hands = Hands {
            cluster: &reached.cluster,
            helm: &self.inputs.helm,
            kubeconfig: kubeconfig.path(),
            material: &self.inputs.material,
            bootstrap_password: password.as_ref(),
            tell: self.tell,
            stage,
        };
        let done = hands.carry_out(std::slice::from_ref(step)).await;
        done.map_err(|error| Failure::of(Exit::StepFailed, &error))
    }

    /// The values of a release, for people who go on with helm by hand.
    fn keep_values(&self, wanted: &ReleaseWanted) -> Result<(), Failure> {
        if wanted.release == RANCHER {
            self.keep_rancher_values()?;
        }
        let path = self.inputs.project.workspace.values().join(format!("{}.yml", wanted.release));
        self.write(&path, &documents(&[Value::Object(wanted.values.clone())]))
    }

    fn keep_rancher_values(&self) -> Result<(), Failure> {
        let path = self.inputs.project.workspace.folder().join("rancher-values.yml");
        self.write(&path, &documents(&[Value::Object(self.inputs.values.clone())]))
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let written: Result<(), WorkspaceError> =
            self.inputs.project.workspace.write(path, text.as_bytes(), Secrecy::Private);
        written.map_err(|error| Failure::of(Exit::StepFailed, &error))
    }

    /// What holds rke back from a cluster that may be there; with no state there is none.
    fn gate(&self, stage: Stage, lives: bool) -> Arc<dyn Gate> {
        let kubeconfig = self.inputs.project.state().and_then(|state| state.kubeconfig().map(str::to_owned));
        match kubeconfig.map(|text| Access::from_yaml(&text)) {
            Some(Ok(access)) => rails::gate(self.inputs.machines, (access, lives), stage, self.tell),
            Some(Err(_)) | None => Arc::new(Open),
        }
    }

    async fn rke_up(
        &self,
        (stage, step): (Stage, &Step),
        config: &Map<String, Value>,
        gate: Arc<dyn Gate>,
    ) -> Result<(), Failure> {
        let began = std::time::Instant::now();
        let name = step.to_string();
        self.tell.event(Event::StepStarted { stage, step: name.clone(), text: step.text() });
        self.keep_cluster_yml(config)?;
        self.keep_rancher_values()?;
        self.rke(stage, Verb::Up, config, gate).await?;
        self.tell.event(Event::StepFinished { stage, step: name, seconds: began.elapsed().as_secs_f64() });
        Ok(())
    }

    /// The cluster.yml that people keep; a former one stays as a copy.
    pub(super) fn keep_cluster_yml(&self, config: &Map<String, Value>) -> Result<(), Failure> {
        let path = self.inputs.project.workspace.cluster_yml();
        let text = Zeroizing::new(self.inputs.kept_cluster_yml(config));
        self.keep_former(&path, &text)?;
        self.write(&path, &text)
    }

    /// A cluster.yml with something else in it may be somebody's work.
    fn keep_former(&self, file: &Path, text: &str) -> Result<(), Failure> {
        if std::fs::read(file).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        let kept = self.inputs.project.workspace.keep_aside(file);
        let kept = kept.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
        if let Some(kept) = kept {
            self.tell.note(format!("the former cluster.yml is kept as {}", kept.display()));
        }
        Ok(())
    }

    /// The state as it was planned from, without RKE's memory of what it applied; see [`begun_anew`].
    fn forget_applied(&self, stage: Stage, step: &Step) -> Result<(), Failure> {
        let began = std::time::Instant::now();
        let name = step.to_string();
        self.tell.event(Event::StepStarted { stage, step: name.clone(), text: step.text() });
        let workspace = &self.inputs.project.workspace;
        let failed = |error: WorkspaceError| Failure::of(Exit::StepFailed, &error);
        let bytes = workspace.state_bytes().map_err(failed)?;
        let anew = bytes.and_then(|bytes| begun_anew(std::str::from_utf8(&bytes).ok()?)).map(Zeroizing::new);
        let nothing = || Failure::new(Exit::StepFailed, "cluster.rkestate holds nothing that rke could forget");
        let anew = anew.ok_or_else(nothing)?;
        workspace.keep_state_aside().map_err(failed)?;
        self.write(&workspace.cluster_state(), &anew)?;
        self.tell.event(Event::StepFinished { stage, step: name, seconds: began.elapsed().as_secs_f64() });
        Ok(())
    }

    /// `gate` is asked about each of its calls to Docker.
    pub async fn rke(
        &self,
        stage: Stage,
        verb: Verb,
        config: &Map<String, Value>,
        gate: Arc<dyn Gate>,
    ) -> Result<(), Failure> {
        let Some(found) = &self.inputs.rke else {
            return Err(Failure::new(Exit::Bug, "rke is asked for without an engine rke"));
        };
        let way = Way {
            project: self.inputs.project,
            machines: self.inputs.machines,
            stop: self.stop,
            tell: self.tell,
            ignore_docker_version: self.skips.contains("docker.version"),
        };
        way.rke(stage, &found.path, (verb, gate), config).await
    }
}

/// The way on which rke reaches the nodes: through our own connections, and no other.
struct Way<'a> {
    project: &'a Project,
    machines: &'a Machines,
    stop: &'a CancellationToken,
    tell: &'a Tell,
    ignore_docker_version: bool,
}

impl Way<'_> {
    async fn rke(
        &self,
        stage: Stage,
        binary: &Path,
        (verb, gate): (Verb, Arc<dyn Gate>),
        config: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let project = self.project;
        let step = |error: &(dyn Hint + 'static)| Failure::of(Exit::StepFailed, error);
        let told = self.tell.clone();
        let warn = Box::new(move |text| told.warning(text));
        let front = Front::start(self.machines.front_nodes(), &project.workspace.rke_folder(), gate, warn).await;
        let front = front.map_err(|error| {
            Failure::with_cause(Exit::StepFailed, "the way on which rke goes to the nodes could not be opened", &error)
        })?;
        let way = rke::Front { port: front.port(), user: "cowhand".into(), key: front.key_path() };
        let through = rke::through_front(config, &way);
        point_state(project, &through)?;
        let text = documents(&[Value::Object(through)]);
        let rke = Rke {
            binary,
            workspace: &project.workspace,
            names: project.inventory.nodes.iter().map(|node| (node.address.clone(), node.name.clone())).collect(),
            ignore_docker_version: self.ignore_docker_version,
            kept: config,
        };
        let tell = self.tell.clone();
        let outcome = rke
            .run(verb, &text, self.stop, |news| match news {
                News::Progress(progress) => {
                    let text = format!("rke {}/{}: {}", progress.done, progress.of, progress.text);
                    tell.part(stage, text, f64::from(progress.percent) / 100.0);
                }
                News::Trouble(trouble) => tell.warning(format!("rke: {trouble}")),
            })
            .await;
        // Back to the way of the kept cluster.yml, however rke ended.
        let redirected = point_state(project, config);
        let outcome = outcome.map_err(|error| step(&error))?;
        if self.stop.is_cancelled() {
            return Err(interrupted());
        }
        outcome.success().map_err(|error| step(&error))?;
        redirected
    }
}

/// Points a whole state file at another way to the nodes; a broken or absent one is not this function's business.
pub fn point_state(project: &Project, config: &Map<String, Value>) -> Result<(), Failure> {
    let path = project.workspace.cluster_state();
    let Ok(text) = std::fs::read_to_string(&path).map(Zeroizing::new) else { return Ok(()) };
    let Some(redirected) = redirected(&text, config).map(Zeroizing::new) else { return Ok(()) };
    let written = project.workspace.write(&path, redirected.as_bytes(), Secrecy::Private);
    written.map_err(|error| Failure::of(Exit::StepFailed, &error))
}

/// `rke remove`, which needs no picture of TLS and no chart.
pub struct Remover<'a> {
    pub project: &'a Project,
    pub machines: &'a Machines,
    pub stop: &'a CancellationToken,
    pub tell: &'a Tell,
}

impl Remover<'_> {
    pub async fn rke_remove(&self) -> Result<(), Failure> {
        let Some(wanted) = self.project.inventory.engine.rke_settings() else { return Ok(()) };
        let found = crate::session::inputs::find(ToolKind::Rke, &wanted.binary, &wanted.version, self.tell).await?;
        let files = crate::session::file_keys::read(&self.project.inventory);
        let files = files.map_err(|why| Failure::new(Exit::Inventory, why).hint("nothing was removed"))?;
        let additions = Additions { files, ..Additions::default() };
        let config = crate::engine::rke::cluster_yml::cluster_yml(&self.project.inventory, wanted, &additions);
        // No version of Docker is a reason to leave a cluster on it.
        let Remover { project, machines, stop, tell } = *self;
        let way = Way { project, machines, stop, tell, ignore_docker_version: true };
        way.rke(Stage::Remove, &found.path, (Verb::Remove, Arc::new(Open)), &config).await
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
