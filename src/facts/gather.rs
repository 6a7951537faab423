//! One look at all nodes: side by side, one round trip of commands each, over connections that are open already.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    ClockOffset, DockerApi, Fact, NodeFacts, NodeObservation, Observed, Outcome, Reached, Unseen, engine, parse,
};
use crate::failure::Hint;
use crate::inventory::Node;
use crate::remote::{ConnectError, Connection, Remote, RemoteError, Stdin, Words};

/// Nodes looked at at the same time.
const SIDE_BY_SIDE: usize = 16;

/// For the whole probe; the slow parts of the script have limits of their own well below it.
const PROBE_LIMIT: Duration = Duration::from_secs(40);

/// For Docker's answer, and for opening a channel.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Docker's answer to `/version` has less than 2 kB.
const LARGEST_ANSWER: usize = 64 * 1024;

const SCRIPT: &str = include_str!("probe.sh");

/// Looks at every node. `rancher` is Rancher's host name; `connections` are those of [`crate::remote::connect_all`], by
/// node name.
///
/// Never fails: a node that cannot be looked at is an observation too.
pub async fn gather(
    nodes: &[Node],
    rancher: &str,
    connections: &[(String, Result<Connection, ConnectError>)],
) -> Observed {
    let looks = nodes.iter().map(|node| async {
        let connection = connections.iter().find(|(name, _)| *name == node.name).map(|(_, connection)| connection);
        let outcome = match connection {
            Some(Ok(connection)) => {
                let span = tracing::info_span!("facts", node = %node.name);
                look(connection, node, rancher).instrument(span).await
            }
            Some(Err(error)) => Outcome::Unreachable { reason: chain(error), hint: error.hint() },
            None => Outcome::Unreachable { reason: format!("no connection to {} was made", node.name), hint: None },
        };
        NodeObservation { name: node.name.clone(), address: node.address.clone(), outcome }
    });
    let nodes = futures::stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await;
    Observed { nodes }
}

async fn look(connection: &Connection, node: &Node, rancher: &str) -> Outcome {
    let (probed, docker_through_ssh, tcp_forwarding) = tokio::join!(
        probe(connection, rancher, &node.docker_socket).instrument(tracing::debug_span!("probe")),
        docker_through(connection, &node.docker_socket).instrument(tracing::debug_span!("docker")),
        forwards_tcp(connection).instrument(tracing::debug_span!("tcp")),
    );
    match probed {
        Ok((facts, clock)) => Outcome::Reached(Box::new(Reached { facts, clock, docker_through_ssh, tcp_forwarding })),
        Err(error) => Outcome::Unreachable { reason: chain(&error), hint: error.hint() },
    }
}

/// The words that run the probe; the script itself comes on stdin, where a login shell does not meddle with it.
fn words(rancher: &str, docker_socket: &str) -> Words {
    Words::new("sh").args(["-s", "--", rancher, docker_socket]).within(PROBE_LIMIT)
}

/// Runs the probe on a machine and compares its clock with ours.
///
/// # Errors
/// When the script could not be run at all. One that was cut off is an answer, with facts missing.
pub async fn probe<R: Remote>(
    remote: &R,
    rancher: &str,
    docker_socket: &str,
) -> Result<(NodeFacts, Fact<ClockOffset>), RemoteError> {
    let words = words(rancher, docker_socket);
    let sent = now();
    let output = remote.text(&words, Stdin::Text(SCRIPT.to_owned())).await?;
    let received = now();
    let facts = parse(&output);
    let clock = facts.clock.clone().map(|clock| clock.offset(sent, received));
    Ok((facts, clock))
}

/// Seconds since 1970; a laptop before that is at zero, which the clock check will name.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

async fn docker_through(connection: &Connection, socket: &str) -> Fact<DockerApi> {
    let wire = connection.open_unix(socket).await.map_err(|error| Unseen(chain(&error)))?;
    match timeout(ANSWER_LIMIT, ask_docker(wire)).await {
        Ok(answer) => answer,
        Err(_) => {
            Err(Unseen(format!("{socket} opens, but Docker does not answer within {} s", ANSWER_LIMIT.as_secs())))
        }
    }
}

