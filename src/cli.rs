//! What can be said to cowhand on a command line, and how a run begins and ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;
use tokio_util::sync::CancellationToken;

mod dispatch;
mod runtime;

use crate::commands;
use crate::failure::{Exit, Failure};
use crate::local::process;
use crate::report::{Console, Output, Verbosity, install_panic_hook, log};
use crate::session::Context;

/// Three Linux machines in, a highly available Rancher out, and kept alive afterwards
///
/// cowhand reads an inventory, looks at the machines over SSH, says everything that is wrong before it touches
/// anything, shows its plan, builds the cluster with RKE and Rancher on it, and then proves from outside that a
/// browser and an agent would trust what they get. Running a command again is always safe and always the way to go on.
#[derive(Debug, Parser)]
#[command(name = "cowhand", version, propagate_version = false, max_term_width = 100)]
#[command(arg_required_else_help = true, after_help = AFTER_HELP)]
#[command(after_long_help = format!("{AFTER_HELP}\n\n{ENVIRONMENT}"))]
struct Cli {
    /// The inventory [default: the one in the current folder]
    #[arg(short, long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    inventory: Option<PathBuf>,

    /// How to tell what happens: bars (default on a terminal), plain (lines) or json (one event a line, on stdout)
    #[arg(long, global = true, value_name = "FORM", hide_possible_values = true, help_heading = "Everywhere")]
    output: Option<Output>,

    /// Tell errors and the result only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Everywhere")]
    quiet: bool,

    /// Tell every step with its text, and what passed; -vv: the detailed log, too
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

/// Below the short page, which has to fit on a screen, and the long one.
const AFTER_HELP: &str = "\
First steps: cowhand init --node A --node B --node C --hostname rancher.example.com; check; up

Exit codes (cowhand explain exit-codes tells more):
  0 done · 1 bug · 2 usage · 3 inventory · 4 unreachable · 5 checks failed · 6 a step failed
  7 changed, but not verified · 8 this machine lacks something · 9 changes to make · 130 interrupted";

/// Below the long page only.
const ENVIRONMENT: &str = "\
Environment:
  NO_COLOR=1 switches colours off; a locale that is not UTF-8 gets ASCII signs
  COWHAND_LOG=debug tells the detailed log on stderr, as -vv does (also: trace, info, warn, error)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an inventory, with a comment at every line
    #[command(after_long_help = "\
Examples:
  cowhand init --node 10.0.0.11 --node 10.0.0.12 --node 10.0.0.13 --hostname rancher.example.com
  vagrant ssh-config | cowhand init --from-ssh-config - --hostname rancher.lab.test -o lab.yml
  cowhand init --from-ssh-config ~/.ssh/config --host 'rke*' --hostname rancher.example.com

An ssh configuration is read by OpenSSH: `ssh -G` is asked about each name, which also runs what
`Match exec` says. What an inventory cannot say is left to it: the nodes then keep their names.")]
    Init(commands::init::Init),

    /// Take over a cluster that plain rke built, as it runs; changes nothing there
    ///
    /// All of cluster.yml is carried over or named; Rancher is taken as it runs, and nothing there is changed. The cluster
    /// is protected until `cowhand unprotect` was run.
    #[command(after_long_help = "\
Examples:
  cowhand adopt --from old/cluster.yml -o prod.yml      # cluster.rkestate lies beside it
  cowhand adopt --node 10.0.0.11 --user rancher         # where its files are lost
  cowhand adopt --from cluster.yml --offline            # the inventory from the files alone

With --node, everything comes from the copy that the cluster keeps of itself; one node is enough.
Machines and cluster are only read. What nobody but you can know is marked FILL IN.")]
    Adopt(commands::adopt::Adopt),

    /// Let an adopted cluster be removed, or get a new CA, like any other
    #[command(after_long_help = "\
Examples:
  cowhand unprotect prod
  cowhand unprotect prod -i inventory/ha.yml")]
    Unprotect(commands::unprotect::Unprotect),

    /// Look at the machines and say everything that is wrong; changes nothing
    ///
    /// All checks on all nodes in about a second. What could not be seen counts as wrong until the check is skipped.
    #[command(after_long_help = "\
Examples:
  cowhand check
  cowhand check --offline --output json        # in a pipeline, without machines")]
    Check(commands::check::Check),

