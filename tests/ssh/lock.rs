//! The lock on a node: one holder, who is named to the others, and no holder that is dead.

use std::process::Command;
use std::time::Duration;

use cowhand::remote::{LockError, NodeLock};

use crate::world::{Cutter, World, connect};

/// A lock name of its own for each test; its file is removed at the end.
struct Name(String);

impl Name {
    fn new(test: &str) -> Name {
        Name(format!("test-{test}-{}", std::process::id()))
    }

    fn path(&self) -> String {
        format!("/tmp/cowhand-{}.lock", self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
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
    let name = Name::new("second");
    let world = World::new();
    let (sshd, first) = world.connected().await;
    let second = connect(world.target("n1", sshd.port)).await.unwrap();
    let lock = NodeLock::take(&first, &name.path(), "anna@laptop, pid 7, since 10:00").await.unwrap();
    let error = NodeLock::take(&second, &name.path(), "bob").await.unwrap_err();
    assert_eq!(error.to_string(), "another run is under way, as n1 knows: anna@laptop, pid 7, since 10:00");
    assert!(matches!(error, LockError::Held { .. }));
    // The same connection is no excuse either, and another file is another lock.
    assert!(NodeLock::take(&first, &name.path(), "anna").await.is_err());
    let other = Name::new("other");
    let _another = NodeLock::take(&second, &other.path(), "bob").await.unwrap();

    lock.release().await;
    let lock = NodeLock::take(&second, &name.path(), "bob").await.unwrap();
    let Err(LockError::Held { holder, .. }) = NodeLock::take(&first, &name.path(), "anna").await else { panic!() };
    assert_eq!(holder, "bob");
    drop(lock);
    take_soon(&first, &name.path()).await.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_connection_frees_it_and_the_holder_knows() {
    let name = Name::new("dead");
    let world = World::new();
    let sshd = world.sshd();
    let cutter = Cutter::start(sshd.port);
    world.know(&sshd.known_line_at(cutter.port));
    let first = connect(world.target("n1", cutter.port)).await.unwrap();
    let lock = NodeLock::take(&first, &name.path(), "first").await.unwrap();
    let second = connect(world.target("n1", sshd.port)).await.unwrap();
    assert!(NodeLock::take(&second, &name.path(), "second").await.is_err());
    cutter.cut();
    lock.lost().await;
    take_soon(&second, &name.path()).await.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_holder_is_a_lost_lock() {
    let name = Name::new("killed");
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let lock = NodeLock::take(&n1, &name.path(), "first").await.unwrap();
    let holders = processes_of(&name.path());
    assert!(!holders.is_empty());
    for id in holders {
        // One of them may be gone already, with the one before it; that the lock is lost is what counts.
        Command::new("kill").args(["-KILL", &id]).status().unwrap();
    }
    lock.lost().await;
    take_soon(&n1, &name.path()).await.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_its_place_is_refused() {
    let name = Name::new("link");
    std::os::unix::fs::symlink("/no/such/file", name.path()).unwrap();
    let (_sshd, n1) = World::new().connected().await;
    let error = NodeLock::take(&n1, &name.path(), "first").await.unwrap_err();
    let LockError::Remote { cause, .. } = error else { panic!("{error}") };
    assert!(
        cause.to_string().ends_with("ended with exit code 2: /tmp/cowhand-".to_string().as_str())
            || cause.to_string().contains("is a symbolic link"),
        "{cause}"
    );
}
