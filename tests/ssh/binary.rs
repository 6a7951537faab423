//! The binary itself against real servers: a passphrase typed on a terminal, and what `~/.ssh/config` says.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rexpect::session::{PtySession, spawn_command};
use rustix::termios::{LocalModes, tcgetattr};

use crate::world::{Sshd, World, public, user};

pub const REST: &str = "engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
    rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";

/// `cowhand` in the world's folder, which is home as well; nothing of the surrounding is taken over but PATH.
pub fn cowhand(world: &World, words: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("cowhand"));
    command.args(words).current_dir(world.folder.path()).env_clear();
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", world.path("bin").display())).env("HOME", world.folder.path());
    command.env("TERM", "xterm").env("LANG", "C.UTF-8").env("NO_COLOR", "1");
    command
}

/// Echo goes off after the question stands; what is typed earlier would be shown by the terminal itself.
fn wait_for_no_echo(terminal: &PtySession) {
    let end = Instant::now() + Duration::from_secs(60);
    let terminal = terminal.process().get_file_handle().unwrap();
    while tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO) {
        assert!(Instant::now() < end, "echo stays on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_passphrase_typed_on_a_terminal_opens_every_node() {
    let world = World::new();
    let key = world.key("locked", &["-t", "ed25519", "-N", "canary-canary", "-a", "1"]);
    let servers: Vec<Sshd> = (0..3).map(|_| Sshd::start(&public(&key), "")).collect();
    servers.iter().for_each(|sshd| world.know(&sshd.known_line()));
    let node = |(n, sshd): (usize, &Sshd)| {
        format!("- {{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1, port: {}}}}}\n", sshd.port)
    };
    let nodes: String = servers.iter().enumerate().map(|(n, sshd)| node((n + 1, sshd))).collect();
    let [config, known] = ["config", "known_hosts"].map(|name| world.path(name).display().to_string());
    let ssh = format!(
        "ssh: {{user: {}, identity_file: {}, known_hosts: {known}, config: {config}}}\n",
        user(),
        key.display()
    );
    world.write("inventory.yml", &format!("name: prod\n{ssh}nodes:\n{nodes}{REST}"));

    let mut terminal = spawn_command(cowhand(&world, &["check", "--output", "plain"]), Some(120_000)).unwrap();
    terminal.exp_string("passphrase").unwrap();
    wait_for_no_echo(&terminal);
    terminal.send_line("canary-wrong").unwrap();
    terminal.exp_string("passphrase").unwrap();
    wait_for_no_echo(&terminal);
    terminal.send_line("canary-canary").unwrap();
    let shown = terminal.exp_eof().unwrap();
    // Three names for one machine are no cluster: `check` has seen all three and says so.
    assert!(shown.contains("machine-id") && shown.contains("n1, n2, n3"), "{shown}");
    assert!(!shown.contains("canary") && !shown.contains("passphrase"), "shown, or asked a third time: {shown}");
    for sshd in &servers {
        assert_eq!(sshd.logins(), 1, "{}", sshd.log());
    }
}

/// OpenSSH takes home from the user database; this one takes it from HOME, and is the real one for the rest. (So `~` in what
/// it expands itself, UserKnownHostsFile, would be somebody else's home.)
fn ssh_with_this_home(world: &World) {
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("ssh"))
        .find(|path| path.is_file());
    std::fs::create_dir(world.path("bin")).unwrap();
    let script =
        format!("#!/bin/sh\nexec '{}' -F \"$HOME/.ssh/config\" \"$@\"\n", real.expect("ssh is in PATH").display());
    let place = world.write("bin/ssh", &script);
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_ssh_config_at_home_says_where_as_whom_and_with_what() {
    let world = World::new();
    let servers = [world.unknown_sshd(""), world.unknown_sshd(""), world.unknown_sshd("")];
    for folder in [".ssh", ".ssh/conf.d"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    ssh_with_this_home(&world);
    let known: String = servers.iter().map(|sshd| sshd.known_line() + "\n").collect();
    world.write(".ssh/known_hosts", &known);
    std::fs::copy(&world.key, world.path(".ssh/for-nodes")).unwrap();
    // Ports come from an included file, the user and the files from a Match; the first value counts, so `Host *` is too late.
    let ports: String =
        servers.iter().enumerate().map(|(n, sshd)| format!("Host node{}\n  Port {}\n", n + 1, sshd.port)).collect();
    world.write(".ssh/conf.d/ports.conf", &ports);
    let config = format!(
        "Include {}/*.conf\nMatch originalhost node* exec \"true\"\n  HostName 127.0.0.1\n  User {}\n  IdentityFile ~/.ssh/for-nodes\n  IdentitiesOnly yes\n  \
         IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\nMatch originalhost node* exec \"false\"\n  ProxyJump nowhere\n\
         Host *\n  User nobody-of-that-name\n  Port 9\n",
        world.path(".ssh/conf.d").display(),
        user(),
        world.path(".ssh/known_hosts").display(),
    );
    world.write(".ssh/config", &config);
    let nodes: String = (1..4).map(|n| format!("- {{address: 10.0.0.{n}, ssh: {{host: node{n}}}}}\n")).collect();
    world.write("inventory.yml", &format!("name: prod\nnodes:\n{nodes}{REST}"));

    let output = cowhand(&world, &["check", "--output", "plain"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("machine-id") && said.contains("n1, n2, n3"), "{said}");
    for sshd in &servers {
        assert_eq!(sshd.logins(), 1, "{}", sshd.log());
    }
    // The same folder without what it says: nobody is reached.
    std::fs::remove_file(world.path(".ssh/conf.d/ports.conf")).unwrap();
    let output = cowhand(&world, &["check", "--output", "plain"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ctrl_c_at_a_host_keys_question_ends_every_command() {
    for words in [&["up"][..], &["down", "--yes", "prod"], &["recover-state"], &["check"]] {
        for output in ["bars", "plain"] {
            let world = World::new();
            let sshd = world.unknown_sshd("");
            let [config, known] = ["config", "known_hosts"].map(|name| world.path(name).display().to_string());
            let ssh = format!("{{user: {}, known_hosts: {known}, config: {config}}}", user());
            let node = |n| format!("- {{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1, port: {}}}}}\n", sshd.port);
            let node: String = (1..=3).map(node).collect();
            world.write("inventory.yml", &format!("name: prod\nssh: {ssh}\nnodes:\n{node}{REST}"));
            let words: Vec<&str> = words.iter().copied().chain(["--output", output]).collect();
            let mut terminal = spawn_command(cowhand(&world, &words), Some(60_000)).unwrap();
            terminal.exp_string("(yes/no)").unwrap();
            terminal.send_control('c').unwrap();
            let shown = terminal.exp_eof().unwrap();
            assert!(shown.contains("nothing was changed"), "{words:?}: {shown}");
            let ended = terminal.process().wait().unwrap();
            assert!(format!("{ended:?}").ends_with(", 130)"), "{words:?}: {ended:?}");
        }
    }
}