    /// Show what `up` would do, step by step; changes no machine and no cluster
    ///
    /// Every step is told with its mark (+ adds, ~ changes, - removes), each difference by its field, and what users of a
    /// running cluster will notice; -v adds the whole text of each step.
    ///
    /// On this machine it writes nothing but what it fetches: rke and helm, where PATH has none that fits, into
    /// ~/.cache/cowhand/tools, and charts into helm's own cache, .cowhand/helm beside the inventory. With
    /// --accept-new-host-keys, known_hosts too.
    #[command(after_long_help = "\
Examples:
  cowhand plan
  cowhand plan --exit-code --quiet              # in a pipeline: 0 nothing to change, 9 something
  cowhand plan --output json | jq '.value[]? | select(.changes).step'")]
    Plan(commands::plan::Plan),

    /// Make it so: check, cluster, ingress, cert-manager, Rancher, verify
    ///
    /// Only what is missing or different is done. Stopped at any moment, the next `up` goes on from there.
    #[command(after_long_help = "\
Examples:
  cowhand up
  cowhand up -i inventory/ha.yml --skip node.memory")]
    Up(commands::up::Up),

    /// Prove from outside that browsers and agents would trust what they get
    #[command(after_long_help = "\
Examples:
  cowhand verify
  cowhand verify --thorough -v                 # a minute longer, and every answer with its evidence
  cowhand verify --output json | jq 'select(.finding).finding.seen'")]
    Verify(commands::verify::Verify),

    /// Show nodes, etcd, ingress, cert-manager, Rancher, certificates, and what is wrong
    #[command(after_long_help = "\
Examples:
  cowhand status
  cowhand status --fail --quiet                 # for a monitor: exit 5, and what is wrong
  watch -n 10 cowhand status")]
    Status(commands::status::Status),

    /// Show every certificate: where it is, how long it lasts, who renews it
    ///
    /// What is served, what lies in the cluster, and RKE's own. Without a cluster that answers, what the workspace
    /// knows; places that could not be seen are named.
    #[command(after_long_help = "\
Examples:
  cowhand certs
  cowhand certs --fail-within 30 --quiet        # for cron: exit 5 when one ends soon")]
    Certs(commands::certs::Certs),

    /// Show what was changed by hand since it was applied, and who did it
    ///
    /// Labels and taints of nodes, RKE's containers, the objects of ingress, cert-manager and Rancher. What the inventory wants
    /// otherwise is no drift, but a change: `cowhand plan` shows it. Only looks.
    #[command(after_long_help = "\
Examples:
  cowhand drift
  cowhand drift --exit-code --quiet             # for a monitor: 0 none, 9 some
  cowhand drift --output json | jq '.drift[].fields[] | {path, by}'")]
    Drift(commands::drift::Drift),

    /// Show who ran what, when, and how it ended
    ///
    /// From the journal of this workspace, newest first: every run that came as far as its lock. With an ID, or the beginning
    /// of one: that run's stages, steps, warnings and end.
    #[command(after_long_help = "\
Examples:
  cowhand history
  cowhand history --newest 100
  cowhand history 20261123T202456
  cowhand history --output json | jq '.runs[] | select(.exit != 0)'")]
    History(commands::history::History),

    /// Play a run file: stages, commands on nodes and questions, in order
    #[command(after_long_help = "\
Examples:
  cowhand play playbooks/maintenance.yml --plan      # every item, and nothing is done
  cowhand play playbooks/maintenance.yml --yes 'patch night'")]
    Play(commands::play::Play),

    /// Remove what `up` made, after the cluster's name was typed
    #[command(after_long_help = "\
Examples:
  cowhand down
  cowhand down --yes prod                      # in a script: the name, not a blind yes")]
    Down(commands::down::Down),

    /// Say where the kubeconfig is, or print it
    #[command(after_long_help = "\
Examples:
  export KUBECONFIG=$(cowhand kubeconfig --path)
  cowhand kubeconfig --print > ~/.kube/prod")]
    Kubeconfig(commands::kubeconfig::Kubeconfig),

    /// Print a load balancer's whole configuration: haproxy, nginx, keepalived or AWS
    ///
    /// Made from the inventory: the nodes' addresses, the load_balancers, the host name and the TLS mode. Layer 4 (TCP goes
    /// through) in modes ingress and rancher, layer 7 with certificates in mode external. Nothing is touched, no key is read.
    #[command(after_long_help = "\
Examples:
  cowhand lb haproxy -o haproxy.cfg
  cowhand lb keepalived --virtual-ip 10.0.0.100    # an address that two balancers share")]
    Lb(commands::lb::Lb),

