//! The world of a history: machines, what lies and runs on them, who changed what, and the laws that each change is held
//! against at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::pki::Authority;

pub const HOSTNAME: &str = "rancher.example.com";
/// The last one is somebody else's, with a cluster of its own on it.
pub const MACHINES: usize = 5;
pub const STRANGER: usize = MACHINES - 1;

pub struct World {
    pub folder: TempDir,
    pub nodes: Vec<Node>,
    /// Where the played rke asks for its brain.
    pub rke_port: u16,
    pub dns_port: u16,
    pub host_key: russh::keys::PrivateKey,
    book: Mutex<Book>,
}

/// A machine as inventories name it; it listens on loopback.
pub struct Node {
    pub name: String,
    pub address: String,
    pub port: u16,
}

/// What is on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    pub containers: BTreeSet<String>,
    /// PEM of the cluster's CA in `/etc/kubernetes/ssl`.
    pub ca: Option<String>,
    pub etcd_data: bool,
    /// What `rke remove` leaves: the sweep's business.
    pub remains: bool,
}

/// What belongs to a CA: from its making until nobody needs it.
pub struct Cluster {
    pub authority: Arc<Authority>,
    /// Name, address and roles of each node that has joined.
    pub nodes: BTreeMap<String, (String, Vec<String>)>,
    /// Secret `full-cluster-state`.
    pub state: Option<String>,
}

/// One cowhand.
#[derive(Default)]
pub struct RunSeen {
    pub pid: Option<u32>,
    /// Machines of its inventory and of its state.
    pub may: BTreeSet<usize>,
    /// CAs of its state, and the one that its rke made.
    pub knows: Vec<String>,
    pub acts: usize,
    pub fault: Option<Fault>,
    pub ended: bool,
    pub wires: Vec<CancellationToken>,
}

/// What befalls a run at its n-th change of a machine.
#[derive(Debug, Clone)]
pub struct Fault {
    pub at: usize,
    pub blow: Blow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blow {
    Kill,
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
    /// Every SSH connection of the run breaks.
    Cut,
}

/// A change of a machine.
#[derive(Debug, Clone)]
pub enum Change {
    Certificates(String),
    Container(String),
    Remove,
    Sweep,
}

#[derive(Default)]
pub struct Book {
    pub machines: Vec<Machine>,
    pub clusters: BTreeMap<String, Cluster>,
    pub runs: Vec<RunSeen>,
    /// Run of each key by its fingerprint.
    pub keys: HashMap<String, usize>,
    pub acts: Vec<(usize, usize, String)>,
    /// Which laws were broken, and how.
    pub broken: Vec<String>,
    /// `kube-system/cowhand`.
    pub lease: Option<serde_json::Value>,
    /// Every machine says that its lock is held, to everybody: for the test that histories can fail.
    pub locks_lie: bool,
}

impl World {
    pub async fn new() -> Arc<World> {
        let mut listeners = Vec::new();
        let mut nodes = Vec::new();
        for index in 1..=MACHINES {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            nodes.push(Node { name: format!("n{index}"), address: format!("10.0.0.1{index}"), port });
            listeners.push(listener);
        }
        let rke = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let dns = tokio::net::UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let world = Arc::new(World {
            folder: tempfile::tempdir().unwrap(),
            nodes,
            rke_port: rke.local_addr().unwrap().port(),
            dns_port: dns.local_addr().unwrap().port(),
            host_key: crate::ssh::new_key(),
            book: Mutex::default(),
        });
        world.furnish();
        for (index, listener) in listeners.into_iter().enumerate() {
            tokio::spawn(crate::ssh::listen(world.clone(), index, listener));
        }
        tokio::spawn(crate::rke::listen(world.clone(), rke));
        tokio::spawn(crate::said::resolve(dns));
        world
    }

