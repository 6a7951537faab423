//! The real program on loopback ports, and a small client to talk to it.
#![allow(dead_code, reason = "each test file uses a part")]

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const PASSWORD: &str = "a-password-that-must-not-be-logged";

pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

pub fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-rancher"));
    command.env_clear().args(["--http-listen-port=0", "--https-listen-port=0", "--add-local=true"]).args(args);
    command.env("LAB_RANCHER_BIND", "127.0.0.1").env("HOSTNAME", "rancher-0");
    command.env("LAB_RANCHER_SSL_DIR", "/nonexistent").env("CATTLE_BOOTSTRAP_PASSWORD", PASSWORD);
    command.envs(env.iter().copied()).stdout(Stdio::piped());
    command
}

impl Server {
    pub fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = command(args, env).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let entry = listening(&mut stdout);
        let address = |name: &str| entry[name].as_str().unwrap().parse().unwrap();
        Self { child, stdout, http: address("http"), https: address("https") }
    }

    /// Asks it to end; how it ended, how long that took and what it had written.
    pub fn stop(mut self) -> (ExitStatus, Duration, String) {
        let start = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let took = start.elapsed();
        let mut log = String::new();
        self.stdout.read_to_string(&mut log).unwrap();
        (status, took, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // ended already in most tests, and then there is nothing to kill
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line that says where it listens.
fn listening(stdout: &mut BufReader<ChildStdout>) -> Value {
    let mut lines = stdout.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    lines.find(|entry| entry["msg"] == "listening").expect("the server ended")
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(path).header("host", "rancher.test:8080");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::from(body.to_string())).unwrap()
}

pub fn get(path: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    request("GET", path, headers, "")
}

pub async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Response<String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

pub async fn plain(server: &Server, request: Request<Full<Bytes>>) -> Response<String> {
    send(TcpStream::connect(server.http).await.unwrap(), request).await
}

/// TLS that trusts only this CA, as a strict agent does.
pub async fn strict(server: &Server, ca: &str, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(cert.unwrap()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(server.https).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_string()).unwrap(), tcp).await
}

/// What an agent does first: fetch the CA.
pub async fn cacerts(server: &Server) -> String {
    plain(server, get("/cacerts", &[("x-forwarded-proto", "https")])).await.into_body()
}