    /// Empty a node of pods for work on its machine, and open it again
    #[command(after_long_help = "\
Examples:
  cowhand node drain n2 --plan
  cowhand node drain n2
  cowhand node uncordon n2")]
    Node(commands::node::Node),

    /// Renew the certificates of the cluster's own parts while it runs
    ///
    /// RKE's leaf certificates: etcd, API server, kubelet and the like. The real `rke cert rotate` runs, and each of its calls
    /// to Docker passes cowhand: a second etcd or API server is restarted only when the one before is back and has caught up.
    /// The plan is shown first, and the cluster's name is asked for. The CA stays.
    #[command(after_long_help = "\
Examples:
  cowhand rotate --plan                        # what ends when, what restarts, in which order
  cowhand rotate
  cowhand rotate --service etcd --yes prod     # in a script: the name, not a blind yes")]
    Rotate(commands::rotate::Rotate),

    /// Take Rancher, Kubernetes and cert-manager to newer versions, step by step
    ///
    /// One minor at a time, each pair on the way allowed by Rancher's range and rke's list. The path is shown first, and the
    /// cluster's name is asked for. Then a backup of level 3; and for each step its line in the inventory, a run of `up` with
    /// its check and its proof, and a look whether the new version runs everywhere and nothing of the one before.
    #[command(after_long_help = "\
Examples:
  cowhand upgrade --what                       # what this cluster could take, and why no more
  cowhand upgrade --to rancher=2.11.5 --plan
  cowhand upgrade --to rancher=2.11.5,kubernetes=v1.32.2-rancher1-1

It stops at the first step that fails and says where it stands; the same command goes on from there.")]
    Upgrade(commands::upgrade::Upgrade),

    /// Say which ways lead back from the last upgrade, and go by helm where it is safe
    ///
    /// By helm only where it is seen that nothing of the new Rancher has ever run and its definitions are stored as before.
    /// Else it refuses, names the backup of before the upgrade, and lists by name what making the cluster again would lose.
    #[command(after_long_help = "\
Examples:
  cowhand rollback --plan
  cowhand rollback --yes prod                  # in a script: the name, not a blind yes")]
    Rollback(commands::rollback::Rollback),

    /// Bring back a lost cluster.rkestate, made CA and password from the running cluster
    ///
    /// Without that file rke would make a new CA over a living cluster; `up` refuses to let it. Where the API does not answer, `--from` takes the state of a backup: only when a machine bears the CA of that state, and none bears another one.
    #[command(after_long_help = "\
Examples:
  cowhand recover-state
  cowhand recover-state --from prod-20261130T020000Z.cowhand --identity backup.key
  cowhand recover-state -i inventory/ha.yml")]
    RecoverState(commands::recover_state::RecoverState),

    /// Take a backup: one sealed file, proved; or look at those that there are
    ///
    /// etcd's snapshot comes from one follower by etcd's own stream, with its hash, over SSH; it lies on no disk in the clear.
    /// With it go rke's state, the inventory and every file that it names. Before it is sealed (age), it is proved: whole
    /// (level 1), readable to the last page (2), state and snapshot of one cluster (3). Nothing on the cluster is changed.
    #[command(after_long_help = "\
Examples:
  cowhand backup new-key ~/backup.key            # once; its public half goes into the inventory
  cowhand backup -o /mnt/nas --keep 7d,4w,6m
  cowhand backup verify prod-20261130T031500Z.cowhand --identity ~/backup.key
  cowhand backup check --max-age 26h --quiet     # for a monitor: exit 5 when none is good and new enough
  cowhand backup --print-timer                   # a systemd timer for each night

Without cowhand: tail -c +1025 FILE | age -d -i KEYFILE | tar t")]
    Backup(commands::backup::Backup),

