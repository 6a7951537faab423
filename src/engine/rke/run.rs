//! Running the real rke: its own folder, its log kept, its state file guarded, its end judged.
//!
//! rke names its state file and kubeconfig after the path of the configuration that it is given, and writes both in
//! place with `os.WriteFile` (rancher/rke v1.8.0: cluster/state.go, pki/deploy.go), which follows links. So the run
//! folder holds links to the real files, and a killed rke leaves them where the next run looks. `remove` takes only
//! the links away; what they led to is removed here.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use fail::fail_point;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::engine::rke::explain::Explained;
use crate::engine::rke::leaves::Service;
use crate::engine::rke::line::RkeLine;
use crate::engine::rke::log::{Progress, RkeLog, Trouble, redact};
use crate::engine::rke::redirect::redirected;
use crate::engine::rke::state_file::StateFile;
use crate::failure::Hint;
use crate::local::workspace::{Secrecy, Workspace, WorkspaceError, utc_stamp};
use crate::local::{ChildError, HowEnded, run_lines};
use crate::local::{Ended, Program};

/// The front: a loopback SSH server of ours that plays rke's bastion.
#[derive(Debug, Clone)]
pub struct Front {
    pub port: u16,
    pub user: String,
    /// A throwaway private key (0600) that opens the front and nothing else.
    pub key: PathBuf,
}

/// What rke is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Up,
    Remove,
    /// New leaf certificates, of these services alone or, with none named, all.
    Rotate(Vec<Service>),
}

impl Verb {
    fn words(&self) -> Vec<&'static str> {
        match self {
            Verb::Up => vec!["up"],
            Verb::Remove => vec!["remove", "--force"],
            Verb::Rotate(services) => {
                let services = services.iter().flat_map(|service| ["--service", service.name()]);
                ["cert", "rotate"].into_iter().chain(services).collect()
            }
        }
    }
}

/// Something heard while rke runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Progress(Progress),
    Trouble(Trouble),
}

/// What came of a run. Exit code 0 is not success; [`RkeOutcome::success`] judges.
#[derive(Debug, Clone)]
pub struct RkeOutcome {
    pub verb: Verb,
    pub ended: HowEnded,
    /// rke's last words when it gave up.
    pub fatal: Option<String>,
    /// What the whole log says of why it ended.
    pub explained: Option<&'static Explained>,
    /// All warnings that matter, in order.
    pub troubles: Vec<Trouble>,
    /// It said that it reached the end.
    pub finished: bool,
    /// The whole log, secrets left out.
    pub log: PathBuf,
}

