//! One SSH connection to one machine: commands, files, and streams that start over there.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ConstantBuilder, Retryable};
use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure, Disconnect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::fence::{Fence, Fenced, NotAlone};
use super::guard::{self, Handle};
use super::output::seconds;
use super::session::{Running, Session};
use super::wire::Wire;
use super::{Output, Remote, RemoteError, Stdin, Words};

/// OpenSSH lets 10 sessions run on one connection (MaxSessions); two are left for whoever else shares it.
const SESSIONS: usize = 8;

/// How long a server may take to open a channel or to start a command.
const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// How long a server may take to forget a session that has ended.
const FORGET_LIMIT: Duration = Duration::from_secs(2);

/// A verified, authenticated connection. Clones share it; it ends when the last one is gone.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    name: String,
    handle: Handle,
    sessions: Arc<Semaphore>,
    closed: watch::Receiver<Option<String>>,
    fence: Fence,
    /// Kept alive for as long as this connection goes through it.
    _via: Option<Connection>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.0.name)
    }
}

impl Connection {
    pub(super) fn new(
        name: String,
        handle: Handle,
        closed: watch::Receiver<Option<String>>,
        via: Option<Connection>,
    ) -> Self {
        let sessions = Arc::new(Semaphore::new(SESSIONS));
        Connection(Arc::new(Inner { name, handle, sessions, closed, fence: Fence::default(), _via: via }))
    }

    pub(super) fn fence(&self) -> &Fence {
        &self.0.fence
    }

    /// Whether this run's lock on the machine was lost, or may be another's: then it carries nothing there any more.
    pub fn is_fenced_off(&self) -> bool {
        self.0.fence.check().is_err()
    }

    /// Whether the machine answers a ping of SSH within the limit. It carries nothing and starts nothing, so it is asked also
    /// behind a closed fence.
    pub async fn answers(&self, limit: Duration) -> bool {
        let ping = tokio::time::timeout(limit, self.0.handle.send_ping()).await;
        matches!(ping, Ok(Ok(()))) && !self.is_closed()
    }

    pub fn is_closed(&self) -> bool {
        self.0.handle.is_closed()
    }

    /// Waits until the connection has ended, for whatever reason, and tells it.
    pub async fn closed(&self) -> String {
        let mut closed = self.0.closed.clone();
        // An error means that the session is gone without a word; that is an end too.
        let _ = closed.wait_for(Option::is_some).await;
        guard::reason(&closed)
    }

    /// Says goodbye. Commands that still run over there are not stopped by it.
    pub async fn disconnect(&self) {
        // If it is closed already, that is what was wanted.
        let _ = self.0.handle.disconnect(Disconnect::ByApplication, "done", "en").await;
    }

