//! From targets to connections: side by side, through jump hosts that are shared, with an end to every wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use russh::{Preferred, client};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tracing::Instrument;

use super::auth::{self, Denied};
use super::connect_error::CLOSED;
use super::guard::{self, Guard};
use super::host_key::{Accepted, HostKeyProblem};
use super::keyring::Keyring;
use super::known_store::KnownStore;
use super::output::seconds;
use super::resolve::Questions;
use super::route::{Route, Strictness};
use super::target::Target;
use super::trust::Trust;
use super::wire::{self, Heard, Wire};
use super::{Ask, ConnectError, Connection, Nobody, Remote, RemoteError};

/// How connections are made, for a whole run.
#[derive(Clone)]
pub struct ConnectOptions {
    /// `--accept-new-host-keys`: unknown host keys are taken and remembered. Changed ones never are.
    pub accept_new_host_keys: bool,
    pub ask: Arc<dyn Ask>,
    /// The program that is asked for the user's ssh configuration (`ssh -G`).
    pub ssh_program: PathBuf,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions { accept_new_host_keys: false, ask: Arc::new(Nobody), ssh_program: "ssh".into() }
    }
}

/// Machines that are being connected at the same time. One that does not answer holds its place for the connect limit, so
/// there are many; each takes a socket, which it keeps, and the work of a key exchange.
const SIDE_BY_SIDE: usize = 128;

/// Pauses before another try, as long as the connect limit lasts.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// A server that shows another unknown key each time is not answered for ever.
const MOST_QUESTIONS: usize = 4;

/// Signing may wait for somebody to touch a hardware key or to confirm at an agent.
const AGENT_LIMIT: Duration = Duration::from_secs(60);

