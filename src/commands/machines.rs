//! The inventory's machines, connected once for the whole run.

use std::sync::Arc;

use secrecy::SecretString;

use super::{Connect, Context};
use crate::facts::outside::{Open, Opened, Origin};
use crate::inventory::{Inventory, Node};
use crate::remote::{
    Ask, ConnectError, ConnectOptions, Connection, Door, Forward, FrontNode, NODE_LOCK, Nobody, NodeLock, Offered,
    Remote, Stdin, Target, Words, connect_all,
};
use crate::report::{Console, Exit, Failure, Output, Pauser, TerminalAsk};

/// How long saying goodbye may take.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// A node and the connection to it.
pub struct Machine {
    pub node: Node,
    pub connection: Connection,
}

/// All nodes, each reached or not.
pub struct Machines {
    pub reached: Vec<Machine>,
    /// The answer of every node, in the inventory's order.
    pub answers: Vec<(String, Result<Connection, ConnectError>)>,
}

impl Machines {
    /// Connects to every node side by side.
    pub async fn connect(inventory: &Inventory, how: &Connect, context: &Context, screen: Option<Pauser>) -> Machines {
        let targets: Vec<Target> = inventory.nodes.iter().map(target).collect();
        let options = ConnectOptions {
            accept_new_host_keys: how.accept_new_host_keys,
            ask: asker(&context.console, screen),
            ..ConnectOptions::default()
        };
        let answers = connect_all(&targets, options).await;
        let reached = inventory.nodes.iter().zip(&answers).filter_map(|(node, (_, answer))| {
            Some(Machine { node: node.clone(), connection: answer.as_ref().ok()?.clone() })
        });
        Machines { reached: reached.collect(), answers }
    }

    /// Why not every node was reached, if so.
    pub fn unreached(&self) -> Option<Failure> {
        unreached(self.answers.iter().filter_map(|(name, answer)| Some((name.as_str(), answer.as_ref().err()?))))
    }

    /// The nodes that do not answer any more, each with the reason; `limit` is what a slow one is given.
    pub async fn lost(&self, limit: std::time::Duration) -> Vec<(String, String)> {
        let asked = self.reached.iter().map(async |machine| {
            let words = Words::new("true").within(limit);
            let answer = tokio::time::timeout(limit, machine.connection.text(&words, Stdin::Empty)).await;
            let reason = match answer {
                Ok(Ok(_)) => return None,
                Ok(Err(_)) if machine.connection.is_closed() => machine.connection.closed().await,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", limit.as_secs()),
            };
            Some((machine.node.name.clone(), reason))
        });
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }

    /// Connections to the nodes with a control plane, in the inventory's order.
    pub fn control_planes(&self) -> impl Iterator<Item = &Machine> {
        self.reached.iter().filter(|machine| machine.node.roles.controlplane)
    }

    /// A loopback port that leads to the API of whichever control plane answers.
    pub async fn api_route(&self) -> Result<Forward, Failure> {
        let doors = self.control_planes().map(|machine| Door {
            connection: machine.connection.clone(),
            host: "127.0.0.1".into(),
            port: 6443,
        });
        let forward = Forward::start(doors.collect()).await;
        forward
            .map_err(|error| Failure::with_cause(Exit::Unreachable, "no port on this machine could be opened", &error))
    }

    /// The nodes as rke will ask for them.
    pub fn front_nodes(&self) -> Vec<FrontNode> {
        let front = |machine: &Machine| FrontNode {
            address: machine.node.address.clone(),
            internal_address: machine.node.internal_address.map(|address| address.to_string()),
            ssh_port: machine.node.ssh.port.unwrap_or(22),
            docker_socket: machine.node.docker_socket.clone(),
            connection: machine.connection.clone(),
        };
        self.reached.iter().map(front).collect()
    }

    /// The lock on every node: whoever comes from another laptop, or with another inventory, meets it. `holder` is read
    /// by the others. Nothing is changed by then, whatever is in the way.
    pub async fn lock(&self, holder: &str) -> Result<Vec<NodeLock>, Failure> {
        let mut locks = Vec::new();
        for machine in &self.reached {
            let lock = NodeLock::take(&machine.connection, NODE_LOCK, holder).await;
            locks.push(lock.map_err(|error| Failure::of(Exit::ChecksFailed, &error).maybe_hint(error.hint()))?);
        }
        Ok(locks)
    }

    /// Says goodbye, so that no session lingers on the nodes.
    pub async fn disconnect(&self) {
        let goodbyes = futures::future::join_all(self.reached.iter().map(|machine| machine.connection.disconnect()));
        // One that is gone does not hear it; nobody waits for that.
        let _ = tokio::time::timeout(GOODBYE, goodbyes).await;
    }
}

/// One failure for all nodes that were not reached, each with its reason and its hint.
fn unreached<'a>(failed: impl Iterator<Item = (&'a str, &'a ConnectError)>) -> Option<Failure> {
    let failed: Vec<(&str, &ConnectError)> = failed.collect();
    if let [(name, error)] = failed.as_slice() {
        let failure = Failure::with_cause(Exit::Unreachable, format!("{name} cannot be reached"), *error);
        return Some(failure.maybe_hint(error.hint()));
    }
    let names: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
    let (last, before) = names.split_last()?;
    let mut failure = Failure::new(Exit::Unreachable, format!("{} and {last} cannot be reached", before.join(", ")));
    let mut hints: Vec<(Vec<&str>, String)> = Vec::new();
    for (name, error) in &failed {
        let Failure { error: said, because, .. } = Failure::of(Exit::Unreachable, *error);
        let chain: Vec<String> = std::iter::once(said).chain(because).collect();
        failure = failure.because(format!("{name}: {}", chain.join(": ")));
        let Some(hint) = error.hint() else { continue };
        match hints.iter_mut().find(|(_, known)| *known == hint) {
            Some((names, _)) => names.push(name),
            None => hints.push((vec![name], hint)),
        }
    }
    let hint = |(names, hint): (Vec<&str>, String)| match names.len() == failed.len() {
        true => hint,
        false => format!("{}: {hint}", names.join(", ")),
    };
    let hints: Vec<String> = hints.into_iter().map(hint).collect();
    Some(failure.maybe_hint((!hints.is_empty()).then(|| hints.join("\n"))))
}

