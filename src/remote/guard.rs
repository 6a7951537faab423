//! Our end of an SSH session: lets the host key through or not, and knows why the session ended.

use std::sync::{Arc, OnceLock};

use russh::client::{self, DisconnectReason};
use russh::keys::PublicKeyOrCertificate;
use tokio::sync::watch;

use super::HostKeyProblem;
use super::trust::Trust;

pub(super) type Handle = client::Handle<Guard>;

pub(super) struct Guard {
    trust: Trust,
    problem: Arc<OnceLock<HostKeyProblem>>,
    /// Why the session ended; closed together with the session.
    closed: watch::Sender<Option<String>>,
}

/// What a [`Guard`] leaves behind for the one who waits outside.
pub(super) struct Watch {
    pub problem: Arc<OnceLock<HostKeyProblem>>,
    pub closed: watch::Receiver<Option<String>>,
}

impl Guard {
    pub fn new(trust: Trust) -> (Self, Watch) {
        let (sender, closed) = watch::channel(None);
        let problem = Arc::new(OnceLock::new());
        (Guard { trust, problem: problem.clone(), closed: sender }, Watch { problem, closed })
    }
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        match self.trust.judge(key).await {
            Ok(()) => Ok(true),
            Err(problem) => {
                // Only the first problem is of interest; a second one cannot come on the same session.
                let _ = self.problem.set(problem);
                Ok(false)
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let text = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => format!("the server said: {}", info.message),
            DisconnectReason::Error(russh::Error::KeepaliveTimeout) => "the server does not answer any more".into(),
            DisconnectReason::Error(russh::Error::HUP | russh::Error::Disconnect) => "the connection was closed".into(),
            DisconnectReason::Error(error) => error.to_string(),
        };
        self.closed.send_replace(Some(text));
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// The reason that a session left behind, or the plain fact.
pub(super) fn reason(closed: &watch::Receiver<Option<String>>) -> String {
    closed.borrow().clone().unwrap_or_else(|| "the connection was lost".into())
}
