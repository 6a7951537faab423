//! A port on this machine that leads to the first of several places, seen from the nodes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Connection;
use super::guests::Guests;
use super::wire::Wire;

/// How long one place may take to answer before the next one is tried.
const LIMIT: Duration = Duration::from_secs(5);

/// More connections at a time than our own client and helm ever have; one more is closed.
const MOST_CARRIED: usize = 256;

/// One way out: `host:port` as seen from the machine at the other end of the connection.
#[derive(Debug, Clone)]
pub struct Door {
    pub connection: Connection,
    pub host: String,
    pub port: u16,
}

/// A loopback listener; gone, with everything that it carries, when dropped.
pub struct Forward {
    address: SocketAddr,
    _alive: DropGuard,
}

impl Forward {
    /// Each accepted connection goes, once it has said something, to the first door that answers; the one that answered
    /// last is asked first.
    pub async fn start(doors: Vec<Door>) -> io::Result<Forward> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let alive = CancellationToken::new();
        // Who connects here is told in the log alone: commands that only look have no other place.
        let guests = Guests::new("the way to the Kubernetes API", Box::new(drop));
        tokio::spawn(alive.clone().run_until_cancelled_owned(accept(listener, doors, alive.clone(), guests)));
        Ok(Forward { address, _alive: alive.drop_guard() })
    }

    /// Where it listens: 127.0.0.1 and a port of the system's choice.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, doors: Vec<Door>, alive: CancellationToken, guests: Arc<Guests>) {
    let doors = Arc::new(doors);
    let last = Arc::new(AtomicUsize::new(0));
    let carried = Arc::new(Semaphore::new(MOST_CARRIED));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: they come back when other connections end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(guest) = guests.greet(&stream).await else { continue };
        let (doors, last, carried) = (doors.clone(), last.clone(), carried.clone());
        tokio::spawn(alive.clone().run_until_cancelled_owned(async move {
            // A channel to a node is opened only for somebody who says something: TLS begins with the client.
            let mut first = [0];
            let spoken = tokio::select! {
                peeked = stream.peek(&mut first) => matches!(peeked, Ok(1..)),
                () = guest.shown_out() => false,
            };
            if spoken && let Ok(_place) = carried.try_acquire() {
                guest.is_known();
                carry(stream, &doors, &last).await;
            }
        }));
    }
}

async fn carry(mut near: TcpStream, doors: &[Door], last: &AtomicUsize) {
    // Without it small packets wait for one another; a stream that cannot have it still works.
    let _ = near.set_nodelay(true);
    if let Some(mut far) = open(doors, last).await {
        // Whatever ends it, both sides see the end of the stream.
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}

async fn open(doors: &[Door], last: &AtomicUsize) -> Option<Box<dyn Wire>> {
    let first = last.load(Ordering::Relaxed);
    for index in (0..doors.len()).map(|step| (first + step) % doors.len()) {
        let door = &doors[index];
        if door.connection.is_closed() {
            continue;
        }
        if let Ok(Ok(stream)) = timeout(LIMIT, door.connection.open_tcp(&door.host, door.port)).await {
            last.store(index, Ordering::Relaxed);
            return Some(stream);
        }
    }
    None
}
