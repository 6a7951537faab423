//! The machines' SSH servers: russh's, in this process, so that a wire can be cut and each command is heard before it is played.
//!
//! Who logs in is told by the key: each run has one of its own.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::said::{self, Said};
use crate::world::{Change, World};

pub fn new_key() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
}

pub async fn listen(world: Arc<World>, node: usize, listener: TcpListener) {
    let config = Arc::new(server::Config {
        keys: vec![world.host_key.clone()],
        auth_rejection_time: Duration::from_millis(1),
        nodelay: true,
        ..server::Config::default()
    });
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (mut near, far) = tokio::io::duplex(256 * 1024);
        let (told, run) = tokio::sync::oneshot::channel();
        let peer = Peer { world: world.clone(), node, run: None, told: Some(told), channels: HashMap::new() };
        let config = config.clone();
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(config, far, peer).await {
                let _ = session.await;
            }
        });
        let world = world.clone();
        tokio::spawn(async move {
            let copied = tokio::io::copy_bidirectional(&mut stream, &mut near);
            let cut = async {
                match run.await {
                    Ok(run) => world.wire(run).cancelled_owned().await,
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! { _ = copied => {}, () = cut => {} }
        });
    }
}

struct Peer {
    world: Arc<World>,
    node: usize,
    run: Option<usize>,
    told: Option<tokio::sync::oneshot::Sender<usize>>,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl server::Handler for Peer {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _: &str, _: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let key: &PublicKey = key.public_key;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let run = self.world.book().keys.get(&fingerprint).copied();
        let Some(run) = run else { return Ok(Auth::reject()) };
        if let Some(told) = self.told.take() {
            let _ = told.send(run);
        }
        self.run = Some(run);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, line: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let (Some(channel), Some(run)) = (self.channels.remove(&id), self.run) else { return Ok(()) };
        session.channel_success(id)?;
        let line = String::from_utf8_lossy(line).into_owned();
        tokio::spawn(command(self.world.clone(), self.node, run, line, channel));
        Ok(())
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
        let (world, node) = (self.world.clone(), self.node);
        let own = ["127.0.0.1", &world.nodes[node].address].contains(&host);
        match port {
            22 if own => reply.accept().await,
            6443 if own && world.machine(node).containers.contains("kube-apiserver") => {
                reply.accept().await;
                tokio::spawn(crate::api::serve(world, node, channel.into_stream()));
            }
            _ => reply.reject(ChannelOpenFailure::ConnectFailed).await,
        }
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(run) = self.run.filter(|_| path == "/var/run/docker.sock") else { return Ok(()) };
        reply.accept().await;
        tokio::spawn(docker(self.world.clone(), self.node, run, channel.into_stream()));
        Ok(())
    }
}

/// One command of a run, from its line to its exit code.
async fn command(world: Arc<World>, node: usize, run: usize, line: String, channel: Channel<Msg>) {
    if line.contains("node.lock") {
        return lock(&world, node, &line, channel).await;
    }
    let (mut read, write) = channel.split();
    let mut stdin = Vec::new();
    // A wire that broke meanwhile has no command on it any more.
    if read.make_reader().read_to_end(&mut stdin).await.is_err() {
        return;
    }
    let Said { out, err, code } = said::answer(&world, node, run, &line, &stdin);
    let sent = async {
        write.data_bytes(out).await?;
        write.extended_data_bytes(1, err).await?;
        write.exit_status(code).await?;
        write.eof().await?;
        write.close().await
    };
    // Nobody listens where the run was ended.
    let _ = sent.await;
}

/// The lock is the real script in a real shell; only its folder is this machine's own.
async fn lock(world: &World, node: usize, line: &str, channel: Channel<Msg>) {
    if world.book().locks_lie {
        let (mut read, write) = channel.split();
        let _ = write.data_bytes("held\n").await;
        let _ = tokio::io::copy(&mut read.make_reader(), &mut tokio::io::sink()).await;
        return;
    }
    let home = world.path(&format!("machine-{node}"));
    std::fs::create_dir_all(home.join("bin")).unwrap();
    let sudo = home.join("bin/sudo");
    std::fs::write(&sudo, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&sudo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let line = line.replace("/run/cowhand", &home.join("cowhand").display().to_string());
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", home.join("bin").display());
    let mut child = tokio::process::Command::new("/bin/sh");
    child.args(["-c", &line]).env_clear().env("HOME", &home).env("PATH", path).kill_on_drop(false);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let (mut read, write) = channel.split();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Its end of the pipe goes with the wire, as sshd's does.
    let beats = tokio::spawn(async move { tokio::io::copy(&mut read.make_reader(), &mut stdin).await });
    let mut words = vec![0; 1024];
    while let Ok(length @ 1..) = stdout.read(&mut words).await {
        let _ = write.data_bytes(words[..length].to_vec()).await;
    }
    let code = child.wait().await.unwrap().code().unwrap_or(255);
    beats.abort();
    let sent = async {
        write.exit_status(code.unsigned_abs()).await?;
        write.eof().await?;
        write.close().await
    };
    let _ = sent.await;
}

/// Docker's socket: what cowhand asks of it, and the changes that the played rke orders there.
async fn docker(world: Arc<World>, node: usize, run: usize, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while let Some(asked) = said::request(&mut stream).await {
        let answer = match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/_ping") => "OK".to_owned(),
            ("GET", "/version") => r#"{"Version":"26.1.5","ApiVersion":"1.45","MinAPIVersion":"1.24"}"#.to_owned(),
            ("POST", "/played/certificates") => {
                world.act(run, node, &Change::Certificates(asked.body));
                String::new()
            }
            ("POST", "/played/container") => {
                world.act(run, node, &Change::Container(asked.body));
                String::new()
            }
            ("POST", "/played/remove") => {
                world.act(run, node, &Change::Remove);
                String::new()
            }
            _ => {
                world.broken(format!("the play has no answer of Docker to {} {}", asked.method, asked.path));
                return;
            }
        };
        if stream.write_all(said::response(200, "text/plain", &answer).as_bytes()).await.is_err() {
            return;
        }
    }
}