    /// Make a cluster again from a backup, on machines that hold nothing of it any more
    ///
    /// The inventory names the machines: the same three installed anew, or three others. Every machine of the old cluster is
    /// asked first. One that has etcd's data, an API that answers or another CA refuses; one that cannot be asked has to be
    /// named with --gone. No option skips that.
    ///
    /// Then etcd's data are made fit in a throw-away etcd (revision raised, all before it compacted, Nodes, Leases and pods
    /// of the old machines taken out) and put on the nodes, and `up` builds on them, under the same CA and keys. What stands
    /// is compared with the backup; Rancher starts last.
    #[command(after_long_help = "\
Examples:
  cowhand rebuild --from prod-20261130T031500Z.cowhand --identity ~/backup.key --plan
  cowhand rebuild --from prod-20261130T031500Z.cowhand --identity ~/backup.key -i new.yml --gone n3
  cowhand backup extract FILE --identity ~/backup.key --to new    # where the inventory is lost, too

Stopped at any moment, the same command goes on. What it would do is said before, and the cluster's name is typed.")]
    Rebuild(commands::rebuild::Rebuild),

    /// Explain a check or the exit codes
    #[command(after_long_help = "\
Examples:
  cowhand explain docker.too-new
  cowhand explain exit-codes")]
    Explain(commands::explain::Explain),

    /// Print the script that completes cowhand's words in a shell
    #[command(after_long_help = "\
Examples:
  source <(cowhand completions bash)
  cowhand completions zsh > ~/.zfunc/_cowhand")]
    Completions(commands::completions::Completions),

    /// Print cowhand's manual page, or write one page per command
    #[command(after_long_help = "\
Examples:
  cowhand man | man -l -
  cowhand man --dir ~/.local/share/man/man1    # then: man cowhand-up")]
    Man(commands::man::Man),

    /// Print the inventory's nodes for Ansible
    ///
    /// A file of two lines that calls this, with what Ansible gives it, is an inventory for Ansible; see playbooks/README.md.
    #[command(after_long_help = "\
Examples:
  cowhand inventory --ansible --list
  cowhand inventory --ansible --host n1")]
    Inventory(commands::inventory::Inventory),

    /// Print the JSON Schema of the inventory, or of run files, for editors
    #[command(after_long_help = "\
Examples:
  cowhand schema > inventory.schema.json
  # then, as the first line of an inventory:
  # yaml-language-server: $schema=inventory.schema.json")]
    Schema(commands::schema::Schema),
}

/// Parses the command line, runs the command and returns its exit code.
pub fn main() -> ExitCode {
    process::keep_memory_private();
    if process::stdout_was_closed() {
        return no_stdout();
    }
    // Answers and ends here, when a shell asks what can be said.
    CompleteEnv::with_factory(Cli::command).var(crate::session::context::COMPLETE).complete();
    let said = match Cli::try_parse() {
        Ok(said) => said,
        Err(answer) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2; clap tells them apart.
            let _ = answer.print();
            return if answer.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    install_panic_hook();
    crate::remote::disturb();
    crate::remote::raise_open_files();
    let verbosity = match (said.quiet, said.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 1..) => Verbosity::Verbose,
        (false, 0) => Verbosity::Normal,
    };
    let mut console = Console::detect(said.output, verbosity);
    let log = match log::wanted(said.verbose > 1) {
        Ok(log) => log,
        Err(word) => {
            let failure = Failure::new(Exit::Usage, format!("{}={word} is no level of a log", log::VARIABLE))
                .hint("the levels are error, warn, info, debug, trace and off");
            console.failure(&failure);
            return failure.exit.into();
        }
    };
    // A log would break the living list: who asks for both by name gets the list, else the log goes before.
    let log = log.filter(|_| said.output != Some(Output::Bars) || console.output != Output::Bars);
    if log.is_some() && console.output == Output::Bars {
        console.output = Output::Plain;
    }
    let context = Context::new(console, CancellationToken::new(), said.inventory, log);
    let streams = said.command.streams();
    let began = Instant::now();
    // The hook has said what there is to say on stderr.
    let exit = match catch_unwind(AssertUnwindSafe(|| said.command.run(&context))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            let failure = failure.logged(context.log_file());
            console.failure(&failure);
            failure.exit
        }
        Err(_) => Exit::Bug,
    };
    if streams {
        console.finished(exit, began.elapsed().as_secs_f64());
    }
    exit.into()
}

/// An answer that goes nowhere is no success, and nobody would see what a run did.
fn no_stdout() -> ExitCode {
    let failure = Failure::new(Exit::NotHere, "standard output is closed, so no answer can be given")
        .hint("leave it open; `>/dev/null` is for answers that nobody wants. Nothing was touched");
    Console::detect(None, Verbosity::Normal).failure(&failure);
    failure.exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
