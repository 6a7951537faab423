//! Who is let through at the other end: known, unknown, changed, revoked, certified.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use cowhand::failure::Hint;
use cowhand::remote::{ConnectError, ConnectOptions, HostKeyProblem, Target};

use crate::world::{Person, Sshd, World, asking, connect, connect_with, run, user};

fn accepting() -> ConnectOptions {
    ConnectOptions { accept_new_host_keys: true, ..ConnectOptions::default() }
}

async fn problem(target: Target) -> HostKeyProblem {
    match connect(target).await {
        Err(ConnectError::HostKey(problem)) => problem,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was let through"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_refused_with_its_fingerprint() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    let problem = problem(world.target("n1", sshd.port)).await;
    let text = problem.to_string();
    let place = format!("n1 (127.0.0.1:{})", sshd.port);
    assert_eq!(text, format!("the host key of {place} is not known: ssh-ed25519 {}", sshd.fingerprint()));
    assert!(problem.hint().unwrap().contains("--accept-new-host-keys"));
    assert_eq!(sshd.logins(), 0);
    assert!(!world.path("known_hosts").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_once_and_the_answer_remembered() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    let no = Person::with(&[]);
    let refused = connect_with(world.target("n1", sshd.port), asking(&no)).await;
    assert!(matches!(refused, Err(ConnectError::HostKey(HostKeyProblem::Unknown { .. }))));
    let yes = Person::who_takes_host_keys();
    connect_with(world.target("n1", sshd.port), asking(&yes)).await.unwrap();
    let asked = yes.asked_host_key.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, format!("n1 (127.0.0.1:{})", sshd.port));
    assert_eq!(asked[0].1.fingerprint, sshd.fingerprint());
    assert_eq!(world.read("known_hosts"), format!("{}\n", sshd.known_line()));
    connect(world.target("n1", sshd.port)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_appended_privately_and_ssh_itself_agrees() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    world.write("known_hosts", "# a file without an end of line");
    connect_with(world.target("n1", sshd.port), accepting()).await.unwrap();
    assert_eq!(world.read("known_hosts"), format!("# a file without an end of line\n{}\n", sshd.known_line()));
    fs::remove_file(world.path("known_hosts")).unwrap();

    world.write("config", &format!("{}HashKnownHosts yes\n", world.read("config")));
    connect_with(world.target("n1", sshd.port), accepting()).await.unwrap();
    let line = world.read("known_hosts");
    assert!(line.starts_with("|1|") && !line.contains("127.0.0.1"), "{line}");
    let mode = fs::metadata(world.path("known_hosts")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(ssh_takes(&world, sshd.port), "ssh does not find what we wrote: {line}");
    connect(world.target("n1", sshd.port)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_many_at_once_writes_each_line_once() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    let targets: Vec<_> = ["a", "b", "c"].map(|name| world.target(name, sshd.port)).into();
    for (name, result) in cowhand::remote::connect_all(&targets, accepting()).await {
        assert!(result.is_ok(), "{name}: {:?}", result.err());
    }
    assert_eq!(world.read("known_hosts"), format!("{}\n", sshd.known_line()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_refused_whatever_the_options() {
    let world = World::new();
    let (sshd, other) = (world.unknown_sshd(""), world.unknown_sshd(""));
    world.know("# somebody's comment");
    world.know(&other.known_line_at(sshd.port));
    world.write("config", &format!("{}StrictHostKeyChecking no\n", world.read("config")));
    let target = world.target("n2", sshd.port);
    let Err(ConnectError::HostKey(problem)) = connect_with(target, accepting()).await else { panic!() };
    let known = world.path("known_hosts");
    assert_eq!(
        problem.to_string(),
        format!(
            "the host key of n2 (127.0.0.1:{}) is not the one in {}, line 2; known {}, offered {}",
            sshd.port,
            known.display(),
            other.fingerprint(),
            sshd.fingerprint()
        )
    );
    let hint = problem.hint().unwrap();
    assert!(hint.contains(&format!("`ssh-keygen -R '[127.0.0.1]:{}' -f {}`", sshd.port, known.display())), "{hint}");
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_another_kind_known_is_a_change_too() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    let ecdsa = run("cat", &[&format!("{}.pub", world.key("e", &["-t", "ecdsa", "-N", ""]).display())]);
    world.know(&format!("[127.0.0.1]:{} {ecdsa}", sshd.port));
    let problem = problem(world.target("n1", sshd.port)).await;
    assert!(matches!(problem, HostKeyProblem::Changed { .. }), "{problem}");
    assert!(problem.to_string().contains("(ecdsa-sha2-nistp256), offered"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_keys_the_known_one_is_asked_for() {
    let world = World::new();
    for kind in [&["-t", "ecdsa"][..], &["-t", "rsa", "-b", "2048"]] {
        let key = world.key(kind[1], &[kind, &["-N", ""][..]].concat());
        let sshd = world.unknown_sshd(&format!("HostKey {}", key.display()));
        let line = crate::world::public(&key);
        world.know(&format!("[127.0.0.1]:{} {line}", sshd.port));
        connect(world.target("n1", sshd.port)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_even_if_it_is_known() {
    let world = World::new();
    let sshd = world.sshd();
    connect(world.target("n1", sshd.port)).await.unwrap();
    world.know(&format!("@revoked * {}", sshd.host_key()));
    let problem = problem(world.target("n1", sshd.port)).await;
    assert!(problem.to_string().contains("is marked as revoked in"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_known_for_the_host_without_its_port_counts() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    world.know(&format!("127.0.0.1 {}", sshd.host_key()));
    connect(world.target("n1", sshd.port)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_the_configuration_are_the_ones_looked_for() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    world.know(&format!("cluster-node {}", sshd.host_key()));
    let usual = world.read("config");
    let (port, user) = (sshd.port, user());
    world.write(
        "config",
        &format!("{usual}Host node\n HostName 127.0.0.1\n Port {port}\n User {user}\n HostKeyAlias cluster-node\n"),
    );
    let target = |program: &str| {
        let options = ConnectOptions { ssh_program: program.into(), ..ConnectOptions::default() };
        let target = Target { host: "node".into(), port: None, user: None, ..world.target("n1", 0) };
        connect_with(target, options)
    };
    target("ssh").await.unwrap();
    target("/no/such/ssh").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_ssh_program_half_a_configuration_is_refused() {
    let world = World::new();
    world.write("config", "Match host n1\n  User x\n");
    let options = ConnectOptions { ssh_program: "/no/such/ssh".into(), ..ConnectOptions::default() };
    let error = connect_with(world.target("n1", 1), options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Settings { .. }), "{error}");
    assert!(error.to_string().contains("config, line 1: `Match` is only understood"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_certificates_are_checked_whole() {
    let world = World::new();
    let authority = world.key("ca", &["-t", "ed25519", "-N", ""]);
    let certified = |principal: &str, validity: &str| {
        let key = world.key(&format!("h{principal}{}", validity.len()), &["-t", "ed25519", "-N", ""]);
        let ca = authority.to_str().unwrap();
        run(
            "ssh-keygen",
            &["-q", "-s", ca, "-I", "n1", "-h", "-n", principal, "-V", validity, &format!("{}.pub", key.display())],
        );
        world.unknown_sshd(&format!("HostKey {0}\nHostCertificate {0}-cert.pub", key.display()))
    };
    world.know(&format!("@cert-authority 127.0.0.*,[127.0.0.1]:* {}", crate::world::public(&authority)));

    let good = certified("127.0.0.1", "+1d");
    connect(world.target("n1", good.port)).await.unwrap();
    let other = certified("example.com", "+1d");
    let error = problem(world.target("n1", other.port)).await;
    assert!(error.to_string().contains("made out to example.com, not to 127.0.0.1"), "{error}");
    let old = certified("127.0.0.1", "20200101:20200102");
    let error = problem(world.target("n1", old.port)).await;
    assert!(matches!(error, HostKeyProblem::BadCertificate { .. }), "{error}");
    let bare = world.unknown_sshd("");
    let error = problem(world.target("n1", bare.port)).await;
    assert!(matches!(error, HostKeyProblem::NoCertificate { .. }), "{error}");
}

/// Our verdict and that of the real ssh, on the same file.
#[tokio::test(flavor = "multi_thread")]
async fn ssh_judges_the_same() {
    let world = World::new();
    let sshd = world.unknown_sshd("");
    let (key, port) = (sshd.host_key(), sshd.port);
    let other = Sshd::start("", "").host_key();
    let name = format!("[127.0.0.1]:{port}");
    let files = [
        String::new(),
        format!("{name} {key}"),
        format!("{name} {other}"),
        format!("{name} {other}\n{name} {key}"),
        format!("@revoked {name} {key}\n{name} {key}"),
        format!("@revoked {name} {other}\n{name} {key}"),
        format!("* {key}"),
        format!("[127.0.*]:* {key}"),
        format!("*,!{name} {key}"),
        format!("127.0.0.1 {key}"),
        format!("127.0.0.1 {other}"),
        format!("127.0.0.1 {key}\n{name} {other}"),
        format!("{name}\t{}", key.replace(' ', "\t")),
        format!("{name} ssh-ed25519 AAAArubbish\n{name} {key} with a comment"),
        format!("@cert-authority {name} {other}"),
    ];
    for file in files {
        world.write("known_hosts", &format!("{file}\n"));
        let ours = connect(world.target("n1", port)).await;
        assert_eq!(ours.is_ok(), ssh_takes(&world, port), "{file}\nours: {:?}", ours.err());
    }
}

fn ssh_takes(world: &World, port: u16) -> bool {
    let known = format!("UserKnownHostsFile={}", world.path("known_hosts").display());
    let options = [&known, "BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "UpdateHostKeys=no"];
    Command::new("ssh")
        .args(["-F", "/dev/null", "-p", &port.to_string(), "-i", world.key.to_str().unwrap()])
        .args(options.iter().flat_map(|option| ["-o", option]))
        .args(["127.0.0.1", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}