    /// A TCP connection from this machine to `host:port`, as seen from there.
    pub async fn open_tcp(&self, host: &str, port: u16) -> Result<Box<dyn Wire>, RemoteError> {
        let opening = self.0.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0);
        let channel = self.opened(opening, || format!("{host}:{port}")).await?;
        Ok(Box::new(Fenced { stream: channel.into_stream(), fence: self.0.fence.clone() }))
    }

    /// A connection to a Unix socket on this machine.
    pub async fn open_unix(&self, path: &str) -> Result<Box<dyn Wire>, RemoteError> {
        let opening = self.0.handle.channel_open_direct_streamlocal(path);
        let channel = self.opened(opening, || path.to_string()).await?;
        Ok(Box::new(Fenced { stream: channel.into_stream(), fence: self.0.fence.clone() }))
    }

    /// Starts a command that goes on while we talk to it. Its time limit is not used: whoever starts it ends it.
    pub async fn start(&self, words: &Words) -> Result<Running, RemoteError> {
        Ok(Running::new(self.session(words).await?))
    }

    /// A command that has started, as soon as there is a place for it.
    async fn session(&self, words: &Words) -> Result<Session, RemoteError> {
        if words.has_nul() {
            return Err(RemoteError::Nul { node: self.0.name.clone() });
        }
        let not_alone =
            |not_alone: NotAlone| RemoteError::Refused { node: self.0.name.clone(), reason: not_alone.to_string() };
        self.0.fence.check().map_err(not_alone)?;
        let permit = self.permit(words).await?;
        let channel = self.session_channel(words).await?;
        let mut session = Session::new(channel, permit, self.0.name.clone(), self.0.closed.clone());
        match timeout(OPEN_LIMIT, session.exec(words)).await {
            Ok(started) => started.map(|()| session),
            Err(_) => Err(self.timed_out(words, OPEN_LIMIT)),
        }
    }

    /// A server that allows fewer sessions than we thought, or is slow to forget one that has ended, refuses: then
    /// we ask again, as long as another session of ours may end and our own time limit lasts.
    async fn session_channel(&self, words: &Words) -> Result<Channel<Msg>, RemoteError> {
        let begun = Instant::now();
        let open = || self.opened(self.0.handle.channel_open_session(), || "a session".to_string());
        let may_pass = |error: &RemoteError| {
            let alone = self.0.sessions.available_permits() + 1 == SESSIONS;
            let patience = if alone { FORGET_LIMIT.min(words.limit()) } else { words.limit() };
            matches!(error, RemoteError::NotOpened { .. }) && begun.elapsed() <= patience
        };
        let pauses = ConstantBuilder::new().with_delay(Duration::from_millis(50)).without_max_times();
        open.retry(pauses).when(may_pass).await.map_err(|error| match error {
            RemoteError::NotOpened { node, reason, .. } => {
                RemoteError::Refused { node, reason: format!("no session is allowed: {reason}") }
            }
            other => other,
        })
    }

    /// A place for a session; long commands of others may use up our own time limit.
    async fn permit(&self, words: &Words) -> Result<OwnedSemaphorePermit, RemoteError> {
        let refused = |reason: String| RemoteError::Refused { node: self.0.name.clone(), reason };
        match timeout(words.limit(), self.0.sessions.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed; if it were, so would be the connection.
            Ok(Err(_)) => Err(self.closed_error()),
            Err(_) => Err(refused(format!("all its sessions were busy for {}", seconds(words.limit())))),
        }
    }

    async fn opened<T>(
        &self,
        opening: impl Future<Output = Result<T, russh::Error>>,
        what: impl Fn() -> String,
    ) -> Result<T, RemoteError> {
        let failed = |reason: String| RemoteError::NotOpened { node: self.0.name.clone(), what: what(), reason };
        let opened = match timeout(OPEN_LIMIT, opening).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => Err(failed(open_failure(&reason))),
            Ok(Err(_)) => Err(self.closed_error()),
            Err(_) => Err(failed(format!("no answer within {} s", OPEN_LIMIT.as_secs()))),
        };
        match &opened {
            Ok(_) => tracing::debug!(node = %self.0.name, to = what(), "channel opened"),
            Err(error) => tracing::debug!(node = %self.0.name, %error, "channel not opened"),
        }
        opened
    }

    fn closed_error(&self) -> RemoteError {
        RemoteError::Closed { node: self.0.name.clone(), reason: guard::reason(&self.0.closed) }
    }

    fn timed_out(&self, words: &Words, after: Duration) -> RemoteError {
        RemoteError::TimedOut { node: self.0.name.clone(), command: words.line(), after }
    }
}

impl Remote for Connection {
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs a command to its end. After its time limit it is sent TERM (which OpenSSH does not pass on for root) and
    /// given up: it may still run over there. A lost connection is an [`Ended::ConnectionLost`](super::Ended), since
    /// nobody knows how the command ended.
    async fn run(&self, words: &Words, stdin: Stdin) -> Result<Output, RemoteError> {
        let begun = Instant::now();
        let mut session = self.session(words).await?;
        match timeout(words.limit(), session.complete(words, stdin)).await {
            Ok(Err(too_much)) => {
                session.terminate().await;
                Err(too_much)
            }
            Ok(Ok(output)) => {
                let (node, command, millis) = (&self.0.name, words.line(), begun.elapsed().as_millis());
                tracing::debug!(%node, %command, ended = %output.ended, millis, "command ended");
                Ok(output)
            }
            Err(_) => {
                session.terminate().await;
                Err(self.timed_out(words, words.limit()))
            }
        }
    }
}

fn open_failure(reason: &ChannelOpenFailure) -> String {
    match reason {
        ChannelOpenFailure::AdministrativelyProhibited => "administratively prohibited".into(),
        ChannelOpenFailure::ConnectFailed => "nothing answers there".into(),
        ChannelOpenFailure::UnknownChannelType => "the server does not know this kind of channel".into(),
        ChannelOpenFailure::ResourceShortage => "the server is short of resources".into(),
        ChannelOpenFailure::Other { code, reason } => format!("{reason} (code {code})"),
    }
}
