//! A long-running child program whose lines are heard while it runs.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::local::{Ended, Group, Program, spawn};

/// How long a program may take to end after SIGINT before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long lines may still come after the program's end (a grandchild may hold the pipe).
const DRAIN: Duration = Duration::from_secs(2);
/// A longer line is cut in pieces: nobody reads it, and memory is not endless.
const LONGEST_LINE: usize = 1024 * 1024;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowEnded {
    ByItself(Ended),
    /// We were asked to stop, and it is gone with everything it started.
    Cancelled,
}

#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("{} cannot be started", path.display())]
    Start { path: PathBuf, source: std::io::Error },
    #[error("{} was lost", path.display())]
    Lost { path: PathBuf, source: std::io::Error },
}

/// Runs a program to its end and hands on each line of its stdout and stderr, in the order written, without line end
/// and with bad UTF-8 replaced. Asked to stop, it gets SIGINT, then SIGKILL, with its whole group.
pub async fn run_lines(
    program: &Program,
    stop: &CancellationToken,
    mut on_line: impl FnMut(&str),
) -> Result<HowEnded, ChildError> {
    let begun = std::time::Instant::now();
    let start = |source| ChildError::Start { path: program.path.clone(), source };
    let (mut child, lines) = start_merged(program).await.map_err(start)?;
    let group = Group::of(&child);
    tracing::debug!(%program, process = child.id(), "started");
    let mut lines = BufReader::new(lines);
    let mut line = Vec::new();
    let mut open = true;
    let cancelled = loop {
        tokio::select! {
            // Lines first, so that a program's last words are heard before its end.
            biased;
            read = next_line(&mut lines, &mut line), if open => {
                open = matches!(read, Ok(more) if more);
                tell(&mut line, &mut on_line);
            }
            () = group.ended() => break false,
            () = stop.cancelled() => {
                group.signal(Signal::INT);
                // Who does not end is killed below.
                let _ = tokio::time::timeout(GRACE, group.ended()).await;
                break true;
            }
        }
    };
    // What was written just before the end; a grandchild that holds the pipe does not hold us.
    let rest = async {
        while open {
            open = matches!(next_line(&mut lines, &mut line).await, Ok(more) if more);
            tell(&mut line, &mut on_line);
        }
    };
    // Out of time: the lines so far are what there is.
    let _ = tokio::time::timeout(DRAIN, rest).await;
    let status = group.reap(&mut child).await;
    let status = status.map_err(|source| ChildError::Lost { path: program.path.clone(), source })?;
    let ended = if cancelled { HowEnded::Cancelled } else { HowEnded::ByItself(status.into()) };
    tracing::debug!(%program, ?ended, millis = begun.elapsed().as_millis(), "ended");
    Ok(ended)
}

/// Starts it with stdout and stderr in one pipe: two pipes would lose their order.
async fn start_merged(program: &Program) -> std::io::Result<(Child, pipe::Receiver)> {
    let (reader, writer) = std::io::pipe()?;
    let mut command = program.command();
    command.stdin(Stdio::null()).stderr(writer.try_clone()?).stdout(writer);
    // The command keeps the writing ends; it is dropped with the starting, so that only the child holds them.
    let child = spawn(command).await?;
    Ok((child, pipe::Receiver::from_owned_fd(reader.into())?))
}

/// Reads on until a line is whole; false at the end of the stream. Safe to cancel: what was read stays in `line`.
async fn next_line(lines: &mut BufReader<pipe::Receiver>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let (used, whole) = {
            let read = lines.fill_buf().await?;
            if read.is_empty() {
                return Ok(false);
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(read.len(), |end| end + 1);
            line.extend_from_slice(&read[..used]);
            (used, end.is_some())
        };
        lines.consume(used);
        if whole || line.len() > LONGEST_LINE {
            return Ok(true);
        }
    }
}

/// Hands on the line and empties it. Of a line that was overwritten in place (`\r`) only the last state counts.
fn tell(line: &mut Vec<u8>, on_line: &mut impl FnMut(&str)) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.rsplit('\r').next().unwrap_or(text);
    if !text.is_empty() {
        on_line(text);
    }
    line.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh").words(["-c", script])
    }

    async fn lines_of(script: &str) -> (HowEnded, Vec<String>) {
        let mut lines = Vec::new();
        let ended = run_lines(&shell(script), &CancellationToken::new(), |line| lines.push(line.to_owned())).await;
        (ended.unwrap(), lines)
    }

    #[tokio::test]
    async fn both_streams_come_in_order_to_the_last_byte() {
        let (ended, lines) = lines_of(r"echo a; echo b >&2; echo c; printf 'x\ry\377'; exit 7").await;
        assert_eq!(ended, HowEnded::ByItself(Ended::Code(7)));
        assert_eq!(lines, ["a", "b", "c", "y\u{fffd}"]);
    }

    #[tokio::test]
    async fn a_grandchild_does_not_hold_us() {
        let (ended, lines) = lines_of("sleep 600 & echo started").await;
        assert_eq!((ended, lines), (HowEnded::ByItself(Ended::Code(0)), vec!["started".to_owned()]));
    }

    #[tokio::test]
    async fn a_stopped_program_is_gone_with_all_it_started() {
        let stop = CancellationToken::new();
        let mut pids = Vec::new();
        let script = "trap 'echo bye; exit 0' INT; sleep 600 & echo $! $$; while :; do sleep 0.1; done";
        let ended = run_lines(&shell(script), &stop, |line| {
            pids.push(line.to_owned());
            stop.cancel();
        })
        .await;
        assert_eq!(ended.unwrap(), HowEnded::Cancelled);
        assert_eq!(pids.last().unwrap(), "bye");
        let grandchild = pids[0].split(' ').next().unwrap().parse().unwrap();
        let gone = async {
            while is_running(grandchild) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the grandchild lives on");
    }

    #[tokio::test]
    async fn what_cannot_be_started_is_named() {
        let error = run_lines(&Program::new("/no/such/rke"), &CancellationToken::new(), |_| ()).await.unwrap_err();
        assert_eq!(error.to_string(), "/no/such/rke cannot be started");
    }

    fn is_running(pid: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
