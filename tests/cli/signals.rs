//! Signals, and what the system keeps of a process that they end.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::folder;

/// A shell that does something first and then becomes cowhand.
fn started(folder: &Path, before: &str, words: &[&str]) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(assert_cmd::cargo::cargo_bin("cowhand"));
    command.args(words).current_dir(folder).env("HOME", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

/// A `status` that waits for a server which never says anything.
fn waiting(before: &str, port: u16, limit: &str) -> (tempfile::TempDir, Child) {
    let node = |n| format!("- {{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1, port: {port}}}}}\n");
    let nodes: String = (1..4).map(node).collect();
    let inventory = format!(
        "name: prod\nssh: {{user: x, config: config, connect_timeout: {limit}}}\nnodes:\n{nodes}\
         engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
         rancher: {{hostname: r.example.com, version: 2.11.3, tls: {{mode: ingress, issuer: ca}}}}\n"
    );
    let folder = folder(&[("prod.yml", &inventory), ("config", "IdentityAgent none\n")]);
    let child = started(folder.path(), before, &["status"]);
    (folder, child)
}

fn silent_server() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The connections to all nodes: the run is where it waits.
fn connected(listener: &TcpListener) -> Vec<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let mut wires = Vec::new();
    while wires.len() < 3 {
        match listener.accept() {
            Ok((wire, _)) => wires.push(wire),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        assert!(Instant::now() < end, "nobody came");
    }
    wires
}

#[test]
fn hangup_and_quit_end_a_run_in_order() {
    for signal in [Signal::HUP, Signal::QUIT, Signal::TERM] {
        let (listener, port) = silent_server();
        let (_folder, mut child) = waiting(":", port, "120s");
        let _wires = connected(&listener);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal:?}");
    }
}

#[test]
fn a_command_that_reads_standard_input_hears_signals() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = folder(&[]);
        let words = ["init", "--from-ssh-config", "-", "--hostname", "r.example.com"];
        // Nobody ends standard input.
        let mut child = started(folder.path(), ":", &words);
        // Waiting for a child closes its standard input.
        let _open = child.stdin.take();
        // Until it has handlers for signals, these would end it at once.
        let caught = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
            u64::from_str_radix(&mask, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
        };
        let end = Instant::now() + Duration::from_secs(60);
        while !caught() {
            assert!(Instant::now() < end, "it never listened");
            std::thread::sleep(Duration::from_millis(10));
        }
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal:?}");
    }
}

#[test]
fn nohup_is_heard() {
    let (listener, port) = silent_server();
    let (_folder, mut child) = waiting("trap '' HUP", port, "5s");
    let _wires = connected(&listener);
    send(&child, Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(4), "it went on until nobody had answered");
}

#[test]
fn a_crash_leaves_no_core_dump() {
    let folder = folder(&[]);
    // It reads standard input, which nobody ends.
    let words = ["init", "--from-ssh-config", "-", "--hostname", "r.example.com"];
    let mut child = started(folder.path(), "ulimit -c unlimited 2>/dev/null || ulimit -c \"$(ulimit -H -c)\"", &words);
    let limits = || std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let core = || limits().lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default().to_owned();
    while core().split_whitespace().collect::<Vec<_>>()[4..6] != ["0", "0"] {
        assert!(Instant::now() < end, "{}", core());
        std::thread::sleep(Duration::from_millis(20));
    }
    send(&child, Signal::ABORT);
    let status = child.wait().unwrap();
    assert!(status.signal().is_some() && !status.core_dumped(), "{status}");
    assert!(crate::files(folder.path()).is_empty());
}
