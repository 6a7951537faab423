//! For a monitor: is there a good backup, and is it new enough?

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::age::Age;
use super::words::folders;
use crate::backup::{self, Level, age_of};
use crate::failure::{Exit, Failure};
use crate::report::Verbosity;
use crate::session::{Answer, Context};

/// What was said to `backup check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The folders, each of which has to have one [default: those of the inventory]
    #[arg(value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// How old the newest good one may be, e.g. 26h or 8d
    #[arg(long, value_name = "AGE", default_value = "26h")]
    pub max_age: Age,
}

#[derive(Serialize)]
struct Good {
    path: PathBuf,
    taken: Timestamp,
    age: String,
    level: Level,
}

pub fn run(context: &Context, wanted: &Check) -> Answer {
    let now = Timestamp::now();
    let mut good = Vec::new();
    for folder in folders(context, &wanted.folders)? {
        good.push(one(&folder, wanted.max_age, now)?);
    }
    if context.console.verbosity == Verbosity::Quiet {
        return Ok(Exit::Done);
    }
    let line = |one: &Good| format!("{}: {}, {} old\n", one.path.display(), one.level, one.age);
    context.console.data("backup-check", &good, |_| good.iter().map(line).collect())?;
    Ok(Exit::Done)
}

/// The newest good one of a folder, whose file still is as it was written.
fn one(folder: &Path, most: Age, now: Timestamp) -> Result<Good, Failure> {
    let bad =
        |why: String| Failure::new(Exit::ChecksFailed, format!("no good backup in {}", folder.display())).because(why);
    let found = super::list::read(folder)?;
    let newest = found.iter().find(|one| one.level() == Some(Level::Together));
    let (Some(newest), Some(Ok(label))) = (newest, newest.map(|one| &one.label)) else {
        let why = format!("of {} files none was proved up to level 3", found.len());
        return Err(bad(why).hint("`cowhand backup` takes one; `cowhand backup list` shows what is there"));
    };
    let (path, age) = (newest.path.clone(), age_of(label.taken, now));
    if now.duration_since(label.taken) > most.0 {
        return Err(bad(format!("the newest one is {age} old: {}", path.display())).hint("`cowhand backup` takes one"));
    }
    if let Some(flaw) = backup::verify(&path, None).flaw {
        return Err(
            bad(format!("{}: {flaw}", path.display())).hint("another copy of it may be whole; else take a new one")
        );
    }
    Ok(Good { path, taken: label.taken, age, level: label.level })
}