async fn forwards_tcp(connection: &Connection) -> Fact<()> {
    match connection.open_tcp("127.0.0.1", 22).await {
        Ok(_) => Ok(()),
        // that nothing listens on port 22 is sshd's own attempt to connect, so it does forward
        Err(RemoteError::NotOpened { reason, .. }) if !reason.contains("prohibited") => Ok(()),
        Err(error) => Err(Unseen(chain(&error))),
    }
}

/// `GET /_ping` and `GET /version`, as rke's Docker client begins.
async fn ask_docker<S: AsyncRead + AsyncWrite + Unpin + Send>(stream: S) -> Fact<DockerApi> {
    let silent = |error: hyper::Error| Unseen(format!("the socket opens, but does not speak HTTP: {error}"));
    let (mut sender, exchange) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(silent)?;
    let questions = async {
        let mut body = Vec::new();
        for path in ["/_ping", "/version"] {
            let request = Request::get(path).header("host", "docker").body(Empty::new());
            let request = request.map_err(|error| Unseen(error.to_string()))?;
            let answer = sender.send_request(request).await.map_err(silent)?;
            let status = answer.status();
            let read = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
            body = read.map_err(|error| Unseen(format!("Docker's answer broke off: {error}")))?.to_bytes().to_vec();
            if !status.is_success() {
                return Err(Unseen(format!("Docker answers {path} with {status}: {}", String::from_utf8_lossy(&body))));
            }
        }
        engine::version_answer(&body)
    };
    tokio::pin!(questions);
    tokio::select! {
        biased;
        answer = &mut questions => answer,
        // what came before the end may still be unread
        ended = exchange => questions.await.map_err(|unseen| match ended {
            Err(error) => silent(error),
            Ok(()) => unseen,
        }),
    }
}

/// An error and its causes in one line; a cause that its parent already quotes is not said twice.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::remote::scripted::Machine;
    use crate::remote::{Ended, Output};

    #[tokio::test]
    async fn the_probe_is_one_command_with_the_script_as_stdin() {
        let machine = Machine::new("n1").answer(|_, _| {
            let clock = now() + 100.0;
            let text = format!("==clock\nstart {clock:.6}\n==cpu\n8\n==clock\nend {clock:.6}\n==end\n");
            Some(Output::new(Ended::Code(0), text, ""))
        });
        let (facts, clock) = probe(&machine, "rancher.example.com", "/run/my docker.sock").await.unwrap();
        assert_eq!(facts.cpus, Ok(8));
        assert!((clock.unwrap().seconds - 100.0).abs() < 5.0);
        assert_eq!(machine.lines(), ["sh -s -- rancher.example.com '/run/my docker.sock'"]);
        assert_eq!(machine.sent()[0].stdin, SCRIPT.as_bytes());
    }

    #[tokio::test]
    async fn a_shell_that_cannot_run_it_is_an_error() {
        let machine = Machine::new("n1").answer(|_, _| Some(Output::new(Ended::Code(127), "", "sh: not found")));
        let error = probe(&machine, "x", "y").await.unwrap_err();
        assert!(chain(&error).contains("n1"), "{error}");
    }

    /// What a server on the other side of the socket says to the first request, then hangs up.
    async fn against(answers: &'static [&'static str]) -> Fact<DockerApi> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let server = tokio::spawn(async move {
            let mut buffer = [0; 1024];
            for answer in answers {
                let _ = theirs.read(&mut buffer).await;
                // a client that has heard enough may be gone
                let _ = theirs.write_all(answer.as_bytes()).await;
            }
        });
        let found = ask_docker(ours).await;
        server.await.unwrap();
        found
    }

    const PONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

    #[tokio::test]
    async fn docker_answers_through_a_stream() {
        let api = against(&[
            PONG,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{\"Version\":\"29.1.0\",\r\n2b\r\n\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}\r\n0\r\n\r\n",
        ])
        .await;
        let expected = DockerApi { version: "29.1.0".into(), api: "1.52".into(), minimum_api: "1.44".into() };
        assert_eq!(api, Ok(expected));
    }

    #[tokio::test]
    async fn a_socket_of_something_else_is_told_apart() {
        assert!(against(&["SSH-2.0-OpenSSH_9.2\r\n"]).await.unwrap_err().0.contains("does not speak HTTP"));
        assert!(against(&[PONG, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"]).await.is_err());
        let broken = against(&["HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops"]).await;
        assert!(broken.unwrap_err().0.contains("500"));
        assert!(against(&[]).await.is_err());
    }
}
