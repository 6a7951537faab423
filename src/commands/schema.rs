//! The JSON Schemas of the files that people write.

use crate::failure::Exit;
use crate::inventory;
use crate::plan::playbook;
use crate::session::{Answer, Context};

/// What was said to `schema`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Schema {
    /// Of run files, in place of inventories
    #[arg(long)]
    pub playbook: bool,
}

/// Prints it, the same whatever form of output was asked for: it is JSON already.
pub fn run(context: &Context, wanted: &Schema) -> Answer {
    let schema = if wanted.playbook { playbook::schema() } else { inventory::schema() };
    context.console.raw(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}
