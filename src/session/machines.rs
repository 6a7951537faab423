//! The inventory's machines, connected once for the whole run.

use std::sync::Arc;

use secrecy::SecretString;

use crate::facts::outside::{Open, Opened, Origin};
use crate::failure::{Exit, Failure, Hint};
use crate::inventory::{Inventory, Node};
use crate::remote::{
    Ask, ConnectError, ConnectOptions, Connection, Door, Forward, FrontNode, NODE_LOCK, Nobody, NodeLock, Offered,
    Remote, Stdin, Target, Words, connect_all,
};
use crate::report::{Console, Output, Pauser, TerminalAsk};
use crate::session::{Connect, Context};

/// How long saying goodbye may take.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// A node and the connection to it.
#[derive(Clone)]
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
        Machines::among(&inventory.nodes, how, context, screen).await
    }

    /// The same with machines that no inventory need name.
    pub async fn among(nodes: &[Node], how: &Connect, context: &Context, screen: Option<Pauser>) -> Machines {
        let answers = reach(nodes, how, context, screen).await;
        let reached = nodes.iter().zip(&answers).filter_map(|(node, (_, answer))| {
            Some(Machine { node: node.clone(), connection: answer.as_ref().ok()?.clone() })
        });
        Machines { reached: reached.collect(), answers }
    }

    /// Connects to one node anew.
    pub async fn connect_again(
        node: &Node,
        how: &Connect,
        context: &Context,
        screen: Option<Pauser>,
    ) -> Result<Connection, ConnectError> {
        let mut answers = reach(std::slice::from_ref(node), how, context, screen).await;
        let unasked = || Err(ConnectError::Lost { place: node.name.clone(), reason: "it was not asked".into() });
        answers.pop().map_or_else(unasked, |(_, answer)| answer)
    }

    /// The same with another connection to this machine.
    pub fn with(&self, machine: &Machine) -> Machines {
        let name = &machine.node.name;
        let other = |one: &Machine| if one.node.name == *name { machine.clone() } else { one.clone() };
        let answer = |(node, answer): &(String, Result<Connection, ConnectError>)| {
            let answer = if node == name { Ok(machine.connection.clone()) } else { answer.clone() };
            (node.clone(), answer)
        };
        Machines {
            reached: self.reached.iter().map(other).collect(),
            answers: self.answers.iter().map(answer).collect(),
        }
    }

    /// The nodes that were not reached.
    pub fn away<'a>(&self, inventory: &'a Inventory) -> Vec<&'a Node> {
        let failed = |node: &&Node| self.answers.iter().any(|(name, answer)| *name == node.name && answer.is_err());
        inventory.nodes.iter().filter(failed).collect()
    }

    /// Why not every node was reached, if so.
    pub fn unreached(&self) -> Option<Failure> {
        unreached(self.answers.iter().filter_map(|(name, answer)| Some((name.as_str(), answer.as_ref().err()?))))
    }

    /// The nodes that do not answer any more or are shutting down, each with the reason; `limit` is what a slow one is
    /// given.
    pub async fn lost(&self, limit: std::time::Duration) -> Vec<(String, String)> {
        let asked = self.reached.iter().map(async |machine| {
            // No command may start there; whether it answers at all may be asked.
            if machine.connection.is_fenced_off() && !machine.connection.is_closed() {
                let silent = !machine.connection.answers(limit).await;
                return silent.then(|| (machine.node.name.clone(), format!("no answer within {} s", limit.as_secs())));
            }
            let reason = gone(&machine.connection, limit).await?;
            // What ended the connection tells more than the answer that did not come.
            let closed = machine.connection.is_closed();
            let reason = if closed { machine.connection.closed().await } else { reason };
            Some((machine.node.name.clone(), reason))
        });
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }

    /// Connections to the nodes with a control plane, in the inventory's order.
    pub fn control_planes(&self) -> impl Iterator<Item = &Machine> {
        self.reached.iter().filter(|machine| machine.node.roles.controlplane)
    }

    /// A loopback port that leads to `port` of whichever of these control planes answers.
    pub async fn api_route(&self, port: u16, names: &[&str]) -> Result<Forward, Failure> {
        let doors = self.control_planes().filter(|machine| names.contains(&machine.node.name.as_str()));
        let door = |machine: &Machine| Door { connection: machine.connection.clone(), host: "127.0.0.1".into(), port };
        let forward = Forward::start(doors.map(door).collect()).await;
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
            locks.push(machine.lock(holder).await?);
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

impl Machine {
    /// The lock on this node; see [`Machines::lock`].
    pub async fn lock(&self, holder: &str) -> Result<NodeLock, Failure> {
        let lock = NodeLock::take(&self.connection, NODE_LOCK, holder).await;
        lock.map_err(|error| Failure::of(Exit::ChecksFailed, &error))
    }
}

async fn reach(
    nodes: &[Node],
    how: &Connect,
    context: &Context,
    screen: Option<Pauser>,
) -> Vec<(String, Result<Connection, ConnectError>)> {
    let targets: Vec<Target> = nodes.iter().map(Node::target).collect();
    let options = ConnectOptions {
        accept_new_host_keys: how.accept_new_host_keys,
        ask: asker(&context.console, screen),
        ..ConnectOptions::default()
    };
    connect_all(&targets, options).await
}

/// A machine that shuts down ends its containers first, and its sshd may answer until the last moment.
const ASKED: &str = "systemctl is-system-running 2>/dev/null; true";

/// Why a machine cannot be counted on any more; `None`: it is there.
async fn gone(remote: &impl Remote, limit: std::time::Duration) -> Option<String> {
    let words = Words::shell(ASKED).within(limit);
    match tokio::time::timeout(limit, remote.text(&words, Stdin::Empty)).await {
        Ok(Ok(said)) => (said.trim() == "stopping").then(|| "it is shutting down".to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", limit.as_secs())),
    }
}

/// One failure for all nodes that were not reached, each with its reason and its hint.
fn unreached<'a>(failed: impl Iterator<Item = (&'a str, &'a ConnectError)>) -> Option<Failure> {
    let failed: Vec<(&str, &ConnectError)> = failed.collect();
    if let [(name, error)] = failed.as_slice() {
        let failure = Failure::with_cause(Exit::Unreachable, format!("{name} cannot be reached"), *error);
        return Some(failure);
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

pub(crate) fn asker(console: &Console, screen: Option<Pauser>) -> Arc<dyn Ask> {
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

    #[tokio::test]
    async fn a_node_that_shuts_down_is_as_good_as_gone_although_it_still_answers() {
        use crate::remote::scripted::Machine;
        use crate::remote::{Ended, Output};
        let limit = std::time::Duration::from_secs(5);
        for (said, expected) in [
            ("running\n", None),
            ("degraded\n", None),
            // No systemd there.
            ("", None),
            ("stopping\n", Some("it is shutting down")),
        ] {
            let machine = Machine::new("n1")
                .answer(move |_, _| Some(Output::new(Ended::Code(0), said.as_bytes().to_vec(), Vec::new())));
            assert_eq!(gone(&machine, limit).await.as_deref(), expected, "{said}");
        }
        let cut = Machine::new("n1").answer(|_, _| Some(Output::new(Ended::ConnectionLost, Vec::new(), Vec::new())));
        assert!(gone(&cut, limit).await.is_some());
    }

    #[test]
    fn all_reached_is_no_failure() {
        assert!(unreached(std::iter::empty()).is_none());
    }
}
