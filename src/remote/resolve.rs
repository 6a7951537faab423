//! Asking `ssh -G` what OpenSSH would do for a host, and the answer without an `ssh` program.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore};

use super::file::{read_regular, refuse_irregular};
use super::route::{self, Route, USUAL_IDENTITIES};
use super::ssh_config;
use super::target::Target;
use super::tokens::home;

/// `Match exec` in somebody's configuration can run anything, even something that never ends.
const LIMIT: Duration = Duration::from_secs(10);

/// No configuration comes near this (bytes).
const LARGEST: u64 = 4 * 1024 * 1024;

/// Questions asked at the same time: each is a process with three open files on our side, and takes some milliseconds.
const SIDE_BY_SIDE: usize = 4;

type Settings = Vec<(String, String)>;
type Answer = Arc<OnceCell<Result<Arc<Settings>, String>>>;

/// The questions to `ssh -G` of one run: a few at a time, and each of them once.
pub(super) struct Questions {
    program: PathBuf,
    places: Semaphore,
    answers: Mutex<HashMap<Question, Answer>>,
}

/// All that the answer depends on.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Question {
    host: String,
    config: Option<PathBuf>,
    port: Option<u16>,
    user: Option<String>,
    jump: Option<Vec<String>>,
}

/// What OpenSSH would do to reach each of the targets, in their order; nothing is connected. An error says what is wrong
/// with the configuration. `program` is the `ssh` that is asked.
pub async fn routes(targets: &[Target], program: PathBuf) -> Vec<Result<Route, String>> {
    let questions = Questions::new(program);
    let asked = targets.iter().map(|target| questions.route(target));
    futures::stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await
}

/// A line of a configuration file that `ssh` does not take, which ends its reading of the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Counted from 1.
    pub line: usize,
    /// Whether `ssh` does not know its first word at all, as of lines that are none of a configuration.
    pub unknown: bool,
    /// What `ssh` said of it, without the file's name.
    pub why: String,
}

/// The lines of the configuration file `config` that `ssh` does not take: all that it does not know, or the first that
/// is wrong otherwise.
///
/// # Errors
/// When `ssh` could not be asked, or cannot use the file for another reason, which is what it said.
pub async fn refused_lines(program: &Path, config: &Path, host: &str) -> Result<Vec<Refused>, String> {
    let question = Question { host: host.into(), config: Some(config.into()), ..Question::default() };
    let output = run(question.command(program), host).await?.ok_or("OpenSSH's `ssh` is not in PATH")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let file = config.display().to_string();
    let refused: Vec<Refused> = said.lines().filter_map(|line| refused(line, &file)).collect();
    match refused.is_empty() && !output.status.success() {
        true => Err(said.trim().replace('\n', "; ")),
        false => Ok(refused),
    }
}

/// `FILE: line 3: Bad configuration option: pord`, `FILE line 2: Bad port 'x1'.` (OpenSSH: readconf.c).
fn refused(said: &str, file: &str) -> Option<Refused> {
    const UNKNOWN: &str = "Bad configuration option";
    // ssh prints no more than 200 bytes of a path there.
    let rest = said.strip_prefix(file).or_else(|| said.strip_prefix(file.get(..200)?))?;
    let rest = rest.trim_start_matches(':').trim_start().strip_prefix("line ")?;
    let (line, why) = rest.split_once(": ")?;
    Some(Refused { line: line.parse().ok()?, unknown: why.starts_with(UNKNOWN), why: why.trim().to_owned() })
}

/// Runs `ssh -G` to its end; nothing if there is no such program.
async fn run(mut command: Command, host: &str) -> Result<Option<Output>, String> {
    match tokio::time::timeout(LIMIT, command.output()).await {
        Err(_) => Err(format!("`ssh -G {host}` did not end within {} s", LIMIT.as_secs())),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Ok(Err(error)) => Err(format!("`ssh -G {host}` could not be started: {error}")),
        Ok(Ok(output)) => Ok(Some(output)),
    }
}

impl Questions {
    pub fn new(program: PathBuf) -> Self {
        Questions { program, places: Semaphore::new(SIDE_BY_SIDE), answers: Mutex::default() }
    }

    /// The next hop to `target`. Fails with what is wrong with the configuration.
    pub async fn route(&self, target: &Target) -> Result<Route, String> {
        let Target { host, config, port, user, jump, .. } = target.clone();
        let question = Question { host, config, port, user, jump };
        let cell = self.cell(&question);
        let settings = cell.get_or_init(async || self.settings(&question).await.map(Arc::new)).await.clone()?;
        route::route(target, &settings)
    }

    fn cell(&self, question: &Question) -> Answer {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(question.clone()).or_default().clone()
    }

    async fn settings(&self, question: &Question) -> Result<Settings, String> {
        if let Some(config) = &question.config {
            // `ssh` would wait for a FIFO's writer. One that is not there is its own to tell.
            refuse_irregular(config)
                .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .map_err(|error| format!("{} cannot be read: {error}", config.display()))?;
        }
        match self.ask(question).await? {
            Some(settings) => Ok(settings),
            None => read(question),
        }
    }

    /// What `ssh -G` prints, or nothing if there is no such program.
    async fn ask(&self, question: &Question) -> Result<Option<Settings>, String> {
        // The semaphore is never closed.
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let host = &question.host;
        let Some(output) = run(question.command(&self.program), host).await? else { return Ok(None) };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`ssh -G {host}` failed: {}", said.trim().replace('\n', "; ")));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let pair =
            |line: &str| line.split_once(' ').map(|(keyword, value)| (keyword.to_ascii_lowercase(), value.to_string()));
        Ok(Some(text.lines().filter_map(pair).collect()))
    }
}

impl Question {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-G").stdin(Stdio::null()).kill_on_drop(true);
        if let Some(config) = &self.config {
            command.arg("-F").arg(config);
        }
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        if let Some(jumps) = &self.jump {
            command.arg("-J").arg(if jumps.is_empty() { "none".to_string() } else { jumps.join(",") });
        }
        command.arg("--").arg(&self.host);
        command
    }
}

/// The same from the files themselves. Without an ssh program there is seldom a configuration at all.
fn read(question: &Question) -> Result<Settings, String> {
    let files = match &question.config {
        Some(config) => vec![config.clone()],
        None => vec![home("~/.ssh/config"), PathBuf::from("/etc/ssh/ssh_config")],
    };
    let mut settings = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match read_regular(&file, LARGEST) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                settings.extend(ssh_config::settings(&text, &name, &question.host)?);
            }
            Err(error) if error.kind() == ErrorKind::NotFound && question.config.is_none() => {}
            Err(error) => return Err(format!("{name} cannot be read: {error}")),
        }
    }
    let mut settings = ssh_config::with_host_name(settings, &question.host);
    let missing = |keyword: &str, settings: &[(String, String)]| !settings.iter().any(|(known, _)| known == keyword);
    if missing("identityfile", &settings) {
        settings.extend(USUAL_IDENTITIES.map(|path| ("identityfile".to_string(), path.to_string())));
    }
    for (keyword, value) in [
        ("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"),
        ("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"),
    ] {
        if missing(keyword, &settings) {
            settings.push((keyword.to_string(), value.to_string()));
        }
    }
    Ok(settings)
}
