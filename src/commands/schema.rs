//! The JSON Schema of the inventory.

use super::{Answer, Context};
use crate::report::Exit;

pub fn run(context: &Context) -> Answer {
    context.console.raw("{}\n")?;
    Ok(Exit::Done)
}
