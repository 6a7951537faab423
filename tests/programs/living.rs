//! A program that cowhand started dies with it, even when cowhand is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cowhand::local::Program;
use cowhand::local::run_lines;
use tokio_util::sync::CancellationToken;

const ROLE: &str = "COWHAND_TEST_PARENT";

/// This test starts itself once more in the parent's role, kills that, and looks for the grandchild.
#[test]
fn a_killed_cowhand_leaves_no_child() {
    if std::env::var_os(ROLE).is_some() {
        return be_the_parent();
    }
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "living::a_killed_cowhand_leaves_no_child", "--nocapture"])
        .env(ROLE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pid = lines.map_while(Result::ok).find_map(|line| line.split_once("started=").map(|(_, pid)| pid.to_owned()));
    let pid: u32 = pid.expect("the parent told no child").trim().parse().unwrap();
    assert!(is_running(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while is_running(pid) {
        assert!(Instant::now() < end, "the child {pid} outlived its parent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn be_the_parent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let program = Program::new("/bin/sh").words(["-c", "echo started=$$; exec sleep 600"]);
    let stop = CancellationToken::new();
    let run = run_lines(&program, &stop, |line| println!("{line}"));
    runtime.block_on(run).unwrap();
}

fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
