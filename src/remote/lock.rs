//! The lock on a node: one run at a time, from whichever laptop and for whichever cluster.

use std::time::Duration;

use fail::fail_point;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fence::Fence;
use super::session::{Line, Running};
use super::{CommandError, Connection, Ended, Remote, RemoteError, Words};
use crate::failure::Hint;

/// The lock's folder on a node, root's alone. It has no cluster's name in it: two inventories may name the same machine.
/// In a folder of everybody anybody could hold the lock, or take it away.
pub const NODE_LOCK: &str = "/run/cowhand";

/// How long the holder waits for a beat before it lets go: what `timeout` of coreutils is given.
const PATIENCE: Duration = Duration::from_secs(60);

/// The patience's part after which the holder is told again that we are alive, and looks whether its file is still there.
const BEATS: u32 = 12;

/// The patience's part for which a beat holds here: whoever stood still for longer does nothing more (see [`super::fence`]).
const FRESH: u32 = 2;

/// Tests do not wait for a minute.
fn patience() -> Duration {
    fail_point!("node-lock.patience", |seconds| {
        let seconds = seconds.and_then(|seconds| seconds.parse().ok());
        seconds.map_or(PATIENCE, Duration::from_secs)
    });
    PATIENCE
}

/// How long taking the lock may last.
const LIMIT: Duration = Duration::from_secs(20);

/// What may stand before the answer (a login's greetings): more is no answer.
const GREETINGS: usize = 50;

/// The holder's exit code when somebody removed or replaced its file.
const REPLACED: i32 = 3;

/// Chooses the folder: root's (`$2`) where root can be had, so that all users of a machine meet; else the user's own,
/// with the machine's name in the file, since a home may be shared by several machines. `$1` is [`HOLD`], `$3` the
/// holder, `$4` the patience.
const CHOOSE: &str = r#"script=$1 folder=$2 holder=$3 patience=$4
[ "$(id -u)" != 0 ] || exec sh -c "$script" lock "$folder" node.lock "$holder" "$patience"
if sudo -n -- sh -c : </dev/null >/dev/null 2>&1; then
    exec sudo -n -- sh -c "$script" lock "$folder" node.lock "$holder" "$patience"
fi
exec sh -c "$script" lock "${HOME-}/.${folder##*/}" "$(uname -n).lock" "$holder" "$patience""#;

/// Takes the lock, says `held`, and keeps it while bytes come in; otherwise says who holds it, or why the place cannot
/// be trusted.
///
/// `$1` is the folder, `$2` the file in it, `$3` the holder, `$4` the patience. The folder's owner and mode are looked
/// at from inside, so that it cannot be exchanged in between; in a folder that is nobody else's, the file is ours.
/// Children do not inherit the lock. A busy one is asked for again for a moment: a node needs one to notice that the run
/// before this was killed. The holder removes its file at its end, so a file that is gone locks nobody out any more:
/// the one in its place is taken.
const HOLD: &str = r#"folder=$1 file=$2 holder=$3 patience=$4
untrusted() { echo "place $1"; exit 0; }
number() { stat -c %d:%i "$1" 2>/dev/null; }
umask 077
me=$(id -u)
tries=0
while :; do
    [ -e "$folder" ] || [ -L "$folder" ] || why=$(mkdir "$folder" 2>&1)
    [ ! -L "$folder" ] || untrusted "$folder is a symbolic link"
    if cd "$folder" 2>/dev/null && [ "$(number .)" = "$(number "$folder")" ]; then
        owner=$(stat -c '%u %a' .)
        case $owner in
        "$me 700" | "$me 2700") ;;
        *) untrusted "$folder has owner and mode $owner, not $me 700" ;;
        esac
        [ -e "$file" ] || (set -C; : > "$file") 2>/dev/null
        [ ! -e "$file" ] || [ -f "$file" -a ! -L "$file" ] || untrusted "$folder/$file is no file"
        if command exec 9< "$file" 2>/dev/null; then
            flock -n 9
            case $? in
            0) [ "$(stat -L -c %d:%i "/proc/$$/fd/9")" != "$(number "$file")" ] || break ;;
            1) [ $tries -lt 3 ] || { echo "busy $(head -c 400 "$file")"; exit 0; } ;;
            *) exit 2 ;;
            esac
        fi
    fi
    tries=$((tries + 1))
    [ $tries -lt 10 ] || untrusted "$folder/$file cannot be made or opened${why:+: $why}"
    sleep 1
done
held=$(number "$file")
printf '%s\n' "$holder" > "$file"
echo held
while [ -n "$(timeout "$patience" head -c 1 9<&-)" ]; do
    [ "$(number "$folder/$file")" = "$held" ] || exit 3
done
rm -f "$file"
cd / && rmdir "$folder" 2>/dev/null
exit 0"#;

/// Held until dropped or released, as long as the connection lives. If it dies, the node frees the lock: at once
/// when it sees the end of the connection, else after a minute without a beat.
#[derive(Debug)]
pub struct NodeLock {
    node: String,
    stop: Option<oneshot::Sender<()>>,
    lost: watch::Receiver<Option<Loss>>,
    task: JoinHandle<()>,
    fence: Fence,
}

