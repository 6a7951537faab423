//! The front, with the real `ssh` in the part of rke.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use cowhand::remote::{Front, FrontNode, Open};

use crate::world::{Process, Sshd, World, eventually, run};

/// An address that no packet ever goes to: only the front knows it.
const ADDRESS: &str = "192.0.2.7";

struct Stage {
    world: World,
    sshd: Sshd,
    front: Front,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    async fn new() -> Stage {
        let world = World::new();
        let (sshd, connection) = world.connected().await;
        let node = FrontNode {
            address: ADDRESS.into(),
            internal_address: Some("127.0.0.1".into()),
            ssh_port: 22,
            docker_socket: world.path("docker.sock").display().to_string(),
            connection,
        };
        // As a run leaves it that was killed.
        world.write("front-former.key", "former");
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = warnings.clone();
        let warn = Box::new(move |text| heard.lock().unwrap().push(text));
        let front = Front::start(vec![node], world.folder.path(), Arc::new(Open), warn).await.unwrap();
        let stage = Stage { world, sshd, front, warnings };
        stage.configure(&stage.front.key_path());
        stage
    }

    fn configure(&self, key: &Path) {
        let text = format!(
            "Host bastion\n  HostName 127.0.0.1\n  Port {}\nHost node\n  HostName {ADDRESS}\n  ProxyJump bastion\n\
             Host *\n  User rancher\n  IdentityFile {}\n  IdentitiesOnly yes\n  IdentityAgent none\n  BatchMode yes\n\
             \x20 StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile /dev/null\n  LogLevel INFO\n",
            self.front.port(),
            key.display()
        );
        self.world.write("rke", &text);
    }

    fn ssh(&self, args: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.world.path("rke")).args(args).stdin(Stdio::null());
        ssh
    }

    fn output(&self, args: &[&str]) -> Output {
        self.ssh(args).output().unwrap()
    }

    fn refused(&self, args: &[&str], why: &str) {
        let output = self.output(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{args:?}: {said}");
    }

    /// A real `ssh -L` from a socket here to a socket on the node.
    fn forward(&self, name: &str, far: &Path) -> (Process, std::path::PathBuf) {
        let near = self.world.path(name);
        let both = format!("{}:{}", near.display(), far.display());
        let log = std::fs::File::create(self.world.path(&format!("{name}.log"))).unwrap();
        let child = self.ssh(&["-N", "-L", &both, "node"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let process = Process(child);
        eventually("ssh listens", || near.exists());
        (process, near)
    }
}

/// A call as rke makes it; as long as six of what is echoed at once.
const CALL: &[u8; 24] = b"HEAD /_ping HTTP/1.1\r\n\r\n";

/// Greets and echoes, once for each connection.
fn serve(mut stream: impl Read + Write + Send + 'static) {
    std::thread::spawn(move || {
        stream.write_all(b"hello ").unwrap();
        let mut bytes = [0; 4];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes).unwrap();
        }
    });
}

