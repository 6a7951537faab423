//! Writes an inventory to begin with.

mod from_ssh_config;
mod ssh_names;
mod ssh_refused;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::commands::init::from_ssh_config::Taken;
use crate::failure::{Exit, Failure};
use crate::inventory::{self, InitNode, InitRequest, Mistakes};
use crate::session::load::environment;
use crate::session::new_file;
use crate::session::{Answer, Context, find_inventory};

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
    #[arg(long, value_name = "NAME", default_value = "rancher")]
    pub name: String,
    /// Take the nodes from an ssh configuration, `-` for standard input (`vagrant ssh-config | …`)
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    pub from_ssh_config: Option<PathBuf>,
    /// Of an ssh configuration take only the names that fit, e.g. `rke*`; may be given more than once
    #[arg(long = "host", value_name = "PATTERN", requires = "from_ssh_config")]
    pub hosts: Vec<String>,
    /// File to write, `-` for standard output [default: that of -i, else inventory.yml]
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

/// What was written, for `--output json`.
#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    /// A copy of the ssh configuration that the inventory needs.
    ssh_config: Option<&'a Path>,
    /// What is still to be filled in or put right, a line each.
    open: Vec<String>,
    /// What of an ssh configuration is not in it, a line each.
    passed_over: Vec<String>,
}

pub async fn run(context: &Context, wanted: Init) -> Answer {
    let wanted = &wanted;
    let file = &wanted.to.clone().or_else(|| context.inventory.clone()).unwrap_or_else(|| "inventory.yml".into());
    let taken = match &wanted.from_ssh_config {
        Some(config) => from_ssh_config::take(config, &wanted.hosts, file).await?,
        None => Taken::default(),
    };
    let text = inventory::init(&request(wanted, &taken)?);
    refuse_flags(wanted, &text, file)?;
    if file == Path::new("-") {
        // Standard output is the inventory.
        taken.passed.iter().for_each(|passed| context.console.talk(&format!("passed over  {passed}")));
        context.console.raw(&text)?;
        return Ok(Exit::Done);
    }
    if taken.copy.is_some() {
        // Not the one without the other.
        new_file::refuse_there(file, wanted.force)?;
    }
    taken.write_copy(wanted.force)?;
    new_file::write(file, &text, wanted.force)?;
    let open: Vec<String> = mistakes(&text, file)?.map(lines).unwrap_or_default();
    let passed_over: Vec<String> = taken.passed.iter().map(ToString::to_string).collect();
    let copy = taken.copy.as_ref().map(|(copy, _)| copy.as_path());
    let written = Written { file, ssh_config: copy, open: open.clone(), passed_over: passed_over.clone() };
    context.console.data("written", &written, |look| {
        let mut said = format!("{} is written\n", file.display());
        if let Some(copy) = copy {
            said.push_str(&format!("{} is written: how ssh reaches the nodes\n", copy.display()));
        }
        for line in &passed_over {
            said.push_str(&format!("  passed over  {}\n", look.wrap(line, 15)));
        }
        for line in &open {
            said.push_str(&format!("  still to do  {}\n", look.wrap(line, 15)));
        }
        // The one inventory of the current folder needs no name.
        let alone = find_inventory(Path::new(".")).is_ok_and(|found| found == *file);
        let named = if alone { String::new() } else { format!(" -i {}", file.display()) };
        look.letters(&format!("{said}next: read it through, then `cowhand check{named}`\n"))
    })?;
    Ok(Exit::Done)
}

fn request(wanted: &Init, taken: &Taken) -> Result<InitRequest, Failure> {
    let given: Vec<InitNode> = wanted.nodes.iter().map(|said| node(said)).collect::<Result<_, _>>()?;
    Ok(InitRequest {
        name: wanted.name.clone(),
        // One of the two is empty.
        nodes: [given, taken.nodes.clone()].concat(),
        user: wanted.user.clone(),
        hostname: wanted.hostname.clone(),
        config: taken.config.clone(),
    })
}

/// Values of flags are judged as the inventory's own: what was said wrongly is told now, not by the next command.
fn refuse_flags(wanted: &Init, text: &str, file: &Path) -> Result<(), Failure> {
    let Some(mistakes) = mistakes(text, file)? else { return Ok(()) };
    let flag = |key: &str| -> Option<String> {
        let index = key.strip_prefix("nodes[").and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
        match (key, index) {
            ("name", _) => Some("--name".into()),
            ("rancher.hostname", _) => wanted.hostname.as_ref().map(|_| "--hostname".into()),
            ("ssh.user", _) => wanted.user.as_ref().map(|_| "--user".into()),
            (_, Some(index)) => wanted.nodes.get(index).map(|node| format!("--node {node}")),
            _ => None,
        }
    };
    let wrong: Vec<String> = mistakes
        .list
        .iter()
        .filter_map(|mistake| flag(&mistake.key).map(|flag| format!("{flag}: {}", mistake.message)))
        .collect();
    match wrong.as_slice() {
        [] => Ok(()),
        _ => Err(Failure::new(Exit::Usage, "no inventory can be made of that; nothing was written")
            .because(wrong.join("\n"))),
    }
}

/// `ADDRESS` or `NAME=ADDRESS`.
fn node(said: &str) -> Result<InitNode, Failure> {
    let (name, address) = match said.split_once('=') {
        Some((name, address)) => (Some(name.to_owned()), address),
        None => (None, said),
    };
    let node = InitNode { name, address: address.to_owned(), ..InitNode::default() };
    // Where the address cannot be one, `inventory` leaves its line open; here somebody gave it and is told.
    let alone = InitRequest { nodes: vec![node.clone()], ..InitRequest::default() };
    if inventory::init(&alone).contains("# FILL IN") {
        return Err(Failure::new(Exit::Usage, format!("`{said}` is no node"))
            .because("a node is a host name or an IP address that the other nodes can reach, or NAME=ADDRESS"));
    }
    Ok(node)
}

fn lines(mistakes: Mistakes) -> Vec<String> {
    mistakes.to_string().lines().map(str::to_owned).collect()
}

/// What `check` would say of the file as it stands.
fn mistakes(text: &str, file: &Path) -> Result<Option<Mistakes>, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let surroundings = environment(&variable)
        .map_err(|error| Failure::with_cause(Exit::Usage, "the current folder cannot be read", &error))?;
    match inventory::parse(text, file, &surroundings) {
        Ok(_) => Ok(None),
        Err(mistakes) => Ok(Some(mistakes)),
    }
}
