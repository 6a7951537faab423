//! What machines say: the probe's answer from a real capture with what is played set into it, and the scripts' answers in the
//! forms that the scripts themselves print. A command that nobody here knows breaks a law, so that the play cannot fall behind.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::UdpSocket;

use crate::world::{Book, Change, Machine, World};

const CAPTURE: &str = include_str!("../data/facts/debian-13.txt");
const PROBE: &str = include_str!("../../src/facts/probe.sh");
const SWEEP: &str = include_str!("../../src/engine/rke/sweep.sh");

pub struct Said {
    pub out: String,
    pub err: String,
    pub code: u32,
}

fn out(out: impl Into<String>) -> Said {
    Said { out: out.into(), err: String::new(), code: 0 }
}

pub fn answer(world: &World, node: usize, run: usize, line: &str, stdin: &[u8]) -> Said {
    let machine = world.machine(node);
    match line {
        _ if line.contains("systemctl is-system-running") => out("running\n"),
        _ if stdin == PROBE.as_bytes() => out(probe(&machine, node)),
        _ if stdin == SWEEP.as_bytes() => sweep(world, node, run, line, &machine),
        _ if line.contains("sh -s -- ") && [PROBE, SWEEP].iter().any(|one| one.as_bytes().starts_with(stdin)) => {
            cut_off()
        }
        _ if line.contains("full-cluster-state") => secret(&world.book(), node),
        _ if line.contains("etcdctl") => out(etcd(&world.book(), node)),
        _ if line.contains("/etc/kubernetes/ssl/kube-ca.pem") => out(standing(&machine)),
        _ if line.contains("/proc/net/tcp") => out(sockets(&machine)),
        _ if line.contains("getent") => out("10.0.0.11 STREAM\n10.0.0.12 STREAM\n10.0.0.13 STREAM\n"),
        _ => {
            world.broken(format!("the play has no answer to `{line}`"));
            Said { out: String::new(), err: "not played".into(), code: 127 }
        }
    }
}

/// The wire broke while the script was on its way. A shell has run no more than the definitions at its beginning: both scripts
/// act in their last lines.
fn cut_off() -> Said {
    Said { out: String::new(), err: "sh: syntax error: unexpected end of file\n".into(), code: 2 }
}

/// Sections of the capture, some of them replaced.
fn probe(machine: &Machine, node: usize) -> String {
    let number = node + 1;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let mut text = String::new();
    let mut clock = ["start", "end"].into_iter();
    for section in CAPTURE.split("==").skip(1) {
        let (name, body) = section.split_once('\n').unwrap_or((section, ""));
        let body = match name {
            "clock" => format!("{} {now:.6}\n", clock.next().unwrap_or("end")),
            "name" => format!("hostname n{number}\nmachine-id {number:032x}\n"),
            "addresses" | "ssh" => body.replace("10.0.0.11", &format!("10.0.0.1{number}")),
            "ports" => format!("{body}{}", ports(machine)),
            "leftovers" => leftovers(machine),
            "containers" => containers(machine),
            _ => body.to_owned(),
        };
        if name == "end"
            && let Some(ca) = &machine.ca
        {
            let _ = write!(text, "==ca\n{ca}");
        }
        let _ = write!(text, "=={name}\n{body}");
    }
    text
}

fn ports(machine: &Machine) -> String {
    let listens = [("etcd", 2379), ("etcd", 2380), ("kube-apiserver", 6443), ("kubelet", 10250)];
    let listens = listens.iter().filter(|(name, _)| machine.containers.contains(*name));
    listens.fold(String::new(), |text, (name, port)| {
        text + &format!(
            "tcp   LISTEN 0      4096               *:{port}            *:*    users:((\"{name}\",pid=1783,fd=3))\n"
        )
    })
}

fn leftovers(machine: &Machine) -> String {
    let full = |path: &str| match path {
        "/etc/kubernetes" => machine.ca.is_some(),
        "/var/lib/etcd" => machine.etcd_data,
        _ => machine.remains,
    };
    let paths = [
        "/etc/kubernetes",
        "/var/lib/etcd",
        "/opt/rke",
        "/var/lib/rancher",
        "/etc/cni/net.d",
        "/opt/cni",
        "/var/lib/cni",
    ];
    let lines = paths.map(|path| format!("{} {path}\n", if full(path) { "full" } else { "absent" }));
    lines.concat()
}

fn containers(machine: &Machine) -> String {
    let line = |name: &String| format!("{name}|Up 4 minutes|{name}|rancher/hyperkube:v1.32.2-rancher1\n");
    machine.containers.iter().map(line).collect()
}