/// How a lock was lost against our will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Somebody removed its file, or put another one there: others could take it now.
    Replaced,
    /// The connection died, or somebody ended the holder.
    Ended,
    /// This process stood still for so long that the node may have let go.
    Asleep,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    #[error("another run is under way, as {node} knows: {holder}")]
    Held { node: String, holder: String },
    #[error("the place of the lock on {node} cannot be trusted: {why}")]
    Place { node: String, why: String },
    #[error("the lock on {node} could not be taken")]
    Remote {
        node: String,
        #[source]
        cause: RemoteError,
    },
}

impl Hint for LockError {
    fn hint(&self) -> Option<String> {
        match self {
            LockError::Held { .. } => {
                Some("wait until it has ended; a run that was killed frees its lock by itself within a minute".into())
            }
            LockError::Place { node, .. } => Some(format!(
                "nobody but its owner may write there, or anybody could hold the lock or take it away: on {node}, see whose it is, remove it, then run the same command again"
            )),
            LockError::Remote { cause, .. } => cause.hint(),
        }
    }
}

impl NodeLock {
    /// Takes the lock on this node (`folder` is [`NODE_LOCK`]; without root, one of that name in the user's home), or
    /// says who has it. `holder` is shown to the others: who, from where, since when, for which cluster.
    pub async fn take(connection: &Connection, folder: &str, holder: &str) -> Result<NodeLock, LockError> {
        fail_point!("node-lock.take");
        // Whoever takes it anew begins anew; until it is held, nothing is changed.
        connection.fence().open();
        let node = connection.name().to_string();
        let holder = holder.replace('\n', " ");
        let words = Words::shell(CHOOSE).arg("lock").args([HOLD, folder, &holder]);
        let words = words.arg(patience().as_secs().to_string());
        let failed = |cause| LockError::Remote { node: node.clone(), cause };
        let mut running = connection.start(&words).await.map_err(failed)?;
        let answer = timeout(LIMIT, answer(&mut running)).await;
        match answer {
            Err(_) => Err(failed(RemoteError::TimedOut { node: node.clone(), command: words.line(), after: LIMIT })),
            Ok(Answer::Held) => Ok(NodeLock::keep(node, running, connection.fence().clone())),
            Ok(Answer::Busy(holder)) => Err(LockError::Held { node, holder }),
            Ok(Answer::Place(why)) => Err(LockError::Place { node, why }),
            Ok(Answer::Failed(last_words)) => {
                let ended = timeout(LIMIT, running.finish()).await.unwrap_or(Ended::ConnectionLost);
                let error = CommandError { node: node.clone(), command: words.line(), ended, last_words };
                Err(failed(error.into()))
            }
        }
    }

    fn keep(node: String, running: Running, fence: Fence) -> NodeLock {
        fail_point!("node-lock.held");
        // There is no beat before this one that could hold no more.
        let _ = fence.beat(patience() / FRESH);
        let (stop, stopped) = oneshot::channel();
        let (told, lost) = watch::channel(None);
        let task = tokio::spawn(beat(running, stopped, told, fence.clone()));
        NodeLock { node, stop: Some(stop), lost, task, fence }
    }

    /// Where it is held.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether it is surely held at this moment.
    pub fn is_held(&self) -> bool {
        self.fence.check().is_ok()
    }

    /// Waits until the lock is lost against our will, and says how.
    pub async fn lost(&self) -> Loss {
        let mut lost = self.lost.clone();
        // An error means that the holder's task is gone, and the lock with it.
        lost.wait_for(Option::is_some).await.ok().and_then(|loss| *loss).unwrap_or(Loss::Ended)
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
    Place(String),
    Failed(String),
}

async fn answer(running: &mut Running) -> Answer {
    let mut said = Vec::new();
    while let Some(line) = running.line().await {
        match line {
            Line::Out(text) if text == "held" => return Answer::Held,
            Line::Out(text) => match (text.strip_prefix("busy "), text.strip_prefix("place ")) {
                (Some(holder), _) => return Answer::Busy(holder.to_string()),
                (None, Some(why)) => return Answer::Place(why.to_string()),
                (None, None) => said.push(text),
            },
            Line::Err(text) => said.push(text),
        }
        if said.len() > GREETINGS {
            break;
        }
    }
    Answer::Failed(said.join("\n"))
}

/// Beats until told to stop (the sender is dropped), or until the holder over there has ended.
async fn beat(
    mut running: Running,
    mut stopped: oneshot::Receiver<()>,
    told: watch::Sender<Option<Loss>>,
    fence: Fence,
) {
    let every = patience() / BEATS;
    let mut clock = tokio::time::interval(every);
    let loss = loop {
        tokio::select! {
            _ = &mut stopped => {
                fence.open();
                running.finish().await;
                return;
            }
            _ = clock.tick() => {
                // Before a beat is sent that would come too late.
                if fence.beat(patience() / FRESH).is_err() {
                    break Loss::Asleep;
                }
                // Where nothing can be written, the end is near or known; a silent connection is given no more than a beat.
                if running.write(".").await.is_err() {
                    break timeout(every, running.ended()).await.map_or(Loss::Ended, of);
                }
            }
            ended = running.ended() => break of(ended),
        }
    };
    fence.close();
    told.send_replace(Some(loss));
}

/// What the holder's end means.
fn of(ended: Ended) -> Loss {
    if ended == Ended::Code(REPLACED) { Loss::Replaced } else { Loss::Ended }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
