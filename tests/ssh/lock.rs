//! The lock on a node: one holder, who is named to the others, and no holder that is dead.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cowhand::failure::Hint;
use cowhand::remote::{LockError, Loss, NODE_LOCK, NodeLock};

use crate::world::{Cutter, Sshd, World, connect, run};

/// A lock's folder of its own for each test, as [`cowhand::remote::NODE_LOCK`] is one.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> String {
        self.folder.path().join("lock").display().to_string()
    }

    /// Where the lock really lies: without root in the home of the server's user.
    fn real(&self, sshd: &Sshd) -> PathBuf {
        if has_root() { self.folder.path().join("lock") } else { sshd.folder.path().join(".lock") }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        as_owner("rm -rf \"$1\"", &self.path().into());
    }
}

fn is_root() -> bool {
    run("id", &["-u"]).trim() == "0"
}

fn has_root() -> bool {
    let sudo = || Command::new("sudo").args(["-n", "--", "sh", "-c", ":"]).output().is_ok_and(|it| it.status.success());
    is_root() || sudo()
}

/// A script of whoever owns the folder; `$1` is a path.
fn as_owner(script: &str, path: &PathBuf) {
    let sudo = if has_root() && !is_root() { &["sudo", "-n", "--"][..] } else { &["env"] };
    let mut command = Command::new(sudo[0]);
    command.args(&sudo[1..]).args(["sh", "-c", script, "sh"]).arg(path);
    assert!(command.status().unwrap().success(), "{script}");
}

/// Ids of the processes that were given this test's own lock file as an argument.
fn processes_of(path: &str) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let given = |folder: &std::fs::DirEntry| {
        let line = std::fs::read_to_string(folder.path().join("cmdline")).unwrap_or_default();
        line.split('\0').any(|word| word == path)
    };
    folders.filter(given).map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
}

