//! Who comes to a port of ours on loopback: programs of our own user, and not too many that have not said who they are.
//! Any user of this machine can connect there.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::peer;

/// So many may be there without having said who they are; when one more comes, the oldest goes. rke logs in to all nodes
/// with 50 workers.
const MOST_UNKNOWN: usize = 128;

/// How long somebody may take to say who he is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hears of connections that were closed because they are somebody else's; once for each user.
pub type Warn = Box<dyn Fn(String) + Send + Sync>;

pub(super) struct Guests {
    /// What the port is, for people.
    what: &'static str,
    patience: Duration,
    unknown: Mutex<VecDeque<CancellationToken>>,
    strangers: Mutex<HashSet<u32>>,
    warn: Warn,
}

/// One connection; its end is seen when this is dropped.
pub(super) struct Guest {
    guests: Arc<Guests>,
    /// Cancelled when there are too many.
    out: CancellationToken,
    known: CancellationToken,
}

impl Guests {
    pub fn new(what: &'static str, warn: Warn) -> Arc<Guests> {
        Arc::new(Guests { what, patience: PATIENCE, unknown: Mutex::default(), strangers: Mutex::default(), warn })
    }

    /// Takes somebody in; nothing for another user's program. Where the system does not tell whose it is, the number and
    /// the time of those who say nothing are limited all the same.
    pub async fn greet(self: &Arc<Self>, stream: &TcpStream) -> Option<Guest> {
        let (ours, theirs) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        if let Some(uid) = peer::uid(ours, theirs).await
            && uid != rustix::process::geteuid().as_raw()
        {
            self.refuse(uid, ours);
            return None;
        }
        let out = CancellationToken::new();
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.push_back(out.clone());
        if unknown.len() > MOST_UNKNOWN
            && let Some(oldest) = unknown.pop_front()
        {
            oldest.cancel();
        }
        Some(Guest { guests: self.clone(), out, known: CancellationToken::new() })
    }

    fn refuse(&self, uid: u32, ours: SocketAddr) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.insert(uid) {
            let text = format!("user {uid} of this machine connected to {} ({ours}) and was shut out", self.what);
            tracing::warn!("{text}");
            (self.warn)(text);
        }
    }

    fn forget(&self, out: &CancellationToken) {
        // Cancelled and forgotten: its place is free, and its own end is told by `known`.
        out.cancel();
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.retain(|one| !one.is_cancelled());
    }
}

impl Guest {
    /// It has said who it is.
    pub fn is_known(&self) {
        self.known.cancel();
        self.guests.forget(&self.out);
    }

    /// Comes back when it has to go: it took too long to say who it is, or too many others came.
    pub async fn shown_out(&self) {
        tokio::select! {
            biased;
            () = self.known.cancelled() => std::future::pending().await,
            () = self.out.cancelled() => {}
            () = sleep(self.guests.patience) => {}
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.forget(&self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair(listener: &tokio::net::TcpListener) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn the_oldest_unknown_goes_and_a_known_one_stays() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let guests = Guests::new("a port", Box::new(|text| panic!("{text}")));
        let (_near, stream) = pair(&listener).await;
        let known = guests.greet(&stream).await.unwrap();
        let first = guests.greet(&stream).await.unwrap();
        known.is_known();
        let mut others = Vec::new();
        for _ in 1..MOST_UNKNOWN {
            others.push(guests.greet(&stream).await.unwrap());
        }
        assert!(!first.out.is_cancelled());
        others.push(guests.greet(&stream).await.unwrap());
        first.shown_out().await;
        // One that goes by itself makes room.
        others.remove(5);
        others.push(guests.greet(&stream).await.unwrap());
        assert!(others.iter().all(|one| !one.out.is_cancelled()));
        let stays = tokio::time::timeout(Duration::from_millis(50), known.shown_out()).await;
        assert!(stays.is_err());
    }

    #[tokio::test]
    async fn who_says_nothing_is_shown_out_after_a_while() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (_near, stream) = pair(&listener).await;
        let patience = Duration::from_millis(200);
        let (unknown, strangers, warn) = (Mutex::default(), Mutex::default(), Box::new(drop));
        let guests = Arc::new(Guests { what: "a port", patience, unknown, strangers, warn });
        let guest = guests.greet(&stream).await.unwrap();
        let begun = std::time::Instant::now();
        guest.shown_out().await;
        assert!(begun.elapsed() >= patience);
    }
}
