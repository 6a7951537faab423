//! What can be said to cowhand on a command line, and how a run begins and ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::commands::{self, Answer, Context};
use crate::report::{Console, Exit, Failure, Output, Verbosity, install_panic_hook, log};

/// Three Linux machines in, a highly available Rancher out, and kept alive afterwards
///
/// cowhand reads an inventory, looks at the machines over SSH, says everything that is wrong before it touches
/// anything, shows its plan, builds the cluster with RKE and Rancher on it, and then proves from outside that a
/// browser and an agent would trust what they get. Running a command again is always safe and always the way to go on.
#[derive(Debug, Parser)]
#[command(name = "cowhand", version, propagate_version = false, max_term_width = 100)]
#[command(arg_required_else_help = true, after_help = AFTER_HELP)]
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

const AFTER_HELP: &str = "\
First steps:
  cowhand init --node 10.0.0.11 --node 10.0.0.12 --node 10.0.0.13 --hostname rancher.example.com
  cowhand check
  cowhand up

Exit codes:
  0 done · 1 bug · 2 usage · 3 inventory · 4 unreachable · 5 checks failed · 6 a step failed
  7 changed, but not verified · 130 interrupted        (cowhand explain exit-codes tells more)

Environment:
  NO_COLOR=1 switches colours off; a locale that is not UTF-8 gets ASCII signs
  COWHAND_LOG=debug tells the detailed log on stderr, as -vv does (also: trace, info, warn, error)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an inventory, with a comment at every line
    #[command(after_long_help = "\
Examples:
  cowhand init --node 10.0.0.11 --node 10.0.0.12 --node 10.0.0.13 --hostname rancher.example.com
  vagrant ssh-config | cowhand init --from-ssh-config - --hostname rancher.lab.test -o lab.yml")]
    Init(commands::init::Init),

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
    /// Every step is told with its text, with and without -v.
    ///
    /// On this machine it writes nothing but what it fetches: rke and helm, where PATH has none that fits, into
    /// ~/.cache/cowhand/tools, and charts into helm's own cache, .cowhand/helm beside the inventory. With
    /// --accept-new-host-keys, known_hosts too.
    #[command(after_long_help = "\
Examples:
  cowhand plan
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

    /// Show nodes, etcd, ingress, cert-manager, Rancher and certificates on one screen
    #[command(after_long_help = "\
Examples:
  cowhand status
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

    /// Bring back a lost cluster.rkestate, made CA and password from the running cluster
    ///
    /// Without that file rke would make a new CA over a living cluster; `up` refuses to let it.
    #[command(after_long_help = "\
Examples:
  cowhand recover-state
  cowhand recover-state -i inventory/ha.yml")]
    RecoverState(commands::recover_state::RecoverState),

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

    /// Print the JSON Schema of the inventory, for editors
    #[command(after_long_help = "\
Examples:
  cowhand schema > inventory.schema.json
  # then, as the first line of an inventory:
  # yaml-language-server: $schema=inventory.schema.json")]
    Schema,
}

