//! What rke's log says: its lines read, its progress, the warnings that matter, its last words
//! (`rke_explain` says what they mean). Pure.
//!
//! rke writes everything to stdout, as logfmt or, on a terminal, as `INFO[0000] text`, and it ends with exit code 0
//! after failed user addons and after hosts that it dropped (rancher/rke: cmd/up.go, cluster/addons.go,
//! cluster/hosts.go). So success is what this reader finds, not the exit code.

use std::borrow::Cow;

/// logrus's levels, and lines that are none of its own (a Go panic, a question).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
    Bare,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RkeLine {
    pub level: Level,
    pub message: String,
}

/// How far a run is: `done` never falls, and equals `of` only at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub of: usize,
    pub text: String,
}

/// A warning or error that decides whether the run was a success, or that a person has to know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The job of an addon failed; rke goes on and exits 0 when it is one of the user's.
    AddonFailed {
        addon: String,
        why: String,
    },
    /// A file or URL of `addons_include` was left out.
    AddonSkipped {
        addon: String,
    },
    /// SSH or Docker of a node did not answer.
    Unreachable {
        host: String,
        why: String,
    },
    /// A node was left out of the whole run.
    Dropped {
        host: String,
    },
    EtcdUnhealthy {
        host: String,
        why: String,
    },
    NodeNotReady {
        node: String,
    },
    Other {
        text: String,
    },
}

impl RkeLine {
    pub fn parse(line: &str) -> Self {
        let line = line.trim_end();
        logfmt(line).or_else(|| terminal(line)).unwrap_or_else(|| RkeLine { level: Level::Bare, message: line.into() })
    }
}

fn level(word: &str) -> Option<Level> {
    match word {
        "debug" | "DEBU" | "trace" | "TRAC" => Some(Level::Debug),
        "info" | "INFO" => Some(Level::Info),
        "warning" | "WARN" => Some(Level::Warning),
        "error" | "ERRO" => Some(Level::Error),
        "fatal" | "FATA" | "panic" | "PANI" => Some(Level::Fatal),
        _ => None,
    }
}

/// `time="…" level=info msg="…"`; the message is quoted as Go does when it has to be.
fn logfmt(line: &str) -> Option<RkeLine> {
    let (_, rest) = line.strip_prefix("time=")?.split_once(" level=")?;
    let (word, rest) = rest.split_once(" msg=")?;
    let message = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => rest.to_owned(),
    };
    Some(RkeLine { level: level(word)?, message })
}

/// What stands up to the closing quote, with Go's escapes undone.
fn unquote(quoted: &str) -> String {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => {}
                Some(other) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

/// `INFO[0012] text`, perhaps with colours.
fn terminal(line: &str) -> Option<RkeLine> {
    let plain = without_colours(line);
    let (word, rest) = plain.split_once('[')?;
    let (seconds, message) = rest.split_once(']')?;
    let is_stamp = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_stamp.then_some(())?;
    Some(RkeLine { level: level(word)?, message: message.trim().to_owned() })
}

fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\x1b') {
        return line.into();
    }
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest)).into()
}

/// The milestones of `rke up` in their order: how the message begins, and what it means to a person.
const MILESTONES: &[(&str, &str)] = &[
    ("Initiating Kubernetes cluster", "preparing"),
    ("[certificates] Generating", "making certificates"),
    ("Building Kubernetes cluster", "reaching the nodes"),
    ("[network] Deploying port listener", "checking ports between the nodes"),
    ("[network] Running control plane -> etcd", "checking ports between the nodes"),
    ("[network] Running workers -> control plane", "checking ports between the nodes"),
    ("[certificates] Deploying kubernetes certificates", "bringing certificates to the nodes"),
    ("[reconcile] Reconciling cluster state", "comparing with what is there"),
    ("Pre-pulling kubernetes images", "pulling images"),
    ("Kubernetes images pulled", "images are there"),
    ("[etcd] Building up etcd plane", "starting etcd"),
    ("[etcd] Successfully started etcd plane", "etcd started, checking its health"),
    ("[controlplane] Building up Controller Plane", "starting the control plane"),
    ("[controlplane] Successfully started Controller Plane", "control plane started"),
    ("[authz] Creating rke-job-deployer", "setting up accounts"),
    ("[state] Saving full cluster state", "saving the state"),
    ("[worker] Building up Worker Plane", "starting the workers"),
    ("[worker] Successfully started Worker Plane", "workers started"),
    ("[sync] Syncing nodes Labels and Taints", "labelling the nodes"),
    ("[network] Setting up network plugin", "setting up the network"),
    ("[addons] Setting up coredns", "setting up DNS in the cluster"),
    ("[addons] Setting up Metrics Server", "setting up metrics"),
    ("[ingress] Setting up", "setting up the ingress"),
    ("[addons] Setting up user addons", "applying addons"),
    (FINISHED, "done"),
];

