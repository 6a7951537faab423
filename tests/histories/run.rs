//! One cowhand of a history: the real binary, in a workspace and a home of its own, with a key that tells the machines who comes.

use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cowhand::local::Workspace;
use russh::keys::HashAlg;
use russh::keys::ssh_key::LineEnding;
use serde_json::Value;

use crate::world::{Blow, Fault, HOSTNAME, RunSeen, World};

/// Longer than any run may take here.
const LIMIT: Duration = Duration::from_secs(120);

/// What befalls a run from its beginning.
#[derive(Debug, Clone, Default)]
pub struct How {
    pub fault: Option<Fault>,
    /// Seconds by which its wall clock is wrong.
    pub clock: i64,
    /// `FAILPOINTS`, e.g. `disk.place=2*off->panic`.
    pub points: String,
}

impl How {
    /// It is stopped at a change, for longer than the lock on a machine waits for it: 6 s here in place of 60, and its beats
    /// come ten times as often.
    pub fn asleep(at: usize, time: Duration) -> How {
        let fault = Some(Fault { at, blow: Blow::Stop(time) });
        How { fault, points: "node-lock.patience=return(6)".into(), ..How::default() }
    }
}

/// A cowhand that was started.
pub struct Run {
    pub number: usize,
    pub words: String,
    child: Child,
    home: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub said: String,
}

impl Ended {
    /// Whether the stage cluster ended well: as far as a run comes here.
    pub fn has_built(&self) -> bool {
        let events = self.said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut ends = events.filter(|event| event["event"] == "stage-finished" && event["stage"] == "cluster");
        ends.any(|event| event["outcome"] != "failed")
    }
}

/// An inventory of these machines; the first three are of all planes, others are workers. `config` is how they are reached.
fn inventory(world: &World, name: &str, nodes: &[usize], config: &Path) -> String {
    let mut text = format!("name: {name}\nssh: {{user: root, config: {}}}\nnodes:\n", config.display());
    for index in nodes {
        let node = &world.nodes[*index];
        let roles = if *index < 3 { "[controlplane, etcd, worker]" } else { "[worker]" };
        text += &format!(
            "- {{name: {}, address: {}, roles: {roles}, ssh: {{host: 127.0.0.1, port: {}}}}}\n",
            node.name, node.address, node.port
        );
    }
    let at = |file: &str| world.path(file).display().to_string();
    text + &format!(
        "engine: {{rke: {{kubernetes: v1.32.2-rancher1-1, binary: {}}}}}\nhelm: {}\ndns: {{server: '127.0.0.1:{}'}}\n\
         ingress: {{provider: traefik}}\n\
         rancher: {{hostname: {HOSTNAME}, version: 2.11.3, delivery: helm, tls: {{mode: ingress, issuer: ca}}}}\n",
        at("rke"),
        at("helm"),
        world.dns_port
    )
}

impl World {
    /// An empty folder for inventories.
    pub fn workspace(&self, name: &str) -> Workspace {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let path = self.path(name);
            std::fs::write(&path, text.replace("@PORT@", &self.rke_port.to_string())).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        write("rke", include_str!("rke.sh"));
        write("helm", include_str!("helm.sh"));
        Workspace::at(folder)
    }

    /// Starts a cowhand with an inventory of its own: of this name, with these nodes.
    pub fn start(&self, workspace: &Workspace, words: &[&str], (name, nodes): (&str, &[usize]), how: &How) -> Run {
        let key = crate::ssh::new_key();
        let state = workspace.state_bytes().ok().flatten();
        let state: Option<Value> = state.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let number = {
            let mut book = self.book();
            let number = book.runs.len();
            book.keys.insert(key.public_key().fingerprint(HashAlg::Sha256).to_string(), number);
            let mut may: BTreeSet<usize> = nodes.iter().copied().collect();
            may.extend(state.iter().flat_map(addresses).filter_map(|address| self.node_at(&address)));
            let knows = state.iter().filter_map(ca).collect();
            book.runs.push(RunSeen { may, knows, fault: how.fault.clone(), ..RunSeen::default() });
            number
        };
        let home = self.home(number, &key.to_openssh(LineEnding::LF).unwrap());
        let file = workspace.folder().join(format!("run-{number}.yml"));
        std::fs::write(&file, inventory(self, name, nodes, &home.join("config"))).unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cowhand"));
        command.args(words).args(["--output", "json", "-i"]).arg(&file).current_dir(workspace.folder()).env_clear();
        command.env("HOME", &home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if how.clock != 0 {
            command.env("LD_PRELOAD", clock()).env("PLAYED_CLOCK", how.clock.to_string());
        }
        if !how.points.is_empty() {
            command.env("FAILPOINTS", &how.points);
        }
        let log = std::fs::File::create(home.join("said")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.book().runs[number].pid = Some(child.id());
        Run { number, words: words.join(" "), child, home }
    }

    /// A home with this key, and every machine known.
    fn home(&self, number: usize, key: &str) -> PathBuf {
        let home = self.path(&format!("run-{number}"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&home).unwrap();
        let put = |name: &str, text: &str| {
            let path = home.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            path
        };
        let identity = put("id", key);
        let host = self.host_key.public_key().to_openssh().unwrap();
        let known: String = self.nodes.iter().map(|node| format!("[127.0.0.1]:{} {host}\n", node.port)).collect();
        let known = put("known_hosts", &known);
        let config = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            identity.display(),
            known.display()
        );
        put("config", &config);
        home
    }
}

impl Run {
    /// Waits for its end.
    pub fn end(mut self, world: &Arc<World>) -> Ended {
        let end = Instant::now() + LIMIT;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > end => {
                    world.broken(format!("`{}` did not end within {} s", self.words, LIMIT.as_secs()));
                    self.child.kill().unwrap();
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        world.book().runs[self.number].ended = true;
        Ended { code: status.code(), said: std::fs::read_to_string(self.home.join("said")).unwrap() }
    }
}

/// The CA of a state.
pub fn ca(state: &Value) -> Option<String> {
    let ca = state.pointer("/desiredState/certificatesBundle/kube-ca/certificatePEM")?;
    ca.as_str().map(str::to_owned)
}

fn addresses(state: &Value) -> Vec<String> {
    let halves = ["/desiredState", "/currentState"].map(|half| format!("{half}/rkeConfig/nodes"));
    let nodes = halves.iter().filter_map(|half| state.pointer(half)?.as_array()).flatten();
    nodes.filter_map(|node| node["address"].as_str().map(str::to_owned)).collect()
}

/// The library that moves a clock, made once for all histories.
fn clock() -> &'static Path {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
        std::fs::write(&source, include_str!("clock.c")).unwrap();
        let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
        assert!(made.success());
        (folder, library)
    });
    library
}
