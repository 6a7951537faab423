//! The JSON Schema of the inventory.

use super::{Answer, Context};
use crate::inventory;
use crate::report::Exit;

/// Prints it, the same whatever form of output was asked for: it is JSON already.
pub fn run(context: &Context) -> Answer {
    context.console.raw(&format!("{:#}\n", inventory::schema()))?;
    Ok(Exit::Done)
}
