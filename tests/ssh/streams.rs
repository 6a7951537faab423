//! Streams that start on a node: TCP, Unix sockets, and a local port that leads to the first place that answers.

use cowhand::failure::Hint;
use cowhand::remote::{Door, Forward, RemoteError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::world::{World, connect, free_port};

/// Answers each connection with a name, then echoes.
async fn named_echo(listener: TcpListener, name: &'static str) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            stream.write_all(name.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

async fn listen(name: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(named_echo(listener, name));
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_and_unix_streams_carry_both_ways() {
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let port = listen("x").await;
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n / 7) as u8).collect();

    let stream = n1.open_tcp("127.0.0.1", port).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let send = async {
        write.write_all(&bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut got = Vec::new();
    let (_, result) = tokio::join!(send, read.read_to_end(&mut got));
    result.unwrap();
    assert!(got[..1] == *b"x" && got[1..] == bytes);

    let path = world.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"docker here").await.unwrap();
    });
    let mut text = String::new();
    n1.open_unix(path.to_str().unwrap()).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "docker here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_says_why() {
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let port = free_port();
    let Err(error) = n1.open_tcp("127.0.0.1", port).await else { panic!() };
    assert_eq!(error.to_string(), format!("n1 could not open 127.0.0.1:{port}: nothing answers there"));
    let Err(error) = n1.open_unix("/no/such/socket").await else { panic!() };
    assert!(matches!(error, RemoteError::NotOpened { .. }), "{error}");
    assert!(error.hint().unwrap().contains("AllowStreamLocalForwarding"), "{error}");

    let strict = world.unknown_sshd("AllowTcpForwarding no");
    world.know(&strict.known_line());
    let n2 = connect(world.target("n2", strict.port)).await.unwrap();
    let Err(error) = n2.open_tcp("127.0.0.1", strict.port).await else { panic!() };
    assert!(error.to_string().ends_with("administratively prohibited"), "{error}");
    assert!(error.hint().unwrap().contains("AllowTcpForwarding"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_leads_to_the_first_that_answers_and_is_gone_when_dropped() {
    let world = World::new();
    let (_first, n1) = world.connected().await;
    let (_second, n2) = world.connected().await;
    let port = listen("second").await;
    let door = |connection: &cowhand::remote::Connection, port| Door {
        connection: connection.clone(),
        host: "127.0.0.1".into(),
        port,
    };
    let forward = Forward::start(vec![door(&n1, free_port()), door(&n2, port)]).await.unwrap();
    let address = forward.address();
    assert!(address.ip().is_loopback());

    let mut held = TcpStream::connect(address).await.unwrap();
    let mut name = [0; 7];
    held.write_all(b"x").await.unwrap();
    held.read_exact(&mut name).await.unwrap();
    assert_eq!(&name, b"secondx");

    // A node that is gone is passed over.
    let other = listen("other").await;
    n1.disconnect().await;
    n1.closed().await;
    let over = Forward::start(vec![door(&n1, other), door(&n2, port)]).await.unwrap();
    let mut passed = TcpStream::connect(over.address()).await.unwrap();
    passed.write_all(b"x").await.unwrap();
    passed.read_exact(&mut name).await.unwrap();
    assert_eq!(&name, b"secondx");

    drop(forward);
    let ended = held.read(&mut name).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "what it carried has ended too: {ended:?}");
    for _ in 0..200 {
        if TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the port is still open");
}

/// Each used to cost a channel to a node, until sshd or our own file descriptors were used up.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_to_a_forward_reaches_no_node() {
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let reached = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = reached.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let door = Door { connection: n1, host: "127.0.0.1".into(), port };
    let forward = Forward::start(vec![door]).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(TcpStream::connect(forward.address()).await.unwrap());
    }
    let mut speaking = TcpStream::connect(forward.address()).await.unwrap();
    let mut echo = [0; 5];
    speaking.write_all(b"hello").await.unwrap();
    speaking.read_exact(&mut echo).await.unwrap();
    assert_eq!((&echo, reached.load(std::sync::atomic::Ordering::SeqCst)), (b"hello", 1));
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), idle[0].read(&mut echo)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "the oldest was shown out: {ended:?}");
}
