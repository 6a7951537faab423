//! Many machines: the questions to ssh, the files that are open, the files that are read.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use cowhand::remote::{ConnectOptions, Target, connect_all, routes};

use crate::world::{Sshd, World, user};

/// An inventory of `count` nodes at one server, each with a name of its own for ssh.
fn inventory(world: &World, sshd: &Sshd, count: usize) {
    let mut nodes = String::new();
    for n in 1..=count {
        let roles = if n > 3 { ", roles: [worker]" } else { "" };
        writeln!(nodes, "- {{address: 10.0.0.{n}, ssh: {{host: lab-{n}}}{roles}}}").unwrap();
    }
    let all = format!("Host lab-*\n HostName 127.0.0.1\n HostKeyAlias lab\n Port {}\nHost *\n", sshd.port);
    world.write("config", &format!("{all}{}", world.read("config")));
    world.know(&format!("lab {}", sshd.host_key()));
    let [config, known] = ["config", "known_hosts"].map(|name| world.path(name).display().to_string());
    let ssh = format!(
        "{{user: {}, identity_file: {}, known_hosts: {known}, config: {config}, connect_timeout: 60s}}",
        user(),
        world.key.display()
    );
    let rest = "engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
                rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";
    world.write("inventory.yml", &format!("name: prod\nssh: {ssh}\nnodes:\n{nodes}{rest}"));
}

/// On how many nodes `ssh.reachable` passes, of a `cowhand check` under this limit of open files.
fn reached(world: &World, limit: &str) -> usize {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit {limit} && exec \"$0\" check --output json -i inventory.yml")])
        .arg(assert_cmd::cargo::cargo_bin("cowhand"))
        .current_dir(world.folder.path())
        .env("HOME", world.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let events = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let of_ssh = events.filter(|event| event["finding"]["check"] == "ssh.reachable");
    let (passed, failed): (Vec<_>, Vec<_>) = of_ssh.partition(|event| event["finding"]["verdict"] == "pass");
    if let Some(first) = failed.first() {
        println!("{} were not reached, the first: {first}", failed.len());
    }
    passed.len()
}

/// A hard limit cannot be raised: then everything has to do with it.
#[test]
fn sixty_machines_need_few_open_files() {
    let world = World::new();
    let sshd = world.unknown_sshd("ForceCommand true\nMaxStartups 200");
    inventory(&world, &sshd, 60);
    assert_eq!(reached(&world, "-n 128"), 60);
    assert_eq!(sshd.logins(), 60);
}

/// The soft limit is for programs that do not know better.
#[test]
fn a_soft_limit_is_raised() {
    let world = World::new();
    let sshd = world.unknown_sshd("ForceCommand true\nMaxStartups 200");
    inventory(&world, &sshd, 60);
    assert_eq!(reached(&world, "-Sn 40"), 60);
}

/// An `ssh` that writes down what it was asked, and when it began and ended.
fn counting_ssh(world: &World) -> std::path::PathBuf {
    let log = world.path("asked").display().to_string();
    let script = format!("#!/bin/sh\necho \"begin $*\" >>{log}\nssh \"$@\"\necho end >>{log}\n");
    let program = world.write("counting-ssh", &script);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_is_asked_each_question_once_and_a_few_at_a_time() {
    let world = World::new();
    let (bastion, node) = (world.sshd(), world.sshd());
    let way = vec![format!("{}@127.0.0.1:{}", user(), bastion.port)];
    let targets: Vec<Target> =
        (0..30).map(|n| Target { jump: Some(way.clone()), ..world.target(&format!("n{n}"), node.port) }).collect();
    let options = ConnectOptions { ssh_program: counting_ssh(&world), ..ConnectOptions::default() };
    for (name, answer) in connect_all(&targets, options).await {
        assert!(answer.is_ok(), "{name}: {:?}", answer.err());
    }
    // All nodes have the same address here: one question about it, one about the bastion.
    assert_eq!(world.read("asked").matches("begin").count(), 2, "{}", world.read("asked"));

    fs::remove_file(world.path("asked")).unwrap();
    let others: Vec<Target> = (0..30).map(|n| Target::new(format!("n{n}"), format!("n{n}.example.com"))).collect();
    let answers = routes(&others, world.path("counting-ssh")).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let (mut running, mut most) = (0, 0);
    for line in world.read("asked").lines() {
        running = if line.starts_with("begin") { running + 1 } else { running - 1 };
        most = most.max(running);
    }
    assert!((2..=4).contains(&most), "{most} at the same time");
}
