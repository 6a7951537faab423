//! Keys: from files, encrypted ones, from an agent, certified ones; and what is said when none is taken.

use std::process::{Command, Stdio};
use std::sync::Arc;

use cowhand::failure::Hint;
use cowhand::remote::{ConnectError, Remote, Stdin, Target, Words, connect_all};

use crate::world::{Person, Process, Sshd, World, asking, connect, connect_with, eventually, public, run};

/// A server that lets only this key in, known to the world.
fn only(world: &World, key: &std::path::Path) -> Sshd {
    let sshd = Sshd::start(&public(key), "");
    world.know(&sshd.known_line());
    sshd
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_usual_kind() {
    let world = World::new();
    let kinds: [&[&str]; 6] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        &["-t", "ecdsa", "-b", "384", "-m", "PKCS8"],
    ];
    for (index, kind) in kinds.iter().enumerate() {
        let key = world.key(&format!("k{index}"), &[kind, &["-N", ""][..]].concat());
        let sshd = only(&world, &key);
        let target = Target { identity_file: Some(key), ..world.target("n1", sshd.port) };
        let result = connect(target).await;
        assert!(result.is_ok(), "{kind:?}: {:?}", result.err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_once_for_three_nodes() {
    let world = World::new();
    let key = world.key("locked", &["-t", "ed25519", "-N", "opensesame", "-a", "1"]);
    let servers: Vec<_> = (0..3).map(|_| only(&world, &key)).collect();
    let target = |sshd: &Sshd| Target { identity_file: Some(key.clone()), ..world.target("n", sshd.port) };
    let targets: Vec<_> = servers.iter().map(target).collect();
    let person = Person::with(&["wrong", "opensesame"]);
    for (_, result) in connect_all(&targets, asking(&person)).await {
        result.unwrap().text(&Words::new("true"), Stdin::Empty).await.unwrap();
    }
    assert_eq!(person.asked(), 2, "one wrong answer and one right one");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_a_key_that_the_server_does_not_want() {
    let world = World::new();
    let key = world.key("locked", &["-t", "ed25519", "-N", "opensesame", "-a", "1"]);
    let sshd = world.sshd();
    let person = Person::with(&["opensesame"]);
    let target = Target { identity_file: Some(key), ..world.target("n1", sshd.port) };
    let error = connect_with(target, asking(&person)).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoIdentity { .. }), "{error}");
    assert_eq!(person.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_passphrase_the_error_says_so() {
    let world = World::new();
    for (name, format) in [("new", "RFC4716"), ("old", "PKCS8")] {
        let key = world.key(name, &["-t", "ecdsa", "-N", "opensesame", "-a", "1", "-m", format]);
        let sshd = only(&world, &key);
        let target = Target { identity_file: Some(key.clone()), ..world.target("n1", sshd.port) };
        let error = connect(target.clone()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{}: it is encrypted, and no passphrase was given", key.display())), "{text}");
        assert!(error.hint().unwrap().contains("ssh-add"));
        let person = Person::with(&["opensesame"]);
        connect_with(target, asking(&person)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_named_with_what_the_server_takes() {
    let world = World::new();
    let sshd = world.sshd();
    let other = world.key("other", &["-t", "ed25519", "-N", ""]);
    let fingerprint = run("ssh-keygen", &["-lf", other.to_str().unwrap()]);
    let target = Target { identity_file: Some(other.clone()), ..world.target("n1", sshd.port) };
    let error = connect(target).await.unwrap_err();
    let expected =
        format!("{} {}: refused; it accepts publickey", other.display(), fingerprint.split(' ').nth(1).unwrap());
    assert!(error.to_string().ends_with(&expected), "{error}");
    let ConnectError::NoIdentity { accepts, .. } = &error else { panic!("{error}") };
    assert_eq!(accepts, &["publickey"]);
    assert!(error.hint().unwrap().contains("authorized_keys"));
    assert_eq!(sshd.log().matches("Connection from").count(), 1, "a refusal is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_bad_keys_are_said() {
    let world = World::new();
    let sshd = world.sshd();
    let none = Target { identity_file: None, ..world.target("n1", sshd.port) };
    let error = connect(none.clone()).await.unwrap_err();
    assert!(error.to_string().ends_with("there is no key to offer; it accepts publickey"), "{error}");
    let missing = Target { identity_file: Some(world.path("missing")), ..none.clone() };
    let error = connect(missing).await.unwrap_err();
    assert!(error.to_string().contains("missing: there is no such file"), "{error}");
    let rubbish = Target { identity_file: Some(world.write("rubbish", "rubbish")), ..none };
    let error = connect(rubbish).await.unwrap_err();
    assert!(error.to_string().contains("rubbish: it is not a private key that can be read"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_certificate_lets_in_with_every_kind_of_key() {
    let world = World::new();
    let authority = world.key("ca", &["-t", "ed25519", "-N", ""]);
    let trusted = format!("TrustedUserCAKeys {}.pub", authority.display());
    let sshd = Sshd::start("", &trusted);
    world.know(&sshd.known_line());
    for kind in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]] {
        let key = world.key(kind[1], &[kind, &["-N", ""][..]].concat());
        let sign = ["-q", "-s", authority.to_str().unwrap(), "-I", "me", "-n", &crate::world::user()];
        run("ssh-keygen", &[&sign[..], &[&format!("{}.pub", key.display())]].concat());
        let target = Target { identity_file: Some(key), ..world.target("n1", sshd.port) };
        let result = connect(target).await;
        assert!(result.is_ok(), "{kind:?}: {:?}", result.err());
    }
}

/// A real ssh-agent with these keys; the world's configuration points to it.
fn agent(world: &World, keys: &[&std::path::Path], more: &str) -> Process {
    let socket = world.path("agent");
    let socket = socket.to_str().unwrap();
    let quiet = || Stdio::null();
    let agent = Command::new("ssh-agent").args(["-D", "-a", socket]).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    let agent = Process(agent);
    eventually("the agent listens", || std::path::Path::new(socket).exists());
    for key in keys {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", socket).stdin(quiet());
        assert!(add.status().unwrap().success());
    }
    world.write("config", &format!("IdentityAgent {socket}\nGlobalKnownHostsFile /dev/null\n{more}"));
    agent
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_keys_of_every_kind() {
    let world = World::new();
    let keys: Vec<_> = [&["-t", "rsa", "-b", "2048"][..], &["-t", "ecdsa"], &["-t", "ed25519"]]
        .iter()
        .map(|kind| world.key(&format!("a{}", kind[1]), &[kind, &["-N", ""][..]].concat()))
        .collect();
    let paths: Vec<_> = keys.iter().map(|key| key.as_path()).collect();
    let _agent = agent(&world, &paths, "IdentityFile none\n");
    for key in &keys {
        let sshd = only(&world, key);
        let target = Target { identity_file: None, ..world.target("n1", sshd.port) };
        let result = connect(target).await;
        assert!(result.is_ok(), "{}: {:?}", key.display(), result.err());
    }
    let sshd = world.sshd();
    let error = connect(Target { identity_file: None, ..world.target("n1", sshd.port) }).await.unwrap_err();
    assert_eq!(error.to_string().matches("agent key test SHA256:").count(), 3, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_file_goes_first_and_by_the_agent_if_that_has_it() {
    let world = World::new();
    let many: Vec<_> = (0..7).map(|n| world.key(&format!("m{n}"), &["-t", "ed25519", "-N", ""])).collect();
    let chosen = world.key("chosen", &["-t", "ed25519", "-N", ""]);
    let mut held: Vec<_> = many.iter().map(|key| key.as_path()).collect();
    held.push(&chosen);
    let _agent = agent(&world, &held, "IdentityFile none\n");
    // The agent has it in the clear; the file is locked afterwards, and nobody is there to ask.
    run("ssh-keygen", &["-q", "-p", "-P", "", "-N", "opensesame", "-a", "1", "-f", chosen.to_str().unwrap()]);
    let sshd = only(&world, &chosen);
    let target = Target { identity_file: Some(chosen.clone()), ..world.target("n1", sshd.port) };
    connect(target.clone()).await.unwrap();

    // Without a choice the seven others are offered first, and sshd has enough after six.
    let error = connect(Target { identity_file: None, ..target }).await.unwrap_err();
    assert!(matches!(&error, ConnectError::NoIdentity { tried, .. } if tried.len() == 6), "{error}");

    // IdentitiesOnly leaves the others out.
    let config = world.read("config").replace("IdentityFile none", "");
    world.write("config", &format!("{config}IdentitiesOnly yes\nIdentityFile {}\n", chosen.display()));
    connect(Target { identity_file: None, ..world.target("n1", sshd.port) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_gone_is_a_line_in_the_error() {
    let world = World::new();
    let sshd = world.sshd();
    world.write("config", "IdentityAgent /no/such/agent\nIdentityFile none\n");
    connect(world.target("n1", sshd.port)).await.unwrap();
    let error = connect(Target { identity_file: None, ..world.target("n1", sshd.port) }).await.unwrap_err();
    assert!(error.to_string().contains("agent at /no/such/agent: No such file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_more_than_a_key_is_told() {
    let world = World::new();
    let sshd = world.unknown_sshd("AuthenticationMethods publickey,password\nPasswordAuthentication yes");
    world.know(&sshd.known_line());
    let person: Arc<Person> = Person::with(&[]);
    let error = connect_with(world.target("n1", sshd.port), asking(&person)).await.unwrap_err();
    assert!(error.to_string().contains("taken, but more is asked for"), "{error}");
    assert!(error.hint().unwrap().contains("wants password"), "{:?}", error.hint());
}