/// Others may be a moment late in seeing an end; a minute would be the time limit for dead holders.
async fn take_soon(connection: &cowhand::remote::Connection, path: &str) -> NodeLock {
    for _ in 0..200 {
        if let Ok(lock) = NodeLock::take(connection, path, "the next one").await {
            return lock;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the lock was not freed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_is_refused_and_told_who_holds_it() {
    let place = Place::new();
    let world = World::new();
    let (sshd, first) = world.connected().await;
    let second = connect(world.target("n1", sshd.port)).await.unwrap();
    let lock = NodeLock::take(&first, &place.path(), "anna@laptop, pid 7, since 10:00").await.unwrap();
    let error = NodeLock::take(&second, &place.path(), "bob").await.unwrap_err();
    assert_eq!(error.to_string(), "another run is under way, as n1 knows: anna@laptop, pid 7, since 10:00");
    assert!(matches!(error, LockError::Held { .. }));
    // The same connection is no excuse either, and another file is another lock.
    assert!(NodeLock::take(&first, &place.path(), "anna").await.is_err());
    let other = Place::new();
    let _another = NodeLock::take(&second, &other.path(), "bob").await.unwrap();

    lock.release().await;
    let lock = NodeLock::take(&second, &place.path(), "bob").await.unwrap();
    let Err(LockError::Held { holder, .. }) = NodeLock::take(&first, &place.path(), "anna").await else { panic!() };
    assert_eq!(holder, "bob");
    drop(lock);
    take_soon(&first, &place.path()).await.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_connection_frees_it_and_the_holder_knows() {
    let place = Place::new();
    let world = World::new();
    let sshd = world.sshd();
    let cutter = Cutter::start(sshd.port);
    world.know(&sshd.known_line_at(cutter.port));
    let first = connect(world.target("n1", cutter.port)).await.unwrap();
    let lock = NodeLock::take(&first, &place.path(), "first").await.unwrap();
    let second = connect(world.target("n1", sshd.port)).await.unwrap();
    assert!(NodeLock::take(&second, &place.path(), "second").await.is_err());
    cutter.cut();
    lock.lost().await;
    take_soon(&second, &place.path()).await.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_holder_is_a_lost_lock() {
    let place = Place::new();
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let lock = NodeLock::take(&n1, &place.path(), "first").await.unwrap();
    let holders = processes_of(&place.path());
    assert!(!holders.is_empty());
    for id in holders {
        // One of them may be gone already, with the one before it; that the lock is lost is what counts.
        Command::new("kill").args(["-KILL", &id]).status().unwrap();
    }
    lock.lost().await;
    take_soon(&n1, &place.path()).await.release().await;
}

/// How long a run may go on beside another one whose lock is its own: a beat, and some time for a slow machine.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_taken_away_while_it_is_held_is_lost() {
    let world = World::new();
    let (sshd, n1) = world.connected().await;
    for attack in ["rm \"$1\"/*", "rm \"$1\"/* && touch \"$1/node.lock\"", "mv \"$1\" \"$1.old\""] {
        let place = Place::new();
        let lock = NodeLock::take(&n1, &place.path(), "first").await.unwrap();
        as_owner(attack, &place.real(&sshd));
        let loss = tokio::time::timeout(SOON, lock.lost()).await;
        assert_eq!(loss, Ok(Loss::Replaced), "{attack}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_put_there_is_refused_with_its_name() {
    let world = World::new();
    let (sshd, n1) = world.connected().await;
    let attacks = [
        ("mkdir \"$1\" && chmod 777 \"$1\" && echo 'somebody, for ever' > \"$1/node.lock\"", "has owner and mode"),
        ("mkdir \"$1\" && chmod 777 \"$1\" && mkfifo \"$1/node.lock\"", "has owner and mode"),
        ("ln -s /tmp \"$1\"", "is a symbolic link"),
        ("ln -s /no/such/folder \"$1\"", "is a symbolic link"),
        ("echo > \"$1\"", "cannot be made or opened"),
        ("mkdir -m 700 \"$1\" && mkfifo \"$1/node.lock\" \"$1/$(uname -n).lock\"", "is no file"),
    ];
    for (attack, why) in attacks {
        let place = Place::new();
        let real = place.real(&sshd);
        as_owner(attack, &real);
        let error = NodeLock::take(&n1, &place.path(), "first").await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(&error, LockError::Place { node, .. } if node == "n1"), "{attack}: {said}");
        assert!(said.contains(why) && said.contains(real.to_str().unwrap()), "{attack}: {said}");
        assert!(error.hint().unwrap().contains("on n1"), "{attack}");
        as_owner("rm -rf \"$1\"", &real);
        NodeLock::take(&n1, &place.path(), "first").await.unwrap().release().await;
    }
}

/// Nobody but root can hold, read or remove it, or make its folder first: that is what /tmp did not give.
#[tokio::test(flavor = "multi_thread")]
async fn another_user_can_do_nothing_to_it() {
    if !is_root() {
        // Without root there is no other user to be.
        return;
    }
    let stranger = |script: &str, path: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script, "sh", path]);
        command.stderr(Stdio::null()).status().unwrap().success()
    };
    let parent = Path::new(NODE_LOCK).parent().unwrap().to_str().unwrap();
    assert!(stranger("ls \"$1\" >/dev/null", parent), "setpriv works");
    assert!(!stranger("touch \"$1/cowhand-test\"", parent), "{parent} is a folder of everybody");
    let place = Place::new();
    as_owner("chmod 755 \"$1\"", &place.folder.path().into());
    let (_sshd, n1) = World::new().connected().await;
    let lock = NodeLock::take(&n1, &place.path(), "first").await.unwrap();
    for script in
        ["rm -f \"$1/node.lock\"", "flock -n \"$1/node.lock\" true", "cat \"$1/node.lock\"", "mv \"$1\" \"$1.old\""]
    {
        assert!(!stranger(script, &place.path()), "{script}");
    }
    lock.release().await;
    assert!(!Path::new(&place.path()).exists(), "nothing is left of it");
}