/// Connects to all targets, many at the same time; the answers stand in the order of the targets.
pub async fn connect_all(
    targets: &[Target],
    options: ConnectOptions,
) -> Vec<(String, Result<Connection, ConnectError>)> {
    let run = Run::new(options);
    let one = async |(index, target): (usize, &Target)| {
        let span = tracing::info_span!("node", name = %target.name);
        (index, (target.name.clone(), run.reach(target).instrument(span).await))
    };
    let reaching = futures::stream::iter(targets.iter().enumerate().map(one)).buffer_unordered(SIDE_BY_SIDE);
    let mut answers: Vec<_> = reaching.collect().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

type Shared = Arc<OnceCell<Result<Connection, Arc<ConnectError>>>>;

/// What the connections of one run have in common.
struct Run {
    options: ConnectOptions,
    questions: Questions,
    keyring: Keyring,
    known: KnownStore,
    accepted: Accepted,
    jumps: Mutex<HashMap<Target, Shared>>,
}

/// One machine on the way, and how OpenSSH would reach it.
struct Hop {
    target: Target,
    route: Route,
}

fn through(place: &str, jump: &Target, cause: Arc<ConnectError>) -> ConnectError {
    ConnectError::Jump { place: place.to_string(), jump: jump.name.clone(), cause }
}

/// Why one attempt did not lead to a connection.
enum Attempt {
    Failed(ConnectError),
    /// Somebody has to unlock this key file first.
    Locked(PathBuf),
}

impl From<ConnectError> for Attempt {
    fn from(error: ConnectError) -> Self {
        Attempt::Failed(error)
    }
}

impl Run {
    fn new(options: ConnectOptions) -> Self {
        let keyring = Keyring::new(options.ask.clone());
        let questions = Questions::new(options.ssh_program.clone());
        Run {
            options,
            questions,
            keyring,
            known: KnownStore::default(),
            accepted: Accepted::default(),
            jumps: Mutex::default(),
        }
    }

    /// Reaches a target through all the hops before it.
    async fn reach(&self, target: &Target) -> Result<Connection, ConnectError> {
        let mut hops = self.hops(target).await?;
        let mut via = None;
        while let Some(hop) = hops.pop() {
            if hops.is_empty() {
                return self.persist(&hop, via).await;
            }
            let failed = |cause| through(&hops[0].route.place, &hop.target, cause);
            via = Some(self.jump(&hop, via).await.map_err(failed)?);
        }
        // `hops` begins with the target itself, so the loop has returned.
        Err(ConnectError::Settings { place: target.name.clone(), problem: "it has no route".into() })
    }

    /// The target, the jump host before it, the one before that… All of them are looked up before anything is
    /// connected, so that jump hosts that lead in a circle are found while nobody waits for anybody.
    async fn hops(&self, target: &Target) -> Result<Vec<Hop>, ConnectError> {
        let mut hops: Vec<Hop> = Vec::new();
        let mut next = target.clone();
        loop {
            let settings = |problem| {
                let error = ConnectError::Settings { place: next.name.clone(), problem };
                match hops.first() {
                    None => error,
                    Some(first) => through(&first.route.place, &next, Arc::new(error)),
                }
            };
            if hops.iter().any(|hop| hop.target == next) {
                return Err(settings("its jump hosts form a loop".into()));
            }
            let route = self.questions.route(&next).await.map_err(settings)?;
            let before = match route.jumps.split_last() {
                None => None,
                Some((jump, before)) => Some(target.jump_host(jump, before).map_err(settings)?),
            };
            hops.push(Hop { target: next, route });
            match before {
                None => return Ok(hops),
                Some(jump) => next = jump,
            }
        }
    }

    /// A jump host is connected once, however many nodes are behind it.
    async fn jump(&self, hop: &Hop, via: Option<Connection>) -> Result<Connection, Arc<ConnectError>> {
        let cell: Shared =
            self.jumps.lock().unwrap_or_else(PoisonError::into_inner).entry(hop.target.clone()).or_default().clone();
        cell.get_or_init(|| async { self.persist(hop, via).await.map_err(Arc::new) }).await.clone()
    }

    /// Attempts until it works, nobody can answer a question, or the limit is used up. Time in which a person
    /// thinks does not count, and a question never keeps a server waiting: it is asked between two attempts.
    async fn persist(&self, hop: &Hop, via: Option<Connection>) -> Result<Connection, ConnectError> {
        let Hop { target, route } = hop;
        let mut spent = Duration::ZERO;
        let mut pauses = PAUSES.iter();
        let mut questions = 0;
        loop {
            let begun = Instant::now();
            let attempt = self.attempt(target, route, via.clone()).await;
            spent += begun.elapsed();
            let millis = begun.elapsed().as_millis();
            match &attempt {
                Ok(_) => tracing::debug!(place = %route.place, user = %route.user, millis, "logged in"),
                Err(Attempt::Locked(file)) => tracing::debug!(file = %file.display(), "its passphrase is needed"),
                Err(Attempt::Failed(error)) => tracing::debug!(place = %route.place, millis, %error, "not connected"),
            }
            match attempt {
                Ok(connection) => return Ok(connection),
                Err(Attempt::Locked(file)) => self.keyring.unlock(&file).await,
                Err(Attempt::Failed(ConnectError::HostKey(problem))) if questions < MOST_QUESTIONS => {
                    questions += 1;
                    self.settle(route, problem).await?;
                }
                Err(Attempt::Failed(error)) if error.may_pass() => match pauses.next() {
                    Some(pause) if spent + *pause < route.limit => {
                        tokio::time::sleep(*pause).await;
                        spent += *pause;
                    }
                    Some(_) | None => return Err(error),
                },
                Err(Attempt::Failed(error)) => return Err(error),
            }
        }
    }

    /// An unknown host key: taken if the options or the configuration say so, or somebody does; else an error.
    async fn settle(&self, route: &Route, problem: HostKeyProblem) -> Result<(), ConnectError> {
        let HostKeyProblem::Unknown { place, offered, unknown } = &problem else { return Err(problem.into()) };
        let taken = match route.known.strictness {
            _ if self.options.accept_new_host_keys => true,
            Strictness::AcceptNew => true,
            Strictness::Refuse => false,
            Strictness::Ask => {
                let (place, offered) = (place.clone(), offered.clone());
                self.keyring.question(move |ask| ask.host_key(&place, &offered)).await.unwrap_or(false)
            }
        };
        if !taken {
            return Err(problem.into());
        }
        if let Err(error) = unknown.accept(&self.accepted, &route.known) {
            tracing::warn!("the host key of {place} is taken for this run, but cannot be remembered: {error}");
        }
        Ok(())
    }

    async fn attempt(&self, target: &Target, route: &Route, via: Option<Connection>) -> Result<Connection, Attempt> {
        let begun = Instant::now();
        let left = || route.limit.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
        let place = || route.place.clone();
        let (wire, address) = self.wire(route, via.as_ref()).await?;
        let trust = Trust::read(route, address, &self.known, self.accepted.clone())
            .map_err(|error| ConnectError::Settings { place: place(), problem: error.to_string() })?;
        let config = Arc::new(config(trust.preferred().await.map_err(ConnectError::from)?));
        let (stream, heard) = Heard::new(wire);
        let (guard, watch) = Guard::new(trust);
        let greeted = timeout(left(), client::connect_stream(config, stream, guard)).await;
        let heard = heard.said();
        tracing::debug!(place = %route.place, greeted = matches!(greeted, Ok(Ok(_))), millis = begun.elapsed().as_millis(), "key exchange");
        let mut handle = match greeted {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => return Err(not_greeted(route, &error, heard.as_deref(), watch.problem.get()).into()),
            Err(_) => {
                let reason = format!("nothing more came within {}", seconds(route.limit));
                return Err(unfinished(route, reason, heard.as_deref()).into());
            }
        };
        let limit = if route.agent.is_some() { left().max(AGENT_LIMIT) } else { left() };
        let lost = |reason: String| Attempt::Failed(ConnectError::Lost { place: place(), reason });
        match timeout(limit, auth::authenticate(&mut handle, route, &self.keyring)).await {
            Ok(Ok(())) => Ok(Connection::new(target.name.clone(), handle, watch.closed, via)),
            Ok(Err(Denied::Locked(file))) => Err(Attempt::Locked(file)),
            Ok(Err(Denied::Broken(error))) if handle.is_closed() => {
                Err(lost(watch.closed.borrow().clone().unwrap_or_else(|| error.to_string())))
            }
            Ok(Err(Denied::Broken(error))) => Err(lost(error.to_string())),
            Ok(Err(Denied::NoIdentity { tried, accepts })) => {
                let reason = guard::reason(&watch.closed);
                if handle.is_closed() && !reason.to_lowercase().contains("authentication") {
                    return Err(lost(reason));
                }
                Err(ConnectError::NoIdentity { place: place(), user: route.user.clone(), tried, accepts }.into())
            }
            Err(_) => Err(lost(format!("the login did not end within {}", seconds(limit)))),
        }
    }

    /// The bytes to and fro, and the address that they go to, where it is known.
    async fn wire(
        &self,
        route: &Route,
        via: Option<&Connection>,
    ) -> Result<(Box<dyn Wire>, Option<IpAddr>), ConnectError> {
        match (via, &route.proxy_command) {
            (Some(jump), _) => Ok((beyond(jump, route).await?, None)),
            (None, Some(command)) => Ok((Box::new(wire::proxy(command, &route.place)?), None)),
            (None, None) => {
                let stream = wire::tcp(route, route.limit).await?;
                let address = stream.peer_addr().ok().map(|address| address.ip().to_canonical());
                Ok((Box::new(stream), address))
            }
        }
    }
}

async fn beyond(jump: &Connection, route: &Route) -> Result<Box<dyn Wire>, ConnectError> {
    let closed = |reason: String, forbidden| {
        let (place, jump) = (route.place.clone(), jump.name().to_string());
        ConnectError::BeyondJump { place, jump, reason, forbidden }
    };
    match timeout(route.limit, jump.open_tcp(&route.host, route.port)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(RemoteError::NotOpened { reason, .. })) => Err(closed(reason.clone(), reason.contains("prohibited"))),
        // The jump host itself is gone: no further try will help.
        Ok(Err(error)) => Err(ConnectError::Lost { place: route.place.clone(), reason: error.to_string() }),
        Err(_) => Err(ConnectError::TimedOut { place: route.place.clone(), after: route.limit }),
    }
}

