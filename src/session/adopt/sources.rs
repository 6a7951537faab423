//! What a cluster is taken over from: its cluster.yml, its state and its kubeconfig, as somebody has them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::engine::rke::adopt::{Adopted, Named};
use crate::engine::rke::state::State;
use crate::failure::{Exit, Failure};
use crate::inventory::{Foreign, read_cluster_yml};
use crate::session::machines::Machines;
use crate::session::recover::fetch;

/// No cluster.yml, state or kubeconfig comes near this.
const LARGEST: u64 = 16 * 1024 * 1024;

/// All of it, read.
pub struct Sources {
    /// How errors call it: the file, or the cluster on the nodes.
    pub name: String,
    pub foreign: Foreign,
    /// What was left out while it was read.
    pub named: Vec<Named>,
    pub state: Option<StateText>,
    pub kubeconfig: Option<Zeroizing<String>>,
    /// File with the nodes' host keys, where one was named.
    pub known_hosts: Option<String>,
}

/// RKE's state.
pub struct StateText {
    /// How errors call it.
    pub name: String,
    pub text: Zeroizing<String>,
    pub parsed: State,
}

impl StateText {
    /// # Errors
    /// When no cluster can be mended from it.
    pub fn parse(name: String, text: Zeroizing<String>) -> Result<StateText, Failure> {
        let parsed = State::parse(&text).map_err(|error| {
            Failure::with_cause(Exit::ChecksFailed, format!("{name} cannot be used"), &error).hint(
                "`rke util get-state-file` or a backup may have a whole one; without it rke would make a new CA over the cluster; \
                 nothing was written",
            )
        })?;
        Ok(StateText { name, text, parsed })
    }
}

impl Sources {
    /// The state that was named, or the one that rke keeps beside its cluster.yml (rancher/rke v1.8.0: cluster/state.go).
    pub fn read(from: &Path, state: Option<&Path>, kubeconfig: Option<&Path>) -> Result<Sources, Failure> {
        let foreign = read_cluster_yml(&read(from)?).map_err(|error| {
            let said = format!("{} is no cluster.yml that rke could read", from.display());
            Failure::with_cause(Exit::Inventory, said, &error)
        })?;
        let path = state.map_or_else(|| from.with_extension("rkestate"), Path::to_owned);
        let state = match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && state.is_none() => None,
            Ok(_) | Err(_) => Some(StateText::parse(path.display().to_string(), read(&path)?)?),
        };
        let kubeconfig = match kubeconfig {
            Some(path) => Some(whole(path)?),
            None => state.as_ref().and_then(StateText::kubeconfig),
        };
        Ok(Sources {
            name: from.display().to_string(),
            foreign,
            named: Vec::new(),
            state,
            kubeconfig,
            known_hosts: None,
        })
    }

    /// Takes the state that the cluster keeps of itself, from the first node that can give it.
    pub async fn bring(&mut self, machines: &Machines, adopted: &Adopted) -> Result<(), Failure> {
        let (text, node) = fetch(machines).await?;
        let state = StateText::parse(kept_on(&node), text)?;
        state.refuse_another(adopted)?;
        self.kubeconfig = self.kubeconfig.take().or_else(|| state.kubeconfig());
        self.state = Some(state);
        Ok(())
    }

    /// # Errors
    /// When state and cluster.yml are of two clusters.
    pub fn refuse_another(&self, adopted: &Adopted) -> Result<(), Failure> {
        self.state.as_ref().map_or(Ok(()), |state| state.refuse_another(adopted))
    }
}

/// How errors call the state that the cluster keeps of itself.
pub(super) fn kept_on(node: &str) -> String {
    format!("the state that the cluster keeps of itself ({node})")
}

impl StateText {
    pub fn kubeconfig(&self) -> Option<Zeroizing<String>> {
        self.parsed.kubeconfig().map(|text| Zeroizing::new(text.to_owned()))
    }

    fn refuse_another(&self, adopted: &Adopted) -> Result<(), Failure> {
        let StateText { name, parsed, .. } = self;
        let mut differences = Vec::new();
        if let Some(name) = parsed.cluster_name().filter(|name| *name != adopted.name) {
            differences.push(format!("its name is `{name}`, in the cluster.yml `{}`", adopted.name));
        }
        let theirs = parsed.addresses();
        let only = |what: &str, list: Vec<&str>| (!list.is_empty()).then(|| format!("{what} {}", list.join(", ")));
        let named = |address: &str| adopted.addresses.iter().any(|one| one == address);
        let more = theirs.iter().copied().filter(|address| !named(address)).collect();
        let fewer = adopted.addresses.iter().map(String::as_str).filter(|address| !theirs.contains(address)).collect();
        differences.extend(only("only the state has", more));
        differences.extend(only("only the cluster.yml has", fewer));
        if differences.is_empty() {
            return Ok(());
        }
        let error = format!("{name} is not the state of this cluster.yml");
        Err(Failure::new(Exit::ChecksFailed, error).because(differences.join("\n")).hint(
            "give the two that belong together: the cluster.yml of the last `rke up`, and the state that it left; nothing was written",
        ))
    }
}

fn whole(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = read(path)?;
    crate::cluster::whole_kubeconfig(&text).map_err(|_| {
        // What is wrong may repeat what stands there.
        Failure::new(Exit::Usage, format!("{} is no whole kubeconfig", path.display()))
            .hint("give the kube_config_cluster.yml that rke wrote, or leave it out: the state has a copy; nothing was written")
    })?;
    Ok(text)
}

pub(super) fn unread(path: &Path, error: &std::io::Error) -> Failure {
    Failure::with_cause(Exit::Usage, format!("{} cannot be read", path.display()), error).hint("nothing was written")
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = || -> std::io::Result<String> {
        let about = std::fs::metadata(path)?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(std::io::Error::other("it is not a regular file of at most 16 MiB"));
        }
        String::from_utf8(std::fs::read(path)?).map_err(|_| std::io::Error::other("it is not UTF-8"))
    };
    bytes().map(Zeroizing::new).map_err(|error| unread(path, &error))
}

/// The folder of a file that may not be there yet.
pub fn folder_of(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| unread(path, &error))?;
    let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    folder.canonicalize().map_err(|error| unread(&folder, &error))
}
