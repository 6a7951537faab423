//! Real servers, real keys, and a person who answers from a script.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cowhand::remote::{Ask, ConnectError, ConnectOptions, Connection, Offered, Target, connect_all};
use secrecy::SecretString;
use tempfile::TempDir;

/// Runs a program that has to succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn user() -> String {
    run("id", &["-un"]).trim().to_string()
}

/// Waits for something that other processes do; far longer than it takes.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A folder with a user's key, known_hosts and configuration.
pub struct World {
    pub folder: TempDir,
    pub key: PathBuf,
}

impl World {
    pub fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let key = new_key(&folder.path().join("id"), &["-t", "ed25519", "-N", ""]);
        let world = World { key, folder };
        world.write("config", "IdentityAgent none\nIdentityFile none\nGlobalKnownHostsFile /dev/null\n");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn key(&self, name: &str, args: &[&str]) -> PathBuf {
        new_key(&self.path(name), args)
    }

    /// A server that lets this world's key in, and is known to it.
    pub fn sshd(&self) -> Sshd {
        let sshd = self.unknown_sshd("");
        self.know(&sshd.known_line());
        sshd
    }

    /// A server that lets this world's key in; `more` goes into its configuration.
    pub fn unknown_sshd(&self, more: &str) -> Sshd {
        Sshd::start(&public(&self.key), more)
    }

    pub fn know(&self, line: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.path("known_hosts")).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// How this world reaches a port on loopback.
    pub fn target(&self, name: &str, port: u16) -> Target {
        Target {
            port: Some(port),
            user: Some(user()),
            identity_file: Some(self.key.clone()),
            known_hosts: Some(self.path("known_hosts")),
            config: Some(self.path("config")),
            connect_timeout: Some(Duration::from_secs(10)),
            ..Target::new(name, "127.0.0.1")
        }
    }

    /// A server and a connection to it.
    pub async fn connected(&self) -> (Sshd, Connection) {
        let sshd = self.sshd();
        let connection = connect(self.target("n1", sshd.port)).await.unwrap();
        (sshd, connection)
    }
}

fn new_key(path: &Path, args: &[&str]) -> PathBuf {
    let mut all = vec!["-q", "-C", "test", "-f", path.to_str().unwrap()];
    all.extend(args);
    run("ssh-keygen", &all);
    path.to_path_buf()
}

pub fn public(key: &Path) -> String {
    fs::read_to_string(format!("{}.pub", key.display())).unwrap().trim().to_string()
}

pub async fn connect(target: Target) -> Result<Connection, ConnectError> {
    connect_with(target, ConnectOptions::default()).await
}

pub async fn connect_with(target: Target, options: ConnectOptions) -> Result<Connection, ConnectError> {
    connect_all(&[target], options).await.pop().unwrap().1
}

/// A real sshd, ended when dropped.
pub struct Sshd {
    pub port: u16,
    pub folder: TempDir,
    child: Child,
}

impl Sshd {
    pub fn start(authorized: &str, more: &str) -> Sshd {
        let folder = tempfile::tempdir().unwrap();
        new_key(&folder.path().join("host"), &["-t", "ed25519", "-N", ""]);
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(folder.path().join("authorized"), format!("{authorized}\n")).unwrap();
        // Root's sshd wants this folder; packages make it at boot. For anybody else it is not needed.
        let _ = fs::create_dir_all("/run/sshd");
        let port = free_port();
        // The first value of a keyword counts, so `more` comes first.
        let config = format!(
            "{more}\nListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             LogLevel VERBOSE\nMaxStartups 100\nAllowTcpForwarding yes\nAllowStreamLocalForwarding yes\n",
            at("host"),
            at("authorized"),
        );
        fs::write(folder.path().join("sshd_config"), config).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let sshd = Sshd { port, folder, child };
        eventually(&format!("sshd listens; its log: {}", sshd.log()), || sshd.log().contains("Server listening"));
        sshd
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub fn host_key(&self) -> String {
        let text = public(&self.folder.path().join("host"));
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    pub fn fingerprint(&self) -> String {
        let path = self.folder.path().join("host.pub");
        run("ssh-keygen", &["-lf", path.to_str().unwrap()]).split(' ').nth(1).unwrap().to_string()
    }

    /// The line that makes this server known at its own port.
    pub fn known_line(&self) -> String {
        self.known_line_at(self.port)
    }

    pub fn known_line_at(&self, port: u16) -> String {
        format!("[127.0.0.1]:{port} {}", self.host_key())
    }

    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Any other process of a test, ended when dropped.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A wire to a port on loopback that can be cut, or left hanging with nothing getting through.
pub struct Cutter {
    pub port: u16,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cutter {
    pub fn start(to: u16) -> Cutter {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = streams.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let mut kept = kept.lock().unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    kept.push(from.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
            }
        });
        Cutter { port, streams }
    }

    pub fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// A person who gives these answers, and is counted.
#[derive(Default)]
pub struct Person {
    pub passphrases: Mutex<Vec<&'static str>>,
    pub takes_host_keys: bool,
    pub asked_passphrase: AtomicUsize,
    pub asked_host_key: Mutex<Vec<(String, Offered)>>,
}

impl Person {
    pub fn with(passphrases: &[&'static str]) -> Arc<Person> {
        let mut passphrases = passphrases.to_vec();
        passphrases.reverse();
        Arc::new(Person { passphrases: Mutex::new(passphrases), ..Person::default() })
    }

    pub fn who_takes_host_keys() -> Arc<Person> {
        Arc::new(Person { takes_host_keys: true, ..Person::default() })
    }

    pub fn asked(&self) -> usize {
        self.asked_passphrase.load(Ordering::SeqCst)
    }
}

impl Ask for Person {
    fn passphrase(&self, _: &Path, again: bool) -> Option<SecretString> {
        let before = self.asked_passphrase.fetch_add(1, Ordering::SeqCst);
        assert_eq!(again, before > 0);
        self.passphrases.lock().unwrap().pop().map(|text| SecretString::from(text.to_string()))
    }

    fn host_key(&self, place: &str, key: &Offered) -> bool {
        self.asked_host_key.lock().unwrap().push((place.to_string(), key.clone()));
        self.takes_host_keys
    }
}

pub fn asking(person: &Arc<Person>) -> ConnectOptions {
    ConnectOptions { ask: person.clone(), ..ConnectOptions::default() }
}