/// How we speak SSH. The queue of a channel is long, since a full one would stop all channels of a connection:
/// russh opens its window again before anybody has read.
fn config(preferred: Preferred) -> client::Config {
    client::Config {
        client_id: russh::SshId::Standard(concat!("SSH-2.0-cowhand_", env!("CARGO_PKG_VERSION")).into()),
        window_size: 16 * 1024 * 1024,
        channel_buffer_size: 4096,
        preferred,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        nodelay: true,
        ..client::Config::default()
    }
}

fn not_greeted(
    route: &Route,
    error: &russh::Error,
    heard: Option<&str>,
    problem: Option<&HostKeyProblem>,
) -> ConnectError {
    let place = route.place.clone();
    match (problem, error) {
        (Some(problem), _) => problem.clone().into(),
        (None, russh::Error::NoCommonAlgo { kind, theirs, .. }) => {
            let kind = format!("{kind:?}").to_lowercase();
            let reason = format!("no {kind} algorithm in common; it offers {}", theirs.join(", "));
            ConnectError::KeyExchange { place, reason }
        }
        (None, error) => match heard {
            None => ConnectError::NoBanner { place, reason: CLOSED.into() },
            Some(said) if !greets(said) => ConnectError::NoBanner { place, reason: instead(said) },
            Some(_) => ConnectError::KeyExchange { place, reason: error.to_string() },
        },
    }
}

/// Whether a line of it is the greeting of SSH; others may come before it (RFC 4253, 4.2).
fn greets(said: &str) -> bool {
    said.lines().any(|line| line.starts_with("SSH-"))
}

/// OpenSSH turns a guest away with a line such as `Not allowed at this time` (PerSourcePenalties) or `Exceeded MaxStartups`.
fn instead(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default().trim();
    let line: String = line.chars().filter(|letter| !letter.is_control()).take(80).collect();
    if line.is_empty() { "it says something else".into() } else { format!("it says `{line}`") }
}

fn unfinished(route: &Route, reason: String, heard: Option<&str>) -> ConnectError {
    let place = route.place.clone();
    if heard.is_some_and(greets) {
        ConnectError::KeyExchange { place, reason }
    } else {
        ConnectError::NoBanner { place, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other rooms spawn these: they have to be able to move between threads.
    #[tokio::test]
    async fn connecting_can_be_spawned() {
        let targets: Vec<Target> = Vec::new();
        let task = tokio::spawn(async move { connect_all(&targets, ConnectOptions::default()).await.len() });
        assert_eq!(task.await.unwrap(), 0);
    }
}
