//! A place of a rebuild's own on a node: a volume of Docker, and short-lived containers without a network around it.
//!
//! Everything in it has the rebuild's id in its name and label, and is gone when the rebuild has put etcd's data in place.

use std::io::Read;
use std::time::Duration;

use data_encoding::BASE64;
use tokio::time::timeout;

use crate::backup::{Spool, Spooled};
use crate::failure::{Exit, Failure};
use crate::remote::{Ended, Line, Remote, Stdin, Words};
use crate::session::machines::Machine;

/// How much is sent at a time (bytes).
const PIECE: usize = 256 * 1024;
/// How long a node may take nothing of what is sent.
const SILENCE: Duration = Duration::from_secs(60);
/// For one command on gigabytes of etcd's data.
const LIMIT: Duration = Duration::from_secs(600);
const LABEL: &str = "cowhand.rebuild";
/// The volume, as containers see it.
const WORK: &str = "/work";

/// The images that RKE runs the cluster with.
#[derive(Debug, Clone)]
pub struct Images {
    /// Has etcd, etcdctl and etcdutl; the published one has no shell.
    pub etcd: String,
    /// rke-tools, which has a shell.
    pub tools: String,
}

/// One node's.
pub struct Jar<'a> {
    pub machine: &'a Machine,
    images: &'a Images,
    name: String,
}

