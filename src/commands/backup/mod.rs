//! Takes backups, and looks at those that there are.

mod age;
mod check;
mod extract;
mod key;
mod list;
mod show;
mod timer;
mod verify;
mod words;

use std::path::PathBuf;

pub use words::Opens;

use clap::Subcommand;

use crate::backup::Keep;
use crate::check::Skips;
use crate::failure::Exit;
use crate::inventory::BackupPlace;
use crate::plan::Stage;
use crate::play::Outcome;
use crate::session::backup::{self, Wanted};
use crate::session::open::{Opening, Session};
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context};

/// What was said to `backup`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Backup {
    #[command(subcommand)]
    pub what: Option<What>,
    #[command(flatten)]
    pub take: Take,
}

/// How a backup is taken.
#[derive(Debug, Default, clap::Args)]
pub struct Take {
    /// Write it into this folder, or to ssh://[user@]host[:port]/path; may be given more than once [default: `backup.to` of the
    /// inventory, else backups beside it]
    #[arg(short = 'o', long = "to", value_name = "DIR")]
    pub to: Vec<BackupPlace>,
    /// Seal it for this public key of age; may be given more than once [default: `backup.recipients` of the inventory]
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    pub recipients: Vec<String>,
    /// Seal it with the passphrase in this file, instead of for keys
    #[arg(long, value_name = "FILE", conflicts_with = "recipients")]
    pub passphrase_file: Option<PathBuf>,
    /// Then remove older ones: keep the newest good one of so many days, weeks and months; the last good one never goes
    #[arg(long, value_name = "7d,4w,6m")]
    pub keep: Option<Keep>,
    /// Print a systemd service and timer that take one each day; nothing else is done
    #[arg(long)]
    pub print_timer: bool,
    #[command(flatten)]
    pub connect: Connect,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Prove a backup: its hash without a key; with the key every hash, page and proof inside
    Verify(verify::Verify),
    /// Show what is in a backup, and what is not
    Show(show::Show),
    /// Open a backup into a folder: the workspace as it was, and etcd's snapshot
    Extract(extract::Extract),
    /// List the backups of a folder, the newest first
    List(list::List),
    /// For a monitor: exit 5 when no good backup is new enough
    Check(check::Check),
    /// Prove that a key still opens the newest backup
    KeyCheck(key::KeyCheck),
    /// Make a key that opens backups, and print its public half
    NewKey(key::NewKey),
}

impl Backup {
    /// Whether a run begins, with its events.
    pub fn takes(&self) -> bool {
        self.what.is_none() && !self.take.print_timer
    }
}

pub async fn run(context: &Context, wanted: Backup) -> Answer {
    match wanted.what {
        Some(What::Verify(wanted)) => verify::run(context, &wanted),
        Some(What::Show(wanted)) => show::run(context, &wanted),
        Some(What::Extract(wanted)) => extract::run(context, &wanted),
        Some(What::List(wanted)) => list::run(context, &wanted),
        Some(What::Check(wanted)) => check::run(context, &wanted),
        Some(What::KeyCheck(wanted)) => key::check(context, &wanted),
        Some(What::NewKey(wanted)) => key::make(context, &wanted),
        None if wanted.take.print_timer => timer::run(context),
        None => take(context, wanted.take).await,
    }
}

async fn take(context: &Context, said: Take) -> Answer {
    let project = Project::open(context)?;
    backup::refuse(&project)?;
    let Take { to, recipients, passphrase_file, keep, print_timer: _, connect } = said;
    let accept_new_host_keys = connect.accept_new_host_keys;
    let wanted = Wanted { recipients, passphrase: passphrase_file, to, keep, accept_new_host_keys }.filled(&project);
    backup::recipients(&project, &wanted)?;
    let opening = Opening {
        command: "backup",
        project: &project,
        connect: &connect,
        skips: Skips::default(),
        stages: vec![Stage::Backup],
    };
    let taken = async |session: &Session<'_>| {
        let work = async { Ok((Outcome::Changed, backup::take(session, &wanted).await?)) };
        session.stage(Stage::Backup, work).await.map(|_| Exit::Done)
    };
    Session::during(context, opening, taken).await
}
