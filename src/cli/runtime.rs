//! Commands that reach something get a runtime, and hear the signals that ask them to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::local::process;
use crate::session::{Answer, Context};

/// A command that changes nothing may be dropped at any moment.
pub(super) fn looking(context: &Context, command: impl Future<Output = Answer>) -> Answer {
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
pub(super) fn changing(context: &Context, command: impl Future<Output = Answer>) -> Answer {
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

/// The first Ctrl-C, SIGTERM, SIGQUIT or SIGHUP asks the command to stop, the second one stops the process. A SIGHUP that
/// is ignored (nohup) stays so.
fn signals(stop: CancellationToken) -> Result<impl Future<Output = ()> + Send, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::with_cause(Exit::StepFailed, "signals cannot be listened to", &error))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut quit = listen(SignalKind::quit())?;
    let mut hangup = if process::hangup_is_ignored() { None } else { Some(listen(SignalKind::hangup())?) };
    Ok(async move {
        loop {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = quit.recv() => {}
                _ = hung_up => {}
            }
            if stop.is_cancelled() {
                #[expect(clippy::exit, reason = "the second Ctrl-C: who asks twice does not wait")]
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
    use crate::report::{Console, Output, Verbosity};

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
        // Under nohup a SIGHUP is not heard, as tests/cli/signals.rs holds; there the others are tried.
        let heard = |sent: &Signal| *sent != Signal::HUP || !process::hangup_is_ignored();
        for sent in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].into_iter().filter(heard) {
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
}
