//! The inventory's nodes, for other programs.

use crate::failure::{Exit, Failure};
use crate::inventory::{ansible, ansible_host};
use crate::session::{Answer, Context};

/// What was said to `inventory`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Inventory {
    /// As a dynamic inventory of Ansible: nodes, their roles as groups, and how each is reached
    #[arg(long, required = true)]
    pub ansible: bool,
    /// Every node, as Ansible asks for it; the same as neither --list nor --host
    #[arg(long, conflicts_with = "host")]
    pub list: bool,
    /// The variables of one node
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

/// Prints it, the same whatever form of output was asked for: it is JSON already.
pub fn run(context: &Context, wanted: &Inventory) -> Answer {
    let inventory = context.wanted()?.inventory;
    let value = match &wanted.host {
        None => ansible(&inventory),
        Some(name) => ansible_host(&inventory, name).ok_or_else(|| {
            let names: Vec<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
            Failure::new(Exit::Usage, format!("there is no node {name:?} in the inventory"))
                .hint(format!("its nodes are {}", names.join(", ")))
        })?,
    };
    context.console.raw(&format!("{value:#}\n"))?;
    Ok(Exit::Done)
}