impl<'a> Jar<'a> {
    pub fn new(machine: &'a Machine, images: &'a Images, id: &str) -> Jar<'a> {
        Jar { machine, images, name: format!("cowhand-rebuild-{id}") }
    }

    fn docker(&self, words: &[&str]) -> Words {
        let socket = format!("unix://{}", self.machine.node.docker_socket);
        Words::new("docker").args(["-H", &socket]).args(words.iter().copied()).within(LIMIT)
    }

    /// A container that is gone when its command is, on the volume and on these folders of the node (`from:to`).
    fn once(&self, image: &str, program: &str, folders: &[&str], words: &[&str]) -> Words {
        let label = format!("{LABEL}={}", self.name);
        let volume = format!("{}:{WORK}", self.name);
        let folders = folders.iter().flat_map(|folder| ["--volume", folder]);
        self.docker(&["run", "--rm", "--interactive", "--network", "none", "--label", &label, "--volume", &volume])
            .args(folders)
            .args(["--workdir", WORK, "--entrypoint", program, image])
            .args(words.iter().copied())
    }

    async fn said(&self, words: &Words, stdin: Stdin) -> Result<String, Failure> {
        self.machine.connection.text(words, stdin).await.map_err(|error| Failure::of(Exit::StepFailed, &error))
    }

    /// The volume anew: what an earlier run left of this rebuild goes. Whether there was one: then what lies on this node was
    /// begun by this rebuild.
    pub async fn make(&self) -> Result<bool, Failure> {
        let again = self.clear().await?;
        let label = format!("{LABEL}={}", self.name);
        self.said(&self.docker(&["volume", "create", "--label", &label, &self.name]), Stdin::Empty).await?;
        Ok(again)
    }

    /// Takes away all that is labelled as this rebuild's; whether a volume was there.
    pub async fn clear(&self) -> Result<bool, Failure> {
        let filter = format!("label={LABEL}={}", self.name);
        let containers = self.said(&self.docker(&["ps", "-aq", "--filter", &filter]), Stdin::Empty).await?;
        for container in containers.lines() {
            self.said(&self.docker(&["rm", "-f", container]), Stdin::Empty).await?;
        }
        let volumes = self.said(&self.docker(&["volume", "ls", "-q", "--filter", &filter]), Stdin::Empty).await?;
        for volume in volumes.lines() {
            self.said(&self.docker(&["volume", "rm", volume]), Stdin::Empty).await?;
        }
        Ok(!volumes.trim().is_empty())
    }

    /// An etcd of RKE's that was ever started here has made the data its own, also while it stands still.
    ///
    /// # Errors
    /// When there is its container.
    pub async fn refuse_started(&self) -> Result<(), Failure> {
        let there = self.said(&self.docker(&["ps", "-aq", "--filter", "name=^/?etcd$"]), Stdin::Empty).await?;
        if there.trim().is_empty() {
            return Ok(());
        }
        Err(Failure::new(Exit::ChecksFailed, format!("there is a container etcd on {}", self.machine.node.name))
            .because("an etcd that was started there may hold newer data than the backup")
            .hint("`cowhand up` goes on with the cluster that has begun there; its data were not touched"))
    }

    /// A shell on the volume and on these folders of the node.
    pub async fn shell(&self, script: &str, words: &[&str], folders: &[&str], stdin: Stdin) -> Result<String, Failure> {
        let given = ["-c", script, "sh"].iter().chain(words).copied().collect::<Vec<_>>();
        self.said(&self.once(&self.images.tools, "sh", folders, &given), stdin).await
    }

    /// etcd's own program for data at rest.
    pub async fn etcdutl(&self, folders: &[&str], words: &[&str]) -> Result<String, Failure> {
        self.said(&self.once(&self.images.etcd, "etcdutl", folders, words), Stdin::Empty).await
    }

    /// Puts a snapshot on the volume, whole or not at all.
    pub async fn put(&self, name: &str, snapshot: &mut Spooled, mut told: impl FnMut(u64)) -> Result<(), Failure> {
        const SCRIPT: &str =
            "set -e; umask 077; cat > \"$1.part\"; [ \"$(wc -c < \"$1.part\")\" -eq \"$2\" ]; mv \"$1.part\" \"$1\"";
        let node = &self.machine.node.name;
        let failed = |why: String| {
            Failure::new(Exit::StepFailed, format!("etcd's snapshot did not come whole to {node}")).because(why)
        };
        let length = snapshot.length.to_string();
        let words = self.once(&self.images.tools, "sh", &[], &["-c", SCRIPT, "sh", name, &length]);
        let running = self.machine.connection.start(&words).await;
        let running = running.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
        let mut reader = snapshot.open().map_err(|error| failed(error.to_string()))?;
        let (mut piece, mut sent) = (vec![0; PIECE], 0u64);
        loop {
            let read = reader.read(&mut piece).map_err(|error| failed(error.to_string()))?;
            if read == 0 {
                break;
            }
            let written = timeout(SILENCE, running.write(&piece[..read])).await;
            let written = written.map_err(|_| failed(format!("it took nothing for {} s", SILENCE.as_secs())))?;
            written.map_err(|error| failed(error.to_string()))?;
            sent += read as u64;
            told(sent);
        }
        match timeout(LIMIT, running.finish()).await {
            Ok(Ended::Code(0)) => Ok(()),
            Ok(ended) => Err(failed(format!("what takes it there {ended}"))),
            Err(_) => Err(failed("it was not taken there in time".into())),
        }
    }

    /// Brings a file from the volume; a line of base64 at a time, since what a command says is lines.
    pub async fn bring(&self, name: &str, mut spool: Spool) -> Result<Spooled, Failure> {
        let node = &self.machine.node.name;
        let failed = |why: String| {
            Failure::new(Exit::StepFailed, format!("the snapshot that was made fit did not come whole from {node}"))
                .because(why)
        };
        let words = self.once(&self.images.tools, "base64", &[], &["-w", "12000", name]);
        let running = self.machine.connection.start(&words).await;
        let mut running = running.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
        while let Some(line) = running.line().await {
            match line {
                Line::Out(text) => {
                    let bytes = BASE64.decode(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
                    spool.write(&bytes).map_err(|error| failed(error.to_string()))?;
                }
                Line::Err(text) => return Err(failed(text)),
            }
        }
        match running.ended().await {
            Ended::Code(0) => spool.finish().map_err(|error| failed(error.to_string())),
            ended => Err(failed(format!("what sends it {ended}"))),
        }
    }

    /// A member of etcd by itself on the data in this folder of the volume. It has no network but its own loopback, so nobody
    /// but `docker exec` reaches it.
    pub async fn start_etcd(&self, data: &str) -> Result<(), Failure> {
        let label = format!("{LABEL}={}", self.name);
        let volume = format!("{}:{WORK}", self.name);
        let words = self
            .docker(&[
                "run",
                "--detach",
                "--network",
                "none",
                "--name",
                &self.name,
                "--label",
                &label,
                "--volume",
                &volume,
            ])
            .args(["--workdir", WORK, "--entrypoint", "etcd", &self.images.etcd, "--data-dir", data])
            .args(["--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379"])
            .args(["--listen-peer-urls", "http://127.0.0.1:2380"]);
        self.said(&words, Stdin::Empty).await?;
        let mut last = None;
        for _ in 0..60 {
            match self.etcdctl(&["endpoint", "health"], Stdin::Empty).await {
                Ok(_) => return Ok(()),
                Err(failure) => last = Some(failure),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let logs =
            self.said(&self.docker(&["logs", "--tail", "5", &self.name]), Stdin::Empty).await.unwrap_or_default();
        let last = last.unwrap_or_else(|| Failure::new(Exit::StepFailed, "etcd does not answer"));
        Err(last.because(logs))
    }

    /// What etcdctl says to the throw-away etcd.
    pub async fn etcdctl(&self, words: &[&str], stdin: Stdin) -> Result<String, Failure> {
        let words = self
            .docker(&["exec", "--interactive", "--workdir", WORK, &self.name, "etcdctl"])
            .args(["--endpoints", "http://127.0.0.1:2379", "--dial-timeout", "3s"])
            .args(words.iter().copied());
        self.said(&words, stdin).await
    }

    /// Ends the throw-away etcd.
    pub async fn stop_etcd(&self) -> Result<(), Failure> {
        self.said(&self.docker(&["rm", "-f", &self.name]), Stdin::Empty).await.map(drop)
    }
}
