//! What rke's log says: its lines read, its progress, the warnings that matter, its last words
//! (`rke_explain` says what they mean). Pure.
//!
//! rke writes everything to stdout, as logfmt or, on a terminal, as `INFO[0000] text`, and it ends with exit code 0
//! after failed user addons and after hosts that it dropped (rancher/rke: cmd/up.go, cluster/addons.go,
//! cluster/hosts.go). So success is what this reader finds, not the exit code.

use std::borrow::Cow;

use crate::engine::rke::explain::{Explained, Heard};
use crate::engine::rke::line::{Level, RkeLine};

/// How far a run is: `done` and `percent` never fall, and `done` equals `of` only at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub of: usize,
    /// From 0 to 100, by the time that the milestones take.
    pub percent: u16,
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

/// The milestones of `rke up` in their order: how the message begins, what it means to a person, and the second at which
/// it was reached in a first run that took [`WHOLE`] seconds (rke v1.8.0, three nodes: `tests/data/rke/up-fresh.log`; metrics,
/// ingress and the addon, which that run lacked, are estimated).
const MILESTONES: &[(&str, &str, u16)] = &[
    ("Initiating Kubernetes cluster", "preparing", 0),
    ("[certificates] Generating", "making certificates", 3),
    ("Building Kubernetes cluster", "reaching the nodes", 4),
    ("[network] Deploying port listener", "checking ports between the nodes", 4),
    ("[network] Running control plane -> etcd", "checking ports between the nodes", 7),
    ("[network] Running workers -> control plane", "checking ports between the nodes", 9),
    ("[certificates] Deploying kubernetes certificates", "bringing certificates to the nodes", 11),
    ("[reconcile] Reconciling cluster state", "comparing with what is there", 26),
    ("Pre-pulling kubernetes images", "pulling images", 26),
    ("Kubernetes images pulled", "images are there", 26),
    ("[etcd] Building up etcd plane", "starting etcd", 26),
    ("[etcd] Successfully started etcd plane", "etcd started, checking its health", 55),
    ("[controlplane] Building up Controller Plane", "starting the control plane", 55),
    ("[controlplane] Successfully started Controller Plane", "control plane started", 79),
    ("[authz] Creating rke-job-deployer", "setting up accounts", 79),
    ("[state] Saving full cluster state", "saving the state", 79),
    ("[worker] Building up Worker Plane", "starting the workers", 80),
    ("[worker] Successfully started Worker Plane", "workers started", 93),
    ("[sync] Syncing nodes Labels and Taints", "labelling the nodes", 95),
    ("[network] Setting up network plugin", "setting up the network", 95),
    ("[addons] Setting up coredns", "setting up DNS in the cluster", 100),
    ("[addons] Setting up Metrics Server", "setting up metrics", 107),
    ("[ingress] Setting up", "setting up the ingress", 108),
    ("[addons] Setting up user addons", "applying addons", 110),
    (FINISHED, "done", 120),
];

/// What that run took, with Rancher's addon.
const WHOLE: u16 = 120;

const FINISHED: &str = "Finished building Kubernetes cluster successfully";
/// The last line of `rke cert rotate`, which has no other end (rancher/rke v1.8.0: cmd/cert.go, services/workerplane.go).
const ROTATED: &str = "[worker] Successfully restarted Worker Plane..";
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
    heard: Heard,
}

/// So many different warnings of a run are kept; those that decide whether it was a success always are.
const MOST_TROUBLES: usize = 500;

impl RkeLog {
    /// `names`: address as it stands in cluster.yml, name in the inventory.
    pub fn new(names: Vec<(String, String)>) -> Self {
        RkeLog { names, ..RkeLog::default() }
    }

    /// Takes in one line; returns what is new to tell.
    pub fn hear(&mut self, line: &RkeLine) -> Option<Progress> {
        let message = line.message.as_str();
        self.heard.hear(line);
        match line.level {
            Level::Fatal => self.fatal = Some(message.to_owned()),
            Level::Warning | Level::Error => self.warned(message),
            Level::Info => {
                self.finished |= [FINISHED, ROTATED, REMOVED].contains(&message);
                self.state_writes += usize::from(message.starts_with("Successfully Deployed state file"));
                return self.progress(message);
            }
            // A Go panic is the end, whatever the exit code says.
            Level::Bare if message.starts_with("panic: ") => self.fatal = Some(message.to_owned()),
            Level::Debug | Level::Bare => {}
        }
        None
    }

    fn warned(&mut self, message: &str) {
        let Some(trouble) = classify(message) else { return };
        let fits = trouble.is_failure() || self.troubles.len() < MOST_TROUBLES;
        if fits && !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
        }
    }

    fn progress(&mut self, message: &str) -> Option<Progress> {
        let reached = MILESTONES.iter().position(|(start, _, _)| message.starts_with(start));
        let text = match reached {
            Some(index) => MILESTONES[index].1.to_owned(),
            None => self.named(detail(message)?),
        };
        // Lines of several nodes mix; what was reached stays reached.
        self.done = self.done.max(reached.map_or(0, |index| index + 1));
        let reached = self.done.checked_sub(1).map_or(0, |index| MILESTONES[index].2);
        Some(Progress { done: self.done, of: MILESTONES.len(), percent: reached * 100 / WHOLE, text })
    }

    fn named(&self, text: String) -> String {
        let named = self.names.iter().find(|(address, _)| text.ends_with(&format!(" {address}")));
        named.map(|(address, name)| text.replace(address, name)).unwrap_or(text)
    }

    /// rke's last words when it gave up.
    pub fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// Why it ended, by the whole log.
    pub fn explained(&self) -> Option<&'static Explained> {
        self.heard.explained()
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
#[path = "log_tests.rs"]
mod tests;
