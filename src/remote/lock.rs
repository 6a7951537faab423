//! The lock on a node: one run at a time, from whichever laptop and for whichever cluster.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::session::{Line, Running};
use super::{CommandError, Connection, Ended, Remote, RemoteError, Words};

/// The lock's file on a node. It has no cluster's name in it: two inventories may name the same machine.
pub const NODE_LOCK: &str = "/tmp/cowhand-node.lock";

/// How often the holder is told that we are alive.
const BEAT: Duration = Duration::from_secs(15);

/// How long the holder waits for a beat before it lets go (seconds): what `timeout` of coreutils is given.
const PATIENCE: &str = "60";

/// How long taking the lock may last.
const LIMIT: Duration = Duration::from_secs(20);

/// Takes the lock, says `held`, and keeps it while bytes come in; otherwise says who holds it.
///
/// `$1` is the lock's file, `$2` the holder, `$3` the patience. The file is opened for reading only, and written by
/// `dd conv=nocreat`: in a sticky folder the kernel refuses to open another user's file with O_CREAT
/// (fs.protected_regular), which any redirection would do. Children do not inherit the lock. A busy one is asked for
/// again for a moment: a node needs one to notice that the run before this was killed. A file that was removed
/// meanwhile (at the end of `down`) locks nobody out any more: the one in its place is taken.
const SCRIPT: &str = r#"file=$1 holder=$2 patience=$3
[ ! -L "$file" ] || { echo "$file is a symbolic link" >&2; exit 2; }
tries=0
while :; do
    [ -e "$file" ] || (umask 0; set -C; : > "$file") 2>/dev/null
    exec 9< "$file" || exit 2
    flock -n 9
    case $? in
        0) [ "$(stat -L -c %d:%i /proc/$$/fd/9)" != "$(stat -c %d:%i "$file" 2>/dev/null)" ] || break ;;
        1) [ $tries -lt 3 ] || { echo "busy $(cat "$file")"; exit 0; } ;;
        *) exit 2 ;;
    esac
    tries=$((tries + 1))
    sleep 1
done
printf '%s\n' "$holder" | dd of="$file" conv=nocreat 2>/dev/null 9<&-
echo held
while [ -n "$(timeout "$patience" head -c 1 9<&-)" ]; do :; done"#;

/// Held until dropped or released, as long as the connection lives. If it dies, the node frees the lock: at once
/// when it sees the end of the connection, else after a minute without a beat.
#[derive(Debug)]
pub struct NodeLock {
    node: String,
    stop: Option<oneshot::Sender<()>>,
    lost: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    #[error("another run is under way, as {node} knows: {holder}")]
    Held { node: String, holder: String },
    #[error("the lock on {node} could not be taken")]
    Remote {
        node: String,
        #[source]
        cause: RemoteError,
    },
}

impl LockError {
    pub fn hint(&self) -> Option<String> {
        match self {
            LockError::Held { .. } => {
                Some("wait until it has ended; a run that was killed frees its lock by itself within a minute".into())
            }
            LockError::Remote { cause, .. } => cause.hint(),
        }
    }
}

impl NodeLock {
    /// Takes the lock on this node (its file is [`NODE_LOCK`]), or says who has it. `holder` is shown to the others: who,
    /// from where, since when, for which cluster.
    pub async fn take(connection: &Connection, path: &str, holder: &str) -> Result<NodeLock, LockError> {
        let node = connection.name().to_string();
        let holder = holder.replace('\n', " ");
        let words = Words::shell(SCRIPT).arg("lock").arg(path).arg(holder).arg(PATIENCE);
        let failed = |cause| LockError::Remote { node: node.clone(), cause };
        let mut running = connection.start(&words).await.map_err(failed)?;
        let answer = timeout(LIMIT, answer(&mut running)).await;
        match answer {
            Err(_) => Err(failed(RemoteError::TimedOut { node: node.clone(), command: words.line(), after: LIMIT })),
            Ok(Answer::Held) => Ok(NodeLock::keep(node, running)),
            Ok(Answer::Busy(holder)) => Err(LockError::Held { node, holder }),
            Ok(Answer::Failed(last_words)) => {
                let ended = timeout(LIMIT, running.finish()).await.unwrap_or(Ended::ConnectionLost);
                let error = CommandError { node: node.clone(), command: words.line(), ended, last_words };
                Err(failed(error.into()))
            }
        }
    }

    fn keep(node: String, running: Running) -> NodeLock {
        let (stop, stopped) = oneshot::channel();
        let (told, lost) = watch::channel(false);
        NodeLock { node, stop: Some(stop), lost, task: tokio::spawn(beat(running, stopped, told)) }
    }

    /// Where it is held.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Waits until the lock is lost against our will: the connection died, or somebody ended the holder.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // An error means that the holder's task is gone, and the lock with it.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Lets go, and waits until the node has freed the lock.
    pub async fn release(mut self) {
        drop(self.stop.take());
        // The task ends by itself; a node that does not answer frees the lock by itself.
        let _ = timeout(LIMIT, &mut self.task).await;
    }
}

enum Answer {
    Held,
    Busy(String),
    Failed(String),
}

async fn answer(running: &mut Running) -> Answer {
    let mut said = Vec::new();
    while let Some(line) = running.line().await {
        match line {
            Line::Out(text) if text == "held" => return Answer::Held,
            Line::Out(text) => match text.strip_prefix("busy ") {
                Some(holder) => return Answer::Busy(holder.to_string()),
                None => said.push(text),
            },
            Line::Err(text) => said.push(text),
        }
    }
    Answer::Failed(said.join("\n"))
}

/// Beats until told to stop (the sender is dropped), or until the holder over there has ended.
async fn beat(mut running: Running, mut stopped: oneshot::Receiver<()>, told: watch::Sender<bool>) {
    let mut clock = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            _ = &mut stopped => {
                running.finish().await;
                return;
            }
            _ = clock.tick() => if running.write(".").await.is_err() { break },
            _ = running.ended() => break,
        }
    }
    told.send_replace(true);
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// The script in a shell of its own: its process, and its first line.
    fn hold(path: &str, patience: &str) -> (Child, String) {
        let words = Words::shell(SCRIPT).arg("lock").arg(path).arg("somebody else's").arg(patience);
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(words.line()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (child, line)
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_taken_on_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock").display().to_string();
        let (mut first, line) = hold(&path, "60");
        assert_eq!(line, "held\n");
        std::fs::remove_file(&path).unwrap();
        let (mut second, line) = hold(&path, "60");
        assert_eq!(line, "held\n", "nobody holds the file that is there now");
        let (mut third, line) = hold(&path, "60");
        assert_eq!(line, "busy somebody else's\n");
        third.wait().unwrap();
        for child in [&mut first, &mut second] {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_holder_that_hears_nothing_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock").display().to_string();
        let (mut living, line) = hold(&path, "60");
        assert_eq!(line, "held\n");
        let (mut second, line) = hold(&path, "1");
        assert_eq!(line, "busy somebody else's\n");
        second.wait().unwrap();
        drop(living.stdin.take());
        living.wait().unwrap();
        let (mut first, line) = hold(&path, "1");
        assert_eq!(line, "held\n");
        first.stdin.as_mut().unwrap().write_all(b"...").unwrap();
        // Its stdin is still open: it is the silence that ends it.
        let stdin = first.stdin.take();
        assert!(first.wait().unwrap().success());
        let (mut third, line) = hold(&path, "1");
        assert_eq!(line, "held\n");
        drop((stdin, third.stdin.take()));
        third.wait().unwrap();
    }
}