const FINISHED: &str = "Finished building Kubernetes cluster successfully";
const REMOVED: &str = "Cluster removed successfully";

/// Said of every control plane node on every first run, and of unofficial builds: nothing to do about it.
const USUAL_WARNINGS: &[&str] = &["without reachable Kubernetes API endpoint", "no control plane node with reachable"];

/// Reads a whole run, line by line.
#[derive(Debug, Default)]
pub struct RkeLog {
    /// Address of each node with the name people know it by.
    names: Vec<(String, String)>,
    done: usize,
    fatal: Option<String>,
    finished: bool,
    state_writes: usize,
    troubles: Vec<Trouble>,
}

impl RkeLog {
    /// `names`: address as it stands in cluster.yml, name in the inventory.
    pub fn new(names: Vec<(String, String)>) -> Self {
        RkeLog { names, ..RkeLog::default() }
    }

    /// Takes in one line; returns what is new to tell.
    pub fn hear(&mut self, line: &RkeLine) -> Option<Progress> {
        let message = line.message.as_str();
        match line.level {
            Level::Fatal => self.fatal = Some(message.to_owned()),
            Level::Warning | Level::Error => self.troubles.extend(classify(message)),
            Level::Info => {
                self.finished |= message == FINISHED || message == REMOVED;
                self.state_writes += usize::from(message.starts_with("Successfully Deployed state file"));
                return self.progress(message);
            }
            // A Go panic is the end, whatever the exit code says.
            Level::Bare if message.starts_with("panic: ") => self.fatal = Some(message.to_owned()),
            Level::Debug | Level::Bare => {}
        }
        None
    }

    fn progress(&mut self, message: &str) -> Option<Progress> {
        let reached = MILESTONES.iter().position(|(start, _)| message.starts_with(start));
        let text = match reached {
            Some(index) => MILESTONES[index].1.to_owned(),
            None => self.named(detail(message)?),
        };
        // Lines of several nodes mix; what was reached stays reached.
        self.done = self.done.max(reached.map_or(0, |index| index + 1));
        Some(Progress { done: self.done, of: MILESTONES.len(), text })
    }

    fn named(&self, text: String) -> String {
        let named = self.names.iter().find(|(address, _)| text.ends_with(&format!(" {address}")));
        named.map(|(address, name)| text.replace(address, name)).unwrap_or(text)
    }

    /// rke's last words when it gave up.
    pub fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// It said that it reached the end. Troubles may still stand against it.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// How often it has written the state file so far.
    pub fn state_writes(&self) -> usize {
        self.state_writes
    }

    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }
}

/// The text between the first `[` after `before` and the next `]`.
fn bracketed<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.strip_prefix('[')?.split_once(']').map(|(inside, _)| inside)
}

/// Lines between milestones that tell a waiting person something; the name or address of the node comes last.
fn detail(message: &str) -> Option<String> {
    let host = || bracketed(message, "on host ").or_else(|| bracketed(message, "for host "));
    if message.starts_with("[healthcheck] service ") && message.ends_with("is healthy") {
        return Some(format!("{} is healthy on {}", bracketed(message, "service ")?, host()?));
    }
    if message.starts_with("[healthcheck] Start Healthcheck") {
        return Some(format!("waiting for {} on {}", bracketed(message, "service ")?, host()?));
    }
    if message.starts_with("Pulling image ") {
        return Some(format!("pulling {} on {}", bracketed(message, "image ")?, host()?));
    }
    if message.starts_with("[dialer] Setup tunnel") {
        return Some(format!("reaching {}", host()?));
    }
    if let Some(job) = message.strip_prefix("[addons] Executing deploy job ") {
        return Some(format!("waiting for addon {job}"));
    }
    if let Some((_, node)) = message.split_once("Now checking status of node ") {
        return Some(format!("waiting for node {} to be Ready", node.split(',').next()?));
    }
    if message.starts_with("[hosts] Cleaning up host ") {
        return Some(format!("cleaning {}", bracketed(message, "host ")?));
    }
    message.contains("Tearing down").then(|| "taking the cluster down".to_owned())
}

