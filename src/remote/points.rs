//! Points at which tests end or disturb a run (the crate `fail`). Only builds of tests have them: in any other, `fail_point!`
//! is nothing.
//!
//! In the binary `FAILPOINTS` says what happens where, e.g. `disk.place=2*off->panic`. A panic there ends the process as
//! `kill -9` does; at a point of a file operation `return(28)` fails it with that number of errno(3).

use std::io;

/// Every point, each before what it is named after. A test holds this list against the points in the source, and ends a
/// run at each.
pub const POINTS: &[&str] = &[
    "disk.write",
    "disk.written",
    "disk.place",
    "disk.rename",
    "disk.remove",
    "disk.sync",
    "workspace.folder",
    "workspace.trial",
    "workspace.log",
    "workspace.close",
    "lock.file",
    "lock.holder",
    "journal.open",
    "journal.note",
    "rke.link",
    "rke.log",
    "kubeconfig.helm",
    "front.key",
    "node-lock.take",
    "node-lock.held",
    "lease.take",
    "lease.renew",
];

/// Points that stand before no write: they give a value in place of one that tests cannot wait for.
pub const SETTINGS: &[&str] = &["node-lock.patience", "rails.off"];

/// Fails a file operation with the number that a point was given; 5 is EIO.
pub fn fault<T>(number: Option<String>) -> io::Result<T> {
    let number = number.and_then(|number| number.parse().ok()).unwrap_or(5);
    Err(io::Error::from_raw_os_error(number))
}

/// Lets `FAILPOINTS` disturb this process, in builds of tests.
pub fn disturb() {
    if !fail::has_failpoints() || std::env::var_os("FAILPOINTS").is_none() {
        return;
    }
    // It lasts as long as the process.
    Box::leak(Box::new(fail::FailScenario::setup()));
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        if said.is_some_and(|said| said.starts_with("failpoint ")) {
            // What cannot fail: a process may always signal itself.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        usual(panic);
    }));
}
