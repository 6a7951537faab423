//! Writes an inventory to begin with.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::wanted::environment;
use super::{Answer, Context, find_inventory, new_file};
use crate::inventory::{self, InitNode, InitRequest, Mistakes, PassedOver};
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
    #[arg(long, value_name = "NAME", default_value = "rancher")]
    pub name: String,
    /// Take the nodes from an ssh configuration, `-` for standard input (`vagrant ssh-config | …`)
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    pub from_ssh_config: Option<PathBuf>,
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
    /// What is still to be filled in or put right, a line each.
    open: Vec<String>,
    /// What of an ssh configuration is not in it, a line each.
    passed_over: Vec<String>,
}

pub fn run(context: &Context, wanted: &Init) -> Answer {
    let (request, passed) = request(wanted)?;
    let text = inventory::init(&request);
    let file = &wanted.to.clone().or_else(|| context.inventory.clone()).unwrap_or_else(|| "inventory.yml".into());
    refuse_flags(wanted, &text, file)?;
    if file == Path::new("-") {
        context.console.raw(&text)?;
        return Ok(Exit::Done);
    }
    new_file::write(file, &text, wanted.force)?;
    let open: Vec<String> = mistakes(&text, file)?.map(lines).unwrap_or_default();
    let passed_over: Vec<String> = passed.iter().map(ToString::to_string).collect();
    let written = Written { file, open: open.clone(), passed_over: passed_over.clone() };
    context.console.data("written", &written, |look| {
        let mut said = format!("{} is written\n", file.display());
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

fn request(wanted: &Init) -> Result<(InitRequest, Vec<PassedOver>), Failure> {
    let mut request = InitRequest {
        name: wanted.name.clone(),
        nodes: wanted.nodes.iter().map(|said| node(said)).collect::<Result<_, _>>()?,
        user: wanted.user.clone(),
        hostname: wanted.hostname.clone(),
    };
    if let Some(file) = &wanted.from_ssh_config {
        let text = ssh_config(file)?;
        let taken = inventory::nodes_from_ssh_config(&text).map_err(|error| {
            Failure::with_cause(Exit::Usage, format!("no nodes can be taken from {}", called(file)), &error)
                .maybe_hint(error.hint())
        })?;
        request.nodes = taken.nodes;
        return Ok((request, taken.passed));
    }
    Ok((request, Vec::new()))
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

fn ssh_config(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|error| Failure::with_cause(Exit::Usage, format!("{} cannot be read", called(file)), &error))?;
    Ok(text)
}

fn called(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
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
