//! Who ran what in this workspace, when, and how it ended.

use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::play::{Ran, runs};
use crate::report::history::{record, table};
use crate::session::preflight::heading;
use crate::session::project::Project;
use crate::session::{Answer, Context};

/// What was said to `history`.
#[derive(Debug, Clone, clap::Args)]
pub struct History {
    /// A run's id, or the beginning of one: its whole record
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// How many runs are shown
    #[arg(long, value_name = "COUNT", default_value = "20", conflicts_with = "id")]
    newest: usize,
}

#[derive(Serialize)]
struct Runs<'a> {
    runs: Vec<&'a Ran>,
}

/// Reads the journal; no machine is asked.
pub fn run(context: &Context, wanted: &History) -> Answer {
    let project = Project::open(context)?;
    let journal = project.workspace.journal();
    let all = runs(&journal).map_err(|error| {
        Failure::with_cause(Exit::ChecksFailed, format!("the journal {} cannot be read", journal.display()), &error)
    })?;
    if let Some(id) = &wanted.id {
        let run = one(&all, id)?;
        context.console.data("run", run, |look| record(run, look))?;
        return Ok(Exit::Done);
    }
    let newest: Vec<&Ran> = all.iter().rev().take(wanted.newest).collect();
    context.console.data("history", &Runs { runs: newest.clone() }, |look| {
        let rest = match all.len() - newest.len() {
            0 => String::new(),
            older => format!("\n{older} older; `--newest {}` shows them all\n", all.len()),
        };
        let shown =
            if all.is_empty() { "no run has changed anything from here\n".into() } else { table(&newest, look) };
        format!("{}\n\n{shown}{rest}", heading(&project))
    })?;
    Ok(Exit::Done)
}

fn one<'a>(all: &'a [Ran], id: &str) -> Result<&'a Ran, Failure> {
    let found: Vec<&Ran> = all.iter().filter(|run| !id.is_empty() && run.id.starts_with(id)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(Exit::Usage, format!("there is no run `{id}`")).hint("`cowhand history` lists them")),
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.id.as_str()).collect();
            Err(Failure::new(Exit::Usage, format!("several runs begin with `{id}`")).because(ids.join("\n")))
        }
    }
}
