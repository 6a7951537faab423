//! What is in a backup: without a key its label, with one its manifest.

use std::path::PathBuf;

use jiff::Timestamp;

use super::verify::{proofs, refused};
use super::words::Opens;
use crate::backup::{self, Label, Manifest, age_of};
use crate::failure::{Exit, Failure};
use crate::report::{Cell, Look, Table};
use crate::session::{Answer, Context};

/// What was said to `backup show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub opens: Opens,
}

pub fn run(context: &Context, wanted: &Show) -> Answer {
    let keys = wanted.opens.keys()?;
    let found = tokio::task::block_in_place(|| backup::verify(&wanted.file, keys.as_ref()));
    let unread = || Failure::new(Exit::ChecksFailed, format!("{} cannot be shown", wanted.file.display()));
    match (&found.manifest, &found.label) {
        (Some(manifest), _) => context.console.data("backup", manifest, |look| of_manifest(manifest, look))?,
        (None, Some(label)) => context.console.data("backup", label, |_| of_label(label))?,
        (None, None) => return Err(found.flaw.as_ref().map_or_else(unread, |flaw| refused(&wanted.file, flaw))),
    }
    found.flaw.as_ref().map_or(Ok(Exit::Done), |flaw| Err(refused(&wanted.file, flaw)))
}

fn of_label(label: &Label) -> String {
    let Label { name, uid, taken, revision, level, length, .. } = label;
    let age = age_of(*taken, Timestamp::now());
    format!(
        "cluster   {name} ({uid})\ntaken     {taken}, {age} ago\nrevision  {revision}\nproved    {level}, when it was taken\n\
         size      {} MiB\n\nA key shows what is in it: --identity KEYFILE\n",
        length.div_ceil(1 << 20)
    )
}

fn of_manifest(manifest: &Manifest, look: &Look) -> String {
    let Manifest { name, uid, taken, versions, source, keys, .. } = manifest;
    let follower = if source.follower { "a follower" } else { "the leader" };
    let rancher = versions.rancher.as_deref().unwrap_or("not installed");
    let rke = versions.rke.as_deref().unwrap_or("none");
    let mut text = format!(
        "cluster   {name} ({uid})\ntaken     {taken}, {} ago, by cowhand {}\nsource    etcd {} on {}, {follower}; revision {}\n\
         versions  kubernetes {}, rke {rke}, rancher {rancher}\nproved    {}, when it was taken\nkeys      {keys}\n\n",
        age_of(*taken, Timestamp::now()),
        versions.cowhand,
        versions.etcd,
        source.node,
        source.revision,
        versions.kubernetes,
        manifest.level,
    );
    let mut table = Table::new(["entry", "bytes", "what it is", "where it lay"]);
    for entry in &manifest.entries {
        let path = entry.path.clone().unwrap_or_default();
        table.row([&entry.name, &entry.length.to_string(), &entry.what, &path].map(Cell::from));
    }
    text += &table.text(look);
    let missing = manifest.not_in_it.iter().map(|line| format!("  {line}\n")).collect::<String>();
    text + "\nnot in it\n" + &missing + "\n" + &proofs(&manifest.proofs)
}
