//! The backups of a folder.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::words::folders;
use crate::backup::{self, Flaw, Found, Label, Level, age_of};
use crate::failure::{Exit, Failure};
use crate::report::{Cell, Look, Table, Tone};
use crate::session::{Answer, Context};

/// What was said to `backup list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The folders [default: those of the inventory]
    #[arg(value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Listed<'a> {
    backups: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    path: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a Label>,
    /// Why its label cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    flaw: Option<&'a Flaw>,
}

impl One<'_> {
    fn of(found: &Found) -> One<'_> {
        One { path: &found.path, label: found.label.as_ref().ok(), flaw: found.label.as_ref().err() }
    }
}

pub fn run(context: &Context, wanted: &List) -> Answer {
    let mut backups = Vec::new();
    for folder in folders(context, &wanted.folders)? {
        backups.extend(read(&folder)?);
    }
    let listed = Listed { backups: backups.iter().map(One::of).collect() };
    context.console.data("backups", &listed, |look| table(&backups, look))?;
    Ok(Exit::Done)
}

pub(super) fn read(folder: &Path) -> Result<Vec<Found>, Failure> {
    backup::list(folder)
        .map_err(|error| Failure::with_cause(Exit::NotHere, format!("{} cannot be read", folder.display()), &error))
}

fn table(backups: &[Found], look: &Look) -> String {
    if backups.is_empty() {
        return "there is no backup\n".into();
    }
    let now = Timestamp::now();
    let mut table = Table::new(["taken", "age", "cluster", "proved when taken", "file"]);
    for one in backups {
        let path = Cell::from(one.path.display().to_string());
        match &one.label {
            Ok(label) => {
                let level = label.level.to_string();
                let level = if label.level < Level::Together { Cell::painted(Tone::Bad, level) } else { level.into() };
                let (taken, age) = (label.taken.to_string(), age_of(label.taken, now));
                table.row([Cell::from(taken), Cell::from(age), Cell::from(label.name.clone()), level, path]);
            }
            Err(flaw) => {
                let why = Cell::painted(Tone::Bad, flaw.why.clone());
                table.row(["", "", ""].map(|nothing| Cell::from(nothing.to_owned())).into_iter().chain([why, path]));
            }
        }
    }
    table.text(look)
}
