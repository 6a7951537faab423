//! Which command does what: whether it changes anything, and whether it tells events on the way.

use clap::CommandFactory;

use super::runtime::{changing, looking};
use super::{Cli, Command};
use crate::commands;
use crate::session::{Answer, Context};

impl Command {
    /// Whether it tells events while it goes on, so that a reader of JSON needs to know where they end.
    pub(super) fn streams(&self) -> bool {
        match self {
            Command::Check(wanted) => !wanted.list,
            Command::Plan(_)
            | Command::Up(_)
            | Command::Play(_)
            | Command::Verify(_)
            | Command::Down(_)
            | Command::Node(_)
            | Command::Rotate(_)
            | Command::Upgrade(_)
            | Command::Rollback(_)
            | Command::RecoverState(_)
            | Command::Drift(_)
            | Command::Rebuild(_) => true,
            Command::Backup(wanted) => wanted.takes(),
            Command::Init(_)
            | Command::Adopt(_)
            | Command::Unprotect(_)
            | Command::Lb(_)
            | Command::Certs(_)
            | Command::Status(_)
            | Command::History(_)
            | Command::Kubeconfig(_)
            | Command::Explain(_)
            | Command::Completions(_)
            | Command::Inventory(_)
            | Command::Man(_)
            | Command::Schema(_) => false,
        }
    }

    /// Only what reaches machines or a cluster gets a runtime.
    pub(super) fn run(self, context: &Context) -> Answer {
        match self {
            Command::Init(wanted) => looking(context, commands::init::run(context, wanted)),
            Command::Adopt(wanted) => looking(context, commands::adopt::run(context, wanted)),
            Command::Unprotect(wanted) => commands::unprotect::run(context, &wanted),
            Command::Lb(wanted) => commands::lb::run(context, &wanted),
            Command::Explain(wanted) => commands::explain::run(context, &wanted),
            Command::Completions(wanted) => commands::completions::run(context, &wanted),
            Command::Man(wanted) => commands::man::run(context, &wanted, Cli::command()),
            Command::Schema(wanted) => commands::schema::run(context, &wanted),
            Command::Inventory(wanted) => commands::inventory::run(context, &wanted),
            Command::History(wanted) => commands::history::run(context, &wanted),
            Command::Check(wanted) => looking(context, commands::check::run(context, wanted)),
            Command::Plan(wanted) => looking(context, commands::plan::run(context, wanted)),
            Command::Verify(wanted) => looking(context, commands::verify::run(context, wanted)),
            Command::Certs(wanted) => looking(context, commands::certs::run(context, wanted)),
            Command::Drift(wanted) => looking(context, commands::drift::run(context, wanted)),
            Command::Status(wanted) => looking(context, commands::status::run(context, wanted)),
            Command::Kubeconfig(wanted) => looking(context, commands::kubeconfig::run(context, wanted)),
            Command::Backup(wanted) => looking(context, commands::backup::run(context, wanted)),
            Command::Up(wanted) => changing(context, commands::up::run(context, wanted)),
            Command::Play(wanted) if wanted.plan => looking(context, commands::play::run(context, wanted)),
            Command::Play(wanted) => changing(context, commands::play::run(context, wanted)),
            Command::Node(wanted) if wanted.looks() => looking(context, commands::node::run(context, wanted)),
            Command::Node(wanted) => changing(context, commands::node::run(context, wanted)),
            Command::Rotate(wanted) if wanted.plan => looking(context, commands::rotate::run(context, wanted)),
            Command::Rotate(wanted) => changing(context, commands::rotate::run(context, wanted)),
            Command::Upgrade(wanted) if wanted.looks() => looking(context, commands::upgrade::run(context, wanted)),
            Command::Upgrade(wanted) => changing(context, commands::upgrade::run(context, wanted)),
            Command::Rollback(wanted) if wanted.plan => looking(context, commands::rollback::run(context, wanted)),
            Command::Rollback(wanted) => changing(context, commands::rollback::run(context, wanted)),
            Command::Down(wanted) => changing(context, commands::down::run(context, wanted)),
            Command::Rebuild(wanted) => changing(context, commands::rebuild::run(context, wanted)),
            Command::RecoverState(wanted) => changing(context, commands::recover_state::run(context, wanted)),
        }
    }
}
