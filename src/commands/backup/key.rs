//! Keys that open backups: made, and proved to open.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::words::{Opens, folders};
use crate::backup::{self, Keys, Level};
use crate::failure::{Exit, Failure};
use crate::session::{Answer, Context};

/// What was said to `backup key-check`.
#[derive(Debug, clap::Args)]
pub struct KeyCheck {
    /// The folders whose newest backup has to open [default: those of the inventory]
    #[arg(value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    #[command(flatten)]
    pub opens: Opens,
}

/// What was said to `backup new-key`.
#[derive(Debug, clap::Args)]
pub struct NewKey {
    /// A file that is not there yet; only you may read it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Serialize)]
struct Opened {
    path: PathBuf,
    level: Level,
}

/// It opens and every hash inside is right, which is what a key has to prove.
pub fn check(context: &Context, wanted: &KeyCheck) -> Answer {
    let keys = wanted.opens.keys()?;
    let keys = keys.ok_or_else(|| {
        Failure::new(Exit::Usage, "no key is named").hint("--identity KEYFILE or --passphrase-file FILE")
    })?;
    let mut opened = Vec::new();
    for folder in folders(context, &wanted.folders)? {
        let newest = backup::newest(super::list::read(&folder)?);
        let newest = newest.ok_or_else(|| {
            let error = format!("there is no backup in {}", folder.display());
            Failure::new(Exit::ChecksFailed, error).hint("`cowhand backup` takes one")
        })?;
        let found = tokio::task::block_in_place(|| backup::verify(&newest.path, Some(&keys)));
        match (found.level.filter(|level| *level >= Level::Whole), &found.flaw) {
            (Some(level), _) => opened.push(Opened { path: newest.path, level }),
            (None, Some(flaw)) => return Err(super::verify::refused(&newest.path, flaw)),
            (None, None) => return Err(Failure::new(Exit::Bug, "a backup was looked at without a word")),
        }
    }
    let line = |one: &Opened| format!("{}: the key opens it, {}\n", one.path.display(), one.level);
    context.console.data("backup-key", &opened, |_| opened.iter().map(line).collect())?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Made {
    file: PathBuf,
    recipient: String,
}

/// The secret half goes into the file alone.
pub fn make(context: &Context, wanted: &NewKey) -> Answer {
    let (keys, _) = Keys::generate();
    let recipient = keys.public().concat();
    let file = wanted.file.clone();
    let unwritten = |error: std::io::Error| {
        Failure::with_cause(Exit::Usage, format!("{} cannot be written", file.display()), &error)
            .hint("name a file that is not there yet: a key is never written over")
    };
    let secret = keys.text().ok_or_else(|| Failure::new(Exit::Bug, "a new key has no text"))?;
    let mut opened = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file).map_err(unwritten)?;
    let text = format!("# opens backups of cowhand; public half: {recipient}\n{}\n", secret.expose_secret());
    let text = secrecy::zeroize::Zeroizing::new(text);
    opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()).map_err(unwritten)?;
    let told = format!(
        "{} opens what is sealed for\n{recipient}\nWrite this public half into the inventory, `backup: {{recipients: […]}}`, and keep the file \
         where the cluster is not: without it a backup stays shut.\n",
        file.display()
    );
    context.console.data("backup-key-made", &Made { file: wanted.file.clone(), recipient }, |_| told)?;
    Ok(Exit::Done)
}