fn standing(machine: &Machine) -> String {
    let names = machine.containers.iter().map(|name| format!("{:064x} {name}\n", name.len()));
    format!("{}{}end\n", machine.ca.clone().unwrap_or_default(), names.collect::<String>())
}

fn etcd(book: &Book, node: usize) -> String {
    let machine = &book.machines[node];
    let mut text = containers(machine);
    if !machine.containers.contains("etcd") {
        return text;
    }
    let beside = |(_, other): &(usize, &Machine)| other.ca == machine.ca && other.containers.contains("etcd");
    let members: Vec<usize> = book.machines.iter().enumerate().filter(beside).map(|(index, _)| index + 1).collect();
    let url = |number: &usize, port: u16| format!("https://10.0.0.1{number}:{port}");
    let listed = members.iter().map(|number| {
        json!({"ID": number, "name": format!("etcd-n{number}"), "peerURLs": [url(number, 2380)], "clientURLs": [url(number, 2379)]})
    });
    let health = members.iter().map(|number| json!({"endpoint": url(number, 2379), "health": true, "took": "5ms"}));
    let (listed, health) = (listed.collect::<Vec<_>>(), health.collect::<Vec<_>>());
    let _ = write!(text, "==members\n{}\n==health\n{}\n", json!({ "members": listed }), json!(health));
    text
}

fn sockets(machine: &Machine) -> String {
    let head = "  sl  local_address rem_address   st\n";
    let api = machine.containers.contains("kube-apiserver");
    format!("{head}{}", if api { "   0: 00000000:192B 00000000:0000 0A 0:0\n" } else { "" })
}

/// The state as the kubelet's kube config reads it from the API.
fn secret(book: &Book, node: usize) -> Said {
    let state = book.cluster_of(node).and_then(|cluster| cluster.state.clone());
    match state.filter(|_| book.machines[node].containers.contains("kubelet")) {
        Some(state) => out(base64(state.as_bytes())),
        None => {
            Said { out: String::new(), err: "Error response from daemon: No such container: kubelet\n".into(), code: 1 }
        }
    }
}

fn sweep(world: &World, node: usize, run: usize, line: &str, machine: &Machine) -> Said {
    let step = line.split(' ').skip_while(|word| *word != "--").filter(|word| *word != "--");
    match step.clone().find(|word| ["judge", "before", "after", "look"].contains(word)) {
        Some("judge") => out("== against\n"),
        Some("before") => out(""),
        Some("look") => out(format!("== left\n{}", left(machine))),
        Some("after") => {
            world.act(run, node, &Change::Sweep);
            out("== left\n")
        }
        _ => {
            world.broken(format!("the play has no answer to the sweep `{line}`"));
            out("")
        }
    }
}

fn left(machine: &Machine) -> String {
    let containers = machine.containers.iter().map(|name| format!("container {name}\n")).collect::<String>();
    let files = [(machine.ca.is_some(), "/etc/kubernetes"), (machine.etcd_data, "/var/lib/etcd")];
    let files = files.iter().filter(|(there, _)| *there).map(|(_, path)| format!("files in {path}\n"));
    containers + &files.collect::<String>()
}

/// One request of HTTP/1.1.
pub struct Request {
    pub method: String,
    pub path: String,
    pub body: String,
}

/// The next request on this stream; `None` at its end.
pub async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let header =
        |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:").map(|size| size.trim().to_owned());
    let length = head.lines().find_map(header).and_then(|size| size.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, path, body: String::from_utf8_lossy(&body).into_owned() })
}

pub fn response(code: u16, kind: &str, body: &str) -> String {
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&jiff::Timestamp::now()).unwrap();
    format!("HTTP/1.1 {code} x\r\ncontent-type: {kind}\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Answers every question for an address with those of the first three machines.
pub async fn resolve(socket: UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        let asked = &question[12..length];
        let end = asked.iter().position(|byte| *byte == 0).unwrap_or(0) + 5;
        let is_a = asked.get(end - 4..end - 2) == Some(&[0, 1]);
        let count = if is_a { 3 } else { 0 };
        let mut answer = [&question[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]].concat();
        answer.extend_from_slice(&asked[..end]);
        for number in 0..count {
            answer.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 11 + number]);
        }
        let _ = socket.send_to(&answer, from).await;
    }
}

pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0u32, |sum, index| sum << 8 | u32::from(*chunk.get(index).unwrap_or(&0)));
        for index in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * index) & 63) as usize];
            text.push(if index > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}
