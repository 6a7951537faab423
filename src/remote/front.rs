//! The front: an SSH server on loopback that plays rke's bastion, and behind it each node.
//!
//! rke never checks host keys, takes no encrypted key and knows one jump host. So for the time of a run it is given
//! this front as `bastion_host`, with a throwaway key; what it opens is carried by our own, verified connections. rke
//! opens (rancher/rke `hosts/dialer.go`, `services/healthcheck.go`): at the bastion, a node's SSH port and the
//! Kubernetes API; at a node, the Docker socket and the health checks' ports.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fail::fail_point;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelOpenFailure, MethodKind, MethodSet};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::docker_way::{Gate, carry};
use super::guests::{Guest, Guests, Warn};
use super::wire::Wire;
use super::{Connection, RemoteError};

/// Where the Kubernetes API listens on control plane nodes.
const API: u16 = 6443;

/// What rke may open on a node, there: etcd, the API, and the health checks of kubelet, kube-proxy,
/// controller-manager and scheduler.
const PORTS: [u16; 7] = [2379, API, 10248, 10250, 10256, 10257, 10259];

/// How long a node may take to open something before rke is refused; it tries again by itself.
const LIMIT: Duration = Duration::from_secs(5);

/// A node as rke will ask for it.
#[derive(Debug, Clone)]
pub struct FrontNode {
    /// `address` in cluster.yml.
    pub address: String,
    /// `internal_address` in cluster.yml, if there is one.
    pub internal_address: Option<String>,
    /// `port` in cluster.yml.
    pub ssh_port: u16,
    /// `docker_socket` in cluster.yml.
    pub docker_socket: String,
    pub connection: Connection,
}

/// The running front. Dropped, it closes its port, ends all that it carries, and removes the key.
pub struct Front {
    port: u16,
    key: NamedTempFile,
    opened: Arc<AtomicUsize>,
    _alive: DropGuard,
}

