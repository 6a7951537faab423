//! Taking away from a node what `rke remove` leaves there, and looking afterwards what is left.

use std::net::IpAddr;
use std::time::Duration;

use crate::failure::Hint;
use crate::inventory::Rke;
use crate::remote::{Remote, RemoteError, Stdin, Words};

const SCRIPT: &str = include_str!("sweep.sh");
/// Unmounting and deleting may take a while on a slow disk.
const LIMIT: Duration = Duration::from_secs(300);
/// RKE's own (rancher/rke v1.8.0: cluster/defaults.go).
const PODS: &str = "10.42.0.0/16";

/// What is swept by: the pods' networks, and where routes to them may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pods: Vec<String>,
    nodes: Vec<IpAddr>,
    /// Of the inventory: RKE's helpers without a label are known by them.
    images: Vec<String>,
}

/// What a swept node says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Of the cluster, and still there.
    pub left: Vec<String>,
    /// Stays on purpose: snapshots, and what is not RKE's.
    pub kept: Vec<String>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum SweepError {
    #[error("{node} could not be cleaned")]
    Remote {
        node: String,
        #[source]
        cause: RemoteError,
    },
    /// `rke remove` would delete what is not the cluster's; nothing was changed.
    #[error("{node} must not be cleaned yet: {}", reasons.join("; "))]
    Against { node: String, reasons: Vec<String> },
    /// The script did not come to its end.
    #[error("{node} was not cleaned completely, so it is not known what is left")]
    CutOff { node: String },
}

impl Hint for SweepError {
    fn hint(&self) -> Option<String> {
        match self {
            SweepError::Remote { cause, .. } => cause.hint(),
            SweepError::Against { .. } => {
                Some("put that right on the node, then run the same command again; nothing was touched".into())
            }
            SweepError::CutOff { .. } => Some("run the same command again".into()),
        }
    }
}

impl Sweep {
    /// `nodes` are all addresses of all nodes.
    pub fn new(rke: &Rke, nodes: impl IntoIterator<Item = IpAddr>) -> Sweep {
        let service = rke.cluster.get("services").and_then(|services| services.get("kube-controller"));
        let configured = service.and_then(|service| service.get("cluster_cidr")).and_then(serde_json::Value::as_str);
        // Two with a comma between, where there is IPv6 as well.
        let pods = configured.unwrap_or(PODS).split(',').map(|one| one.trim().to_owned());
        Sweep {
            pods: pods.filter(|one| !one.is_empty()).collect(),
            nodes: nodes.into_iter().collect(),
            images: rke.system_images().into_iter().map(str::to_owned).collect(),
        }
    }

    fn words(&self, step: &str) -> Words {
        let nodes: Vec<String> = self.nodes.iter().map(ToString::to_string).collect();
        let lists = [self.pods.join(" "), nodes.join(" "), self.images.join(" ")];
        Words::new("sh").args(["-s", "--", step]).args(lists).sudo().within(LIMIT)
    }

    /// Whether `rke remove` would delete more than the cluster on this node: it empties folders with all that is mounted there.
    ///
    /// # Errors
    /// With [`SweepError::Against`] when it would.
    pub async fn judge<R: Remote>(&self, remote: &R, node: &str) -> Result<(), SweepError> {
        let said = self.run(remote, node, "judge").await?;
        let (_, lines) = said.split_once("== against\n").ok_or_else(|| SweepError::CutOff { node: node.into() })?;
        let reasons: Vec<String> = lines.lines().map(str::to_owned).collect();
        if reasons.is_empty() { Ok(()) } else { Err(SweepError::Against { node: node.into(), reasons }) }
    }

    /// Puts aside what others keep in the folders of CNI: `rke remove` empties them.
    pub async fn before<R: Remote>(&self, remote: &R, node: &str) -> Result<(), SweepError> {
        self.run(remote, node, "before").await.map(drop)
    }

    /// Only looks: what would be taken away.
    pub async fn look<R: Remote>(&self, remote: &R, node: &str) -> Result<Swept, SweepError> {
        let said = self.run(remote, node, "look").await?;
        swept(&said).ok_or_else(|| SweepError::CutOff { node: node.into() })
    }

    /// Takes away what is left of the cluster, and looks again.
    pub async fn after<R: Remote>(&self, remote: &R, node: &str) -> Result<Swept, SweepError> {
        let said = self.run(remote, node, "after").await?;
        swept(&said).ok_or_else(|| SweepError::CutOff { node: node.into() })
    }

    async fn run<R: Remote>(&self, remote: &R, node: &str, step: &str) -> Result<String, SweepError> {
        let said = remote.text(&self.words(step), Stdin::Text(SCRIPT.into())).await;
        said.map_err(|cause| SweepError::Remote { node: node.into(), cause })
    }
}

fn swept(said: &str) -> Option<Swept> {
    let mut swept = Swept::default();
    let (_, lines) = said.split_once("== left\n")?;
    for line in lines.lines() {
        match line.strip_prefix("kept ") {
            Some(what) => swept.kept.push(what.into()),
            None => swept.left.push(line.into()),
        }
    }
    Some(swept)
}

#[cfg(test)]
#[path = "sweep_mount_tests.rs"]
mod mount_tests;
#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
