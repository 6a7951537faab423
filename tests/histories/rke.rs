//! The played rke. It does what rke v1.8.0 does in the same order, as far as a history can tell: it takes a state that it cannot
//! read for none and makes a new CA, writes the state in place (so a kill cuts it off), reaches each node through the bastion of
//! its cluster.yml alone, changes machines whatever lies there, and knows no lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client;
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::pki::Authority;
use crate::world::{Cluster, World};

pub async fn listen(world: Arc<World>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(play(world.clone(), stream));
    }
}

/// Why it did not come to its end.
enum End {
    /// Its process is gone.
    Gone,
    Fatal(String),
}

struct Rke {
    world: Arc<World>,
    run: usize,
    hears: BufReader<OwnedReadHalf>,
    tells: OwnedWriteHalf,
    config: Map<String, Value>,
    folder: PathBuf,
}

async fn play(world: Arc<World>, stream: TcpStream) {
    let (hears, tells) = stream.into_split();
    let mut hears = BufReader::new(hears);
    let mut words = Vec::new();
    loop {
        let mut line = String::new();
        match hears.read_line(&mut line).await {
            Ok(2..) => words.push(line.trim_end().to_owned()),
            Ok(_) | Err(_) => break,
        }
    }
    let [home, _, verb, rest @ ..] = words.as_slice() else { return };
    let Some(run) = home.rsplit_once("run-").and_then(|(_, number)| number.parse().ok()) else { return };
    let file = rest.iter().skip_while(|word| *word != "--config").nth(1).expect("cowhand names the file");
    let text = std::fs::read_to_string(file).unwrap();
    let config = serde_yaml::from_str(&text).unwrap();
    let folder = Path::new(file).parent().unwrap().to_owned();
    let mut rke = Rke { world, run, hears, tells, config, folder };
    let end = match verb.as_str() {
        "up" => rke.up().await,
        _ => rke.remove().await,
    };
    let last = match end {
        Ok(()) => "exit 0\n",
        Err(End::Gone) => return,
        Err(End::Fatal(why)) => {
            // A process that is gone says nothing.
            let _ = rke.say("fatal", &why).await;
            "exit 1\n"
        }
    };
    let _ = rke.tells.write_all(last.as_bytes()).await;
}

impl Rke {
    async fn up(&mut self) -> Result<(), End> {
        self.say("info", "Initiating Kubernetes cluster").await?;
        let before = self.state();
        let kept = before.pointer("/desiredState/certificatesBundle").filter(|bundle| Authority::of(bundle).is_some());
        let bundle = match kept {
            Some(bundle) => bundle.clone(),
            None => self.new_bundle(),
        };
        let authority = Authority::of(&bundle).expect("it was just looked at");
        let ca = authority.pem.clone();
        self.know(authority);
        let half = json!({"rkeConfig": self.camel_config(), "certificatesBundle": bundle});
        let current = before.get("currentState").cloned().unwrap_or_else(|| json!({}));
        self.write_state(&json!({"desiredState": half, "currentState": current})).await?;
        self.say("info", "Building Kubernetes cluster").await?;
        let nodes = self.nodes();
        let doors = self.dial(&nodes).await?;
        self.say("info", "[certificates] Deploying kubernetes certificates to Cluster nodes").await?;
        for door in &doors {
            self.order(door, "certificates", &ca).await?;
        }
        for (role, names) in [
            ("etcd", &["etcd"][..]),
            ("controlplane", &["kube-apiserver", "kube-controller-manager", "kube-scheduler"]),
        ] {
            for (_, door) in nodes.iter().zip(&doors).filter(|((_, _, roles), _)| roles.iter().any(|one| one == role)) {
                for name in names {
                    self.order(door, "container", name).await?;
                }
            }
        }
        self.say("info", "[controlplane] Successfully started Controller Plane..").await?;
        let config = half.pointer("/certificatesBundle/kube-admin/config").and_then(Value::as_str).unwrap_or_default();
        self.write("kube_config_cluster.yml", config).await?;
        let state = json!({"desiredState": half, "currentState": half});
        self.write_state(&state).await?;
        self.say("info", "[state] Saving full cluster state to Kubernetes").await?;
        if let Some(cluster) = self.world.book().clusters.get_mut(&ca) {
            cluster.state = Some(state.to_string());
        }
        for ((name, address, roles), door) in nodes.iter().zip(&doors) {
            self.order(door, "container", "kubelet").await?;
            self.order(door, "container", "kube-proxy").await?;
            if let Some(cluster) = self.world.book().clusters.get_mut(&ca) {
                cluster.nodes.insert(name.clone(), (address.clone(), roles.clone()));
            }
        }
        self.say("info", "Finished building Kubernetes cluster successfully").await
    }

    async fn remove(&mut self) -> Result<(), End> {
        self.say("info", "Tearing down Kubernetes cluster").await?;
        let doors = self.dial(&self.nodes()).await?;
        for door in &doors {
            self.order(door, "remove", "").await?;
        }
        self.alive().await?;
        for name in ["cluster.rkestate", "kube_config_cluster.yml"] {
            // As rke does it: the link, where it is one.
            let _ = std::fs::remove_file(self.folder.join(name));
        }
        self.say("info", "Cluster removed successfully").await
    }