/// How a node is reached over SSH.
fn target(node: &Node) -> Target {
    let ssh = &node.ssh;
    Target {
        name: node.name.clone(),
        host: ssh.host.clone().unwrap_or_else(|| node.address.clone()),
        port: ssh.port,
        user: ssh.user.clone(),
        identity_file: ssh.identity_file.clone(),
        jump: ssh.jump.clone(),
        known_hosts: ssh.known_hosts.clone(),
        config: ssh.config.clone(),
        connect_timeout: ssh.connect_timeout,
    }
}

fn asker(console: &Console, screen: Option<Pauser>) -> Arc<dyn Ask> {
    if console.output == Output::Json || !TerminalAsk::possible() {
        return Arc::new(Nobody);
    }
    Arc::new(Person { terminal: TerminalAsk::new(console.err, screen), runtime: tokio::runtime::Handle::current() })
}

/// Somebody at the terminal; asked from a thread that may wait.
struct Person {
    terminal: TerminalAsk,
    runtime: tokio::runtime::Handle,
}

impl Ask for Person {
    fn passphrase(&self, file: &std::path::Path, again: bool) -> Option<SecretString> {
        let first = if again { "that was not it; passphrase" } else { "passphrase" };
        self.runtime.block_on(self.terminal.passphrase(&format!("{first} of {}", file.display())))
    }

    fn host_key(&self, place: &str, key: &Offered) -> bool {
        let key = format!("{} {}", key.kind, key.fingerprint);
        self.runtime.block_on(self.terminal.accept_host_key(place, &key)).unwrap_or(false)
    }
}

/// Reaches addresses directly from this machine, or, where that fails, from a node over SSH.
pub struct Reach<'a> {
    pub machines: &'a Machines,
}

/// How long a direct connection may take before a node is asked to make it.
const DIRECT: std::time::Duration = std::time::Duration::from_secs(3);

impl Open for Reach<'_> {
    async fn open(&self, from: &Origin, address: &str, port: u16) -> Result<Opened, String> {
        match from {
            Origin::Laptop => self.open_here(address, port).await,
            Origin::Node(name) => {
                let machine = self.machines.reached.iter().find(|machine| machine.node.name == *name);
                let machine = machine.ok_or_else(|| format!("{name} is not reached"))?;
                through(machine, address, port).await
            }
        }
    }
}

impl Reach<'_> {
    async fn open_here(&self, address: &str, port: u16) -> Result<Opened, String> {
        let direct = tokio::time::timeout(DIRECT, tokio::net::TcpStream::connect((address, port))).await;
        let why = match direct {
            Ok(Ok(stream)) => {
                let from = stream.local_addr().ok().map(|address| address.ip());
                return Ok(Opened { wire: Box::new(stream), way: format!("{address}:{port}, directly"), from });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", DIRECT.as_secs()),
        };
        // The node itself first: that shows the node's own port; any other node stands for a neighbour.
        let own = self.machines.reached.iter().filter(|machine| machine.node.address == address);
        let others = self.machines.reached.iter().filter(|machine| machine.node.address != address);
        for machine in own.chain(others).take(2) {
            if let Ok(opened) = through(machine, address, port).await {
                return Ok(opened);
            }
        }
        Err(format!("{address}:{port}: {why}"))
    }
}

/// A connection that begins on a node.
async fn through(machine: &Machine, address: &str, port: u16) -> Result<Opened, String> {
    let wire = machine.connection.open_tcp(address, port).await.map_err(|error| error.to_string())?;
    let way = format!("{address}:{port}, through ssh on {}", machine.connection.name());
    Ok(Opened { wire, way, from: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed_out(place: &str) -> ConnectError {
        ConnectError::TimedOut { place: place.into(), after: std::time::Duration::from_secs(5) }
    }

    #[test]
    fn every_node_that_was_not_reached_is_named_with_its_reason() {
        let lost = ConnectError::Lost { place: "n2 (10.0.0.2)".into(), reason: "it went away".into() };
        let slow = timed_out("n1 (10.0.0.1)");
        let failure = unreached([("n1", &slow), ("n2", &lost), ("n3", &slow)].into_iter()).unwrap();
        assert_eq!(failure.error, "n1, n2 and n3 cannot be reached");
        let because = failure.because.join("\n");
        assert_eq!(failure.because.len(), 3, "{because}");
        assert!(
            because.starts_with("n1: ") && because.contains("n2: ") && because.contains("it went away"),
            "{because}"
        );
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("n1, n3: "), "{hint}");
    }

    #[test]
    fn one_node_keeps_its_own_sentence() {
        let failure = unreached([("n1", &timed_out("n1 (10.0.0.1)"))].into_iter()).unwrap();
        assert_eq!(failure.error, "n1 cannot be reached");
        assert_eq!(failure.hint, timed_out("n1 (10.0.0.1)").hint());
    }

    #[test]
    fn all_reached_is_no_failure() {
        assert!(unreached(std::iter::empty()).is_none());
    }
}
