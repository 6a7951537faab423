use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::Notify;

use super::*;

/// Writes down what it is asked; lets nothing pass whose path holds `no`, and what holds `later` once it is told.
#[derive(Default)]
struct Noting {
    said: Mutex<Vec<String>>,
    go: Notify,
    asked: Notify,
}

impl Noting {
    fn note(&self, line: String) {
        self.said.lock().unwrap().push(line);
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

impl Gate for Noting {
    fn before<'a>(&'a self, call: &'a DockerCall) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.note(format!("{} {}", call.method, call.path));
            self.asked.notify_one();
            if call.path.contains("later") {
                self.go.notified().await;
            }
            if call.path.contains("no") { Err("etcd on n1 is not back".into()) } else { Ok(()) }
        })
    }

    fn after(&self, call: &DockerCall, status: Option<u16>) {
        self.note(format!("{} {status:?}", call.path));
    }
}

struct Stage {
    gate: Arc<Noting>,
    rke: DuplexStream,
    docker: DuplexStream,
    ended: Arc<AtomicBool>,
}

fn stage() -> Stage {
    let gate = Arc::new(Noting::default());
    let ((rke, near), (far, docker)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
    let asked: Arc<dyn Gate> = gate.clone();
    let ended = Arc::new(AtomicBool::new(false));
    let over = ended.clone();
    tokio::spawn(async move {
        let _ = carry(near, Box::new(far), "10.0.0.1", &asked).await;
        over.store(true, Ordering::SeqCst);
    });
    Stage { gate, rke, docker, ended }
}

impl Stage {
    /// What reaches Docker, which has to be exactly this.
    async fn docker_gets(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        self.docker.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    async fn rke_gets(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        self.rke.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    async fn call(&mut self, text: &str, answer: &str) {
        self.rke.write_all(text.as_bytes()).await.unwrap();
        self.docker_gets(text).await;
        self.docker.write_all(answer.as_bytes()).await.unwrap();
        self.rke_gets(answer).await;
    }
}

const DONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn calls_follow_each_other_on_one_connection_with_bodies_of_every_kind() {
    let mut stage = stage();
    stage.call("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
    let body =
        "POST /v1.41/containers/create?name=etcd HTTP/1.1\r\nContent-Length: 27\r\n\r\nPOST /containers/no/restart";
    stage.call(body, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}").await;
    let chunks = "PUT /v1.41/containers/ab/archive HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                  1b\r\nPOST /containers/no/restart\r\n2;x=y\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\n";
    stage.call(chunks, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    stage.call("POST /v1.41/containers/etcd/restart?t=5 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", DONE).await;
    // A body in a call is none of its own.
    let calls: Vec<String> = stage.gate.said();
    assert_eq!(
        calls,
        [
            "GET /_ping",
            "/_ping Some(200)",
            "POST /containers/create",
            "/containers/create Some(201)",
            "PUT /containers/ab/archive",
            "/containers/ab/archive Some(200)",
            "POST /containers/etcd/restart",
            "/containers/etcd/restart Some(204)",
        ]
    );
}

#[tokio::test]
async fn an_answer_in_pieces_and_one_that_comes_after_a_hundred_are_told() {
    let mut stage = stage();
    stage.rke.write_all(b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").await.unwrap();
    stage.docker_gets("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").await;
    stage.docker.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    stage.rke_gets("HTTP/1.1 100 Continue\r\n\r\n").await;
    stage.rke.write_all(b"x").await.unwrap();
    stage.docker_gets("x").await;
    for piece in ["HTTP/1", ".1 30", "4 Not Modified\r\n\r\n"] {
        stage.docker.write_all(piece.as_bytes()).await.unwrap();
        stage.rke_gets(piece).await;
    }
    stage.call("POST /b HTTP/1.1\r\n\r\n", DONE).await;
    assert_eq!(stage.gate.said(), ["POST /a", "/a Some(304)", "POST /b", "/b Some(204)"]);
}

#[tokio::test]
async fn an_upgraded_connection_is_carried_as_it_is() {
    let mut stage = stage();
    let exec =
        "POST /v1.41/exec/ab/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}";
    stage.call(exec, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n").await;
    for text in ["\u{0}\u{1} no head\r\n", "POST /containers/no/stop HTTP/1.1\r\n\r\n"] {
        stage.rke.write_all(text.as_bytes()).await.unwrap();
        stage.docker_gets(text).await;
        stage.docker.write_all(text.as_bytes()).await.unwrap();
        stage.rke_gets(text).await;
    }
    assert_eq!(stage.gate.said().len(), 2);
}

#[tokio::test]
async fn behind_an_upgrade_that_docker_declines_no_call_slips_through() {
    let mut stage = stage();
    let exec = "POST /exec/ab/start HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
    stage.call(exec, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let _ = stage.rke.write_all(b"POST /containers/no/stop HTTP/1.1\r\n\r\n").await;
    let mut rest = Vec::new();
    stage.docker.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn what_may_not_pass_is_answered_in_dockers_form_and_docker_hears_nothing() {
    for call in [
        "POST /containers/no/restart HTTP/1.1\r\n\r\n",
        "POST /containers/%65tcd/stop HTTP/1.1\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        let mut stage = stage();
        stage.rke.write_all(call.as_bytes()).await.unwrap();
        let (mut said, mut heard) = (String::new(), Vec::new());
        stage.rke.read_to_string(&mut said).await.unwrap();
        stage.docker.read_to_end(&mut heard).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("\"message\""), "{said}");
        assert!(heard.is_empty(), "{call}");
        assert!(
            !stage.gate.said().iter().any(|line| line.contains("None") || line.contains("Some")),
            "it has not passed"
        );
    }
}

#[tokio::test]
async fn a_call_waits_at_the_gate_and_is_dropped_when_rke_gives_up() {
    let mut stage = stage();
    let call = "POST /containers/later/restart HTTP/1.1\r\n\r\n";
    stage.rke.write_all(call.as_bytes()).await.unwrap();
    stage.gate.asked.notified().await;
    stage.gate.go.notify_one();
    stage.docker_gets(call).await;
    stage.docker.write_all(DONE.as_bytes()).await.unwrap();
    stage.rke_gets(DONE).await;
    stage.rke.write_all(call.as_bytes()).await.unwrap();
    stage.gate.asked.notified().await;
    drop(stage.rke);
    let mut heard = Vec::new();
    stage.docker.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty());
    while !stage.ended.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        stage.gate.said(),
        ["POST /containers/later/restart", "/containers/later/restart Some(204)", "POST /containers/later/restart"]
    );
}

#[tokio::test]
async fn the_gate_hears_of_a_call_whose_answer_nobody_waited_for() {
    let mut stage = stage();
    let call = "POST /containers/etcd/restart HTTP/1.1\r\n\r\n";
    stage.rke.write_all(call.as_bytes()).await.unwrap();
    stage.docker_gets(call).await;
    drop(stage.rke);
    let mut rest = Vec::new();
    stage.docker.read_to_end(&mut rest).await.unwrap();
    assert_eq!(stage.gate.said(), ["POST /containers/etcd/restart", "/containers/etcd/restart None"]);
}
