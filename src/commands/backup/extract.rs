//! Opens a backup into a folder: the workspace as it was, and etcd's snapshot.

use std::path::PathBuf;

use serde::Serialize;

use super::words::Opens;
use crate::backup;
use crate::failure::{Exit, Failure};
use crate::session::{Answer, Context};

/// What was said to `backup extract`.
#[derive(Debug, clap::Args)]
pub struct Extract {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A folder that is not there yet
    #[arg(short = 'o', long = "to", value_name = "DIR")]
    pub to: PathBuf,
    #[command(flatten)]
    pub opens: Opens,
}

#[derive(Serialize)]
struct Told {
    files: Vec<PathBuf>,
}

pub fn run(context: &Context, wanted: &Extract) -> Answer {
    let keys = wanted.opens.keys()?;
    let keys = keys.ok_or_else(|| {
        Failure::new(Exit::Usage, "no key is named").hint("--identity KEYFILE or --passphrase-file FILE")
    })?;
    if std::fs::symlink_metadata(&wanted.to).is_ok() {
        return Err(Failure::new(Exit::Usage, format!("{} is there already", wanted.to.display()))
            .hint("name a folder that is not there yet: keys are never mixed with others"));
    }
    let extracted = tokio::task::block_in_place(|| backup::extract(&wanted.file, &keys, &wanted.to));
    let extracted = extracted.map_err(|flaw| {
        Failure::with_cause(Exit::ChecksFailed, format!("{} cannot be opened", wanted.file.display()), &flaw)
    })?;
    let lines = extracted.files.iter().map(|path| format!("{}\n", path.display())).collect::<String>();
    context.console.data("backup-extracted", &Told { files: extracted.files }, |_| {
        format!(
            "{lines}Every key of the cluster lies open in {} now: remove it when it has served.\n",
            wanted.to.display()
        )
    })?;
    Ok(Exit::Done)
}