    /// What lies there; nothing where it cannot be read.
    fn state(&self) -> Value {
        let text = std::fs::read_to_string(self.folder.join("cluster.rkestate")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_else(|_| json!({}))
    }

    fn new_bundle(&self) -> Value {
        let nodes = self.nodes();
        let control = nodes.iter().find(|(_, _, roles)| roles.iter().any(|role| role == "controlplane"));
        Authority::new().bundle(control.map_or("10.0.0.11", |(_, address, _)| address))
    }

    fn know(&self, authority: Authority) {
        let mut book = self.world.book();
        let ca = authority.pem.clone();
        book.runs[self.run].knows.push(ca.clone());
        let cluster = || Cluster { authority: Arc::new(authority), nodes: Default::default(), state: None };
        book.clusters.entry(ca).or_insert_with(cluster);
    }

    /// Name, address and roles of each node.
    fn nodes(&self) -> Vec<(String, String, Vec<String>)> {
        let text = |node: &Value, key: &str| node[key].as_str().unwrap_or_default().to_owned();
        let roles = |node: &Value| {
            let roles = node["role"].as_array().into_iter().flatten();
            roles.filter_map(|role| role.as_str().map(str::to_owned)).collect()
        };
        let nodes = self.config["nodes"].as_array().into_iter().flatten();
        nodes.map(|node| (text(node, "hostname_override"), text(node, "address"), roles(node))).collect()
    }

    fn camel_config(&self) -> Value {
        camel(&Value::Object(self.config.clone()))
    }

    /// A session with each node, through the bastion.
    async fn dial(&mut self, nodes: &[(String, String, Vec<String>)]) -> Result<Vec<Door>, End> {
        let mut doors = Vec::new();
        for (_, address, _) in nodes {
            self.alive().await?;
            let named = self.config["nodes"].as_array().into_iter().flatten().find(|node| node["address"] == **address);
            let port = named.and_then(|node| node["port"].as_str()?.parse().ok()).unwrap_or(22);
            let door = Door::open(&self.config["bastion_host"], address, port).await;
            let why = |error| End::Fatal(format!("Failed to set up SSH tunneling for host [{address}]: {error}"));
            doors.push(door.map_err(why)?);
        }
        Ok(doors)
    }

    /// Has a node's Docker do something.
    async fn order(&mut self, door: &Door, what: &str, body: &str) -> Result<(), End> {
        self.alive().await?;
        let done = door.post(what, body).await;
        done.map_err(|error| End::Fatal(format!("{what} on host [{}]: {error}", door.address)))
    }

    async fn write_state(&mut self, state: &Value) -> Result<(), End> {
        self.write("cluster.rkestate", &format!("{state:#}")).await?;
        self.say("info", "Successfully Deployed state file at [./cluster.rkestate]").await
    }

    /// In place, in two halves: whoever is killed in between leaves the first one.
    async fn write(&mut self, name: &str, text: &str) -> Result<(), End> {
        use std::os::unix::fs::OpenOptionsExt;
        self.alive().await?;
        let path = self.folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        std::io::Write::write_all(&mut file, first).unwrap();
        self.alive().await?;
        std::io::Write::write_all(&mut file, second).unwrap();
        Ok(())
    }

    async fn say(&mut self, level: &str, text: &str) -> Result<(), End> {
        let line = format!("time=\"2026-11-30T00:00:00Z\" level={level} msg=\"{text}\"\n");
        self.tells.write_all(line.as_bytes()).await.map_err(|_| End::Gone)
    }

    /// Nothing is done in the name of a process that is gone.
    async fn alive(&mut self) -> Result<(), End> {
        self.tells.write_all(b"ask\n").await.map_err(|_| End::Gone)?;
        let mut line = String::new();
        match self.hears.read_line(&mut line).await {
            Ok(1..) => Ok(()),
            Ok(_) | Err(_) => Err(End::Gone),
        }
    }
}

/// Takes any host key, as rke does.
struct Anyone;

impl client::Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// A node behind the bastion.
struct Door {
    address: String,
    _bastion: client::Handle<Anyone>,
    node: client::Handle<Anyone>,
}

impl Door {
    async fn open(bastion: &Value, address: &str, ssh_port: u32) -> Result<Door, String> {
        let text = |key: &str| bastion[key].as_str().unwrap_or_default().to_owned();
        let port: u16 = text("port").parse().map_err(|_| "no bastion".to_owned())?;
        let key = load_secret_key(text("ssh_key_path"), None).map_err(|error| error.to_string())?;
        let key = || PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
        let said = |error: russh::Error| error.to_string();
        let config = Arc::new(client::Config::default());
        let mut outer = client::connect(config.clone(), ("127.0.0.1", port), Anyone).await.map_err(said)?;
        outer.authenticate_publickey(text("user"), key()).await.map_err(said)?;
        let way = outer.channel_open_direct_tcpip(address, ssh_port, "127.0.0.1", 0).await.map_err(said)?;
        let mut node = client::connect_stream(config, way.into_stream(), Anyone).await.map_err(said)?;
        node.authenticate_publickey("root", key()).await.map_err(said)?;
        Ok(Door { address: address.into(), _bastion: outer, node })
    }

    async fn post(&self, what: &str, body: &str) -> Result<(), String> {
        let channel = self.node.channel_open_direct_streamlocal("/var/run/docker.sock").await;
        let mut stream = channel.map_err(|error| error.to_string())?.into_stream();
        let text =
            format!("POST /played/{what} HTTP/1.1\r\nhost: docker\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.map_err(|error| error.to_string())?;
        if answer.ends_with(b"200") { Ok(()) } else { Err("Docker refused".into()) }
    }
}

/// cluster.yml's names as the state spells them; free maps keep theirs.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match key.as_str() {
                "options" | "labels" | "extra_args" => (key.clone(), value.clone()),
                _ => (spelt(key), camel(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(all) => all.iter().map(camel).collect(),
        other => other.clone(),
    }
}

fn spelt(key: &str) -> String {
    let mut parts = key.split(['_', '-']);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (head, tail) = part.split_at(part.len().min(1));
        text + &head.to_uppercase() + tail
    })
}
