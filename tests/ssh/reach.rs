//! Ways to a machine that are long, closed, or lead nowhere.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use cowhand::failure::Hint;
use cowhand::remote::{ConnectError, ConnectOptions, Remote, Stdin, Target, Words, connect_all};

use crate::world::{Sshd, World, connect, connect_with, free_port, user};

fn jump(sshd: &Sshd) -> String {
    format!("{}@127.0.0.1:{}", user(), sshd.port)
}

#[tokio::test(flavor = "multi_thread")]
async fn through_two_jump_hosts_each_connected_once() {
    let world = World::new();
    let (first, second) = (world.sshd(), world.sshd());
    let nodes: Vec<_> = (0..3).map(|_| world.sshd()).collect();
    let target = |sshd: &Sshd| Target { jump: Some(vec![jump(&first), jump(&second)]), ..world.target("n", sshd.port) };
    let targets: Vec<_> = nodes.iter().map(target).collect();
    for (_, result) in connect_all(&targets, ConnectOptions::default()).await {
        let connection = result.unwrap();
        assert_eq!(connection.text(&Words::new("echo").arg("there"), Stdin::Empty).await.unwrap(), "there\n");
    }
    assert_eq!((first.logins(), second.logins()), (1, 1));
    assert!(nodes.iter().all(|node| node.logins() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn jump_hosts_and_proxy_commands_of_the_configuration() {
    let world = World::new();
    let (first, node) = (world.sshd(), world.sshd());
    let usual = world.read("config");
    world.write("config", &format!("Host 127.0.0.1\n  ProxyJump {}\nHost *\n{usual}", jump(&first)));
    // The jump host has the same name: its own entry would lead through itself, for ever.
    for (program, word) in [("ssh", "jumphost loop"), ("/no/such/ssh", "form a loop")] {
        let options = ConnectOptions { ssh_program: program.into(), ..ConnectOptions::default() };
        let error = connect_with(world.target("n1", node.port), options).await.unwrap_err();
        assert!(chain(&error).last().unwrap().contains(word), "{:?}", chain(&error));
    }

    world.write("config", &format!("Host node\n  HostName 127.0.0.1\n  ProxyJump {}\nHost *\n{usual}", jump(&first)));
    let named = Target { host: "node".into(), ..world.target("n1", node.port) };
    connect(named.clone()).await.unwrap();
    assert_eq!(first.logins(), 1);
    // The inventory says: none.
    connect(Target { jump: Some(vec![]), ..named.clone() }).await.unwrap();
    assert_eq!(first.logins(), 1);

    world.write(
        "config",
        &format!("Host node\n  HostName 127.0.0.1\n  ProxyCommand socat - TCP:%h:%p\nHost *\n{usual}"),
    );
    connect(named.clone()).await.unwrap();
    world.write("config", &format!("Host node\n  HostName 127.0.0.1\n  ProxyCommand exit 1\nHost *\n{usual}"));
    let error = connect(named).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoBanner { .. }), "{error}");
}

fn chain(error: &ConnectError) -> Vec<String> {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push(error.to_string());
        cause = error.source();
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_fails_is_the_cause() {
    let world = World::new();
    let unknown = world.unknown_sshd("");
    let target = Target { jump: Some(vec![jump(&unknown)]), ..world.target("n1", 1) };
    let error = connect(target).await.unwrap_err();
    let said = chain(&error);
    assert_eq!(said[0], format!("n1 (127.0.0.1:1) cannot be reached through its jump host {}", jump(&unknown)));
    assert!(said[1].contains("is not known: ssh-ed25519 SHA256:"), "{said:?}");
    assert!(error.hint().unwrap().contains("--accept-new-host-keys"));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_jump_host_closed_and_forbidden_are_told_apart() {
    let world = World::new();
    let (open, closed) = (world.sshd(), world.unknown_sshd("AllowTcpForwarding no"));
    world.know(&closed.known_line());
    let through = |sshd: &Sshd| {
        let way = Some(vec![jump(sshd)]);
        Target { jump: way, connect_timeout: Some(Duration::from_secs(10)), ..world.target("n1", free_port()) }
    };
    let error = connect(through(&open)).await.unwrap_err();
    assert!(matches!(error, ConnectError::BeyondJump { forbidden: false, .. }), "{error}");
    let error = connect(through(&closed)).await.unwrap_err();
    assert!(matches!(error, ConnectError::BeyondJump { forbidden: true, .. }), "{error}");
    assert!(error.hint().unwrap().contains("AllowTcpForwarding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_and_an_unknown_name() {
    let world = World::new();
    let port = free_port();
    let target = Target { connect_timeout: Some(Duration::from_secs(1)), ..world.target("n1", port) };
    let error = connect(target.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("n1 (127.0.0.1:{port}) refuses connections: nothing listens there"));
    let error = connect(Target { host: "no.such.name.invalid".into(), ..target }).await.unwrap_err();
    assert!(matches!(error, ConnectError::Name { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_just_booting_is_waited_for() {
    let world = World::new();
    let sshd = world.sshd();
    let port = free_port();
    world.know(&sshd.known_line_at(port));
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", sshd.port)).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
    };
    let (result, ()) = tokio::join!(connect(world.target("n1", port)), late);
    result.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_silent_has_an_end() {
    let world = World::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let target = Target { connect_timeout: Some(Duration::from_secs(1)), ..world.target("n1", port) };
    let error = connect(target).await.unwrap_err();
    assert!(matches!(&error, ConnectError::NoBanner { reason, .. } if reason.contains("within 1 s")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_something_else() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&b"HTTP/1.1 400 Bad Request\r\n".repeat(60)).await.unwrap();
        }
    });
    let error = connect(world.target("n1", port)).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoBanner { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_without_anything_in_common() {
    let world = World::new();
    let sshd = world.unknown_sshd("Ciphers aes128-cbc");
    world.know(&sshd.known_line());
    let error = connect(world.target("n1", sshd.port)).await.unwrap_err();
    assert!(matches!(&error, ConnectError::KeyExchange { reason, .. } if reason.contains("aes128-cbc")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_a_guest_away_is_quoted() {
    use std::io::Write;
    let world = World::new();
    // As OpenSSH 9.8 and later do with PerSourcePenalties, and every one of it with MaxStartups (sshd.c, drop_connection).
    for (line, remedy) in [("Not allowed at this time", "PerSourcePenalties"), ("Exceeded MaxStartups", "MaxStartups")]
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for wire in listener.incoming() {
                // The guest may be gone already.
                let _ = wire.unwrap().write_all(format!("{line}\r\n").as_bytes());
            }
        });
        let error = connect(world.target("n1", port)).await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("does not greet as an SSH server: it says `{line}`")), "{error}");
        assert!(error.hint().unwrap().contains(remedy), "{:?}", error.hint());
    }
}
