//! Byte streams: TCP to a machine, a channel through a jump host, a proxy command.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::ConnectError;
use super::route::Route;

/// A stream of bytes both ways.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Connects to the first address that answers; the limit is for all of them together.
pub(super) async fn tcp(route: &Route, limit: Duration) -> Result<TcpStream, ConnectError> {
    let place = || route.place.clone();
    let timed_out = || ConnectError::TimedOut { place: place(), after: limit };
    let found = timeout(limit, tokio::net::lookup_host((route.host.as_str(), route.port))).await;
    let name = |reason: String| ConnectError::Name { place: place(), reason };
    let addresses: Vec<_> = match found {
        Err(_) => return Err(name(format!("no answer within {}", super::output::seconds(limit)))),
        Ok(Err(error)) => return Err(name(error.to_string())),
        Ok(Ok(addresses)) => addresses.collect(),
    };
    let share = limit / addresses.len().max(1) as u32;
    let mut last = name("it has no address".into());
    for address in addresses {
        last = match timeout(share, TcpStream::connect(address)).await {
            Err(_) => timed_out(),
            Ok(Err(error)) => refusal(error, place(), limit),
            Ok(Ok(stream)) => {
                // Without it small packets wait for one another; a stream that cannot have it still works.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
        };
    }
    Err(last)
}

fn refusal(error: io::Error, place: String, limit: Duration) -> ConnectError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused { place },
        io::ErrorKind::TimedOut => ConnectError::TimedOut { place, after: limit },
        _ => ConnectError::Unreachable { place, reason: error.to_string() },
    }
}

/// Starts the user's ProxyCommand; it ends when the stream is dropped.
pub(super) fn proxy(command: &str, place: &str) -> Result<Proxy, ConnectError> {
    let failed = |reason: String| ConnectError::ProxyCommand { place: place.to_string(), reason };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    match (child.stdout.take(), child.stdin.take()) {
        (Some(stdout), Some(stdin)) => Ok(Proxy { pipes: tokio::io::join(stdout, stdin), _child: child }),
        (_, _) => Err(failed("it has no stdin or stdout".into())),
    }
}

pub(super) struct Proxy {
    pipes: tokio::io::Join<ChildStdout, ChildStdin>,
    _child: Child,
}

/// The beginning of what the other side says, as far as it tells whether that is SSH.
#[derive(Clone, Default)]
pub(super) struct Beginning(Arc<Mutex<Vec<u8>>>);

/// More than a server's line before it closes; a greeting is at most 255 bytes (RFC 4253, 4.2).
const BEGINNING: usize = 255;

impl Beginning {
    fn hear(&self, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = BEGINNING.saturating_sub(heard.len());
        heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// `None` when nothing was said.
    pub fn said(&self) -> Option<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&heard).into_owned();
        (!heard.is_empty()).then_some(text)
    }
}

/// A stream that keeps the beginning of what the other side says.
pub(super) struct Heard<S> {
    inner: S,
    heard: Beginning,
}

impl<S> Heard<S> {
    pub fn new(inner: S) -> (Self, Beginning) {
        let heard = Beginning::default();
        (Heard { inner, heard: heard.clone() }, heard)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Some(new @ [_, ..]) = buf.filled().get(before..) {
            self.heard.hear(new);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncRead for Proxy {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_read(cx, buf)
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipes).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_shutdown(cx)
    }
}