/// Parses the command line, runs the command and returns its exit code.
pub fn main() -> ExitCode {
    let said = match Cli::try_parse() {
        Ok(said) => said,
        Err(answer) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2; clap tells them apart.
            let _ = answer.print();
            return if answer.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    install_panic_hook();
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

impl Command {
    /// Whether it tells events while it goes on, so that a reader of JSON needs to know where they end.
    fn streams(&self) -> bool {
        match self {
            Command::Check(wanted) => !wanted.list,
            Command::Plan(_) | Command::Up(_) | Command::Verify(_) | Command::Down(_) => true,
            Command::Init(_)
            | Command::Lb(_)
            | Command::Certs(_)
            | Command::Status(_)
            | Command::Kubeconfig(_)
            | Command::RecoverState(_)
            | Command::Explain(_)
            | Command::Completions(_)
            | Command::Schema => false,
        }
    }

    /// Only what reaches machines or a cluster gets a runtime.
    fn run(self, context: &Context) -> Answer {
        match self {
            Command::Init(wanted) => commands::init::run(context, &wanted),
            Command::Lb(wanted) => commands::lb::run(context, &wanted),
            Command::Explain(wanted) => commands::explain::run(context, &wanted, &explanations()),
            Command::Completions(wanted) => commands::completions::run(context, &wanted, Cli::command()),
            Command::Schema => commands::schema::run(context),
            Command::Check(wanted) => looking(context, commands::check::run(context, wanted)),
            Command::Plan(wanted) => looking(context, commands::plan::run(context, wanted)),
            Command::Verify(wanted) => looking(context, commands::verify::run(context, wanted)),
            Command::Certs(wanted) => looking(context, commands::certs::run(context, wanted)),
            Command::Status(wanted) => looking(context, commands::status::run(context, wanted)),
            Command::Kubeconfig(wanted) => looking(context, commands::kubeconfig::run(context, wanted)),
            Command::Up(wanted) => changing(context, commands::up::run(context, wanted)),
            Command::Down(wanted) => changing(context, commands::down::run(context, wanted)),
            Command::RecoverState(wanted) => changing(context, commands::recover_state::run(context, wanted)),
        }
    }
}

/// What `explain` can explain: every check, before and after the installation.
fn explanations() -> Vec<commands::explain::Explanation> {
    let explanation = |one: crate::check::Listed| commands::explain::Explanation {
        id: one.id,
        what: one.what,
        why: one.why,
        fix: one.fix,
    };
    crate::check::listed().into_iter().map(explanation).collect()
}

/// A command that changes nothing may be dropped at any moment.
fn looking(context: &Context, command: impl Future<Output = Answer>) -> Answer {
    context.log_looking();
    in_runtime(context, async {
        tokio::select! {
            answer = command => answer,
            () = context.stop.cancelled() => {
                // The dropped command's screen sees that and draws its last picture; the error comes below it.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                Err(Failure::interrupted("nothing was changed"))
            }
        }
    })
}

/// A command that changes things ends what is under way first; it watches `context.stop` itself.
fn changing(context: &Context, command: impl Future<Output = Answer>) -> Answer {
    in_runtime(context, command)
}

fn in_runtime(context: &Context, command: impl Future<Output = Answer>) -> Answer {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::with_cause(Exit::StepFailed, "this machine gives no more threads", &error))?;
    let stop = context.stop.clone();
    let answer = runtime.block_on(async {
        let signals = signals(stop)?;
        let listening = tokio::spawn(signals);
        let answer = command.await;
        listening.abort();
        // Its end is certain now, and how it ended says nothing.
        let _ = listening.await;
        answer
    });
    // A question that nobody answered still reads from the terminal; the process does not wait for it.
    runtime.shutdown_background();
    answer
}

/// The first Ctrl-C or SIGTERM asks the command to stop, the second one stops the process.
fn signals(stop: CancellationToken) -> Result<impl Future<Output = ()> + Send, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::with_cause(Exit::StepFailed, "signals cannot be listened to", &error))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            stop.cancel();
        }
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// A command that is interrupted while it waits for ever.
    async fn interrupted_by(sent: Signal) -> Answer {
        kill_process(getpid(), sent).unwrap();
        std::future::pending().await
    }

    fn context() -> Context {
        let console = Console::detect(Some(Output::Plain), Verbosity::Quiet);
        Context::new(console, CancellationToken::new(), None, None)
    }

    /// One test, since a signal is for the whole process: the second one would end it.
    #[test]
    fn a_signal_ends_what_only_looks_and_lets_a_change_end_in_order() {
        for sent in [Signal::INT, Signal::TERM] {
            let answer = looking(&context(), interrupted_by(sent));
            assert_eq!(answer.unwrap_err().exit, Exit::Interrupted);
        }
        let context = context();
        let stop = context.stop.clone();
        let answer = changing(&context, async move {
            kill_process(getpid(), Signal::INT).unwrap();
            stop.cancelled().await;
            Ok(Exit::Done)
        });
        assert_eq!(answer, Ok(Exit::Done));
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