fn classify(message: &str) -> Option<Trouble> {
    if USUAL_WARNINGS.iter().any(|usual| message.contains(usual)) {
        return None;
    }
    let after = |token: &str| message.split_once(token).map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
    let owned = |text: &str| text.to_owned();
    if let Some(addon) = bracketed(message, "Failed to deploy addon execute job ") {
        return Some(Trouble::AddonFailed { addon: owned(addon), why: after("]:") });
    }
    if message.starts_with("Failed to deploy DNS addon") {
        return Some(Trouble::AddonFailed { addon: "dns".into(), why: after(": ") });
    }
    if message.starts_with("[addons] Unable to determine if ") {
        let addon = after("Unable to determine if ");
        return Some(Trouble::AddonSkipped { addon: owned(addon.split(" is a file").next().unwrap_or(&addon)) });
    }
    if let Some(host) = bracketed(message, "Failed to set up SSH tunneling for host ") {
        return Some(Trouble::Unreachable { host: owned(host), why: after("]:") });
    }
    if let Some(host) = bracketed(message, "Removing host ") {
        return Some(Trouble::Dropped { host: owned(host) });
    }
    if message.contains("failed to check etcd health") {
        return Some(Trouble::EtcdUnhealthy { host: owned(bracketed(message, "host ")?), why: after("health: ") });
    }
    if let Some((node, _)) = message.strip_prefix("Host ").and_then(|rest| rest.split_once(" failed to report Ready")) {
        return Some(Trouble::NodeNotReady { node: owned(node) });
    }
    Some(Trouble::Other { text: owned(message) })
}

impl Trouble {
    /// Whether a run with it is no success although rke may have exited with 0.
    pub fn is_failure(&self) -> bool {
        match self {
            Trouble::AddonFailed { .. } | Trouble::AddonSkipped { .. } | Trouble::Dropped { .. } => true,
            // These rke tries again by itself: when they mattered, the run ended with them.
            Trouble::Unreachable { .. }
            | Trouble::EtcdUnhealthy { .. }
            | Trouble::NodeNotReady { .. }
            | Trouble::Other { .. } => false,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::AddonFailed { addon, why } => write!(f, "addon {addon} failed: {why}"),
            Trouble::AddonSkipped { addon } => write!(f, "addon file {addon} was left out: rke could not read it"),
            Trouble::Unreachable { host, why } => write!(f, "{host} could not be reached: {why}"),
            Trouble::Dropped { host } => write!(f, "{host} was left out of the run"),
            Trouble::EtcdUnhealthy { host, why } => write!(f, "etcd on {host} is not healthy: {why}"),
            Trouble::NodeNotReady { node } => write!(f, "node {node} is not Ready"),
            Trouble::Other { text } => f.write_str(text),
        }
    }
}

/// A line as it may be kept: rke prints S3 access keys and, with debug on, whole files.
pub fn redact(line: &str) -> Cow<'_, str> {
    const MARKS: &[&str] = &["PRIVATE KEY", "password", "secret-key", "secretkey", "secret_key", "bearer "];
    let lower = line.to_lowercase();
    if MARKS.iter().any(|mark| lower.contains(&mark.to_lowercase())) || has_long_base64(line) {
        return "(a line that looks like a secret was left out here)".into();
    }
    match line.split_once("accesskey [") {
        Some((before, rest)) => {
            let after = rest.split_once(']').map_or("", |(_, after)| after);
            format!("{before}accesskey [left out]{after}").into()
        }
        None => line.into(),
    }
}

/// PEM and tokens come as runs of base64; digests and paths are shorter.
fn has_long_base64(line: &str) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=' | b'_' | b'-');
    line.as_bytes().split(|byte| !is_base64(byte)).any(|run| run.len() >= 100)
}

#[cfg(test)]
#[path = "rke_log_tests.rs"]
mod tests;