impl RkeOutcome {
    /// Whether rke did all that it was asked to do.
    pub fn success(&self) -> Result<(), RkeError> {
        let command = self.verb.words().join(" ");
        let log = self.log.clone();
        if self.ended == HowEnded::Cancelled {
            return Err(RkeError::Cancelled { command });
        }
        let clean = self.ended == HowEnded::ByItself(Ended::Code(0)) && self.fatal.is_none();
        if !clean || !self.finished {
            let how = match self.ended {
                HowEnded::ByItself(ended) => ended.to_string(),
                HowEnded::Cancelled => "stopped".into(),
            };
            let last = self.troubles.last().map(ToString::to_string);
            let why = self.fatal.clone().or(last).unwrap_or_else(|| "it did not say why".into());
            return Err(RkeError::Failed { command, how, why, explained: self.explained, log });
        }
        let failures: Vec<String> =
            self.troubles.iter().filter(|trouble| trouble.is_failure()).map(ToString::to_string).collect();
        match failures.is_empty() {
            true => Ok(()),
            false => Err(RkeError::Incomplete { command, failures, explained: self.explained, log }),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RkeError {
    #[error("rke {command} failed with {how}: {why} (its log: {})", log.display())]
    Failed { command: String, how: String, why: String, explained: Option<&'static Explained>, log: PathBuf },
    #[error("rke {command} ended without an error, but {} (its log: {})", failures.join("; "), log.display())]
    Incomplete { command: String, failures: Vec<String>, explained: Option<&'static Explained>, log: PathBuf },
    #[error("rke {command} was stopped")]
    Cancelled { command: String },
    #[error("rke {command} was stopped, because what it says and does could not be kept any more")]
    Unwritten { command: String, source: Box<RkeError> },
    #[error("{} is {why}: rke would make a new CA over it", path.display())]
    BrokenState { path: PathBuf, why: String },
    #[error("{} cannot be {what}", path.display())]
    Folder { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Child(#[from] ChildError),
}

impl Hint for RkeError {
    fn hint(&self) -> Option<String> {
        match self {
            RkeError::Failed { explained, .. } => explained.map(told),
            RkeError::Incomplete { explained, .. } => Some(explained.map_or_else(
                || "run `cowhand up` again once the cause is gone; it goes on where it stopped".into(),
                told,
            )),
            RkeError::Cancelled { .. } => Some("run the same command again, it goes on where it stopped".into()),
            RkeError::BrokenState { .. } => Some("`cowhand recover-state` brings it back from the cluster".into()),
            RkeError::Workspace(error) => error.hint(),
            RkeError::Unwritten { source, .. } => source.hint(),
            RkeError::Folder { .. } | RkeError::Child(_) => None,
        }
    }
}

fn told(known: &Explained) -> String {
    format!("{}; {}", known.why, known.remedy)
}

/// cluster.yml as rke gets it for one run: every way to a node leads through the front, and no key but the throwaway
/// one is named. `nodes[].address` stays: the front answers for those addresses.
pub fn through_front(cluster: &Map<String, Value>, front: &Front) -> Map<String, Value> {
    const WAYS: [&str; 5] = ["ssh_key", "ssh_key_path", "ssh_cert", "ssh_cert_path", "ssh_agent_auth"];
    let key = front.key.display().to_string();
    let mut cluster = cluster.clone();
    for way in WAYS {
        cluster.shift_remove(way);
    }
    let nodes = cluster.get_mut("nodes").and_then(Value::as_array_mut);
    for node in nodes.into_iter().flatten().filter_map(Value::as_object_mut) {
        for way in WAYS {
            node.shift_remove(way);
        }
    }
    cluster.insert("ssh_key_path".into(), key.as_str().into());
    // rke reads the port as text, and would look for a proxy to reach even this.
    let bastion = json!({
        "address": "127.0.0.1",
        "port": front.port.to_string(),
        "user": front.user,
        "ssh_key_path": key,
        "ignore_proxy_env_vars": true,
    });
    cluster.insert("bastion_host".into(), bastion);
    cluster
}

/// The rke program in a workspace.
#[derive(Debug, Clone)]
pub struct Rke<'a> {
    pub binary: &'a Path,
    pub workspace: &'a Workspace,
    /// Address of each node in cluster.yml with its name in the inventory.
    pub names: Vec<(String, String)>,
    /// Lets rke take a Docker version that it does not know.
    pub ignore_docker_version: bool,
    /// The cluster.yml that people keep: copies of the state say its way to the nodes, not the one of this run.
    pub kept: &'a Map<String, Value>,
}

impl Rke<'_> {
    /// Runs rke with this cluster.yml (see [`through_front`]) and tells what it hears. The state file is kept aside
    /// before the run and after each time rke has written it, so that a kill in the middle of a write loses nothing.
    pub async fn run(
        &self,
        verb: Verb,
        cluster_yml: &str,
        stop: &CancellationToken,
        mut on_news: impl FnMut(News),
    ) -> Result<RkeOutcome, RkeError> {
        self.set_up(cluster_yml)?;
        let log_path = self.workspace.logs().join(format!("rke-{}.log", utc_stamp()));
        let mut kept = Kept::open(&log_path)?;
        let mut log = RkeLog::new(self.names.clone());
        let mut aside: Result<(), WorkspaceError> = Ok(());
        let program = self.program(&verb);
        let command = verb.words().join(" ");
        let halt = stop.child_token();
        let ended = run_lines(&program, &halt, |line| {
            kept.line(line);
            let (writes, troubles) = (log.state_writes(), log.troubles().len());
            if let Some(progress) = log.hear(&RkeLine::parse(line)) {
                on_news(News::Progress(progress));
            }
            log.troubles()[troubles..].iter().cloned().for_each(|trouble| on_news(News::Trouble(trouble)));
            if log.state_writes() > writes {
                aside = self.keep_state_aside();
            }
            // Where we cannot write, rke would soon cut off its own state file.
            if kept.failed.is_some() || aside.is_err() {
                halt.cancel();
            }
        })
        .await?;
        let outcome = RkeOutcome {
            verb,
            ended,
            fatal: log.fatal().map(str::to_owned),
            explained: log.explained(),
            troubles: log.troubles().to_vec(),
            finished: log.is_finished(),
            log: log_path,
        };
        // After a removal the state stays, too: until nothing is left on any node, it tells whose the rest is.
        self.workspace.guard_keys()?;
        let written = aside.map_err(RkeError::from).and_then(|()| kept.finish());
        match written {
            Ok(()) => Ok(outcome),
            Err(source) => Err(RkeError::Unwritten { command, source: Box::new(source) }),
        }
    }

    /// A copy outlives the front, which is gone with this run, so it is of use to a plain rke as well.
    fn keep_state_aside(&self) -> Result<(), WorkspaceError> {
        self.workspace.keep_state_aside_as(|state| redirected(state, self.kept)).map(drop)
    }

    fn program(&self, verb: &Verb) -> Program {
        let config = self.workspace.rke_folder().join("cluster.yml");
        let mut program = Program::new(self.binary).words(verb.words()).word("--config").word(config);
        if self.ignore_docker_version {
            program = program.word("--ignore-docker-version");
        }
        // Relative paths in cluster.yml mean the same as for somebody who runs rke by hand.
        program = program.in_folder(self.workspace.folder());
        match std::env::var_os("RANCHER_METADATA_URL") {
            Some(url) => program.with("RANCHER_METADATA_URL", url),
            None => program,
        }
    }

    fn set_up(&self, cluster_yml: &str) -> Result<(), RkeError> {
        if let StateFile::Broken { why } = self.workspace.state_file()? {
            return Err(RkeError::BrokenState { path: self.workspace.cluster_state(), why });
        }
        self.workspace.prepare()?;
        self.workspace.begin_cluster()?;
        self.keep_state_aside()?;
        let config = self.workspace.rke_folder().join("cluster.yml");
        // It may name registries with their passwords.
        self.workspace.write(&config, cluster_yml.as_bytes(), Secrecy::Private)?;
        for name in ["cluster.rkestate", "kube_config_cluster.yml"] {
            self.link(name)?;
        }
        Ok(())
    }

    /// Makes `.cowhand/rke/NAME` a link to `NAME` of the workspace. A file that stands there is moved to the backups.
    fn link(&self, name: &str) -> Result<(), RkeError> {
        let link = self.workspace.rke_folder().join(name);
        let failed = |what| {
            let path = link.clone();
            move |source| RkeError::Folder { what, path, source }
        };
        match fs::symlink_metadata(&link) {
            Ok(found) if found.is_symlink() => fs::remove_file(&link).map_err(failed("removed"))?,
            Ok(_) => {
                let backup = self.workspace.backups().join(format!("{name}.{}", utc_stamp()));
                fs::rename(&link, backup).map_err(failed("moved"))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(failed("looked at")(source)),
        }
        let make = || {
            fail_point!("rke.link", crate::remote::fault);
            symlink(Path::new("../..").join(name), &link)
        };
        make().map_err(failed("linked"))
    }
}

/// The log file of one run. A log that cannot be written any more ends the run.
struct Kept {
    path: PathBuf,
    file: File,
    failed: Option<std::io::Error>,
}

impl Kept {
    fn open(path: &Path) -> Result<Self, RkeError> {
        let make = || {
            fail_point!("rke.log", crate::remote::fault);
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
        };
        let file = make().map_err(|source| RkeError::Folder { what: "made", path: path.into(), source })?;
        Ok(Kept { path: path.into(), file, failed: None })
    }

    fn line(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(format!("{}\n", redact(line)).as_bytes()).err();
        }
    }

    fn finish(self) -> Result<(), RkeError> {
        match self.failed {
            None => Ok(()),
            Some(source) => Err(RkeError::Folder { what: "written", path: self.path, source }),
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
