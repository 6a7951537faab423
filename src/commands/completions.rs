//! What makes a shell complete cowhand's words.

use clap_complete::Shell;

use super::{Answer, Context};
use crate::report::Exit;

#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// The shell to complete for
    pub shell: Shell,
}

/// `words` is the whole command line that can be said; it lies above this room.
pub fn run(context: &Context, wanted: &Completions, mut words: clap::Command) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(wanted.shell, &mut words, "cowhand", &mut script);
    context.console.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