impl Front {
    /// Listens on 127.0.0.1 and writes the key that alone is let in, as a file 0600 in `folder`; keys of former fronts
    /// there are removed.
    /// `gate` is asked about each call to Docker; `warn` hears of other users who come there.
    pub async fn start(nodes: Vec<FrontNode>, folder: &Path, gate: Arc<dyn Gate>, warn: Warn) -> io::Result<Front> {
        let key = new_key()?;
        let file = write_key(&key, folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let alive = CancellationToken::new();
        let opened = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared {
            nodes: nodes.into_iter().map(Arc::new).collect(),
            guest: key.public_key().clone(),
            gate,
            config: Arc::new(config(new_key()?)),
            opened: opened.clone(),
            alive: alive.clone(),
        });
        let guests = Guests::new("rke's way to the nodes", warn);
        tokio::spawn(alive.clone().run_until_cancelled_owned(accept(listener, shared, guests)));
        Ok(Front { port, key: file, opened, _alive: alive.drop_guard() })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The private key, in OpenSSH's format and without a passphrase: what rke can read.
    pub fn key_path(&self) -> PathBuf {
        self.key.path().to_path_buf()
    }

    /// How many channels were asked for so far, refused ones included.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

fn new_key() -> io::Result<PrivateKey> {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(io::Error::other)
}

fn write_key(key: &PrivateKey, folder: &Path) -> io::Result<NamedTempFile> {
    remove_former_keys(folder)?;
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    // Such a file is 0600 from its beginning, and is removed when dropped.
    let mut file = tempfile::Builder::new().prefix("front-").suffix(".key").tempfile_in(folder)?;
    fail_point!("front.key", super::fault);
    file.write_all(text.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// A run that was killed could not remove its key. Whoever starts a front is alone in the folder.
fn remove_former_keys(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("front-") && name.ends_with(".key") {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn config(host_key: PrivateKey) -> server::Config {
    server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        keys: vec![host_key],
        // Guessing an ed25519 key is hopeless at any speed, and rke's first offer may be another key.
        auth_rejection_time: Duration::from_millis(1),
        // Pulling an image may take longer than any usual limit; the front ends with the run.
        inactivity_timeout: None,
        channel_buffer_size: 4096,
        nodelay: true,
        ..server::Config::default()
    }
}

struct Shared {
    nodes: Vec<Arc<FrontNode>>,
    guest: PublicKey,
    gate: Arc<dyn Gate>,
    config: Arc<server::Config>,
    opened: Arc<AtomicUsize>,
    alive: CancellationToken,
}

impl Shared {
    fn node(&self, host: &str) -> Option<&Arc<FrontNode>> {
        self.nodes.iter().find(|node| node.address == host)
    }

    /// Work that ends with the front.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.alive.clone().run_until_cancelled_owned(work));
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, guests: Arc<Guests>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: they come back when other connections end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(guest) = guests.greet(&stream).await.map(Arc::new) else { continue };
        // Without it small packets wait for one another; a stream that cannot have it still works.
        let _ = stream.set_nodelay(true);
        // russh runs a session in a task of its own, which only ends with its stream: so it gets one end of a pipe,
        // whose other end goes away with the front.
        let (mut near, far) = tokio::io::duplex(256 * 1024);
        shared.spawn(serve(far, Peer { shared: shared.clone(), at: Place::Bastion, guest: guest.clone() }));
        shared.spawn(async move {
            tokio::select! {
                ended = tokio::io::copy_bidirectional(&mut stream, &mut near) => ignore(ended),
                () = guest.shown_out() => {}
            }
        });
    }
}

/// Streams end in many ways, all of which both sides see for themselves.
fn ignore<T>(_: T) {}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
    if let Ok(session) = server::run_stream(peer.shared.config.clone(), stream, peer).await {
        ignore(session.await);
    }
}

/// Where rke believes it is.
#[derive(Clone)]
enum Place {
    Bastion,
    Node(Arc<FrontNode>),
}

/// One SSH session of rke with us.
#[derive(Clone)]
struct Peer {
    shared: Arc<Shared>,
    at: Place,
    guest: Arc<Guest>,
}

/// What is behind a channel.
enum Behind {
    Login(Arc<FrontNode>),
    Tcp(Arc<FrontNode>, String, u16),
    Socket(Arc<FrontNode>),
}

impl Peer {
    fn tcp(&self, host: &str, port: u32) -> Option<Behind> {
        let port = u16::try_from(port).ok()?;
        match &self.at {
            Place::Bastion => {
                let node = self.shared.node(host)?;
                match port {
                    // The API listens on all addresses of its node; its public one may not be reachable from itself.
                    API => Some(Behind::Tcp(node.clone(), "127.0.0.1".into(), API)),
                    port if port == node.ssh_port => Some(Behind::Login(node.clone())),
                    _ => None,
                }
            }
            Place::Node(node) => {
                let own = ["127.0.0.1", "localhost", "::1", &node.address].contains(&host)
                    || node.internal_address.as_deref() == Some(host);
                (own && PORTS.contains(&port)).then(|| Behind::Tcp(node.clone(), host.to_string(), port))
            }
        }
    }

    fn socket(&self, path: &str) -> Option<Behind> {
        match &self.at {
            Place::Node(node) if node.docker_socket == path => Some(Behind::Socket(node.clone())),
            Place::Node(_) | Place::Bastion => None,
        }
    }

    /// Opens what is behind the channel, or refuses it at once.
    fn open(&self, behind: Option<Behind>, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        self.shared.opened.fetch_add(1, Ordering::Relaxed);
        // A reply that is dropped is a refusal: administratively prohibited.
        let Some(behind) = behind else { return };
        let (shared, guest) = (self.shared.clone(), self.guest.clone());
        self.shared.spawn(async move {
            match behind {
                Behind::Login(node) => {
                    reply.accept().await;
                    serve(channel.into_stream(), Peer { shared, at: Place::Node(node), guest }).await;
                }
                Behind::Tcp(node, host, port) => pump(channel, reply, node.connection.open_tcp(&host, port)).await,
                Behind::Socket(node) => docker(channel, reply, &node, &shared.gate).await,
            }
        });
    }

    fn knows(&self, key: &PublicKey) -> Auth {
        if key.key_data() == self.shared.guest.key_data() { Auth::Accept } else { Auth::reject() }
    }
}

async fn pump(
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    opening: impl Future<Output = Result<Box<dyn Wire>, RemoteError>>,
) {
    if let Some(mut far) = opened(reply, opening).await {
        ignore(tokio::io::copy_bidirectional(&mut channel.into_stream(), &mut far).await);
    }
}

/// The node's Docker, each call asked about.
async fn docker(channel: Channel<Msg>, reply: ChannelOpenHandle, node: &FrontNode, gate: &Arc<dyn Gate>) {
    if let Some(far) = opened(reply, node.connection.open_unix(&node.docker_socket)).await {
        ignore(carry(channel.into_stream(), far, &node.address, gate).await);
    }
}

/// What is behind the channel, which is told whether it is there.
async fn opened(
    reply: ChannelOpenHandle,
    opening: impl Future<Output = Result<Box<dyn Wire>, RemoteError>>,
) -> Option<Box<dyn Wire>> {
    match timeout(LIMIT, opening).await {
        Ok(Ok(far)) => {
            reply.accept().await;
            Some(far)
        }
        Ok(Err(_)) | Err(_) => {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            None
        }
    }
}

impl server::Handler for Peer {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(self.knows(offer.public_key))
    }

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let answer = self.knows(key.public_key);
        if let Auth::Accept = answer {
            self.guest.is_known();
        }
        Ok(answer)
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.open(self.tcp(host, port), channel, reply);
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.open(self.socket(path), channel, reply);
        Ok(())
    }
}