fn docker(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(serve));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_socket_is_reached_without_a_login_of_its_own() {
    let stage = Stage::new().await;
    let socket = stage.world.path("docker.sock");
    docker(&socket);
    let (_ssh, near) = stage.forward("near", &socket);
    for _ in 0..3 {
        let mut stream = UnixStream::connect(&near).unwrap();
        stream.write_all(CALL).unwrap();
        let mut text = [0; 30];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(text, [b"hello ", CALL.as_slice()].concat()[..]);
    }
    assert_eq!(stage.sshd.logins(), 1, "only our own connection");
    assert_eq!(stage.front.opened(), 4, "the node, and three times its socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_socket_is_refused() {
    let stage = Stage::new().await;
    let other = stage.world.path("other.sock");
    docker(&other);
    let (_ssh, near) = stage.forward("near", &other);
    let mut stream = UnixStream::connect(&near).unwrap();
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    assert!(text.is_empty());
    eventually("ssh says why", || stage.world.read("near.log").contains("administratively prohibited"));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_are_let_through_and_nothing_else() {
    let stage = Stage::new().await;
    // Whichever of the health checks' ports is free on this machine.
    let listener = [10248, 10256, 10257, 10259, 10250].iter().find_map(|p| TcpListener::bind(("127.0.0.1", *p)).ok());
    let listener = listener.expect("all ports of the health checks are in use on this machine");
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(serve));
    for host in ["127.0.0.1", "localhost"] {
        let child = stage
            .ssh(&["-W", &format!("{host}:{port}"), "node"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = Process(child.unwrap());
        process.0.stdin.as_mut().unwrap().write_all(b"ping").unwrap();
        let mut text = [0; 10];
        process.0.stdout.as_mut().unwrap().read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello ping");
    }
    let sshd = format!("127.0.0.1:{}", stage.sshd.port);
    stage.refused(&["-W", &sshd, "node"], "administratively prohibited");
    stage.refused(&["-W", "192.0.2.8:10248", "node"], "administratively prohibited");
    stage.refused(&["-W", &format!("127.0.0.1:{port}"), "bastion"], "administratively prohibited");
    stage.refused(&["-W", "192.0.2.8:22", "bastion"], "administratively prohibited");
    stage.refused(&["-W", "192.0.2.8:6443", "bastion"], "administratively prohibited");
    stage.refused(&["-W", &format!("{ADDRESS}:2222"), "bastion"], "administratively prohibited");
    // Allowed, but not up yet: refused at once, so that rke goes on asking.
    stage.refused(&["-W", "127.0.0.1:2379", "node"], "connect failed");
    // No shell and no command, neither here nor there.
    for host in ["bastion", "node"] {
        assert!(!stage.output(&[host, "echo pwned"]).status.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_throwaway_key_is_let_in_and_it_is_private() {
    let stage = Stage::new().await;
    let key = stage.front.key_path();
    assert!(!stage.world.path("front-former.key").exists());
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&key).unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    assert!(run("ssh-keygen", &["-y", "-P", "", "-f", key.to_str().unwrap()]).starts_with("ssh-ed25519 "));
    // The key that the nodes themselves take is a stranger here.
    stage.configure(&stage.world.key);
    stage.refused(&["-W", &format!("{ADDRESS}:22"), "bastion"], "Permission denied (publickey)");
    assert_eq!(stage.front.opened(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_it_is_gone_with_all_that_it_carries() {
    let stage = Stage::new().await;
    let socket = stage.world.path("docker.sock");
    docker(&socket);
    let (mut ssh, near) = stage.forward("near", &socket);
    let mut stream = UnixStream::connect(&near).unwrap();
    let mut text = [0; 6];
    stream.read_exact(&mut text).unwrap();
    let (port, key) = (stage.front.port(), stage.front.key_path());
    let Stage { front, world: _world, sshd: _sshd, warnings: _ } = stage;
    drop(front);
    assert!(!key.exists());
    eventually("the port is closed", || TcpStream::connect(("127.0.0.1", port)).is_err());
    eventually("ssh has lost its connection", || ssh.0.try_wait().unwrap().is_some());
    assert_eq!(stream.read(&mut text).unwrap(), 0);
}

/// 1,024 of them stopped rke for three minutes: each was waited for, and all file descriptors were theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_say_nothing_do_not_keep_rke_out() {
    let stage = Stage::new().await;
    let socket = stage.world.path("docker.sock");
    docker(&socket);
    let mut idle: Vec<TcpStream> =
        (0..1024).map(|_| TcpStream::connect(("127.0.0.1", stage.front.port())).unwrap()).collect();
    let (_ssh, near) = stage.forward("near", &socket);
    let mut stream = UnixStream::connect(&near).unwrap();
    let mut text = [0; 6];
    // It took three minutes.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(90))).unwrap();
    stream.read_exact(&mut text).unwrap();
    // Far more than half of them were shown out at once; the one who logged in stays.
    let shown_out = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        loop {
            match stream.read(&mut [0; 256]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    };
    assert!(idle[..800].iter_mut().all(shown_out));
    stream.write_all(CALL).unwrap();
    let mut text = [0; 24];
    stream.read_exact(&mut text).unwrap();
    assert_eq!(&text, CALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_of_this_machine_is_shut_out_and_told_of() {
    if run("id", &["-u"]).trim() != "0" {
        // Without root there is no other user to be.
        return;
    }
    let stage = Stage::new().await;
    let port = stage.front.port();
    // bash opens a TCP connection by itself; an SSH server greets at once.
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; head -c 4 <&3");
    let greeted = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        let output = command.args(&words[1..]).args(["bash", "-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    assert_eq!(greeted(&["env"]), "SSH-");
    for _ in 0..3 {
        assert_eq!(greeted(&stranger), "");
    }
    let warnings = stage.warnings.lock().unwrap().clone();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.starts_with("user 65534 of this machine connected to rke's way to the nodes"), "{warning}");
}
