//! What makes a shell complete cowhand's words: the shell asks cowhand itself, which knows checks and inventories.

use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::failure::{Exit, Failure};
use crate::session::context::COMPLETE;
use crate::session::{Answer, Context};

#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// The shell to complete for
    pub shell: Shell,
}

pub fn run(context: &Context, wanted: &Completions) -> Answer {
    let name = wanted.shell.to_string();
    let shells = Shells::builtins();
    let unknown = || Failure::new(Exit::Usage, format!("{name} is not completed for"));
    let shell = shells.completer(&name).ok_or_else(unknown)?;
    let mut script = Vec::new();
    // The program that PATH has then, not the one that prints this.
    let printed = shell.write_registration(COMPLETE, "cowhand", "cowhand", "cowhand", &mut script);
    printed.map_err(|error| Failure::with_cause(Exit::Bug, "no script could be made", &error))?;
    context.console.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
