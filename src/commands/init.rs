//! Writes an inventory to begin with.

use std::path::PathBuf;

use super::{Answer, Context};
use crate::report::{Exit, Failure};

#[derive(Debug, Clone, clap::Args)]
pub struct Init {
    /// Address of a node, or NAME=ADDRESS; give it once for each node
    #[arg(long = "node", value_name = "ADDRESS")]
    pub nodes: Vec<String>,
    /// User to log in as
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Name that users and agents will reach Rancher by
    #[arg(long, value_name = "FQDN")]
    pub hostname: Option<String>,
    /// Name of the cluster
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Take the nodes from an ssh configuration, `-` for standard input (`vagrant ssh-config | …`)
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    pub from_ssh_config: Option<PathBuf>,
    /// File to write, `-` for standard output
    #[arg(short = 'o', long = "to", value_name = "FILE", default_value = "inventory.yml")]
    pub to: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

pub fn run(_context: &Context, _wanted: &Init) -> Answer {
    Err(Failure::new(Exit::Bug, "`cowhand init` is not built yet"))
}
