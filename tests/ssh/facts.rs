//! The look at the nodes, through a real sshd: the probe, Docker's socket, and a channel to loopback, in one connection.

use cowhand::facts::{Observed, Outcome, Reached, gather};
use cowhand::inventory::{Node, Roles, Ssh};
use cowhand::remote::{ConnectOptions, connect_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::world::{World, free_port, run};

fn node(name: &str, docker_socket: String) -> Node {
    Node {
        name: name.into(),
        address: "127.0.0.1".into(),
        internal_address: None,
        roles: Roles::ALL,
        ssh: Ssh::default(),
        labels: Default::default(),
        taints: vec![],
        docker_socket,
    }
}

/// Something that answers as Docker's API does, one connection after the other.
fn docker_at(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            let version = r#"{"Version":"26.1.5","ApiVersion":"1.45","MinAPIVersion":"1.24"}"#;
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                let ping = String::from_utf8_lossy(&buffer[..length]).starts_with("GET /_ping ");
                let body = if ping { "OK" } else { version };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
}

fn reached<'a>(observed: &'a Observed, name: &str) -> &'a Reached {
    match &observed.node(name).unwrap().outcome {
        Outcome::Reached(reached) => reached,
        Outcome::Unreachable { reason, .. } => panic!("{name}: {reason}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_at_nodes_good_and_bad() {
    let world = World::new();
    let open = world.sshd();
    let closed = world.unknown_sshd("AllowTcpForwarding no\nAllowStreamLocalForwarding no");
    world.know(&closed.known_line());
    let socket = world.path("docker.sock");
    docker_at(&socket);
    let socket = socket.display().to_string();
    let nodes =
        [node("n1", socket.clone()), node("n2", socket), node("n3", world.path("none.sock").display().to_string())];
    let targets = [world.target("n1", open.port), world.target("n2", closed.port), world.target("n3", free_port())];
    let connections = connect_all(&targets, ConnectOptions::default()).await;

    let observed = gather(&nodes, "localhost", &connections).await;
    let names: Vec<_> = observed.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);

    let n1 = reached(&observed, "n1");
    assert!(n1.facts.clock.is_ok());
    assert_eq!(n1.facts.kernel.as_deref(), Ok(run("uname", &["-r"]).trim()));
    assert_eq!(n1.docker_through_ssh.as_ref().unwrap().version, "26.1.5");
    assert_eq!(n1.tcp_forwarding, Ok(()));
    // the clock of this machine against itself, measured as anybody's is
    let clock = n1.clock.as_ref().unwrap();
    assert!(clock.seconds.abs() <= clock.uncertainty + 0.01, "{clock:?}");
    assert!(n1.facts.ssh_address.as_ref().unwrap().is_loopback());
    assert_eq!(open.logins(), 1);

    let n2 = reached(&observed, "n2");
    assert!(n2.facts.clock.is_ok());
    // for sockets sshd does not say that it is forbidden: it says that nothing could be opened
    assert!(n2.docker_through_ssh.as_ref().unwrap_err().0.contains("docker.sock"), "{:?}", n2.docker_through_ssh);
    assert!(n2.tcp_forwarding.as_ref().unwrap_err().0.contains("prohibited"), "{:?}", n2.tcp_forwarding);

    match &observed.node("n3").unwrap().outcome {
        Outcome::Unreachable { reason, hint } => assert!(reason.contains("refuses connections") && hint.is_some()),
        Outcome::Reached(_) => panic!("nobody listens there"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_not_there_is_told_apart_from_one_that_is_forbidden() {
    let world = World::new();
    let (_sshd, connection) = world.connected().await;
    let path = world.path("none.sock").display().to_string();
    let observed = gather(&[node("n1", path)], "localhost", &[("n1".into(), Ok(connection))]).await;
    let reason = &reached(&observed, "n1").docker_through_ssh.as_ref().unwrap_err().0;
    assert!(reason.contains("none.sock") && !reason.contains("does not speak"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_is_an_observation() {
    let world = World::new();
    let (sshd, connection) = world.connected().await;
    connection.disconnect().await;
    drop(sshd);
    let nodes = [node("n1", "/var/run/docker.sock".into()), node("n2", "/var/run/docker.sock".into())];
    let observed = gather(&nodes, "localhost", &[("n1".into(), Ok(connection))]).await;
    let reason = |name: &str| match &observed.node(name).unwrap().outcome {
        Outcome::Unreachable { reason, .. } => reason.clone(),
        Outcome::Reached(_) => panic!("{name} is gone"),
    };
    assert!(reason("n1").contains("n1"), "{}", reason("n1"));
    assert_eq!(reason("n2"), "no connection to n2 was made");
}