    /// The machines as they are at first.
    fn furnish(&self) {
        let mut book = self.book();
        book.machines = vec![Machine::default(); MACHINES];
        let authority = Arc::new(Authority::new());
        let theirs = ["etcd", "kube-apiserver", "kubelet"].map(str::to_owned);
        let ca = Some(authority.pem.clone());
        book.machines[STRANGER] = Machine { containers: theirs.into(), ca, etcd_data: true, remains: true };
        let node = (self.nodes[STRANGER].name.clone(), (self.nodes[STRANGER].address.clone(), vec!["etcd".into()]));
        let cluster = Cluster { authority: authority.clone(), nodes: [node].into(), state: None };
        book.clusters.insert(authority.pem.clone(), cluster);
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn node_at(&self, address: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.address == address)
    }

    pub fn machine(&self, node: usize) -> Machine {
        self.book().machines[node].clone()
    }

    /// The run of a wire that is to break with it.
    pub fn wire(&self, run: usize) -> CancellationToken {
        let wire = CancellationToken::new();
        self.book().runs[run].wires.push(wire.clone());
        wire
    }

    pub fn broken(&self, law: String) {
        self.book().broken.push(law);
    }

    /// A run changes a machine. It comes to pass, whatever law it breaks.
    pub fn act(&self, run: usize, node: usize, change: &Change) {
        let mut book = self.book();
        let laws = book.laws(run, node, change);
        book.broken.extend(laws);
        book.acts.push((run, node, change.to_string()));
        book.machines[node].change(change);
        let seen = &mut book.runs[run];
        seen.acts += 1;
        let Some(fault) = seen.fault.clone().filter(|fault| fault.at == seen.acts) else { return };
        strike(seen, &fault.blow);
    }
}

fn strike(run: &mut RunSeen, blow: &Blow) {
    let pid = run.pid.and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("the run has begun");
    match blow {
        // One that has ended by itself meanwhile feels nothing.
        Blow::Kill => drop(kill_process(pid, Signal::KILL)),
        Blow::Stop(time) => {
            let time = *time;
            let _ = kill_process(pid, Signal::STOP);
            std::thread::spawn(move || {
                std::thread::sleep(time);
                let _ = kill_process(pid, Signal::CONT);
            });
        }
        Blow::Cut => run.wires.drain(..).for_each(|wire| wire.cancel()),
    }
}

impl Book {
    fn laws(&self, run: usize, node: usize, change: &Change) -> Vec<String> {
        let (seen, machine) = (&self.runs[run], &self.machines[node]);
        let mut broken = Vec::new();
        let mut law = |holds: bool, what: &str| {
            if !holds {
                broken.push(format!("{what}: run {run} on n{}, {change}", node + 1));
            }
        };
        let mine = self.acts.iter().rposition(|(other, ..)| *other == run);
        let others = self.acts.iter().rposition(|(other, ..)| *other != run);
        law(mine.is_none() || others.is_none_or(|at| Some(at) < mine), "changes of two runs overlap");
        law(!seen.ended, "a run that is gone changes something");
        law(seen.may.contains(&node), "a machine that is neither in the state nor in the inventory");
        match (change, &machine.ca) {
            (Change::Certificates(ca), Some(there)) => law(ca == there, "a second CA over a cluster"),
            (Change::Container(_) | Change::Remove | Change::Sweep, Some(there)) => {
                law(seen.knows.contains(there), "a change of a cluster that the run has no state of");
            }
            (_, None) => {}
        }
        broken
    }

    pub fn cluster_of(&self, node: usize) -> Option<&Cluster> {
        self.clusters.get(self.machines[node].ca.as_ref()?)
    }

    /// Whether something of this CA's cluster runs or lies on a machine.
    pub fn lives(&self, ca: &str) -> bool {
        self.machines.iter().any(|machine| machine.ca.as_deref() == Some(ca))
    }
}

impl Machine {
    fn change(&mut self, change: &Change) {
        match change {
            Change::Certificates(ca) => self.ca = Some(ca.clone()),
            Change::Container(name) => {
                self.etcd_data |= name == "etcd";
                self.remains = true;
                self.containers.insert(name.clone());
            }
            Change::Remove => *self = Machine { remains: true, ..Machine::default() },
            Change::Sweep => *self = Machine::default(),
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Certificates(_) => f.write_str("certificates"),
            Change::Container(name) => write!(f, "container {name}"),
            Change::Remove => f.write_str("rke remove"),
            Change::Sweep => f.write_str("sweep"),
        }
    }
}
